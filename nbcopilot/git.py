"""The one way git is called: on a repository that may have come from anywhere.

A repository's own configuration can name programs (hooks, a file-system monitor, external diffs, filters, transports)
that git runs while it only looks. None of them runs here: each is switched off on the command line or in the
environment, which win over the repository's files.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

_OFF = (
    "core.fsmonitor=false",
    f"core.hooksPath={os.devnull}",
    "core.pager=cat",
    "core.askPass=",
    "diff.external=",
    "protocol.allow=never",
)
# What a caller's environment could bring, or aim at another repository.
_DROPPED = (
    "GIT_EXTERNAL_DIFF",
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_COUNT",
)
_LOCAL_FILTERS = r"^filter\..*\.(clean|smudge|process|required)$"


def run(folder: str | Path, *words: str, seconds: float | None = None) -> subprocess.CompletedProcess[bytes]:
    """`git *words` in `folder`, with its output; runs no program that the repository's configuration names.

    Filters of the repository's own configuration are off; those of the user's configuration stay, so that what
    git-lfs or nbstripout clean compares as usual. Submodules are not entered by `diff`.
    Raises FileNotFoundError when git or the folder is missing, subprocess.TimeoutExpired after `seconds`.
    """
    off = [*_OFF, *(f"{name}={'false' if name.endswith('.required') else ''}" for name in _filters(folder, seconds))]
    return _git(folder, off, _guarded(words), seconds)


def _filters(folder: str | Path, seconds: float | None) -> list[str]:
    """Names of the filter settings in the repository's own configuration; reading it runs nothing."""
    found: list[str] = []
    for scope in ("--local", "--worktree"):
        words = ("config", scope, "--includes", "--null", "--name-only", "--get-regexp", _LOCAL_FILTERS)
        done = _git(folder, _OFF, words, seconds)
        found += os.fsdecode(done.stdout).split("\0") if done.returncode == 0 else []
    return [name for name in dict.fromkeys(found) if name and "=" not in name]


def _guarded(words: Sequence[str]) -> list[str]:
    """The words with the options that a `diff` needs: they cannot all be said by configuration."""
    if words and words[0] == "diff":
        return [words[0], "--no-ext-diff", "--no-textconv", "--ignore-submodules=all", *words[1:]]
    return list(words)


def _git(
    folder: str | Path, off: Sequence[str], words: Sequence[str], seconds: float | None
) -> subprocess.CompletedProcess[bytes]:
    line = ["git", "--no-pager", *(part for setting in off for part in ("-c", setting)), *words]
    environ = {name: value for name, value in os.environ.items() if name not in _DROPPED}
    # No transport, also not for objects that a partial clone lacks; no question; no lock in somebody else's tree.
    environ |= {
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "LC_ALL": "C",
    }
    return subprocess.run(line, cwd=folder, env=environ, capture_output=True, stdin=subprocess.DEVNULL, timeout=seconds)
