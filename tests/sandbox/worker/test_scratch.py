"""The notebook's folder as a run sees it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nbcopilot.sandbox.worker import scratch as scratch_folder
from nbcopilot.sandbox.worker import visible
from nbcopilot.sandbox.worker.scratch import COPIED_FILE, COPIED_FILES, fill, wipe, written


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    (folder / "inputs" / "deep").mkdir(parents=True)
    (folder / "inputs" / "deep" / "a.csv").write_text("a")
    (folder / "small.csv").write_text("s")
    (folder / "large.bin").write_bytes(bytes(COPIED_FILE + 1))
    (folder / ".env").write_text("secret")
    return folder


def test_small_things_are_copied_and_large_ones_linked(data: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    fill(str(scratch), str(data))
    assert sorted(p.name for p in scratch.iterdir()) == ["inputs", "large.bin", "small.csv"]
    assert (scratch / "large.bin").is_symlink() and not (scratch / "inputs").is_symlink()
    (scratch / "inputs" / "deep" / "a.csv").write_text("changed")
    assert (data / "inputs" / "deep" / "a.csv").read_text() == "a"


@pytest.mark.parametrize("what", ["many", "large", "link"])
def test_folders_that_are_not_small_are_linked(data: Path, tmp_path: Path, what: str) -> None:
    folder = data / "inputs" / "deep" / "more"
    if what == "link":
        (data / "linked").symlink_to(data / "inputs")
    else:
        folder.mkdir()
    if what == "many":
        for i in range(COPIED_FILES + 1):
            (folder / f"{i}").touch()
    elif what == "large":
        (folder / "x").write_bytes(bytes(COPIED_FILE + 1))
    scratch = tmp_path / "scratch"
    fill(str(scratch), str(data))
    assert (scratch / ("linked" if what == "link" else "inputs")).is_symlink()


def test_what_was_written_is_listed_without_caches(data: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    before = fill(str(scratch), str(data))
    (scratch / "new.txt").write_text("n")
    (scratch / "small.csv").write_text("longer")
    (scratch / ".cache").mkdir()
    (scratch / ".cache" / "x").touch()
    assert [(f["path"], f["new"]) for f in written(str(scratch), before)] == [("new.txt", True), ("small.csv", False)]


def test_everything_goes_whatever_its_modes(data: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    fill(str(scratch), str(data))
    (scratch / "inputs" / "deep").chmod(0)
    (scratch / "inputs").chmod(0)
    assert wipe(str(scratch)) and list(scratch.iterdir()) == []
    assert (data / "large.bin").exists()


def test_a_folder_that_is_gone_is_no_obstacle(tmp_path: Path) -> None:
    assert fill(str(tmp_path / "scratch"), str(tmp_path / "gone")) == {}
    assert wipe(str(tmp_path / "nothing"))


def test_links_that_lead_out_and_what_is_hidden_are_left_out_at_any_depth(data: Path, tmp_path: Path) -> None:
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "diary.txt").write_text("secret")
    (data / "notes.txt").symlink_to(tmp_path / "private" / "diary.txt")
    (data / "lib").symlink_to("../private")
    (data / "everything").symlink_to("/")
    (data / "settings.txt").symlink_to(".env")
    (data / "again.csv").symlink_to("inputs/deep/a.csv")
    (data / "inputs" / ".git").mkdir()
    (data / "inputs" / ".git" / "config").write_text("secret")
    (data / "inputs" / "id_rsa").write_text("secret")
    (data / "inputs" / "up").symlink_to(tmp_path / "private")
    os.mkfifo(data / "inputs" / "pipe")
    scratch = tmp_path / "scratch"
    fill(str(scratch), str(data))
    shown = {str(path.relative_to(scratch)) for path in scratch.rglob("*")}
    assert shown == {"again.csv", "inputs", "inputs/deep", "inputs/deep/a.csv", "large.bin", "small.csv"}
    assert (scratch / "again.csv").read_text() == "a" and not (scratch / "again.csv").is_symlink()


def test_a_link_that_takes_the_place_of_a_file_meanwhile_is_not_read(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret.csv").write_text("secret")

    def changed(folder: str) -> visible.Tree:
        found = visible.tree(folder)
        (data / "small.csv").unlink()
        (data / "small.csv").symlink_to(tmp_path / "secret.csv")
        return found

    monkeypatch.setattr(scratch_folder, "tree", changed)
    fill(str(tmp_path / "scratch"), str(data))
    assert not (tmp_path / "scratch" / "small.csv").exists()


def test_folders_deeper_than_any_path_and_of_any_mode_go(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    try:
        os.mkdir("scratch", dir_fd=here)
        at = os.open("scratch", os.O_RDONLY, dir_fd=here)
        for depth in range(300):
            os.mkdir("d" * 200, dir_fd=at)
            os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=at))
            below = os.open("d" * 200, os.O_RDONLY, dir_fd=at)
            os.fchmod(at, 0 if depth % 7 == 3 else 0o755)
            os.close(at)
            at = below
        os.close(at)
    finally:
        os.close(here)
    (tmp_path / "scratch" / "1-").mkdir()  # a name that moving would take
    (tmp_path / "scratch" / "link").symlink_to(tmp_path)
    assert wipe(str(tmp_path / "scratch"))
    assert list(tmp_path.iterdir()) == [tmp_path / "scratch"] and not list((tmp_path / "scratch").iterdir())
