"""Passages are found when they bear on the request, kept by modification time, and never noise."""

from __future__ import annotations

import os
from pathlib import Path

from nbcopilot.retrieval import index
from nbcopilot.retrieval.index import ProjectIndex


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def project(root: Path) -> Path:
    write(root / "pyproject.toml", "")
    write(root / "shop" / "__init__.py", "")
    write(
        root / "shop" / "prices.py",
        "def clean(s):\n    return s.strip()\n\n\ndef fiscal_quarter(day):\n    '''The fiscal quarter; the year starts in April.'''\n    return 1\n",
    )
    write(
        root / "other.py", "def clean(x):\n    return x\n\n\ndef sort_numbers(numbers):\n    return sorted(numbers)\n"
    )
    for i in range(6):
        write(root / f"filler{i}.py", f"def filler{i}(thing):\n    return thing * {i}\n")
    return root


def labels(hits: tuple[index.Hit, ...]) -> list[str]:
    return [hit.label for hit in hits]


def test_what_the_code_imports_is_found_in_its_own_module(tmp_path: Path) -> None:
    hits = index.search(project(tmp_path), "", wanted=frozenset({("shop.prices", "clean")}))
    assert labels(hits) == ["shop/prices.py:1 clean"] and "imported" in hits[0].reason


def test_telling_words_find_a_passage_and_plain_words_do_not(tmp_path: Path) -> None:
    project(tmp_path)
    assert labels(index.search(tmp_path, "add the fiscal quarter starting in April")) == [
        "shop/prices.py:5 fiscal_quarter"
    ]
    assert index.search(tmp_path, "write a function that sorts a list of numbers") == ()
    assert index.search(tmp_path, "") == ()


def test_changed_new_and_removed_files_are_noticed(tmp_path: Path) -> None:
    root = project(tmp_path)
    wanted = frozenset({("other", "fresh")})
    assert index.search(root, "", wanted=wanted) == ()
    write(root / "other.py", "def fresh():\n    return 1\n")
    assert labels(index.search(root, "", wanted=wanted)) == ["other.py:1 fresh"]
    os.remove(root / "other.py")
    assert index.search(root, "", wanted=wanted) == ()


def test_files_that_did_not_change_are_not_read_again(tmp_path: Path) -> None:
    made = ProjectIndex(project(tmp_path))
    made.update()
    before = dict(made._files)
    write(tmp_path / "new.py", "x = 1\n")
    made.update()
    assert all(made._files[path][1] is before[path][1] for path in before)


def test_what_was_not_reached_in_time_is_kept_and_read_later(tmp_path: Path) -> None:
    made = ProjectIndex(project(tmp_path))
    made.update(-1)
    assert made.search("", frozenset({("shop.prices", "clean")}), 3) == ()
    made.update()
    made.update(-1)
    assert labels(made.search("", frozenset({("shop.prices", "clean")}), 3)) == ["shop/prices.py:1 clean"]


def test_a_folder_that_is_not_there_gives_nothing(tmp_path: Path) -> None:
    assert index.search(tmp_path / "missing", "fiscal quarter April") == ()
