"""What checking adds: seconds from a finished answer to its verdict, beyond the run of the code itself.

Every code cell of the demo notebooks is taken for an answer and checked as the pipeline does: syntax, names, imports, policy,
a replay of the cells it stands on in the sandbox, the run. The first check of a notebook starts the sandbox's child;
it is counted too. No model is needed. The last line is one JSON object.

    python benchmarks/checking.py [FOLDER]
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path

from nbcopilot.config import Config
from nbcopilot.judge import Judge
from nbcopilot.notebook.document import read
from nbcopilot.task import make_task
from nbcopilot.types import Candidate, Target

LIMIT_SECONDS = 2.0


def added_seconds(path: Path, config: Config) -> list[tuple[float, float, str]]:
    """(seconds added, seconds of the run, state) for every code cell of a notebook, in order."""
    notebook = read(path).snapshot()
    judge = Judge(config)
    found = []
    for position, cell in enumerate(notebook.cells):
        if cell.kind != "code" or not cell.source.strip() or cell.source.lstrip().startswith("%"):
            continue
        task = make_task("generate", config, "the next cell", Target(position=position - 1))
        candidate = Candidate(cell.source)
        started = time.perf_counter()
        _, verdict = judge.check(candidate, task, notebook)
        wall = time.perf_counter() - started
        run = float(verdict.evidence.get("seconds", 0.0))
        found.append((wall - run, run, str(verdict.checks.get("run", "not-run"))))
    return found


def main() -> int:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent / "demo_notebooks"
    config = Config()
    rows = [(path.name, added_seconds(path, config)) for path in sorted(folder.glob("*.ipynb"))]
    print(
        "| notebook | cells | median s added | longest | median s of the run | ran |\n| --- | --- | --- | --- | --- | --- |"
    )
    everything = []
    for name, found in rows:
        added = [a for a, _, _ in found]
        everything += found
        ran = sum(state == "passed" for _, _, state in found)
        print(
            f"| {name} | {len(found)} | {statistics.median(added):.2f} | {max(added):.2f} "
            f"| {statistics.median(r for _, r, _ in found):.2f} | {ran} |"
        )
    median = statistics.median(a for a, _, _ in everything)
    print(json.dumps({"bench": "checking", "cells": len(everything), "median_added_seconds": round(median, 3),
                      "longest_added_seconds": round(max(a for a, _, _ in everything), 3),
                      "ran": sum(s == "passed" for _, _, s in everything), "limit_seconds": LIMIT_SECONDS}))  # fmt: skip
    return 0 if median <= LIMIT_SECONDS else 1


if __name__ == "__main__":
    raise SystemExit(main())
