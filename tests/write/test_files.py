"""Bytes onto the disk: whole or not at all, and only over what was read."""

from __future__ import annotations

import hashlib
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cell_builders import code, file, markdown, provenance, raw, sources

from nbcopilot.errors import CellNotFoundError, EditConflictError, NotebookWriteError, UsageError
from nbcopilot.hashing import text_hash
from nbcopilot.notebook import document
from nbcopilot.types import CellEdit, NewCell
from nbcopilot.write import cells, files
from nbcopilot.write.provenance import cell_metadata

NEW = NewCell("code", "y = 2", cell_metadata("code", provenance(), cell_hash=text_hash("y = 2")))


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# --------------------------------------------------------------------------- write


def test_new_file_is_written_with_its_folders(tmp_path: Path) -> None:
    files.write(tmp_path / "a" / "b.ipynb", b"new")
    assert (tmp_path / "a" / "b.ipynb").read_bytes() == b"new"


def test_mode_stays_and_nothing_is_left_beside_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x.ipynb"
    path.write_bytes(b"old")
    path.chmod(0o640)
    files.write(path, b"new", base=b"old")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert os.listdir(tmp_path) == ["x.ipynb"]


def test_owner_and_group_stay(tmp_path: Path) -> None:
    path = tmp_path / "x.ipynb"
    path.write_bytes(b"old")
    # Only root can give a file away; everybody can give it to a group of theirs.
    owner = (1234, 1234) if os.geteuid() == 0 else (os.getuid(), os.getgroups()[-1])
    os.chown(path, *owner)
    files.write(path, b"new")
    assert (path.stat().st_uid, path.stat().st_gid) == owner


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    real = tmp_path / "real.ipynb"
    real.write_bytes(b"old")
    link = tmp_path / "link.ipynb"
    link.symlink_to(real)
    files.write(link, b"new")
    assert link.is_symlink() and real.read_bytes() == b"new"


@pytest.mark.parametrize("now", [b"someone else's", None])
def test_a_file_that_changed_since_it_was_read_is_not_overwritten(tmp_path: Path, now: bytes | None) -> None:
    path = tmp_path / "x.ipynb"
    if now is not None:
        path.write_bytes(now)
    with pytest.raises(EditConflictError, match="nothing was overwritten"):
        files.write(path, b"new", base=b"old")
    assert (path.read_bytes() if path.exists() else None) == now
    assert os.listdir(tmp_path) == (["x.ipynb"] if now else [])


def test_no_permission_is_one_sentence_and_the_original_is_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir()
    (folder / "x.ipynb").write_bytes(b"old")
    # Root ignores permissions; a file where a folder should be stops root too.
    target = folder / "x.ipynb" / "y.ipynb" if os.geteuid() == 0 else folder / "x.ipynb"
    folder.chmod(0o555)
    try:
        with pytest.raises(NotebookWriteError, match="could not be written") as caught:
            files.write(target, b"new")
    finally:
        folder.chmod(0o755)
    assert "the original is as it was" in caught.value.hint
    assert (folder / "x.ipynb").read_bytes() == b"old" and len(os.listdir(folder)) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are POSIX")
def test_a_full_disk_leaves_the_original_and_no_temporary_file(tmp_path: Path) -> None:
    path = tmp_path / "x.ipynb"
    path.write_bytes(b"old")
    # A file size limit fails a write in the middle, as a full disk does (EFBIG for ENOSPC).
    program = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "from nbcopilot.write import files; from nbcopilot.errors import NotebookWriteError\n"
        "try: files.write(sys.argv[1], b'n' * 100_000)\n"
        "except NotebookWriteError as exc: print(exc)\n"
    )
    run = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    assert "could not be written" in run.stdout
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["x.ipynb"]


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")
def test_kill_in_the_middle_of_writing_leaves_one_whole_version(tmp_path: Path) -> None:
    path = tmp_path / "x.ipynb"
    versions = {b"0" * 300_000, b"1" * 300_000}
    path.write_bytes(b"0" * 300_000)
    program = (
        "import sys; from nbcopilot.write import files\n"
        "i = 0\n"
        "print('go', flush=True)\n"
        "while True:\n    i += 1\n    files.write(sys.argv[1], str(i % 2).encode() * 300_000)\n"
    )
    for wait in (0.0, 0.003, 0.011, 0.017, 0.029):
        child = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE)
        assert child.stdout is not None and child.stdout.readline() == b"go\n"
        time.sleep(wait)
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        assert path.read_bytes() in versions
    assert all(name.startswith(".nbcopilot-") or name == "x.ipynb" for name in os.listdir(tmp_path))


