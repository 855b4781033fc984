"""git on a repository from anywhere: nothing that its configuration names is run, whatever is asked of git."""

from __future__ import annotations

import ast
import os
import subprocess
from pathlib import Path

import pytest

from nbcopilot import git
from nbcopilot.batch.discover import discover
from nbcopilot.batch.git_changes import changed

PACKAGE = Path(git.__file__).parent
ASKED = [
    ("rev-parse", "--show-toplevel"),
    ("rev-parse", "--verify", "--quiet", "HEAD^{commit}"),
    ("diff", "--name-only", "-z", "--no-renames", "HEAD", "--"),
    ("diff", "HEAD", "--"),
    ("ls-files", "-z", "--others", "--exclude-standard"),
    ("describe", "--always", "--dirty"),
    ("status", "--short"),
    ("show", "HEAD:lost"),
]


def plain(folder: Path, *words: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """(a repository whose configuration names a program wherever it can, the file that the program would write)."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    (tmp_path / "home").mkdir()
    mark = tmp_path / "ran"
    program = tmp_path / "program.sh"
    program.write_text(f'#!/bin/sh\necho "$0 $*" >> {mark}\ncat 2>/dev/null\n')
    program.chmod(0o755)
    repo, inner = tmp_path / "repo", tmp_path / "inner"
    for folder in (inner, repo):
        folder.mkdir()
        plain(folder, "init", "-q")
        (folder / "a.ipynb").write_text("{}")
        (folder / "lost").write_text("x")
        plain(folder, "add", ".")
        plain(folder, "commit", "-qm", "a")
    plain(repo, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner), "sub")
    (repo / ".gitattributes").write_text("*.ipynb filter=evil diff=evil\n")
    plain(repo, "add", ".")
    plain(repo, "commit", "-qm", "b")
    hooks = repo / "hooks"
    hooks.mkdir()
    for name in ("post-index-change", "fsmonitor-watchman", "reference-transaction", "post-checkout"):
        (hooks / name).symlink_to(program)
    settings = {
        "core.fsmonitor": str(program),
        "core.hooksPath": str(hooks),
        "core.pager": str(program),
        "pager.diff": str(program),
        "pager.status": str(program),
        "diff.external": str(program),
        "diff.evil.textconv": str(program),
        "diff.evil.command": str(program),
        "filter.evil.clean": str(program),
        "filter.evil.smudge": str(program),
        "filter.evil.required": "true",
        "core.sshCommand": str(program),
        "extensions.partialClone": "origin",
        "remote.origin.url": f"ext::{program}",
        "remote.origin.promisor": "true",
        "protocol.ext.allow": "always",
    }
    for name, value in settings.items():
        plain(repo, "config", name, value)
    plain(repo / "sub", "config", "core.fsmonitor", str(program))
    digest = subprocess.run(["git", "hash-object", "lost"], cwd=inner, capture_output=True, text=True).stdout.strip()
    (repo / ".git" / "objects" / digest[:2] / digest[2:]).unlink()
    for path in (repo / "a.ipynb", repo / "sub" / "a.ipynb"):
        path.write_text("{ }")
        os.utime(path, (1, 1))
    mark.unlink(missing_ok=True)
    return repo, mark


@pytest.mark.parametrize("words", ASKED, ids=" ".join)
def test_no_program_of_the_repository_runs(words: tuple[str, ...], hostile: tuple[Path, Path]) -> None:
    repo, mark = hostile
    git.run(repo, *words, seconds=60)
    assert not mark.exists(), mark.read_text()


def test_the_repository_is_hostile_to_plain_git(hostile: tuple[Path, Path]) -> None:
    repo, mark = hostile
    subprocess.run(["git", "diff", "--name-only", "HEAD"], cwd=repo, capture_output=True)
    assert mark.exists()


def test_since_runs_nothing_and_still_finds_what_changed(hostile: tuple[Path, Path]) -> None:
    repo, mark = hostile
    units, base = discover([str(repo)])
    assert [unit.name for unit in changed(units, "HEAD", base)] == ["a.ipynb"]
    assert not mark.exists(), mark.read_text()


def test_filters_of_the_user_still_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, repo = tmp_path / "home", tmp_path / "repo"
    home.mkdir(), repo.mkdir()
    monkeypatch.setenv("HOME", str(home))
    (home / ".gitconfig").write_text('[filter "strip"]\n\tclean = sed s/output//\n')
    plain(repo, "init", "-q")
    (repo / ".gitattributes").write_text("*.ipynb filter=strip\n")
    (repo / "a.ipynb").write_text("code output\n")
    plain(repo, "add", ".")
    plain(repo, "commit", "-qm", "a")
    (repo / "a.ipynb").write_text("code \n")
    assert git.run(repo, "diff", "--name-only", "HEAD", "--").stdout == b""


def test_git_is_called_in_one_place() -> None:
    wrong = [
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.List)
        and node.elts
        and isinstance(node.elts[0], ast.Constant)
        and node.elts[0].value == "git"
    ]
    assert wrong == ["git.py"]
