"""What is installed beside nbcopilot, for a release: sbom.cdx.json (CycloneDX 1.6) and licences.md.

    python scripts/sbom.py --output dist

Reads the metadata of this very environment: nbcopilot, what it needs, and what those need. Asks nobody.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import uuid
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = "nbcopilot"
EXTRAS = ("demo", "test", "browser", "batch")
# Trove classifiers are long; a list is read by people.
PREFIX = "License :: OSI Approved :: "


def main() -> int:
    """Write both files; 1 when a package that is needed is not installed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("dist"))
    args = parser.parse_args()
    found, needs = reached(ROOT)
    args.output.mkdir(parents=True, exist_ok=True)
    bom = cyclonedx(found, needs)
    (args.output / "sbom.cdx.json").write_text(json.dumps(bom, indent=1) + "\n", encoding="utf-8")
    (args.output / "licences.md").write_text(licences(found), encoding="utf-8")
    print(f"{len(found)} packages in {args.output}/sbom.cdx.json and {args.output}/licences.md")
    missing = sorted({name for names in needs.values() for name in names} - set(found))
    for name in missing:
        print(f"{name} is needed and not installed", file=sys.stderr)
    return 1 if missing else 0


def reached(root: str) -> tuple[dict[str, metadata.Distribution], dict[str, set[str]]]:
    """(installed distributions by normalised name, what each needs here), from `root` with our extras on."""
    found: dict[str, metadata.Distribution] = {}
    needs: dict[str, set[str]] = {}
    waiting = [(root, frozenset(EXTRAS))]
    seen = set()
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            found[name] = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        for line in found[name].requires or []:
            needed = Requirement(line)
            marker = needed.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in (*extras, "")):
                other = canonicalize_name(needed.name)
                needs.setdefault(name, set()).add(other)
                waiting.append((other, frozenset(needed.extras)))
    return found, needs


def cyclonedx(found: dict[str, metadata.Distribution], needs: dict[str, set[str]]) -> dict[str, Any]:
    """A CycloneDX 1.6 document: components with purl and licence, and the graph of who needs whom."""
    components = [_component(name, found[name]) for name in sorted(found)]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid4()}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "component": _component(ROOT, found[ROOT]) | {"type": "application"},
        },
        "components": [component for component in components if component["name"] != ROOT],
        "dependencies": [
            {"ref": _ref(name, found), "dependsOn": [_ref(n, found) for n in sorted(needs.get(name, ())) if n in found]}
            for name in sorted(found)
        ],
    }


def _component(name: str, distribution: metadata.Distribution) -> dict[str, Any]:
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": _purl(name, distribution),
        "name": name,
        "version": distribution.version,
        "purl": _purl(name, distribution),
    }
    told, expression = licence(distribution)
    if told:
        component["licenses"] = [{"expression": told} if expression else {"license": {"name": told}}]
    return component


def _ref(name: str, found: dict[str, metadata.Distribution]) -> str:
    return _purl(name, found[name])


def _purl(name: str, distribution: metadata.Distribution) -> str:
    return f"pkg:pypi/{name}@{distribution.version.replace('+', '%2B')}"


def licence(distribution: metadata.Distribution) -> tuple[str, bool]:
    """(the licence as the package says it, whether that is an SPDX expression); "" where it says nothing."""
    about = distribution.metadata
    if expression := about.get("License-Expression"):
        return str(expression), True
    classified = [line.removeprefix(PREFIX) for line in about.get_all("Classifier") or [] if line.startswith(PREFIX)]
    if classified:
        return "; ".join(classified), False
    text = str(about.get("License") or "").strip().splitlines()
    return (re.sub(r"\s+", " ", text[0])[:80] if text else ""), False


def licences(found: dict[str, metadata.Distribution]) -> str:
    """A markdown table: package, version, licence."""
    rows = [f"| {name} | {found[name].version} | {licence(found[name])[0] or 'not said'} |" for name in sorted(found)]
    head = "# Licences of the packages that nbcopilot is installed with\n\n| Package | Version | Licence |\n| --- | --- | --- |\n"
    return head + "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.exit(main())
