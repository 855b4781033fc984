"""A file that grows part by part and is taken up again."""

from __future__ import annotations

import errno
import hashlib
import io
from pathlib import Path

import pytest

from nbcopilot.errors import ModelCorruptError
from nbcopilot.models.parts import PartialFile

PARTS = [b"a" * 1000, b"b" * 1000, b"c" * 10]
SHA256 = hashlib.sha256(b"".join(PARTS)).hexdigest()


def fill(folder: Path, count: int = 3) -> PartialFile:
    partial = PartialFile(folder, SHA256)
    for part in PARTS[len(partial.parts) : count]:
        partial.append(io.BytesIO(part), len(part), lambda done: None)
    return partial


def test_parts_become_the_file_and_its_hash(tmp_path: Path) -> None:
    partial = fill(tmp_path)
    partial.close()
    assert partial.sha256 == SHA256 and partial.path.read_bytes() == b"".join(PARTS)


def test_reopened_file_goes_on_after_the_parts_that_are_there(tmp_path: Path) -> None:
    fill(tmp_path, 2).close()
    again = PartialFile(tmp_path, SHA256)
    assert len(again.parts) == 2 and again.size == 2000
    again.append(io.BytesIO(PARTS[2]), 10, lambda done: None)
    assert again.sha256 == SHA256
    again.close()


def test_bytes_of_an_unfinished_part_are_cut_off(tmp_path: Path) -> None:
    fill(tmp_path, 1).close()
    with open(tmp_path / "source.partial", "ab") as file:
        file.write(b"half a part")
    again = PartialFile(tmp_path, SHA256)
    again.close()
    assert again.path.stat().st_size == 1000


def test_a_part_damaged_on_disk_is_dropped_with_all_after_it(tmp_path: Path) -> None:
    fill(tmp_path).close()
    with open(tmp_path / "source.partial", "r+b") as file:
        file.seek(1500)
        file.write(b"X")
    again = PartialFile(tmp_path, SHA256)
    again.close()
    assert len(again.parts) == 1 and again.path.stat().st_size == 1000


def test_parts_of_another_file_are_not_taken_up(tmp_path: Path) -> None:
    fill(tmp_path, 2).close()
    other = PartialFile(tmp_path, "f" * 64)
    other.close()
    assert other.parts == []


@pytest.mark.parametrize(
    ("data", "says"), [(b"short", "Part 2 has 5 bytes, not 1000"), (b"b" * 2000, "Part 2 has more")]
)
def test_a_part_of_another_size_is_refused_and_leaves_no_byte(tmp_path: Path, data: bytes, says: str) -> None:
    partial = fill(tmp_path, 1)
    with pytest.raises(ModelCorruptError, match=says):
        partial.append(io.BytesIO(data), 1000, lambda done: None)
    partial.close()
    assert partial.path.stat().st_size == 1000 and len(PartialFile(tmp_path, SHA256).parts) == 1


def test_full_disk_leaves_the_parts_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    partial = fill(tmp_path, 1)

    def full(self: PartialFile, block: bytes) -> None:
        self._file.write(block[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(PartialFile, "_write", full)
    with pytest.raises(OSError, match="No space"):
        partial.append(io.BytesIO(PARTS[1]), 1000, lambda done: None)
    partial.close()
    assert partial.path.stat().st_size == 1000


def test_keep_gives_back_what_later_parts_took(tmp_path: Path) -> None:
    partial = fill(tmp_path)
    partial.keep(1)
    partial.close()
    assert partial.path.stat().st_size == 1000 and len(PartialFile(tmp_path, SHA256).parts) == 1
    partial = PartialFile(tmp_path, SHA256)
    partial.keep(0)
    assert list(tmp_path.iterdir()) == []
