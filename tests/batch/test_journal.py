"""The journal: what counts as done, who may have it, and which other one is refused."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nbcopilot.batch import journal as journals
from nbcopilot.batch.job import Outcome, Part, Unit
from nbcopilot.batch.journal import Journal, folder_for
from nbcopilot.batch.texts import Text
from nbcopilot.errors import NotebookInvalidError, UsageError
from nbcopilot.inference import Usage

UNIT = Unit("in/n.ipynb", "n.ipynb")


def opened(folder: Path, resume: bool = True, **conditions: Any) -> Journal:
    return Journal.open(folder, conditions, resume=resume, created="2026-11-22T00:00:00Z")


def test_a_line_counts_only_for_the_same_bytes(tmp_path: Path) -> None:
    journal = opened(tmp_path, resume=False)
    journal.done(Outcome(UNIT, read="r"), "out/n.ipynb", "w")
    journal.done(Outcome(Unit("in/m.ipynb", "m.ipynb"), "failed", error=NotebookInvalidError("bad")))
    journal.close(complete=False)
    journal = opened(tmp_path)
    assert journal.is_done("n.ipynb", "r", "w") and journal.is_done("n.ipynb", None, "w")
    assert not journal.is_done("n.ipynb", "changed", "w") and not journal.is_done("n.ipynb", "r", "edited")
    assert not journal.is_done("m.ipynb", "", "") and journal.created == "2026-11-22T00:00:00Z"
    assert journal.causes() == [("invalid-notebook", 1)]
    journal.close(complete=True)
    assert not (tmp_path / "journal.sqlite").exists()


def test_what_is_not_there_any_more_is_forgotten(tmp_path: Path) -> None:
    journal = opened(tmp_path, resume=False)
    journal.done(Outcome(UNIT, read="r"), "", "w")
    journal.done(Outcome(Unit("in/m.ipynb", "m.ipynb"), "failed", error=NotebookInvalidError("bad")))
    journal.keep_only(["n.ipynb", "new.ipynb"])
    assert [row.name for row in journal.rows()] == ["n.ipynb"] and journal.causes() == []
    journal.close(complete=True)


def test_a_part_comes_back_as_it_was(tmp_path: Path) -> None:
    part = Part((3, 4), {3: Text("Adds.", {"grounding": "ok"}, "sha256:1")}, ("a note",), Usage(7, 2))
    journal = opened(tmp_path, resume=False)
    journal.part_done("n.ipynb", "r", part)
    journal.close(complete=False)
    journal = opened(tmp_path)
    assert journal.parts("n.ipynb", "r") == {(3, 4): part} and journal.parts("n.ipynb", "other") == {}
    journal.close(complete=False)


def test_there_is_nothing_to_resume_is_said(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    assert "no run to resume here; starting from the beginning" in journal.problem
    journal.close(complete=True)


def test_a_run_with_other_options_is_not_resumed_and_the_difference_is_named(tmp_path: Path) -> None:
    opened(tmp_path, resume=False, model="small", label=True).close(complete=False)
    with pytest.raises(UsageError, match=r"was another one: model was small, is large\. Omit --resume"):
        opened(tmp_path, model="large", label=True)
    opened(tmp_path, resume=False, model="large", label=True).close(complete=True)


@pytest.mark.parametrize(
    ("key", "value", "said"), [("schema", 1, "nbcopilot"), ("version", "9.9", "of nbcopilot 9.9, this is")]
)
def test_a_journal_of_another_version_is_refused(tmp_path: Path, key: str, value: object, said: str) -> None:
    opened(tmp_path, resume=False).close(complete=False)
    with sqlite3.connect(tmp_path / "journal.sqlite") as database:
        database.execute("UPDATE meta SET value = ? WHERE key = ?", (json.dumps(value), key))
    database.close()
    with pytest.raises(UsageError, match=said):
        opened(tmp_path)


def test_a_file_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite").write_text("no database, by far" * 100)
    with pytest.raises(UsageError, match="is not a journal"):
        opened(tmp_path)


def test_the_second_run_on_an_output_is_refused_and_names_the_first(tmp_path: Path) -> None:
    journal = opened(tmp_path, resume=False)
    program = (
        "import sys; from pathlib import Path; from nbcopilot.batch.journal import Journal\n"
        "from nbcopilot.errors import UsageError\n"
        "try: Journal.open(Path(sys.argv[1]), {}, resume=False)\n"
        "except UsageError as exc: print(exc)"
    )
    said = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True).stdout
    import os

    assert f"A run on this output is under way (process {os.getpid()} on " in said
    journal.done(Outcome(UNIT, read="r"), "", "w")
    journal.close(complete=True)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_takes_no_journal_is_said_and_the_run_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    journal = Journal.open(tmp_path / "file" / "x", {}, resume=False)
    assert "--resume will not work" in journal.problem
    journal.done(Outcome(UNIT, read="r"), "", "w")
    assert [row.name for row in journal.rows()] == ["n.ipynb"]
    journal.close(complete=True)


def test_runs_on_single_notebooks_of_one_folder_do_not_meet_and_stores_have_theirs_at_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert folder_for("out", ["a", "b"]) == Path("out", journals.FOLDER)
    assert folder_for("out", ["a"]) != folder_for("out", ["b"])
    monkeypatch.setenv("NBCOPILOT_STATE_DIR", str(tmp_path))
    assert folder_for("s3://b/out", ["a"]).parent == tmp_path / "batch"
