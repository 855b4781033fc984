"""The meeting place: private or refused, one lock, a note that survives odd content."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from nbcopilot.errors import EngineUnavailableError
from nbcopilot.serve import runtime

RECORD = runtime.Record(1, "0.1.0", "/env", "http://localhost", "", 0.0)


def test_folder_is_made_private(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NBCOPILOT_RUNTIME_DIR", str(tmp_path / "a" / "b"))
    assert stat.S_IMODE(runtime.folder().stat().st_mode) == 0o700


def test_folder_of_the_session_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NBCOPILOT_RUNTIME_DIR")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert runtime.folder() == tmp_path / "nbcopilot"


def test_without_a_session_the_folder_for_temporary_files_is_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("NBCOPILOT_RUNTIME_DIR")
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(os, "getuid", lambda: 987654)
    assert runtime._place() == tmp_path / "nbcopilot-987654"


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701])
def test_folder_that_others_can_enter_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mode: int) -> None:
    monkeypatch.setenv("NBCOPILOT_RUNTIME_DIR", str(tmp_path))
    tmp_path.chmod(mode)
    with pytest.raises(EngineUnavailableError, match=f"mode {mode:o}") as caught:
        runtime.folder()
    assert caught.value.hint == f"chmod 700 {tmp_path}"


def test_nothing_is_said_about_a_session_that_is_not_there() -> None:
    environ = {name: value for name, value in os.environ.items() if name != "XDG_RUNTIME_DIR"}
    line = [sys.executable, "-W", "always::UserWarning", "-m", "nbcopilot", "status"]
    done = subprocess.run(line, env=environ, capture_output=True, text=True, timeout=60)
    assert done.stderr == "" and "No resident engine is running" in done.stdout


def test_folder_of_somebody_else_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NBCOPILOT_RUNTIME_DIR", str(tmp_path))
    tmp_path.chmod(0o700)
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(EngineUnavailableError, match="belongs to another user"):
        runtime.folder()


def test_link_and_file_in_its_place_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "file").touch()
    for name in ("link", "file"):
        monkeypatch.setenv("NBCOPILOT_RUNTIME_DIR", str(tmp_path / name))
        with pytest.raises(EngineUnavailableError):
            runtime.folder()


def test_folder_that_cannot_be_made_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("NBCOPILOT_RUNTIME_DIR", str(tmp_path / "file" / "below"))
    with pytest.raises(EngineUnavailableError, match="cannot be made"):
        runtime.folder()


def test_note_comes_back_and_is_private(tmp_path: Path) -> None:
    runtime.write(tmp_path, RECORD)
    runtime.write_token(tmp_path, "secret")
    assert runtime.read(tmp_path) == RECORD and runtime.read_token(tmp_path) == "secret"
    for name in ("engine.json", "engine.token"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"pid": 1}', "null"])
def test_damaged_note_is_no_engine(tmp_path: Path, text: str) -> None:
    (tmp_path / "engine.json").write_text(text)
    assert runtime.read(tmp_path) is None


def test_note_of_another_version_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    (tmp_path / "engine.json").write_text(
        '{"pid": 5, "version": "9.0", "prefix": "", "url": "u", "socket": "s", "started": 1.0, "new": true}'
    )
    found = runtime.read(tmp_path)
    assert found is not None and (found.pid, found.version) == (5, "9.0")


def test_engine_forgets_only_itself(tmp_path: Path) -> None:
    runtime.write(tmp_path, RECORD)
    runtime.forget(tmp_path, runtime.Record(2, "0.1.0", "/env", "http://localhost", "", 0.0))
    assert runtime.read(tmp_path) == RECORD
    runtime.forget(tmp_path, RECORD)
    assert runtime.read(tmp_path) is None


def test_long_path_takes_no_socket(tmp_path: Path) -> None:
    assert runtime.socket_path(Path("/short")) == Path(f"/short/engine-{os.getpid()}.sock")
    assert runtime.socket_path(tmp_path / ("x" * 120)) is None


def test_lock_is_held_by_one_and_freed_by_its_death(tmp_path: Path) -> None:
    lock = runtime.acquire(tmp_path)
    assert lock is not None and runtime.acquire(tmp_path) is None
    lock.release()
    code = f"from pathlib import Path; from nbcopilot.serve import runtime; l = runtime.acquire(Path({str(tmp_path)!r})); print('held', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.readline() == b"held\n"
        assert runtime.acquire(tmp_path) is None
        other.kill()
        other.wait()
    assert runtime.acquire(tmp_path) is not None


@pytest.mark.parametrize(
    "note",
    [
        "", "[1]", "garbage", "{}", "[" * 100_000,
        '{"pid": "x", "version": "1", "prefix": "", "url": "", "socket": "", "started": 0}',
        '{"pid": 1, "version": "1", "prefix": "", "url": 5, "socket": "", "started": 0}',
        '{"pid": 1, "version": "1", "prefix": "", "url": "", "socket": 5, "started": 0}',
        '{"pid": true, "version": "1", "prefix": "", "url": "", "socket": "", "started": 0}',
        '{"pid": -1, "version": "1", "prefix": "", "url": "", "socket": "", "started": 0}',
    ],
)  # fmt: skip
def test_a_damaged_note_is_no_note(tmp_path: Path, note: str) -> None:
    (tmp_path / "engine.json").write_text(note)
    assert runtime.read(tmp_path) is None


def test_a_look_that_fails_is_not_taken_for_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = runtime.Record(1, "1", "", "http://localhost", "", 0.0)
    runtime.write(tmp_path, record)
    assert runtime.is_there(tmp_path, record)

    def no_handles(self: Path, *args: object, **options: object) -> str:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", no_handles)
        assert runtime.is_there(tmp_path, record)
    (tmp_path / "engine.json").unlink()
    assert not runtime.is_there(tmp_path, record)
