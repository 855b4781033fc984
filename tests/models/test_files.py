"""Hashes, manifests, and JSON that is whole or not there."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from nbcopilot.models import files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "made" / "sub").mkdir(parents=True)
    (tmp_path / "made" / "weights.bin").write_bytes(b"abc")
    (tmp_path / "made" / "sub" / "config.json").write_bytes(b"{}")
    files.write_manifest(tmp_path / "made")
    return tmp_path / "made"


def test_git_blob_id_is_git_s_own(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"hello\n")
    assert files.git_blob_sha1(tmp_path / "f") == "ce013625030ba8dba906f756967f9e9ca394464a"


def test_file_hash_tells_how_far_it_is(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * (files.BLOCK + 1))
    seen: list[int] = []
    assert files.file_sha256(tmp_path / "f", seen.append) == hashlib.sha256(b"x" * (files.BLOCK + 1)).hexdigest()
    assert seen == [files.BLOCK, files.BLOCK + 1]


def test_untouched_folder_has_no_problems(folder: Path) -> None:
    assert files.manifest_problems(folder, hashes=True) == []


def test_size_change_is_seen_without_hashing(folder: Path) -> None:
    (folder / "weights.bin").write_bytes(b"abcd")
    assert files.manifest_problems(folder, hashes=False) == ["made/weights.bin has 4 bytes, not 3"]


def test_a_changed_byte_of_a_small_file_is_seen_at_every_look(folder: Path) -> None:
    (folder / "weights.bin").write_bytes(b"abX")
    assert files.manifest_problems(folder, hashes=False) == ["made/weights.bin has changed"]


def test_a_changed_byte_of_a_large_file_is_seen_by_hashing_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "SMALL_BYTES", 2)
    (folder / "weights.bin").write_bytes(b"abX")
    assert files.manifest_problems(folder, hashes=False) == []
    assert files.manifest_problems(folder, hashes=True) == ["made/weights.bin has changed"]


def test_a_manifest_of_another_form_is_a_problem_not_a_traceback(folder: Path) -> None:
    (folder / files.MANIFEST).write_text('{"files": {"weights.bin": 3}}')
    assert files.manifest_problems(folder, hashes=True) == ["made/weights.bin has 3 bytes, not None"]


def test_missing_file_and_missing_manifest_are_said(folder: Path) -> None:
    (folder / "sub" / "config.json").unlink()
    assert files.manifest_problems(folder, hashes=False) == ["made/sub/config.json is missing"]
    (folder / files.MANIFEST).unlink()
    assert files.manifest_problems(folder, hashes=False) == ["made has no manifest"]


def test_folder_hash_depends_on_names_and_bytes(folder: Path) -> None:
    before = files.manifest_sha256(folder)
    (folder / "weights.bin").rename(folder / "model.bin")
    files.write_manifest(folder)
    assert files.manifest_sha256(folder) != before


def test_json_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    files.write_json(tmp_path / "state.json", {"a": 1})
    with pytest.raises(TypeError):
        files.write_json(tmp_path / "state.json", {"a": object()})
    assert json.loads((tmp_path / "state.json").read_text()) == {"a": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


@pytest.mark.parametrize("text", ["", "[1]", "{broken", "\udcff"])
def test_unreadable_json_reads_as_empty(tmp_path: Path, text: str) -> None:
    (tmp_path / "state.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert files.read_json(tmp_path / "state.json") == {}
