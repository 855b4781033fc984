"""Warm start: a magic in a new process to its first token, the first time and the second time.

Every run is a fresh Python process with an IPython shell that loads the extension and runs the same `%%generate`
cell. The first one starts the resident engine; the second finds it with the prompt's prefix in its cache. The clock
starts before the process does and stops when the first token reaches the cell's output. The last line is one JSON object.

    python benchmarks/first_token.py [--model qwen2.5-coder-0.5b] [--runs 5]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

CELL = """
import time
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell()
shell.history_manager.enabled = False
shell.run_line_magic("load_ext", "nbcopilot")
from nbcopilot.magics import display
token = display.Stream.token
def timed(self, text):
    if not seen:
        seen.append(time.time())
    return token(self, text)
seen = []
display.Stream.token = timed
shell.run_cell("import math\\nradius = 2.0")
shell.run_cell_magic("generate", "--max-tokens 24", "the area of a circle of this radius")
print()
print("first token at", seen[0])
"""


def first_token_seconds(model: str, runtime: str) -> float:
    """Seconds from the start of a new process to the first token in its cell."""
    env = {**os.environ, "NBCOPILOT_MODEL": model, "NBCOPILOT_RUNTIME_DIR": runtime}
    started = time.time()
    done = subprocess.run([sys.executable, "-c", CELL], capture_output=True, text=True, env=env, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return float(done.stdout.split("first token at")[-1]) - started


def bare_seconds() -> float:
    """Seconds of a new process that imports IPython's shell and nothing of ours: what is not ours in the numbers."""
    started = time.time()
    subprocess.run(
        [sys.executable, "-c", "from IPython.core.interactiveshell import InteractiveShell as S; S()"], check=True
    )
    return time.time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="qwen2.5-coder-0.5b")
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as runtime:
        os.chmod(runtime, 0o700)
        try:
            first = first_token_seconds(args.model, runtime)
            again = [first_token_seconds(args.model, runtime) for _ in range(args.runs)]
        finally:
            env = {**os.environ, "NBCOPILOT_RUNTIME_DIR": runtime}
            subprocess.run([sys.executable, "-m", "nbcopilot", "stop"], env=env, capture_output=True, check=False)
    bare = statistics.median(bare_seconds() for _ in range(args.runs))
    second, rest = again[0], statistics.median(again)
    print(f"{args.model}, seconds from the start of the process to the first token:\n")
    print(
        f"| first time (engine starts) | second time | median of {args.runs} | a bare IPython shell alone |\n| --- | --- | --- | --- |"
    )
    print(f"| {first:.2f} | {second:.2f} | {rest:.2f} | {bare:.2f} |")
    print(json.dumps({"bench": "first_token", "model": args.model, "first": round(first, 3), "second": round(second, 3),
                      "median": round(rest, 3), "bare_shell": round(bare, 3), "runs": args.runs}))  # fmt: skip


if __name__ == "__main__":
    main()
