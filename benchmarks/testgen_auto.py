"""How strong are recorded tests alone, without any model? On functions with known wrong variants.

For each item of a testgen file (docs: evals README): tests are made from the correct version alone, then run on it and
on every wrong variant, in the sandbox. Prints a table and, as its last line, one JSON object; --out keeps it.

    python benchmarks/testgen_auto.py --data testgen.jsonl [--limit N] [--cases 16] [--out FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from nbcopilot.execution import Job, Limits
from nbcopilot.sandbox.runner import Runner
from nbcopilot.testgen.compose import runner_lines
from nbcopilot.testgen.report import Budget
from nbcopilot.testgen.strengthen import strengthen


@dataclass(frozen=True)
class Row:
    """One function: variants caught, whether the tests pass on the correct version, and their evidence."""

    id: str
    caught: int
    variants: int
    valid: bool
    tests: int
    mutation: float | None
    lines: float | None
    branches: float | None
    seconds: float
    note: str


def measure(item: dict[str, object], runner: Runner, cases: int) -> Row:
    """Make tests for one item and try them on every version."""
    good, buggy = str(item["good"]), [str(b) for b in item["buggy"]]  # type: ignore[attr-defined]
    names = [str(n) for n in item["entry_points"]]  # type: ignore[attr-defined]
    report = strengthen(good, names, runner=runner, budget=Budget(cases=cases))
    runs = ()
    if report.source:
        codes = tuple(
            f"{version}\n\n\n{report.source}\n{runner_lines(report.tests) if report.tests else ''}"
            for version in (good, *buggy)
        )
        runs = runner.sandbox.run(Job(codes=codes, limits=Limits(seconds=5), preload=("pytest",)))
    valid = bool(runs) and runs[0].ok
    return Row(
        id=str(item["id"]),
        caught=sum(not run.ok for run in runs[1:]) if valid else 0,
        variants=len(buggy),
        valid=valid,
        tests=report.passed,
        mutation=report.mutation_score,
        lines=report.line_coverage,
        branches=report.branch_coverage,
        seconds=report.seconds,
        note=report.problem or "; ".join(report.notes),
    )


def summed(rows: list[Row]) -> dict[str, object]:
    """The figures of a set of rows; shares are of all functions, also of those without a test."""

    def mean(values: list[float | None]) -> float:
        return round(statistics.mean(value or 0.0 for value in values), 4)

    return {
        "functions": len(rows),
        "variants_caught": round(sum(r.caught for r in rows) / sum(r.variants for r in rows), 4),
        "variants": sum(r.variants for r in rows),
        "functions_with_a_useful_test": round(sum(r.caught > 0 for r in rows) / len(rows), 4),
        "offered_tests_that_pass_on_the_correct_code": round(
            sum(r.valid for r in rows if r.tests) / max(1, sum(bool(r.tests) for r in rows)), 4
        ),
        "mutation_score": mean([r.mutation for r in rows]),
        "line_coverage": mean([r.lines for r in rows]),
        "branch_coverage": mean([r.branches for r in rows]),
        "seconds_median": round(statistics.median(r.seconds for r in rows), 2),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=0)
    parser.add_argument("--cases", type=int, default=16)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    items = [json.loads(line) for line in options.data.read_text(encoding="utf-8").splitlines()]
    items = items[: options.limit] if options.limit else items
    runner = Runner()
    started = time.monotonic()
    rows = []
    print("| function | caught | tests | mutants | lines | s |\n| --- | --- | --- | --- | --- | --- |")
    for item in items:
        row = measure(item, runner, options.cases)
        rows.append(row)
        shown = ["-" if value is None else f"{value:.0%}" for value in (row.mutation, row.lines)]
        print(
            f"| {row.id} | {row.caught}/{row.variants} | {row.tests} | {shown[0]} | {shown[1]} | {row.seconds:.1f} | {row.note}",
            flush=True,
        )
    suites = sorted({row.id.split("/")[0] for row in rows})
    result = {
        "bench": "testgen_auto",
        **summed(rows),
        "by_suite": {suite: summed([r for r in rows if r.id.startswith(suite + "/")]) for suite in suites},
        "conditions": {
            "model": "none: recorded behaviour alone", "cases_per_function": options.cases, "sandbox": runner.sandbox.level,
            "python": platform.python_version(), "cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1),
            "minutes": round((time.monotonic() - started) / 60, 1),
        },
    }  # fmt: skip
    if options.out:
        options.out.write_text(
            json.dumps({**result, "rows": [asdict(r) for r in rows]}, indent=1) + "\n", encoding="utf-8"
        )
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
