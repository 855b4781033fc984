"""The store: names in, files out; whatever happens in between, it is as before or complete."""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from pathlib import Path

import pytest
from carriers import DATA, PART_BYTES, SHA256, Hub, Index, lines_until, put, start_pull

from nbcopilot.errors import (
    DiskFullError,
    DownloadError,
    EngineError,
    ModelCorruptError,
    ModelNotFoundError,
    UnknownModelError,
)
from nbcopilot.models import machine
from nbcopilot.models import store as module
from nbcopilot.models.catalog import ModelRef
from nbcopilot.models.files import MANIFEST
from nbcopilot.models.store import LocalModel, Store


def contents(store: Store) -> list[str]:
    """Every file and folder of the store but the locks, which stay."""
    return sorted(str(p.relative_to(store.root)) for p in store.root.rglob("*") if not p.name.endswith(".lock"))


def test_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NBCOPILOT_CACHE_DIR", str(tmp_path))
    assert Store().root == tmp_path / "models"
    monkeypatch.delenv("NBCOPILOT_CACHE_DIR")
    assert Store().root.parent.name == "nbcopilot"


# ---------------------------------------------------------------- pull


def test_pull_brings_the_file_with_a_record_of_where_it_came_from(tiny: ModelRef, index: Index, store: Store) -> None:
    model = store.pull("tiny")
    assert model.path.read_bytes() == DATA and model.sha256 == SHA256
    assert contents(store) == ["tiny", "tiny/source.gguf", "tiny/source.json"]
    record = json.loads((store.root / "tiny" / "source.json").read_text())
    assert (record["carrier"], record["sha256"], record["license"]) == ("index", SHA256, "Apache-2.0")


def test_pulling_again_checks_the_hash_and_fetches_nothing(tiny: ModelRef, index: Index, store: Store) -> None:
    put(store)
    for number in range(1, 5):
        index.wheel(number).unlink()
    assert store.pull("tiny").sha256 == SHA256


def test_pulling_again_replaces_damaged_bytes(tiny: ModelRef, index: Index, store: Store) -> None:
    path = put(store)
    path.write_bytes(DATA[:-1] + b"X")
    assert store.pull("tiny").path.read_bytes() == DATA


def test_a_failed_replacement_leaves_what_was_there(tiny: ModelRef, index: Index, store: Store) -> None:
    path = put(store)
    path.write_bytes(DATA[:-1] + b"X")
    index.wheel(1).unlink()
    with pytest.raises(DownloadError):
        store.pull("tiny")
    assert path.read_bytes() == DATA[:-1] + b"X"


def test_wrong_hash_leaves_the_store_as_it_was(tiny: ModelRef, index: Index, store: Store) -> None:
    index.put(4, b"x" * (len(DATA) - 3 * PART_BYTES))
    with pytest.raises(ModelCorruptError):
        store.pull("tiny", carrier="index")
    assert contents(store) == []


def test_no_network_leaves_the_store_as_it_was(tiny: ModelRef, index: Index, store: Store) -> None:
    index.wheel(1).unlink()
    with pytest.raises(DownloadError):
        store.pull("tiny")
    assert contents(store) == []


def test_killed_pull_goes_on_after_its_last_whole_part(tiny: ModelRef, index: Index, store: Store) -> None:
    process = start_pull()
    lines_until(process, "part 3 of 4")
    process.kill()
    process.wait()
    assert store.models()[0].pulling >= 2 * PART_BYTES and store.pulled() == frozenset()
    index.wheel(1).unlink(), index.wheel(2).unlink()  # fetching them again would fail
    assert store.pull("tiny").path.read_bytes() == DATA
    assert contents(store) == ["tiny", "tiny/source.gguf", "tiny/source.json"]


def test_of_two_processes_one_pulls_and_both_have_it(tiny: ModelRef, index: Index, store: Store) -> None:
    processes = [start_pull(), start_pull()]
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert all(f"path {store.root / 'tiny' / 'source.gguf'}" in output for output in outputs)
    assert sum("part 1 of 4" in output for output in outputs) == 1, outputs


def test_a_second_process_says_that_it_waits_and_then_finds_it_there(
    tiny: ModelRef, index: Index, store: Store
) -> None:
    with store.lock(tiny):
        process = start_pull()
        lines_until(process, "another process is at it, waiting")
        (store.folder(tiny) / "source.gguf").write_bytes(DATA)
    assert "path" in lines_until(process, "path")[-1]
    assert process.wait(timeout=60) == 0


def test_a_store_that_cannot_be_written_is_one_sentence(tiny: ModelRef, index: Index, tmp_path: Path) -> None:
    (tmp_path / "blocked").write_text("a file where a folder should be")
    with pytest.raises(DownloadError, match=r"cannot be used \(.*blocked.*NBCOPILOT_CACHE_DIR"):
        Store(tmp_path / "blocked").pull("tiny")


