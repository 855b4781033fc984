"""Seconds that a check adds beyond the run itself, on the code cells of notebooks as if each had just been generated.

Each code cell is a candidate; the cells above it that it depends on are its state, run again in the sandbox. Added time
is the wall time of the whole check less the seconds that the state and the cell itself took. The last line is JSON.

    python benchmarks/checking.py NOTEBOOK [NOTEBOOK ...] [--seconds 30] [--out FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from pathlib import Path

from nbcopilot.config import Config
from nbcopilot.notebook import dependencies, document
from nbcopilot.types import Candidate, Task
from nbcopilot.validate.check import check
from nbcopilot.validate.runner import Runner


def measure(path: Path, seconds: float) -> list[dict[str, object]]:
    """One row for each code cell: added seconds, seconds of the run, and the verdict."""
    notebook = document.read(path).snapshot()
    config = Config(check_seconds=seconds, check_total_seconds=4 * seconds)
    runner = Runner(config, data_dir=path.resolve().parent)
    rows: list[dict[str, object]] = []
    for position, cell in enumerate(notebook.cells):
        if cell.kind != "code" or not cell.source.strip():
            continue
        upstream = [c.source for c in dependencies.upstream(notebook, cell.source, position)]
        started = time.perf_counter()
        verdict = check(Candidate(cell.source), Task("generate"), notebook, config, upstream=upstream, runner=runner)
        whole = time.perf_counter() - started
        spent = float(verdict.evidence.get("seconds", 0.0)) + float(verdict.evidence.get("setup_seconds", 0.0))
        rows.append(
            {
                "cell": f"{path.name}#{position}",
                "added": round(whole - spent, 3),
                "run": round(spent, 3),
                "verdict": str(verdict.checks.get("run")),
                "why": str(verdict.evidence.get("not_run", "")),
            }
        )
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", type=Path, nargs="+")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rows = [row for path in options.notebooks for row in measure(path, options.seconds)]
    print("| cell | added s | run s | verdict |\n| --- | --- | --- | --- |")
    for row in rows:
        print(f"| {row['cell']} | {row['added']} | {row['run']} | {row['verdict']} {row['why']}")
    added = [float(str(row["added"])) for row in rows if row["verdict"] != "not-run"]
    result = {
        "bench": "checking",
        "cells": len(rows),
        "judged": len(added),
        "added_median": round(statistics.median(added), 3) if added else None,
        "added_p90": round(sorted(added)[int(0.9 * (len(added) - 1))], 3) if added else None,
        "limit": 2.0,
        "verdicts": {v: sum(row["verdict"] == v for row in rows) for v in ("passed", "failed", "not-run")},
        "conditions": {"cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1)},
    }
    if options.out:
        options.out.write_text(json.dumps({**result, "rows": rows}, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