def test_what_killed_writes_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    left, younger = tmp_path / f".nbcopilot-{'0a' * 8}.tmp", tmp_path / f".nbcopilot-{'0b' * 8}.tmp"
    others = [younger, tmp_path / "n.ipynb", tmp_path / ".nbcopilot-mine.tmp"]
    for path in [left, *others]:
        path.write_text("{")
    for path in [left, *others[1:]]:
        os.utime(path, (0, 0))
    files.sweep(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(others)
    files.sweep(tmp_path / "not there")


# --------------------------------------------------------------------------- edits of notebooks


def test_edit_lands_below_its_cell_and_leaves_every_other_byte(tmp_path: Path) -> None:
    path = tmp_path / "x.ipynb"
    path.write_bytes(raw(code("x = 1", "a"), markdown("end", "z")))
    before = path.read_bytes()
    files.apply(path, [CellEdit("g", (NEW,), after="a", expected={"a": text_hash("x = 1")})], before)
    assert sources(path.read_bytes()) == [("code", "x = 1"), ("code", "y = 2"), ("markdown", "end")]
    assert cells.strip(document.read(path)).data == before


def test_edit_replaces_in_place_and_keeps_the_order() -> None:
    book = file(code("a", "a"), code("old1", "o1"), code("old2", "o2"), code("z", "z"))
    two = (NewCell("markdown", "m"), NewCell("code", "n"))
    edit = CellEdit("g", two, after="z", replaces=("o1", "o2"))
    assert [s for _, s in sources(cells.edited(book, [edit]))] == ["a", "m", "n", "z"]


def test_new_cells_at_the_top_and_below_the_last_cell() -> None:
    book = file(code("a", "a"), code("b", "b"))
    assert [s for _, s in sources(cells.edited(book, [CellEdit("g", (NEW,))]))] == ["y = 2", "a", "b"]
    assert [s for _, s in sources(cells.edited(book, [CellEdit("g", (NEW,), "b")]))] == ["a", "b", "y = 2"]


def test_new_cells_get_ids_only_where_the_format_has_them() -> None:
    new = document.loads(cells.edited(file(code("a", "a")), [CellEdit("g", (NEW, NEW), "a")]))
    ids = [cell["id"] for cell in new.cells]
    assert len(set(ids)) == 3 and ids[0] == "a"
    old = document.loads(cells.edited(file(code("a"), minor=4), [CellEdit("g", (NEW,), "#0")]))
    assert all("id" not in cell for cell in old.cells) and len(old.cells) == 2
    assert old.content["nbformat_minor"] == 4


@pytest.mark.parametrize(
    ("edit", "error"),
    [
        (CellEdit("g", (NEW,), "a", expected={"a": text_hash("something else")}), EditConflictError),
        (CellEdit("g", (NEW,), "a", replaces=("gone",)), EditConflictError),
        (CellEdit("g", (NEW,), "gone"), CellNotFoundError),
    ],
)
def test_edit_that_no_longer_fits_writes_nothing(tmp_path: Path, edit: CellEdit, error: type[Exception]) -> None:
    path = tmp_path / "x.ipynb"
    path.write_bytes(raw(code("x = 1", "a")))
    before = path.read_bytes()
    with pytest.raises(error):
        files.apply(path, [edit])
    assert path.read_bytes() == before


def test_notebook_that_changed_on_disk_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "x.ipynb"
    path.write_bytes(raw(code("x = 1", "a")))
    with pytest.raises(EditConflictError, match="changed on disk"):
        files.apply(path, [CellEdit("g", (NEW,), "a")], raw(code("as it was read", "a")))


def test_nbformat_3_is_not_written_in_place(tmp_path: Path) -> None:
    path = tmp_path / "x.ipynb"
    path.write_text(
        '{"metadata": {}, "nbformat": 3, "nbformat_minor": 0, "worksheets": [{"cells": [], "metadata": {}}]}'
    )
    with pytest.raises(UsageError, match="nbformat 3"):
        files.apply(path, [CellEdit("g", (NEW,))])


# --------------------------------------------------------------------------- strip


def ours(source: str, cell_id: str, role: str = "summary", written: str | None = None) -> dict[str, object]:
    metadata = cell_metadata(role, provenance(), cell_hash=text_hash(written or source))  # type: ignore[arg-type]
    return markdown(source, cell_id, **metadata, tags=["keep"])


def test_strip_removes_what_we_wrote_and_keeps_the_users_text() -> None:
    label = "\n\n<sub>nbcopilot · fake</sub>"
    book = file(
        code("x", "a"), ours("Ours." + label, "o"), ours("Edited by me." + label, "e", written="Before." + label)
    )
    stripped = cells.strip(book)
    assert stripped.removed == {"summary": 1} and stripped.kept == 1
    left = document.loads(stripped.data).cells
    assert [document.source_text(cell) for cell in left] == ["x", "Edited by me."]
    assert left[1]["metadata"] == {"tags": ["keep"]}


def test_strip_can_be_limited_to_roles() -> None:
    book = file(code("x", "a"), ours("Ours.", "o"), ours("t", "t", "tests"))
    assert [s for _, s in sources(cells.strip(book, ["summary"]).data)] == ["x", "t"]


def test_strip_of_a_notebook_without_our_cells_gives_its_own_bytes() -> None:
    data = raw(code("x", "a")).replace(b"\n", b"\r\n")
    assert cells.strip(document.loads(data)).data == data


def test_cells_written_by_another_tool_are_not_ours() -> None:
    book = file(markdown("x", "a", nbcopilot="a string"), markdown("y", "b", nbcopilot={"schema": 1}))
    assert cells.strip(book).data == book.raw