@pytest.mark.server
def test_hub_id_is_kept_with_the_commit_and_hash_that_the_hub_gave(tiny: ModelRef, hub: Hub, store: Store) -> None:
    hub.commit = "c" * 40
    model = store.pull("org/model")
    assert (model.sha256, model.path.name) == (SHA256, "source.gguf")
    record = json.loads((store.root / "org--model" / "source.json").read_text())
    assert (record["revision"], record["sha256"]) == ("c" * 40, SHA256)
    hub.status = 500
    assert store.ensure("org/model").sha256 == SHA256  # no request any more
    model.path.write_bytes(DATA[:-1] + b"X")
    assert store.verify("org/model").problems


@pytest.mark.server
def test_transformers_repository_is_kept_as_a_folder(tiny: ModelRef, hub: Hub, store: Store) -> None:
    hub.files = {"config.json": b"{}", "model.safetensors": b"weights"}
    model = store.pull("org/gpt2")
    assert (model.path / "model.safetensors").read_bytes() == b"weights" and len(model.sha256) == 64
    assert store.verify("org/gpt2").problems == ()
    (model.path / "model.safetensors").write_bytes(b"weightX")
    assert store.verify("org/gpt2").problems == ("snapshot/model.safetensors has changed",)
    assert store.pull("org/gpt2").sha256 == model.sha256 and store.verify("org/gpt2").problems == ()
    assert store.models()[0].bytes > 0


# ---------------------------------------------------------------- ensure


def test_missing_model_says_the_pull_line_and_its_size(store: Store) -> None:
    with pytest.raises(ModelNotFoundError) as caught:
        store.ensure("0.5b")
    assert caught.value.exit_code == 3
    assert "qwen2.5-coder-0.5b is not on this machine yet" in caught.value.message
    assert caught.value.hint == "`nbcopilot models pull qwen2.5-coder-0.5b` (491 MB)"
    assert not store.root.exists(), "asking must not write"


@pytest.mark.parametrize("answer", [True, False])
def test_yes_pulls_at_once_and_no_does_not(tiny: ModelRef, index: Index, store: Store, answer: bool) -> None:
    asked: list[str] = []

    def ask(question: str) -> bool:
        asked.append(question)
        return answer

    if answer:
        assert store.ensure("tiny", ask=ask).path.read_bytes() == DATA
    else:
        with pytest.raises(ModelNotFoundError):
            store.ensure("tiny", ask=ask)
    assert asked == ["tiny (121 kB) is not on this machine yet. Pull it now?"]


def test_stored_file_of_another_size_is_corrupt(tiny: ModelRef, store: Store) -> None:
    put(store).write_bytes(DATA[:100])
    with pytest.raises(ModelCorruptError, match=r"Tiny has 100 bytes in the store.*models pull tiny"):
        store.ensure("tiny")


def test_fake_needs_no_files(store: Store) -> None:
    assert store.ensure("fake").ref.kind == "fake"
    assert store.pull("fake").sha256 == ""


def test_local_models_are_used_where_they_are(tmp_path: Path, store: Store) -> None:
    gguf, folder = tmp_path / "own.gguf", tmp_path / "gpt2"
    gguf.write_bytes(DATA)
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    assert (store.ensure(str(gguf)).path, store.ensure(str(gguf)).sha256) == (gguf, SHA256)
    assert store.pull(str(gguf)).path == gguf
    assert store.ensure(str(folder)).path == folder and len(store.ensure(str(folder)).sha256) == 64
    assert contents(store) == [] if store.root.exists() else True


@pytest.mark.parametrize(
    ("free", "here", "chosen"),
    [
        (8e9, [], "1.5b"),
        (5e9, [], "0.5b"),
        (8e9, ["0.5b"], "0.5b"),
        (5e9, ["1.5b"], "1.5b"),
        (8e9, ["0.5b", "1.5b"], "1.5b"),
    ],
)
def test_auto_follows_free_memory_and_what_is_here(
    store: Store, monkeypatch: pytest.MonkeyPatch, free: float, here: list[str], chosen: str
) -> None:
    monkeypatch.setattr(machine, "memory", lambda: machine.Memory(int(9e9), int(free)))
    for alias in here:
        folder = store.folder(store.ref(alias))
        folder.mkdir(parents=True)
        (folder / "source.gguf").write_bytes(b"x")
    assert store.ref("auto").id == f"qwen2.5-coder-{chosen}"


# ---------------------------------------------------------------- conversions


@pytest.fixture
def model(tiny: ModelRef, store: Store) -> LocalModel:
    """The tiny model, as if it had been pulled."""
    put(store)
    return store.ensure("tiny")


def build(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"int8")


