"""Many notebooks: failures stay where they are, Ctrl-C finishes the file in hand, --resume does nothing twice."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from nbcopilot.batch import tasks
from nbcopilot.batch.discover import Unit, discover
from nbcopilot.batch.journal import Journal
from nbcopilot.batch.runner import Outcome, run, uninterrupted
from nbcopilot.batch.texts import Options
from nbcopilot.engine.fake import FakeEngine
from nbcopilot.errors import EngineUnavailableError, NotebookInvalidError, OutOfMemoryError

sys.path.insert(0, str(Path(__file__).parent.parent / "write"))
from cell_builders import code, raw

BIG = "def f(x):\n    y = x + 1\n    return y"
OPTIONS = Options(created="2026-11-21T23:00:00Z")


def units(folder: Path, count: int = 4) -> list[Unit]:
    for i in range(count):
        (folder / f"n{i}.ipynb").write_bytes(raw(code(BIG.replace("f", f"f{i}"))))
    return discover([str(folder)])[0]


def here(found: list[Unit]) -> dict[Unit, Path]:
    return {unit: unit.path for unit in found}


def documenting(found: list[Unit], engine: FakeEngine | None = None) -> tasks.Work:
    shared = engine or FakeEngine()
    return tasks.documenting(tasks.LazyEngine(lambda: shared), OPTIONS, places=here(found))


@pytest.mark.parametrize("jobs", [1, 3])
def test_all_are_written_in_place(tmp_path: Path, jobs: int) -> None:
    found = units(tmp_path)
    report = run(found, documenting(found), places=here(found), jobs=jobs)
    assert report.json() | {"seconds": 0} == {
        "notebooks": 4, "ok": 4, "failed": [], "skipped": 0, "cells_written": 4, "seconds": 0
    }  # fmt: skip
    assert report.exit_code == 0
    assert all(b"nbcopilot" in unit.path.read_bytes() for unit in found)


def test_one_failure_stops_nobody(tmp_path: Path) -> None:
    found = units(tmp_path)
    found[1].path.write_text("not json")
    report = run(found, documenting(found), places=here(found))
    assert (report.count("ok"), len(report.failed), report.exit_code) == (3, 1, 1)
    assert found[1].path.read_text() == "not json"
    assert "is not JSON" in report.json()["failed"][0]["error"]


def failing(error: BaseException) -> Callable[[Unit, threading.Event], Outcome]:
    def work(unit: Unit, stop: threading.Event) -> Outcome:
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "exit_code", "worked_on"),
    [
        (NotebookInvalidError("bad", hint="x"), 2, 4),
        (OutOfMemoryError("full", hint="x"), 3, 4),
        (EngineUnavailableError("gone", hint="x"), 3, 2),
        (RuntimeError("a fault of ours"), 1, 4),
        (MemoryError(), 3, 4),
    ],
)
def test_every_error_is_an_outcome_and_a_dead_engine_ends_the_run(
    tmp_path: Path, error: BaseException, exit_code: int, worked_on: int
) -> None:
    found = units(tmp_path)
    report = run(found, failing(error), places=here(found))
    assert report.exit_code == exit_code
    assert len(report.outcomes) <= worked_on and all(o.error is not None for o in report.failed)


def test_a_notebook_that_changed_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    found = units(tmp_path, 1)
    inner = documenting(found)

    def slow(unit: Unit, stop: threading.Event) -> Outcome:
        outcome = inner(unit, stop)
        unit.path.write_bytes(raw(code("the user saved this")))
        return outcome

    report = run(found, slow, places=here(found))
    assert "nothing was overwritten" in str(report.failed[0].error)
    assert b"the user saved this" in found[0].path.read_bytes() and report.exit_code == 1


def test_the_engine_is_opened_once_and_only_when_it_is_needed(tmp_path: Path) -> None:
    opened: list[int] = []

    def open_engine() -> FakeEngine:
        opened.append(1)
        return FakeEngine()

    found = units(tmp_path)
    for _ in range(2):
        run(
            found,
            tasks.documenting(tasks.LazyEngine(open_engine), OPTIONS, places=here(found)),
            places=here(found),
            jobs=2,
        )
    assert opened == [1]


def test_output_goes_to_new_files_and_the_originals_stay(tmp_path: Path) -> None:
    found = units(tmp_path / "in" if (tmp_path / "in").mkdir() is None else tmp_path)
    before = [unit.path.read_bytes() for unit in found]
    places = {unit: tmp_path / "out" / unit.name for unit in found}
    engine = FakeEngine()
    work = tasks.documenting(tasks.LazyEngine(lambda: engine), OPTIONS, places=places)
    assert run(found, work, places=places).json()["cells_written"] == 4
    assert [unit.path.read_bytes() for unit in found] == before
    asked, written = len(engine.prompts), [place.stat().st_mtime_ns for place in places.values()]
    again = run(found, work, places=places)
    assert again.json()["ok"] == 4 and again.json()["cells_written"] == 0
    assert len(engine.prompts) == asked and [place.stat().st_mtime_ns for place in places.values()] == written


def test_what_the_user_edited_in_the_output_stays_when_the_source_changes(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    source = tmp_path / "in" / "n.ipynb"
    other = BIG.replace("f(", "g(")
    source.write_bytes(raw(code(BIG), code(other)))
    found, _ = discover([str(source)])
    places = {found[0]: tmp_path / "out.ipynb"}
    work = tasks.documenting(tasks.LazyEngine(FakeEngine), OPTIONS, places=places)
    run(found, work, places=places)
    text = places[found[0]].read_text()
    places[found[0]].write_text(text.replace("Defines `g`", "MINE"))
    assert "MINE" in places[found[0]].read_text()
    source.write_bytes(raw(code("class New:\n    a = 1\n    b = 2"), code(other)))
    run(found, work, places=places)
    assert "MINE" in places[found[0]].read_text() and "New" in places[found[0]].read_text()


# --------------------------------------------------------------------------- Ctrl-C


def test_interrupt_is_held_back_while_a_file_is_written() -> None:
    steps = []
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)
        steps.append("finished")
    assert steps == ["finished"]
    with uninterrupted():
        pass


def test_ctrl_c_stops_the_run_at_the_next_token_and_says_so(tmp_path: Path) -> None:
    found = units(tmp_path)
    before = [unit.path.read_bytes() for unit in found]
    slow = FakeEngine(tokens_per_second=20)
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    report = run(found, documenting(found, slow), places=here(found))
    timer.join()
    assert report.interrupted and report.exit_code == 130
    assert [unit.path.read_bytes() for unit in found[1:]] == before[1:]


# --------------------------------------------------------------------------- resume


def test_resume_does_nothing_twice_and_a_complete_run_leaves_no_journal(tmp_path: Path) -> None:
    found = units(tmp_path)
    found[2].path.write_text("not json")
    seen: list[str] = []
    inner = documenting(found)

    def watched(unit: Unit, stop: threading.Event) -> Outcome:
        seen.append(unit.name)
        return inner(unit, stop)

    journal = Journal.open(tmp_path, "options", resume=False)
    run(found, watched, places=here(found), journal=journal)
    assert journal.path.exists(), "a run with a failure can be resumed"
    found[2].path.write_bytes(raw(code(BIG)))
    seen.clear()
    journal = Journal.open(tmp_path, "options", resume=True)
    report = run(found, watched, places=here(found), journal=journal)
    assert seen == ["n2.ipynb"]
    assert (report.count("skipped"), report.count("ok")) == (3, 1)
    assert not (tmp_path / ".nbcopilot").exists()


def test_resume_works_again_on_what_changed_since(tmp_path: Path) -> None:
    path = tmp_path / "n.ipynb"
    path.write_bytes(b"result")
    journal = Journal.open(tmp_path, "o", resume=False)
    journal.done("n.ipynb", hashlib.sha256(b"source").hexdigest(), path)
    journal.close(complete=False)
    again = Journal.open(tmp_path, "o", resume=True)
    assert again.is_done("n.ipynb", path, path)
    path.write_bytes(b"edited")
    assert not again.is_done("n.ipynb", path, path)
    again.close(complete=False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "no run to resume"),
        ("", "other options"),
        ('{"schema": 1, "options": "else"}\n', "other options"),
        ('{"schema": 9}\n', "other options"),
    ],
)
def test_a_journal_that_does_not_fit_is_said_and_not_used(tmp_path: Path, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / ".nbcopilot").mkdir()
        (tmp_path / ".nbcopilot" / "journal.jsonl").write_text(text)
    journal = Journal.open(tmp_path, "o", resume=True)
    journal.close(complete=True)
    assert said in journal.problem and journal.entries == {}


def test_half_a_line_at_the_end_of_a_journal_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "n.ipynb"
    path.write_bytes(b"x")
    journal = Journal.open(tmp_path, "o", resume=False)
    journal.done("n.ipynb", "r", path)
    journal.close(complete=False)
    with journal.path.open("a") as out:
        out.write('{"name": "m.ip')
    again = Journal.open(tmp_path, "o", resume=True)
    again.close(complete=False)
    assert list(again.entries) == ["n.ipynb"]


def test_a_folder_that_takes_no_journal_is_said(tmp_path: Path) -> None:
    (tmp_path / ".nbcopilot").write_text("a file in the way")
    journal = Journal.open(tmp_path, "o", resume=False)
    assert "--resume will not work" in journal.problem
    journal.close(complete=True)
