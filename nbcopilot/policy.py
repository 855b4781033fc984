"""What may be offered and what may run: a TOML file that forbids kinds of code and asks for a sandbox level.

    forbid = ["shell", "deletion", "network"]        # names of KINDS below; code that has them is rejected
    warn = ["files"]                                 # said, not rejected
    forbid_imports = ["torch", "tensorflow"]         # modules that must not be imported
    run_at = "landlock"                              # run generated code only at this level or a better one

Reads the file only; `checks.forbidden_code` holds code against it, the sandbox asks it for its level.
"""

from __future__ import annotations

import difflib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbcopilot import paths
from nbcopilot.config_schema import LEVELS as LEVELS
from nbcopilot.errors import ConfigError, UnsafePathError

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover
    import tomli as tomllib

# Kinds of code that reach outside the notebook, and what is said of them.
KINDS: dict[str, str] = {
    "shell": "runs a shell command",
    "subprocess": "starts another program",
    "deletion": "deletes files",
    "files": "writes files",
    "network": "uses the network",
    "eval": "runs text as code",
    "environ": "reads or sets environment variables",
    "install": "installs packages",
    "native": "calls native code",
    "signals": "sends signals or ends the process",
}

_KEYS = ("forbid", "warn", "forbid_imports", "run_at")


@dataclass(frozen=True)
class Policy:
    """Kinds and imports that are forbidden or only said, and the weakest sandbox level at which code may run."""

    forbid: frozenset[str] = frozenset()
    warn: frozenset[str] = frozenset()
    forbid_imports: frozenset[str] = frozenset()
    run_at: str = "rlimits"

    def allows_level(self, level: str) -> bool:
        """Whether code may run in a sandbox of this level."""
        return level in LEVELS and LEVELS.index(level) >= LEVELS.index(self.run_at)


def load(path: str | Path, at_least: str = LEVELS[0]) -> Policy:
    """The Policy of a file, or of several (parted as in PATH) together: what any of them forbids is forbidden.

    An empty path is the empty policy. at_least: the level that code needs whatever the files say. Raises ConfigError for anything that is not one.
    """
    names = [str(path)] if Path(path).is_file() else str(path).split(os.pathsep)
    found = [_load(name) for name in names if name]
    return Policy(
        forbid=frozenset().union(*(one.forbid for one in found)),
        warn=frozenset().union(*(one.warn for one in found)),
        forbid_imports=frozenset().union(*(one.forbid_imports for one in found)),
        run_at=max((at_least, *(one.run_at for one in found)), key=LEVELS.index),
    )


def _load(path: str) -> Policy:
    try:
        content, _ = paths.read_file(os.path.expanduser(path), limit=1_000_000)
        values = tomllib.loads(content.decode("utf-8"))
    except (OSError, ValueError, RecursionError, UnsafePathError) as exc:
        raise ConfigError(f"the policy file {path} cannot be read: {exc}", hint="mend it, or set policy = ''") from exc
    values = values.get("policy", values) if isinstance(values.get("policy", {}), dict) else values
    for key in values:
        if key not in _KEYS:
            near = difflib.get_close_matches(key, _KEYS, n=1, cutoff=0.5)
            hint = f"did you mean `{near[0]}`?" if near else "it takes " + ", ".join(_KEYS)
            raise ConfigError(f"unknown key `{key}` in the policy file {path}", hint=hint)
    run_at = values.get("run_at", "rlimits")
    if run_at not in LEVELS:
        raise ConfigError(f"run_at in {path} is {run_at!r}", hint="it takes " + ", ".join(LEVELS))
    return Policy(
        forbid=_words(values, "forbid", path, tuple(KINDS)),
        warn=_words(values, "warn", path, tuple(KINDS)),
        forbid_imports=_words(values, "forbid_imports", path, None),
        run_at=run_at,
    )


def _words(values: dict[str, Any], key: str, path: str | Path, known: tuple[str, ...] | None) -> frozenset[str]:
    words = values.get(key, [])
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ConfigError(f"`{key}` in the policy file {path} is {words!r}", hint='it takes a list such as ["shell"]')
    for word in words:
        if known is not None and word not in known:
            near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
            hint = f"did you mean `{near[0]}`?" if near else "it takes " + ", ".join(known)
            raise ConfigError(f"unknown kind `{word}` under `{key}` in {path}", hint=hint)
    return frozenset(words)
