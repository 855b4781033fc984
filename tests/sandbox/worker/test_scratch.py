"""The notebook's folder as a run sees it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("what", ["many", "large", "pipe", "link"])
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
    elif what == "pipe":
        os.mkfifo(folder / "x")
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
