"""Which notebooks are meant, and where the results go."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nbcopilot.batch.discover import discover, targets
from nbcopilot.errors import NotebookNotFoundError, UsageError


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in (
        "a.ipynb",
        "sub/b.ipynb",
        "sub/deep/C.IPYNB",
        "sub/.ipynb_checkpoints/b-checkpoint.ipynb",
        ".hidden/h.ipynb",
        "sub/.h.ipynb",
        "notes.txt",
        "other/d [1].ipynb",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    return tmp_path


def names(paths: list[str], exclude: Path | None = None) -> list[str]:
    return [unit.name for unit in discover(paths, exclude=exclude)[0]]


def test_folders_are_searched_without_hidden_files_and_checkpoints(tree: Path) -> None:
    assert names([str(tree)]) == ["a.ipynb", "other/d [1].ipynb", "sub/b.ipynb", "sub/deep/C.IPYNB"]


def test_names_are_relative_to_what_the_paths_have_in_common(tree: Path) -> None:
    assert names([str(tree / "a.ipynb")]) == ["a.ipynb"]
    assert names([str(tree / "sub")]) == ["b.ipynb", "deep/C.IPYNB"]
    assert names([str(tree / "sub"), str(tree / "a.ipynb")]) == ["a.ipynb", "sub/b.ipynb", "sub/deep/C.IPYNB"]


def test_globs_find_what_the_shell_did_not_expand(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree)
    assert names(["**/*.ipynb"]) == ["a.ipynb", "other/d [1].ipynb", "sub/b.ipynb"]
    assert names(["su*"]) == ["sub/b.ipynb", "sub/deep/C.IPYNB"]
    assert names(["sub/*.ipynb"]) == ["b.ipynb"]


def test_a_name_that_looks_like_a_glob_but_exists_is_that_file(tree: Path) -> None:
    assert names([str(tree / "other" / "d [1].ipynb")]) == ["d [1].ipynb"]


def test_each_notebook_comes_once(tree: Path) -> None:
    (tree / "link.ipynb").symlink_to(tree / "a.ipynb")
    assert len(names([str(tree), str(tree / "a.ipynb"), str(tree / "sub")])) == 4


def test_circles_of_links_end(tree: Path) -> None:
    (tree / "sub" / "up").symlink_to(tree)
    (tree / "sub" / "self").symlink_to(tree / "sub")
    assert len(names([str(tree)])) == 4


def test_the_output_folder_is_not_searched(tree: Path) -> None:
    assert names([str(tree)], exclude=tree / "sub") == ["a.ipynb", "other/d [1].ipynb"]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("b.ipynb", "is not there. Did you mean"),
        ("no/such/x.ipynb", "The folder"),
        ("*.md", "Nothing matches"),
        ("empty", "No notebook in the folder"),
    ],
)
def test_what_is_not_there_is_one_sentence_with_a_hint(
    tree: Path, path: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree / "empty").mkdir()
    monkeypatch.chdir(tree)
    with pytest.raises(NotebookNotFoundError, match=said):
        discover([path])


def test_a_dead_link_is_a_notebook_that_fails_when_it_is_read(tree: Path) -> None:
    os.symlink(tree / "gone.ipynb", tree / "dead.ipynb")
    assert "dead.ipynb" in names([str(tree)])


def test_output_mirrors_the_tree_and_never_overwrites_what_is_read(tree: Path) -> None:
    units, base = discover([str(tree / "sub")])
    assert base == str(tree / "sub")
    assert list(targets(units, "out").values()) == ["out/b.ipynb", "out/deep/C.IPYNB"]
    with pytest.raises(UsageError, match="would overwrite"):
        targets(units, tree / "sub")
