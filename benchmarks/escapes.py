"""How many attempts to get out of the sandbox are stopped, at each level that this machine has.

Runs tests/sandbox/test_escapes.py and counts what each attempt got, not what the test expects of it. Prints a table
and, as its last line, one JSON object; --out keeps it.

    python benchmarks/escapes.py [--out FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from nbcopilot.policy import LEVELS

TESTS = Path(__file__).parent.parent / "tests" / "sandbox" / "test_escapes.py"


def outcomes(folder: Path) -> list[dict[str, str]]:
    """{"attempt", "level", "escaped"} of every attempt at every level."""
    report = folder / "junit.xml"
    options = ["-q", "--no-header", "-k", "test_escape", "-o", "junit_family=xunit1", f"--junitxml={report}"]
    command = [sys.executable, "-m", "pytest", str(TESTS), *options]
    subprocess.run(command, stdout=sys.stderr, check=False)
    found = []
    for case in ElementTree.parse(report).iter("testcase"):
        noted = {str(p.get("name")): str(p.get("value")) for p in case.iter("property")}
        if "escaped" in noted:
            found.append(noted)
    return found


def main() -> int:
    """0 when everything is stopped at the best level."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = outcomes(Path(folder))
    levels = {}
    print("| level | attempts | stopped | got out |\n| --- | --- | --- | --- |")
    for level in LEVELS:
        tried = [row for row in rows if row["level"] == level]
        if not tried:
            continue
        got_out = [row["attempt"] for row in tried if row["escaped"] == "True"]
        levels[level] = {"attempts": len(tried), "stopped": len(tried) - len(got_out), "got_out": got_out}
        print(f"| {level} | {len(tried)} | {len(tried) - len(got_out)} | {', '.join(got_out)} |")
    user = "root" if os.geteuid() == 0 else "an ordinary user"
    line = json.dumps(
        {"bench": "escapes", "machine": f"{platform.system()} {platform.machine()}, run as {user}", "levels": levels}
    )
    if args.out:
        args.out.write_text(line + "\n", encoding="utf-8")
    print(line)
    best = next((name for name in reversed(LEVELS) if name in levels), "")
    return 0 if best and not levels[best]["got_out"] else 1


if __name__ == "__main__":
    sys.exit(main())
