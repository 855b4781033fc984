"""Many notebooks: failures stay where they are, Ctrl-C finishes the file in hand, --resume does nothing twice."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from nbcopilot.batch import stores
from nbcopilot.batch.discover import discover
from nbcopilot.batch.executors import Threads
from nbcopilot.batch.job import Item, Job, Outcome, Unit
from nbcopilot.batch.journal import Journal
from nbcopilot.batch.report import Report
from nbcopilot.batch.runner import Run
from nbcopilot.batch.signals import exit_code, terminable, uninterrupted
from nbcopilot.batch.tasks import PART_GROUPS, LazyEngine
from nbcopilot.batch.texts import Options
from nbcopilot.batch.worker import Perform, on_engine
from nbcopilot.engine.fake import FakeEngine
from nbcopilot.engine.protocol import Engine
from nbcopilot.errors import EngineUnavailableError, NotebookInvalidError, OutOfMemoryError
from nbcopilot.inference import ModelInfo

sys.path.insert(0, str(Path(__file__).parent.parent / "write"))
from cell_builders import code, raw

BIG = "def f(x):\n    y = x + 1\n    return y"
JOB = Job("document", options=Options(created="2026-11-21T23:00:00Z"))


def units(folder: Path, count: int = 4) -> list[Unit]:
    folder.mkdir(exist_ok=True)
    for i in range(count):
        (folder / f"n{i}.ipynb").write_bytes(raw(code(BIG.replace("f", f"f{i}"))))
    return discover([str(folder)])[0]


def bytes_of(unit: Unit) -> bytes:
    return Path(unit.path).read_bytes()


def here(found: Sequence[Unit]) -> dict[Unit, str]:
    return {unit: unit.path for unit in found}


def documenting(engine: Engine | None = None) -> Perform:
    shared = engine or FakeEngine()
    return on_engine(LazyEngine(lambda: shared))


def run(
    found: Sequence[Unit],
    perform: Perform,
    *,
    places: dict[Unit, str] | None = None,
    journal: Journal | None = None,
    jobs: int = 1,
) -> Report:
    """One run, in place unless `places` says otherwise."""
    journal = journal or Journal()
    report = Run(JOB, found, Threads(perform, jobs), journal, places or here(found)).run()
    journal.close(complete=report.complete)
    return report


@pytest.mark.parametrize("jobs", [1, 3])
def test_all_are_written_in_place(tmp_path: Path, jobs: int) -> None:
    found = units(tmp_path)
    report = run(found, documenting(), jobs=jobs)
    assert report.json() | {"seconds": 0} == {
        "notebooks": 4, "ok": 4, "failed": [], "skipped": 0, "cells_written": 4, "seconds": 0
    }  # fmt: skip
    assert report.exit_code == 0 and report.complete
    assert all(b"nbcopilot" in bytes_of(unit) for unit in found)


def test_one_failure_stops_nobody(tmp_path: Path) -> None:
    found = units(tmp_path)
    Path(found[1].path).write_text("not json")
    report = run(found, documenting())
    assert (report.count("ok"), len(report.failed), report.exit_code) == (3, 1, 1)
    assert bytes_of(found[1]) == b"not json"
    assert "is not JSON" in report.json()["failed"][0]["error"]


def failing(error: BaseException) -> Perform:
    def perform(job: Job, item: Item, stop: threading.Event) -> Outcome:
        raise error

    return perform


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
    report = run(found, failing(error))
    assert report.exit_code == exit_code
    assert report.done <= worked_on and all(o.error is not None for o in report.failed)


def test_a_notebook_at_which_the_parser_was_confused_is_worked_on_again(tmp_path: Path) -> None:
    found, inner, confused = units(tmp_path, 1), documenting(), [True]

    def perform(job: Job, item: Item, stop: threading.Event) -> Outcome:
        if confused:
            confused.clear()
            raise SystemError("AST constructor recursion depth mismatch (before=96, after=86)")
        return inner(job, item, stop)

    assert run(found, perform).complete and b"nbcopilot" in bytes_of(found[0])


def test_a_notebook_that_changed_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    found = units(tmp_path, 1)
    inner = documenting()

    def slow(job: Job, item: Item, stop: threading.Event) -> Outcome:
        outcome = inner(job, item, stop)
        Path(item.unit.path).write_bytes(raw(code("the user saved this")))
        return outcome

    report = run(found, slow)
    assert "nothing was overwritten" in str(report.failed[0].error)
    assert b"the user saved this" in bytes_of(found[0]) and report.exit_code == 1


def test_the_engine_is_opened_once_and_only_when_it_is_needed(tmp_path: Path) -> None:
    opened: list[int] = []

    def open_engine() -> FakeEngine:
        opened.append(1)
        return FakeEngine()

    found = units(tmp_path)
    for _ in range(2):
        run(found, on_engine(LazyEngine(open_engine)), jobs=2)
    assert opened == [1]


def test_output_goes_to_new_files_and_the_originals_stay(tmp_path: Path) -> None:
    found = units(tmp_path / "in")
    before = [bytes_of(unit) for unit in found]
    places = {unit: str(tmp_path / "out" / unit.name) for unit in found}
    engine = FakeEngine()
    assert run(found, documenting(engine), places=places).json()["cells_written"] == 4
    assert [bytes_of(unit) for unit in found] == before
    asked, written = len(engine.prompts), [os.stat(place).st_mtime_ns for place in places.values()]
    again = run(found, documenting(engine), places=places)
    assert again.json()["ok"] == 4 and again.json()["cells_written"] == 0
    assert len(engine.prompts) == asked and [os.stat(place).st_mtime_ns for place in places.values()] == written


def test_what_the_user_edited_in_the_output_stays_when_the_source_changes(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    source = tmp_path / "in" / "n.ipynb"
    other = BIG.replace("f(", "g(")
    source.write_bytes(raw(code(BIG), code(other)))
    found, _ = discover([str(source)])
    place = tmp_path / "out.ipynb"
    places = {found[0]: str(place)}
    run(found, documenting(), places=places)
    place.write_text(place.read_text().replace("go on with `g`", "MINE"))
    assert "MINE" in place.read_text()
    source.write_bytes(raw(code("class New:\n    a = 1\n    b = 2"), code(other)))
    run(found, documenting(), places=places)
    assert "MINE" in place.read_text() and "New" in place.read_text()


class Named(FakeEngine):
    """A fake engine with weights of its own."""

    def __init__(self, sha256: str) -> None:
        super().__init__()
        self.sha256 = sha256

    def describe(self) -> ModelInfo:
        return ModelInfo("tiny", self.sha256, "fake")


def test_a_second_model_in_one_run_is_refused_and_both_are_named(tmp_path: Path) -> None:
    found = units(tmp_path)
    engines = {unit.name: Named("sha256:" + ("a" if i < 2 else "b") * 64) for i, unit in enumerate(found)}

    def perform(job: Job, item: Item, stop: threading.Event) -> Outcome:
        return documenting(engines[item.unit.name])(job, item, stop)

    report = run(found, perform)
    assert "The run is by tiny (aaaaaaaaaaaa), but a worker has tiny (bbbbbbbbbbbb)" in str(report.fatal)
    assert report.exit_code == 2 and b"nbcopilot" not in bytes_of(found[2])


def huge(folder: Path) -> Unit:
    functions = [code(BIG.replace("f", f"f{i}")) for i in range(3 * PART_GROUPS)]
    (folder / "huge.ipynb").write_bytes(raw(*functions))
    return discover([str(folder / "huge.ipynb")])[0][0]


def test_a_huge_notebook_in_parts_gives_the_same_bytes_and_goes_on_between_them(tmp_path: Path) -> None:
    unit = huge(tmp_path)
    whole = documenting()(JOB, Item(unit, bytes_of(unit), unit.path), threading.Event()).data
    seen: list[tuple[int, ...] | None] = []
    inner = documenting()

    def perform(job: Job, item: Item, stop: threading.Event) -> Outcome:
        seen.append(item.part.groups if item.part is not None else None)
        if len(seen) == 3:
            raise EngineUnavailableError("killed", hint="x")
        return inner(job, item, stop)

    journal = Journal.open(tmp_path / "j", {}, resume=False)
    assert run([unit], perform, journal=journal).exit_code == 3
    first, seen[:] = seen[:2], [None] * 3
    report = run([unit], perform, journal=Journal.open(tmp_path / "j", {}, resume=True), jobs=2)
    assert report.complete and bytes_of(unit) == whole
    assert len(seen) == 5 and seen[3] not in first and seen[4] is None, "two parts were there: one more, then the end"


# --------------------------------------------------------------------------- Ctrl-C


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupt_is_held_back_while_a_file_is_written(number: int, code: int) -> None:
    steps = []
    with terminable():
        with pytest.raises(KeyboardInterrupt) as stopped, uninterrupted():
            os.kill(os.getpid(), number)
            steps.append("finished")
        assert steps == ["finished"] and exit_code(stopped.value) == code
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    with uninterrupted():
        pass


def test_ctrl_c_stops_the_run_at_the_next_token_and_says_so(tmp_path: Path) -> None:
    found = units(tmp_path)
    before = [bytes_of(unit) for unit in found]
    engine = FakeEngine(tokens_per_second=0.1)  # the first answer alone would take minutes
    inner = documenting(engine)

    def wake(stop: threading.Event) -> None:
        if stop.wait(60):
            engine.close()  # what sleeps between two tokens is let go

    def perform(job: Job, item: Item, stop: threading.Event) -> Outcome:
        threading.Thread(target=wake, args=(stop,)).start()
        os.kill(os.getpid(), signal.SIGINT)
        return inner(job, item, stop)

    report = run(found, perform)
    assert report.interrupted and report.exit_code == 130
    assert [bytes_of(unit) for unit in found] == before


# --------------------------------------------------------------------------- resume


def test_resume_does_nothing_twice_and_a_complete_run_leaves_no_journal(tmp_path: Path) -> None:
    found = units(tmp_path)
    Path(found[2].path).write_text("not json")
    seen: list[str] = []
    inner = documenting()

    def watched(job: Job, item: Item, stop: threading.Event) -> Outcome:
        seen.append(item.unit.name)
        return inner(job, item, stop)

    place = tmp_path / ".nbcopilot"
    run(found, watched, journal=Journal.open(place, {}, resume=False))
    assert (place / "journal.sqlite").exists(), "a run with a failure can be resumed"
    Path(found[2].path).write_bytes(raw(code(BIG)))
    seen.clear()
    report = run(found, watched, journal=Journal.open(place, {}, resume=True))
    assert seen == ["n2.ipynb"]
    assert (report.count("skipped"), report.count("ok")) == (3, 1)
    assert not place.exists()


@pytest.mark.parametrize("written", [True, False])
def test_a_kill_just_before_or_after_a_file_is_written_has_nothing_done_twice(
    tmp_path: Path, written: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = units(tmp_path, 1)
    write = stores.write

    def killed(where: str, data: bytes, **options: bytes | str | None) -> None:
        if written:
            write(where, data, **options)
        raise SystemError("killed")

    monkeypatch.setattr(stores, "write", killed)
    journal = Journal.open(tmp_path / "j", {}, resume=False)
    with pytest.raises(SystemError):
        Run(JOB, found, Threads(documenting(), 1), journal, here(found)).run()
    journal.close(complete=False)
    monkeypatch.undo()
    report = run(found, documenting(), journal=Journal.open(tmp_path / "j", {}, resume=True))
    assert (report.count("skipped"), report.count("ok")) == ((1, 0) if written else (0, 1))
    assert b"nbcopilot" in bytes_of(found[0])


def test_resume_works_again_on_what_changed_since(tmp_path: Path) -> None:
    found = units(tmp_path)
    Path(found[0].path).write_text("not json")
    run(found, documenting(), journal=Journal.open(tmp_path / "j", {}, resume=False))
    Path(found[1].path).write_bytes(raw(code(BIG.replace("f", "changed"))))
    report = run(found, documenting(), journal=Journal.open(tmp_path / "j", {}, resume=True))
    assert (report.count("skipped"), report.count("ok"), report.count("failed")) == (2, 1, 1)
    assert stores.digest(bytes_of(found[1])) and b"changed" in bytes_of(found[1])
