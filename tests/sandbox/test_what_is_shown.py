"""What of the notebook's folder a run can read at the levels where the kernel keeps it: nothing hidden, whenever it came."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from nbcopilot.execution import Job, Limits
from nbcopilot.sandbox import bubblewrap
from nbcopilot.sandbox.start import Sandbox
from nbcopilot.sandbox.worker import landlock, visible

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork and no sandbox")
HERE = [*(["bubblewrap"] if bubblewrap.program() else []), *(["landlock"] if landlock.version() else [])]


@pytest.fixture(params=HERE)
def box(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    home, data = tmp_path / "home", tmp_path / "home" / "data"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "id_ed25519").write_text("hunter2")
    (home / "diary.txt").write_text("hunter2")
    (data / "sub" / ".git").mkdir(parents=True)
    (data / "sub" / ".git" / "config").write_text("hunter2")
    (data / "sub" / ".env").write_text("hunter2")
    (data / "sub" / "a.csv").write_text("fine")
    (data / "free").mkdir()
    (data / "free" / "b.csv").write_text("fine")
    (data / "c.csv").write_text("fine")
    monkeypatch.setenv("HOME", str(home))
    with Sandbox(level=str(request.param), data_dir=data) as sandbox:
        yield sandbox


def read(box: Sandbox, *paths: Path | str) -> list[str]:
    """What a run reads at each path, "" where it cannot."""
    code = f"""for path in {list(map(str, paths))!r}:
    try: print(open(path).read())
    except OSError: print()"""
    report = box.run(Job(codes=(code,), limits=Limits(seconds=30)))[0]
    assert report.ok, report.error
    return report.stdout.split("\n")[: len(paths)]


def test_links_of_the_folder_open_nothing_outside(box: Sandbox, tmp_path: Path) -> None:
    home, data = tmp_path / "home", tmp_path / "home" / "data"
    for name, target in (("all", "/"), ("notes.txt", "../.ssh/id_ed25519"), ("settings", "sub/.env"), ("up", "..")):
        (data / name).symlink_to(target)
    (data / "again.csv").symlink_to("sub/a.csv")
    outside = [home / ".ssh" / "id_ed25519", home / "diary.txt", "/etc/shadow"]
    links = [data / "notes.txt", "notes.txt", data / "settings", "settings", data / "up" / "diary.txt", "up/diary.txt",
             data / "all" / "etc" / "shadow"]  # fmt: skip
    assert read(box, *outside, *links) == [""] * 10
    assert read(box, data / "again.csv", "again.csv") == ["fine", "fine"]


def test_hidden_files_are_hidden_in_subfolders_and_whenever_they_came(box: Sandbox, tmp_path: Path) -> None:
    data = tmp_path / "home" / "data"
    assert read(box, data / "sub" / ".env", data / "sub" / ".git" / "config", data / "sub" / "a.csv") == [
        "",
        "",
        "fine",
    ]
    for path in (".env", "free/.env", "free/id_rsa", "sub/new.pem", "kernel-1.json"):
        (data / path).write_text("hunter2")
    (data / "free" / ".new").write_text("hunter2")
    os.replace(data / "free" / ".new", data / "sub" / ".env")
    every = [data / p for p in (".env", "free/.env", "free/id_rsa", "sub/new.pem", "sub/.env", "kernel-1.json")]
    assert read(box, *every, data / "free" / "b.csv") == [""] * 6 + ["fine"]


def test_data_that_came_later_or_was_replaced_is_read_as_it_is(box: Sandbox, tmp_path: Path) -> None:
    data = tmp_path / "home" / "data"
    assert read(box, data / "c.csv", data / "free" / "b.csv") == ["fine", "fine"]
    (data / "new.csv").write_text("new")
    (data / "free" / "new.csv").write_text("new")
    (data / "c.tmp").write_text("replaced")
    os.replace(data / "c.tmp", data / "c.csv")
    assert read(box, data / "new.csv", data / "free" / "new.csv", data / "c.csv") == ["new", "new", "replaced"]


def test_what_lies_beyond_the_limit_cannot_be_read(
    box: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "home" / "data"
    monkeypatch.setattr(visible, "MAX_ENTRIES", 3)
    (data / "zz.csv").write_text("late")
    assert read(box, data / "c.csv", data / "zz.csv") == ["fine", ""]
