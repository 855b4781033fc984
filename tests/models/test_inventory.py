"""What is on this machine, looked at."""

from __future__ import annotations

import os
from pathlib import Path

from carriers import DATA, SHA256

from nbcopilot.models import inventory
from nbcopilot.models.catalog import ModelRef, entries
from nbcopilot.models.files import write_json


def test_stored_model_says_what_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "org--name"
    (folder / "converted-1-abc-int8").mkdir(parents=True)
    (folder / "converted-1-abc-int8" / "w").write_bytes(b"x" * 2_000_000)
    (folder / ".pull").mkdir()
    (folder / ".pull" / "p").write_bytes(b"x" * 1_000_000)
    (folder / "source.gguf").write_bytes(b"x" * 3_000_000)
    write_json(folder / "source.json", {"id": "org/name", "sha256": "ab", "license": "MIT"})
    model = inventory.stored(folder)
    assert (model.id, model.bytes, model.sha256, model.license) == ("org/name", 3_000_000, "ab", "MIT")
    assert model.describe() == "pulled 3 MB, int8 2 MB, unfinished pull 1 MB"


def test_a_catalog_model_without_a_record_is_known_by_its_folder(tmp_path: Path) -> None:
    (tmp_path / "smollm2-135m").mkdir()
    model = inventory.stored(tmp_path / "smollm2-135m")
    assert model.license == "Apache-2.0" and model.sha256 == entries()["smollm2-135m"].sha256
    assert model.describe() == "empty"


def test_source_problems_name_the_difference(tiny: ModelRef, tmp_path: Path) -> None:
    source = tmp_path / "source.gguf"
    source.write_bytes(DATA)
    assert inventory.source_problems(tiny, source, {}) == []
    source.write_bytes(DATA[:-1] + b"X")
    (problem,) = inventory.source_problems(tiny, source, {})
    assert problem.startswith("source.gguf has SHA-256 ") and problem.endswith(f", not {SHA256[:12]}…")
    source.write_bytes(DATA[:9])
    assert inventory.source_problems(tiny, source, {}) == [f"source.gguf has 9 bytes, not {len(DATA)}"]


def test_hash_of_a_large_local_file_is_computed_once_until_it_changes(tmp_path: Path) -> None:
    source, memory = tmp_path / "own.gguf", tmp_path / "hashes.json"
    source.write_bytes(b"a" * 2_000_000)
    first, status = inventory.local_sha256(source, memory), source.stat()
    source.write_bytes(b"b" * 2_000_000)
    os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert inventory.local_sha256(source, memory) == first, "same size and time: it was hashed again"
    os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert inventory.local_sha256(source, memory) != first


def test_hash_of_a_local_folder_depends_on_model_files_only(tmp_path: Path) -> None:
    folder, memory = tmp_path / "gpt2", tmp_path / "hashes.json"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    before = inventory.local_sha256(folder, memory)
    (folder / "notes.md").write_text("mine")
    assert inventory.local_sha256(folder, memory) == before
    (folder / "model.safetensors").write_bytes(b"x")
    assert inventory.local_sha256(folder, memory) != before
    assert not memory.exists()  # small files are not worth remembering


def test_a_memory_that_cannot_be_written_does_no_harm(tmp_path: Path) -> None:
    source = tmp_path / "own.gguf"
    source.write_bytes(b"a" * 2_000_000)
    (tmp_path / "blocked").write_text("a file where a folder should be")
    assert len(inventory.local_sha256(source, tmp_path / "blocked" / "hashes.json")) == 64


def test_table_lists_the_catalog_and_everything_else(tmp_path: Path) -> None:
    (tmp_path / "org--name").mkdir()
    lines = inventory.table(entries().values(), [inventory.stored(tmp_path / "org--name")])
    assert len(lines) == 1 + len(entries()) + 1
    assert lines[0].split()[0] == "MODEL" and lines[-1].startswith("org--name")
    column = lines[0].index("LICENCE")
    assert all(line[column - 1] == " " and line[column] != " " for line in lines)
