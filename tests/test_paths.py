"""No link that a tree brings is read or written through: every way of opening, every command, every place for a link."""

from __future__ import annotations

import ast
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest

from nbcopilot import paths, project, trust
from nbcopilot.batch.discover import discover
from nbcopilot.cli.main import main
from nbcopilot.errors import NbcopilotError, UnsafePathError
from nbcopilot.retrieval import passages
from nbcopilot.retrieval.index import ProjectIndex
from nbcopilot.write import files

SECRET = "sesame_opens_the_cave"


def notebook(path: Path, source: str = "import math\ndef area(r):\n    return math.pi * r ** 2\narea(2)") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cell = nbformat.v4.new_code_cell(source)  # type: ignore[no-untyped-call]
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)  # type: ignore[no-untyped-call]


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project with a notebook; beside it a home folder that must look the same afterwards."""
    home, folder = tmp_path / "home", tmp_path / "repo"
    notebook(home / "private" / "salaries.ipynb", f"{SECRET} = 123456\nbonus = {SECRET} * 2")
    (home / "private" / "notes.md").write_text(f"# Notes\n\nThe word is {SECRET}\nand so on\n")
    (home / "private" / "tool.py").write_text(f"def tool():\n    return '{SECRET}'\n")
    (home / ".bashrc").write_text("export PATH=$PATH:~/bin\n")
    notebook(folder / "a.ipynb")
    (folder / ".git").mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("NBCOPILOT_CHECK", "false")  # nothing is run here
    before = state(home)
    yield folder
    assert state(home) == before, "something outside was written"


def state(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else b"" for p in sorted(folder.rglob("*"))}


def link(path: Path, to: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(to)


# Where a repository may put a link, given the folder of the output.
PLACES: dict[str, Callable[[Path, Path], None]] = {
    "the result": lambda repo, home: link(repo / "out" / "a.ipynb", "../../home/.bashrc"),
    "the result, to a notebook": lambda repo, home: link(repo / "out" / "a.ipynb", str(home / "private/salaries.ipynb")),
    "the result, to nothing yet": lambda repo, home: link(repo / "out" / "a.ipynb", "../../home/.profile"),
    "the output folder": lambda repo, home: link(repo / "out", "../home/private"),
    "the output folder, by another": lambda repo, home: (link(repo / "b", "../home"), link(repo / "out", "b/private"))[0],
    "a folder of notebooks": lambda repo, home: link(repo / "shared", "../home/private"),
    "a notebook": lambda repo, home: link(repo / "shared.ipynb", "../home/private/salaries.ipynb"),
    "a folder in the output": lambda repo, home: (notebook(repo / "sub" / "b.ipynb"), link(repo / "out" / "sub", "../../home/private"))[0],
    "the journal's folder": lambda repo, home: (link(repo / ".nbcopilot", "../home/private"), link(repo / "out" / ".nbcopilot", "../../home/private"))[0],
    "the journal's lock": lambda repo, home: [link(repo / at / ".nbcopilot" / name, str(home / ".bashrc")) for at in ("", "out") for name in ("lock", "journal.sqlite")] and None,
    "the report": lambda repo, home: link(repo / "r.html", "../home/.bashrc"),
    "the archive": lambda repo, home: (link(repo / "out.zip", "../home/.bashrc"), link(repo / "out.zip.tmp", "../home/.bashrc"), link(repo / "out.zip.parts", "../home/private"))[0],
}  # fmt: skip
COMMANDS = [
    ["document", ".", "-o", "out", "--model", "fake"],
    ["document", ".", "-o", "out/", "--model", "fake"],
    ["document", "a.ipynb", "-o", "out", "--model", "fake"],
    ["document", "**/*.ipynb", "-o", "./out", "--model", "fake"],
    ["document", ".", "--in-place", "--model", "fake"],
    ["document", "*", "--in-place", "--model", "fake"],
    ["document", ".", "-o", "out.zip", "--model", "fake"],
    ["document", ".", "--check", "--report", "r.html"],
    ["testgen", ".", "--in-place", "--model", "fake"],
    ["strip", ".", "-o", "out"],
    ["strip", ".", "--in-place"],
    ["audit", ".", "--report", "r.html"],
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_no_command_reads_or_writes_through_a_link_of_the_project(
    words: list[str], place: str, repo: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    PLACES[place](repo, repo.parent / "home")
    code = main([*words, "--json"] if "--json" not in words else words)
    said = "".join(capfd.readouterr())
    assert code in (0, 1, 2) and "Traceback" not in said and SECRET not in said
    for path in repo.rglob("*"):
        if path.is_file() and paths.is_inside(repo, path):
            assert SECRET.encode() not in path.read_bytes(), f"{path} holds what stands outside"


def test_a_link_that_leads_out_is_named_and_the_rest_is_done(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    link(repo / "shared", "../home/private")
    link(repo / "out" / "a.ipynb", "../../home/.bashrc")
    notebook(repo / "b.ipynb")
    assert main(["document", ".", "-o", "out", "--model", "fake"]) == 1
    said = capsys.readouterr().err
    assert "1 link out of the folder passed over: shared" in said and "a.ipynb leads out of" in said
    assert (repo / "out" / "b.ipynb").is_file()


@pytest.mark.parametrize("command", ["--in-place", "-o"])
def test_a_link_that_the_user_names_is_followed(command: str, repo: Path, tmp_path: Path) -> None:
    notebook(tmp_path / "elsewhere" / "c.ipynb")
    (tmp_path / "results").mkdir()
    link(tmp_path / "to_results", "results")
    link(repo / "c.ipynb", "../elsewhere/c.ipynb")
    where = ["--in-place"] if command == "--in-place" else ["-o", str(tmp_path / "to_results")]
    assert main(["document", "c.ipynb", *where, "--model", "fake"]) == 0
    assert (repo / "c.ipynb").is_symlink()
    written = tmp_path / ("elsewhere" if command == "--in-place" else "results") / "c.ipynb"
    assert b"nbcopilot" in written.read_bytes()


def test_links_within_the_folder_are_followed(repo: Path) -> None:
    notebook(repo / "real" / "b.ipynb")
    link(repo / "by_folder", "real")
    assert [unit.name for unit in discover(["."])[0]] == ["a.ipynb", "by_folder/b.ipynb"]
    link(repo / "out" / "a.ipynb", "other.ipynb")
    assert main(["document", "a.ipynb", "-o", "out", "--model", "fake"]) == 0
    assert (repo / "out" / "other.ipynb").is_file() and (repo / "out" / "a.ipynb").is_symlink()


def test_in_a_trusted_folder_an_output_may_lead_out(repo: Path, tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    link(repo / "out", "../scratch")
    assert main(["document", ".", "-o", "out", "--model", "fake"]) == 2
    trust.add(repo)
    assert main(["document", ".", "-o", "out", "--model", "fake"]) == 0
    assert (tmp_path / "scratch" / "a.ipynb").is_file()


def test_a_new_test_file_is_not_written_through_a_dead_link(repo: Path) -> None:
    (repo / "m.py").write_text("def add(a, b):\n    return a + b\n")
    link(repo / "test_m.py", "../home/test_m.py")
    assert main(["testgen", "m.py", "--write", "--model", "fake"]) == 2


# --------------------------------------------------------------------------- the seam itself


OUT = {
    "a link": "../home/.bashrc",
    "an absolute link": "{home}/.bashrc",
    "a link to a link": "second",
    "a dead link": "../home/nothing",
    "a proc link": "/proc/self/cwd/../home/.bashrc",
}


@pytest.mark.parametrize("kind", OUT)
def test_the_seam_opens_nothing_outside(kind: str, repo: Path) -> None:
    link(repo / "second", "../home/.bashrc")
    link(repo / "x", OUT[kind].format(home=repo.parent / "home"))
    link(repo / "d", "../home")
    for name in ("x", "d/.bashrc", "../home/.bashrc", "a.ipynb/../../home/.bashrc"):
        with pytest.raises(UnsafePathError):
            paths.read(repo, repo / name)
        with pytest.raises(UnsafePathError):
            files.write(repo / name, b"evil", within=repo)
        assert not paths.is_inside(repo, repo / name)


def test_a_link_that_comes_between_looking_and_opening_is_not_followed(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook(repo / "sub" / "b.ipynb")
    looked = paths.inside

    def swapped(folder: str | Path, path: str | Path) -> Path:
        place = looked(folder, path)
        if (repo / "sub").is_dir() and not (repo / "sub").is_symlink():
            (repo / "sub").rename(repo / "moved")
            link(repo / "sub", "../home/private")
        return place

    monkeypatch.setattr(paths, "inside", swapped)
    for act in (
        lambda: paths.read(repo, repo / "sub" / "b.ipynb"),
        lambda: files.write(repo / "sub" / "b.ipynb", b"evil", within=repo),
        lambda: files.write(repo / "sub" / "new.ipynb", b"evil", within=repo),
    ):
        (repo / "sub").unlink() if (repo / "sub").is_symlink() else None
        if (repo / "moved").exists():
            (repo / "moved").rename(repo / "sub")
        with pytest.raises((NbcopilotError, OSError)):
            act()


def test_what_is_no_ordinary_file_is_refused_at_once(repo: Path) -> None:
    os.mkfifo(repo / "pipe.ipynb")
    for name in ("pipe.ipynb", "."):
        with pytest.raises((UnsafePathError, OSError)):
            paths.read(repo, repo / name)
    with pytest.raises(UnsafePathError):
        paths.read_file(repo / "pipe.ipynb")
    assert main(["document", ".", "--check"]) == 1


def test_too_long_is_refused(repo: Path) -> None:
    (repo / "long").write_bytes(b"x" * 11)
    assert paths.read(repo, repo / "long", limit=11)[0] == b"x" * 11
    with pytest.raises(UnsafePathError, match="longer than 10"):
        paths.read(repo, repo / "long", limit=10)


def test_retrieval_sends_nothing_that_stands_outside(repo: Path) -> None:
    for name in ("notes.md", "tool.py"):
        link(repo / name, f"../home/private/{name}")
    link(repo / "folder", "../home/private")
    link(repo / ".gitignore", "../home/.bashrc")
    os.mkfifo(repo / "pipe.py")
    (repo / "own.py").write_text("def own():\n    return 1\n")
    index = ProjectIndex(repo)
    index.update(5)
    assert [passage.name for passage in index._passages] == ["own"]
    for name in ("notes.md", "tool.py", "pipe.py"):
        assert passages.split(repo / name, repo) == ()


def test_a_root_that_somebody_else_marks_is_none(repo: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    os.chown(repo / ".git", 65534, -1)
    (repo / "deep").mkdir()
    assert passages.project_root(repo / "deep") == repo / "deep"
    os.chown(repo / ".git", 0, -1)
    assert passages.project_root(repo / "deep") == repo


def test_outputs_are_judged_by_the_project(repo: Path, tmp_path: Path) -> None:
    link(repo / "out", "../home")
    link(tmp_path / "mine", "home")
    for name in ("out", "out/x", "./out/x/y.html", str(repo / "out" / "new")):
        with pytest.raises(UnsafePathError, match="leads out of"):
            project.require_own(name)
    for name in ("a.ipynb", "new/x", "../elsewhere", str(tmp_path / "mine" / "x"), "../home/x"):
        project.require_own(name)


def test_batch_and_retrieval_open_files_through_the_seam_only() -> None:
    package = Path(paths.__file__).parent
    allowed = {"batch/archive.py", "batch/report_files.py"}  # outputs that require_own has judged
    wrong = []
    for path in (*(package / "batch").glob("*.py"), *(package / "retrieval").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if name in ("read_text", "read_bytes", "write_text", "write_bytes") or (
                name == "open" and isinstance(node.func, ast.Name)
            ):
                wrong.append(f"{path.relative_to(package)}:{node.lineno}: {name}")
    assert {one.partition(":")[0] for one in wrong} <= {*allowed, "batch/stores.py"}, wrong
