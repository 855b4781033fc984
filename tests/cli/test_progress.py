"""How a batch run looks as it goes on: a live view on a terminal, lines elsewhere."""

from __future__ import annotations

import argparse
import io
import re
import sys

import pytest

from nbcopilot.batch.job import Outcome, Unit
from nbcopilot.cli.progress import WORKERS_SHOWN, Progress
from nbcopilot.errors import NotebookInvalidError
from nbcopilot.inference import Usage


class Terminal(io.StringIO):
    """A terminal that keeps what is written to it."""

    def isatty(self) -> bool:
        return True


def outcome(number: int, worker: str, **more: object) -> Outcome:
    unit = Unit(f"in/n{number}.ipynb", f"n{number}.ipynb")
    values: dict[str, object] = {"cells_written": 2, "usage": Usage(100, 50), "seconds": 2.0, "worker": worker, **more}
    return Outcome(unit, **values)  # type: ignore[arg-type]


ARGS = argparse.Namespace(command="document", dry_run=False)


def test_a_terminal_shows_pace_failures_and_every_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")
    count = WORKERS_SHOWN + 3
    with Progress(2 * count, ARGS) as progress:
        for number in range(count):
            progress.done(outcome(number, f"w{number}"))
        progress.done(
            outcome(99, "w0", state="failed", error=NotebookInvalidError("in/n99.ipynb is bad", hint="mend it"))
        )
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())
    last = text[text.rindex("notebooks/min") - 120 :]
    assert f"{count + 1}/{2 * count}" in last and "1 failed" in last and "tokens/s" in last
    assert re.search(r"w1 +1 +25\.0", last), "50 tokens in 2 s"
    assert "and 3 more workers" in last and "in/n99.ipynb: is bad. Mend it" in text


def test_elsewhere_there_is_a_line_for_each_with_the_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(100, ARGS) as progress:
        progress._started -= 10
        progress.done(outcome(0, "w0"))
        progress.say("a worker was lost")
    err = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"1/100 in/n0.ipynb: 2 cells written \(99\d s left\)", err[0])
    assert err[1] == "nbcopilot: a worker was lost"


@pytest.mark.parametrize("verbose", [False, True])
def test_what_an_earlier_run_did_is_one_line_unless_each_is_asked_for(
    verbose: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {"state": "skipped", "notes": ("done before",), "cells_written": 0}
    with Progress(6, argparse.Namespace(command="document", dry_run=False, verbose=verbose)) as progress:
        for number in range(4):
            progress.done(outcome(number, "", **before))
        progress.done(outcome(4, "w0"))
        progress.done(outcome(5, "", **before))
    err = capsys.readouterr().err.splitlines()
    if verbose:
        assert err[0] == "1/6 in/n0.ipynb: done before" and len(err) == 6
    else:
        assert err == ["4/6 4 done before", "5/6 in/n4.ipynb: 2 cells written", "6/6 1 done before"]
