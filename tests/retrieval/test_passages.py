"""Project files become passages; what git ignores, environments and builds stay out."""

from __future__ import annotations

from pathlib import Path

import pytest

from nbcopilot.retrieval import passages
from nbcopilot.retrieval.passages import MAX_LINES, files, project_root, split


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def names(root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path, _ in files(root)]


def test_python_is_cut_at_definitions(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.py",
        "import os\nLIMIT = 3\n\n@deco\ndef f(x):\n    return x\n\nclass C:\n    def m(self):\n        pass\n",
    )
    assert [(p.name, p.line) for p in split(path, path.parent)] == [("LIMIT", 2), ("f", 4), ("C", 8)]
    assert split(path, path.parent)[1].text == "@deco\ndef f(x):\n    return x"


def test_a_long_class_is_cut_at_its_methods_and_a_long_function_keeps_its_head(tmp_path: Path) -> None:
    methods = "".join(f"    def m{i}(self):\n        return {i}\n\n" for i in range(40))
    path = write(tmp_path / "a.py", f"class C:\n    '''Doc.'''\n{methods}\ndef f():\n" + "    x = 1\n" * 100)
    found = split(path, path.parent)
    assert [p.name for p in found[:3]] == ["C", "C.m0", "C.m1"] and "Doc." in found[0].text
    assert found[-1].text.endswith(f"# … {101 - MAX_LINES} more lines")


def test_markdown_is_cut_at_headings_but_not_inside_code(tmp_path: Path) -> None:
    path = write(tmp_path / "a.md", "Intro\nline\n\n# One\n\ntext\n```\n# no heading\n```\n## Two\nmore\n## Empty\n")
    assert [(p.name, p.line) for p in split(path, path.parent)] == [("a", 1), ("One", 4), ("Two", 10)]


@pytest.mark.parametrize("text", ["def f(:", "\0", "(" * 3000])
def test_a_file_that_cannot_be_parsed_has_no_passages(tmp_path: Path, text: str) -> None:
    assert split(write(tmp_path / "a.py", text), tmp_path) == ()
    (tmp_path / "b.py").write_bytes(b"\xff\xfe\x00")
    assert split(tmp_path / "b.py", tmp_path) == () and split(tmp_path / "missing.py", tmp_path) == ()


def test_only_files_of_the_project_are_read(tmp_path: Path) -> None:
    for name in ("a.py", "lib/b.py", "docs/c.md", "notes.txt", ".hidden/d.py", "node_modules/e.py", "ignored/f.py",
                 "deep/made.gen.py", "myenv/g.py", "x.egg-info/h.py", "data/i.py", "__pycache__/j.py"):  # fmt: skip
        write(tmp_path / name, "x = 1\n")
    write(tmp_path / "myenv" / "pyvenv.cfg", "")
    write(tmp_path / "empty.py", "")
    write(tmp_path / "huge.py", "x" * 300_000)
    write(tmp_path / ".gitignore", "# made\nignored/\n*.gen.py\n/data\n!kept\n")
    assert names(tmp_path) == ["a.py", "docs/c.md", "lib/b.py"]


def test_a_home_folder_is_not_walked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.py", "x = 1\n")
    write(tmp_path / "sub" / "b.py", "x = 1\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert names(tmp_path) == ["a.py"]
    assert project_root(tmp_path / "sub") == tmp_path / "sub"


def test_the_root_is_the_nearest_project_not_far_above(tmp_path: Path) -> None:
    write(tmp_path / "pyproject.toml", "")
    (tmp_path / "a" / "b" / "c" / "d").mkdir(parents=True)
    assert project_root(tmp_path / "a" / "b") == tmp_path
    assert project_root(tmp_path / "a" / "b" / "c" / "d") == tmp_path / "a" / "b" / "c" / "d"


def test_the_count_of_files_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(20):
        write(tmp_path / f"f{i:02}.py", "x = 1\n")
    monkeypatch.setattr(passages, "MAX_FILES", 7)
    assert len(names(tmp_path)) == 7


def test_links_that_go_round_end(tmp_path: Path) -> None:
    write(tmp_path / "a.py", "x = 1\n")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    assert names(tmp_path) == ["a.py"]
