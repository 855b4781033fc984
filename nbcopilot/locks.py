"""Settings that an administrator has locked: `/etc/nbcopilot/policy.toml`, or `c.Nbcopilot.locked` of a Jupyter server.

    [settings]                        # these values, whatever anybody sets
    redact = true
    sandbox = "landlock"              # this level or a better one
    off = ["serve", "ghost-text"]     # these features and those that somebody else switches off
    policy = "/etc/nbcopilot/code.toml"

    [allow]                           # only these values; patterns as in a shell
    engine = ["auto", "in-process", "https://models.example/*"]
    model = ["auto", "qwen2.5-coder-*"]

The file counts when root owns it (on Windows, where only administrators may write into its folder). A server's locks hold
in the server and, by an environment variable that is read once, in the kernels that it starts.
"""

from __future__ import annotations

import fnmatch
import json
import os
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbcopilot import paths, urls
from nbcopilot.config_schema import LEVELS, convert, known
from nbcopilot.errors import ConfigError, UnsafePathError
from nbcopilot.project import read_toml

LIMIT = 1_000_000
SERVER = "c.Nbcopilot.locked in the configuration of this Jupyter server"
# What a server tells its kernels: the two tables as JSON.
VARIABLE = "NBCOPILOT_SERVER_POLICY"
# As it was when the process began: what is set later, in a cell of a notebook, say, changes nothing.
_told = os.environ.get(VARIABLE, "")


def path() -> Path:
    """Where the file stands; nothing in the environment can move it."""
    if sys.platform == "win32":
        return Path("C:/ProgramData/nbcopilot/policy.toml")
    return Path("/etc/nbcopilot/policy.toml")


@dataclass(frozen=True)
class Locks:
    """Values that are fixed, and the patterns that other values must match. `origin` is shown beside them."""

    fixed: Mapping[str, Any] = field(default_factory=dict)
    allowed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    origin: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The settings that are locked in any way."""
        return tuple(dict.fromkeys((*self.fixed, *self.allowed)))

    def settled(self, name: str, value: Any) -> Any:
        """What a setting comes to for which somebody has chosen `value`: that, or what takes its place.

        Raises ConfigError where nothing can take its place.
        """
        if name in self.fixed:
            value = _joined(name, self.fixed[name], value)
        if name in self.allowed and not self.allows(name, value):
            instead = next((one for one in self.allowed[name] if not set(one) & set("*?[")), None)
            if instead is None:
                self.require(name, value)
            value = convert(name, instead, self.origin)
        return value

    def require(self, name: str, value: Any) -> None:
        """Refuse a value that somebody asks for. Raises ConfigError."""
        if name in self.fixed and _joined(name, self.fixed[name], value) != value:
            shown = "" if name == "api_key" else f" to {self.fixed[name]!r}"
            raise ConfigError(
                f"`{name}` is locked{shown} by {self.origin}", hint="ask the administrator of this machine"
            )
        if name in self.allowed and not self.allows(name, value):
            raise ConfigError(
                f"`{name}` = {value!r} is not allowed by {self.origin}",
                hint=f"it allows {', '.join(self.allowed[name])}",
            )

    def allows(self, name: str, value: Any) -> bool:
        """Whether a value matches what is allowed; a pattern for a URL never reaches beyond its host."""
        return any(_matches(str(value), pattern) for pattern in self.allowed.get(name, (str(value),)))


def read() -> tuple[Locks, ...]:
    """The locks that hold here, the strongest last: those of the Jupyter server, those of this machine.

    Raises ConfigError when any of them cannot be believed.
    """
    return (*_of_the_server(), *_of_the_machine())


def lock(tables: Mapping[str, Any]) -> None:
    """Lock what the configuration of a Jupyter server says, in this process and in the kernels that it will start.

    Raises ConfigError when the tables cannot be read.
    """
    global _told
    _told = os.environ[VARIABLE] = json.dumps(tables)  # first: what cannot be read stops the kernels as well
    _locks(tables, SERVER)


def _of_the_server() -> tuple[Locks, ...]:
    if not _told:
        return ()
    try:
        return (_locks(json.loads(_told), SERVER),)
    except (ValueError, TypeError, AttributeError) as exc:
        raise ConfigError(f"{VARIABLE} cannot be read: {exc}", hint="start the Jupyter server anew") from exc


def _of_the_machine() -> tuple[Locks, ...]:
    place = path()
    try:
        content, status = paths.read_file(place, limit=LIMIT)
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except (OSError, UnsafePathError) as exc:
        raise ConfigError(f"{place} cannot be read: {exc}", hint="ask the administrator of this machine") from exc
    if hasattr(os, "geteuid") and (status.st_uid != 0 or status.st_mode & (stat.S_IWOTH | stat.S_IWGRP)):
        raise ConfigError(
            f"{place} could be written by others than root", hint=f"chown root {place}; chmod 644 {place}"
        )
    return (_locks(read_toml(content, place), str(place)),)


def _locks(values: Mapping[str, Any], origin: str) -> Locks:
    for table in values:
        if table not in ("settings", "allow") or not isinstance(values[table], Mapping):
            raise ConfigError(f"unknown table `{table}` in {origin}", hint="it takes [settings] and [allow]")
    fixed = {known(key, origin): convert(key, raw, origin) for key, raw in values.get("settings", {}).items()}
    allowed: dict[str, tuple[str, ...]] = {}
    for key, raw in values.get("allow", {}).items():
        words = raw if isinstance(raw, list) else [raw]
        if not words or not all(isinstance(word, str) for word in words):
            raise ConfigError(f"`{key}` under [allow] in {origin} is {raw!r}", hint='it takes a list such as ["auto"]')
        allowed[known(key, origin)] = tuple(words)
    return Locks(fixed, allowed, origin)


def _joined(name: str, locked: Any, value: Any) -> Any:
    """The value that a lock leaves: its own; of a level the better, of features that are off those of both."""
    if name == "sandbox":
        return max(locked, value, key=LEVELS.index)
    if name == "off":
        return convert(name, f"{locked}, {value}", "")
    return locked


def _matches(value: str, pattern: str) -> bool:
    if urls.is_url(value) or urls.is_url(pattern):
        try:
            same_server = urls.is_url(pattern) and urls.origin(value) == urls.origin(pattern)
        except ConfigError:
            return False
        return same_server and fnmatch.fnmatchcase(urls.split(value).path or "/", urls.split(pattern).path or "/*")
    return fnmatch.fnmatchcase(value, pattern)