def test_conversion_is_built_once_for_all_threads(store: Store, model: LocalModel) -> None:
    built: list[Path] = []

    def slow(folder: Path) -> None:
        built.append(folder)
        time.sleep(0.3)
        build(folder)

    results: list[Path] = []
    threads = [threading.Thread(target=lambda: results.append(store.convert(model, "int8", 1, slow))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 1 and set(results) == {store.converted_dir(model, "int8", 1)}
    assert results[0].name == f"converted-1-{SHA256[:12]}-int8"
    assert sorted(p.name for p in results[0].iterdir()) == [MANIFEST, "model.safetensors"]


def test_failed_conversion_leaves_nothing(store: Store, model: LocalModel) -> None:
    def fail(folder: Path) -> None:
        build(folder)
        raise EngineError("cannot")

    before = contents(store)
    with pytest.raises(EngineError):
        store.convert(model, "int8", 1, fail)
    assert contents(store) == before


def test_conversion_on_a_full_disk_is_one_sentence(store: Store, model: LocalModel) -> None:
    def full(folder: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(DiskFullError, match=r"is full.*NBCOPILOT_CACHE_DIR"):
        store.convert(model, "int8", 1, full)


def test_truncated_conversion_is_built_again(store: Store, model: LocalModel) -> None:
    final = store.convert(model, "int8", 1, build)
    (final / "model.safetensors").write_bytes(b"in")
    assert (store.convert(model, "int8", 1, build) / "model.safetensors").read_bytes() == b"int8"


def test_newer_format_replaces_the_older_one_of_the_same_precision(store: Store, model: LocalModel) -> None:
    for precision, version in (("int8", 1), ("float32", 1), ("int8", 2), ("int8", 1)):
        store.convert(model, precision, version, build)
    names = sorted(path.name for path in store.folder(model.ref).glob("converted-*"))
    sha = SHA256[:12]
    # The older program, still in use elsewhere, made its own again; the newer one's stayed.
    assert names == [f"converted-1-{sha}-float32", f"converted-1-{sha}-int8", f"converted-2-{sha}-int8"]


def test_local_file_has_its_conversions_in_the_store(tmp_path: Path, store: Store) -> None:
    (tmp_path / "own.gguf").write_bytes(DATA)
    local = store.ensure(str(tmp_path / "own.gguf"))
    final = store.convert(local, "int8", 1, build)
    assert final.is_relative_to(store.root) and final.parent.name.startswith("local--own-")
    assert [stored.id for stored in store.models()] == [str(tmp_path / "own.gguf")]
    assert store.remove(str(tmp_path / "own.gguf")) > 0
    assert (tmp_path / "own.gguf").exists() and not final.exists()


def test_conversion_of_a_file_that_is_gone_is_shown_and_can_be_removed(tmp_path: Path, store: Store) -> None:
    (tmp_path / "own.gguf").write_bytes(DATA)
    store.convert(store.ensure(str(tmp_path / "own.gguf")), "int8", 1, build)
    assert not store.models()[0].orphan
    (tmp_path / "own.gguf").unlink()
    assert "its source is gone" in store.models()[0].describe()
    store.remove(str(tmp_path / "own.gguf"))
    assert store.models() == ()


# ---------------------------------------------------------------- verify, remove, list


def test_verify_hashes_the_file_and_its_conversions(store: Store, model: LocalModel) -> None:
    final = store.convert(model, "int8", 1, build)
    assert store.verify("tiny").problems == ()
    (final / "model.safetensors").write_bytes(b"int9")
    model.path.write_bytes(DATA[:-1] + b"X")
    problems = store.verify("tiny").problems
    assert len(problems) == 2 and "source.gguf has SHA-256" in problems[0] and problems[1].endswith("has changed")


def test_verify_and_remove_of_what_is_not_here_are_said(tiny: ModelRef, store: Store) -> None:
    with pytest.raises(ModelNotFoundError, match="models pull tiny"):
        store.verify("tiny")
    with pytest.raises(ModelNotFoundError, match="holds nothing of tiny"):
        store.remove("tiny")
    with pytest.raises(UnknownModelError):
        store.remove("no such thing")


def test_remove_frees_everything_of_the_model(store: Store, model: LocalModel) -> None:
    store.convert(model, "int8", 1, build)
    assert store.remove("tiny") > len(DATA)
    assert contents(store) == [] and store.models() == ()


def test_listing_shows_what_is_here(store: Store, model: LocalModel) -> None:
    store.convert(model, "int8", 1, build)
    line = next(line for line in module.listing() if line.startswith("tiny "))
    assert "pulled 121 kB, int8" in line


@pytest.mark.model
@pytest.mark.parametrize("name", ["smollm2-135m", "qwen2.5-coder-0.5b"])
def test_real_model_is_pulled_into_the_user_s_cache_and_verified(name: str) -> None:
    store = Store()
    model = store.pull(name)
    assert model.sha256 == model.ref.sha256
    with open(model.path, "rb") as file:
        assert file.read(4) == b"GGUF"
    assert store.verify(name).problems == ()
