"""A carrier's client as a child process."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psutil
import pytest

from nbcopilot.errors import DownloadError
from nbcopilot.models.child import Child


def python(code: str, folder: Path) -> Child:
    return Child([sys.executable, "-c", code], folder)


def test_lines_exit_code_and_errors_arrive(tmp_path: Path) -> None:
    with python(
        "import sys; print('one'); print('two'); print('bad', file=sys.stderr); sys.exit(3)", tmp_path
    ) as child:
        lines = [line for line in child.lines() if line is not None]
    assert lines == ["one", "two"] and child.code == 3


def test_errors_are_kept_from_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with python("import sys; print('seen'); print('hidden', file=sys.stderr)", tmp_path) as child:
        list(child.lines())
        assert "hidden" in child.errors()
    assert capfd.readouterr() == ("", "")


def test_it_works_in_its_folder_and_not_in_the_user_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, its = tmp_path / "mine", tmp_path / "its"
    mine.mkdir(), its.mkdir()
    (mine / "random.py").write_text("raise SystemExit('a file beside the notebook was imported')")
    monkeypatch.chdir(mine)
    with python("import os, random, tempfile; print(os.getcwd()); print(tempfile.gettempdir())", its) as child:
        lines = [line for line in child.lines() if line]
    assert [os.path.realpath(line) for line in lines] == [os.path.realpath(its)] * 2


def test_leaving_ends_it(tmp_path: Path) -> None:
    with python("import os, time; print(os.getpid(), flush=True); time.sleep(600)", tmp_path) as child:
        pid = int(next(line for line in child.lines() if line))
        assert psutil.pid_exists(pid)
    assert not psutil.pid_exists(pid)


def test_silence_without_growth_is_an_error(tmp_path: Path) -> None:
    with python("import time; time.sleep(600)", tmp_path) as child, pytest.raises(DownloadError, match="Nothing came"):
        list(child.lines(stall_seconds=0.5))


def test_a_growing_folder_is_no_stall(tmp_path: Path) -> None:
    code = "import time\nfor i in range(18):\n open(f'f{i}', 'w').write('x'); time.sleep(0.3)"
    with python(code, tmp_path) as child:
        list(child.lines(stall_seconds=4.5))
    assert child.code == 0


def test_a_program_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="cannot be started"):
        Child([str(tmp_path / "no-such-program")], tmp_path)
