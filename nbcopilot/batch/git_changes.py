"""Which notebooks changed against a git revision: asks git, reads no notebook."""

from __future__ import annotations

import os
from collections.abc import Sequence

from nbcopilot import git
from nbcopilot.batch import stores
from nbcopilot.batch.job import Unit
from nbcopilot.errors import UsageError


def changed(units: Sequence[Unit], revision: str, folder: str) -> list[Unit]:
    """The units below `folder` that differ from `revision` in the working tree, or that git does not know yet.

    Raises UsageError when that is no repository or no revision.
    """
    if stores.is_url(folder):
        raise UsageError("--since needs a git repository", hint="URLs have none: omit --since")
    if revision.startswith("-"):
        raise UsageError(f"{revision} is not a revision", hint="name a branch, a tag or a commit")
    root = _git(folder, "rev-parse", "--show-toplevel").rstrip("\n")
    _git(folder, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}", missing=revision)
    names = _git(root, "diff", "--name-only", "-z", "--no-renames", revision, "--").split("\0")
    names += _git(root, "ls-files", "-z", "--others", "--exclude-standard").split("\0")
    found = {os.path.realpath(os.path.join(root, name)) for name in names if name}
    return [unit for unit in units if os.path.realpath(unit.path) in found]


def _git(folder: str, *words: str, missing: str = "") -> str:
    """What git prints. missing: the revision that is asked for."""
    try:
        done = git.run(folder, *words)
    except FileNotFoundError as exc:
        if os.path.isdir(folder):
            raise UsageError("--since needs git, which is not installed", hint="install it, or omit --since") from exc
        raise UsageError(f"{folder} is not there", hint="check the path") from exc
    if done.returncode == 0:
        return os.fsdecode(done.stdout)
    if missing:
        raise UsageError(f"git knows no revision {missing}", hint="in CI fetch it first: fetch-depth: 0")
    said = " ".join(os.fsdecode(done.stderr).split())
    if "not a git repository" in said:
        raise UsageError(f"{folder} is in no git repository", hint="omit --since")
    raise UsageError(f"git cannot tell what changed: {said[:200]}", hint="omit --since")
