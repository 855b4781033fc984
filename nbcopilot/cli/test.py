"""`nbcopilot test NOTEBOOK…`: run the test cells of notebooks with pytest, here or in CI.

The work is pytest_plugin's; this is its command line, its exit code and its summary.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbcopilot.batch.discover import discover
from nbcopilot.cli import screen
from nbcopilot.errors import NotebookNotFoundError, UsageError
from nbcopilot.project import require_own

if TYPE_CHECKING:
    from pytest import CollectReport, TestReport

PLUGIN = "nbcopilot.pytest_plugin"  # by name: pytest warns of a plugin that was imported before


def add_parser(commands: Any) -> None:
    """Add the command."""
    sub = commands.add_parser(
        "test",
        help="run the test cells of notebooks",
        description="Runs the test cells that %%testgen wrote, each after the cells that it needs. Exit code: 0 all "
        "passed, 1 a test failed or a cell could not run, 2 there is nothing to test.",
    )
    sub.add_argument("paths", nargs="+", metavar="NOTEBOOK[#cell]", help="notebooks, folders, or globs")
    sub.add_argument("-k", metavar="EXPRESSION", help="only tests whose names match, as pytest's -k")
    sub.add_argument("--junit", type=Path, metavar="FILE", help="write a JUnit XML report")
    sub.add_argument("--all-cells", action="store_true", help="also cells with tests that you wrote")
    sub.add_argument(
        "--cell-seconds", type=float, default=60.0, metavar="SECONDS", help="longest time of a test or cell"
    )
    sub.add_argument("--json", action="store_true", help="one JSON object as the last line of stdout")
    sub.add_argument("--pytest", default="", metavar="WORDS", help="more options for pytest, such as --pytest='-x -v'")


def run(args: argparse.Namespace) -> int:
    """Run pytest on the notebooks and translate its exit code. Raises NotebookNotFoundError and UsageError."""
    import pytest

    if args.cell_seconds < 0:
        raise UsageError(f"--cell-seconds is {args.cell_seconds:g}", hint="it takes 0 (no limit) or more")
    if args.junit:
        require_own(args.junit)
    nodes = _nodes(args.paths)
    os.environ.setdefault("MPLBACKEND", "Agg")  # a plot must not open a window
    words = ["-p", PLUGIN, "--continue-on-collection-errors", "-q", f"--cell-seconds={args.cell_seconds:g}"]
    words += ["--all-cells"] if args.all_cells else []
    words += ["-k", args.k] if args.k else []
    words += [f"--junit-xml={args.junit}"] if args.junit else []
    tally = Tally()
    screen.allow_colours()  # pytest's own
    code = int(pytest.main([*words, *shlex.split(args.pytest), *nodes], plugins=[tally]))
    if args.json:
        print(json.dumps({"notebooks": len({node.partition("::")[0] for node in nodes}), **tally.json()}), flush=True)
    if code == pytest.ExitCode.NO_TESTS_COLLECTED:
        how = "omit -k" if args.k else f"write some: nbcopilot testgen {args.paths[0]} --write"
        raise NotebookNotFoundError("no test cell to run", hint=f"{how}; --all-cells also takes tests that you wrote")
    return {pytest.ExitCode.INTERRUPTED: 130, pytest.ExitCode.USAGE_ERROR: 2}.get(pytest.ExitCode(code), min(code, 1))


def _nodes(paths: list[str]) -> list[str]:
    """pytest's names of what is to be run: a notebook, or `notebook::cellN` for `NOTEBOOK#N`."""
    found: dict[str, None] = {}
    for text in paths:
        path, mark, number = text.rpartition("#")
        if mark and number.isdigit() and not os.path.lexists(text):
            units, _ = discover([path])
            found.update({f"{unit.path}::cell{number}": None for unit in units})
        else:
            units, _ = discover([text])
            found.update({str(unit.path): None for unit in units})
    return list(found)


class Tally:
    """What became of the tests, as pytest reports it."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(("tests", "passed", "failed", "errors", "skipped"), 0)
        self.failures: list[dict[str, str]] = []
        self._started = time.monotonic()

    def json(self) -> dict[str, Any]:
        """The counts, the seconds, and each failure with its last line."""
        return {**self.counts, "seconds": round(time.monotonic() - self._started, 2), "failures": self.failures}

    def pytest_collectreport(self, report: CollectReport) -> None:
        """A cell that could not run is an error."""
        if report.failed:
            self.counts["errors"] += 1
            self.failures.append({"test": report.nodeid, "message": _short(report)})

    def pytest_runtest_logreport(self, report: TestReport) -> None:
        """A test counts by its call; a setup that fails or skips stands for it."""
        if report.when != "call" and report.passed:
            return
        key = "errors" if report.failed and report.when != "call" else report.outcome
        self.counts["tests"] += report.when != "teardown"
        self.counts[key] += 1
        if report.failed:
            self.failures.append({"test": report.nodeid, "message": _short(report)})


def _short(report: CollectReport | TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash is not None else str(report.longrepr)
    return text.strip().split("\n")[0][:300]
