"""Settings that the administrator of a machine has locked: `/etc/nbcopilot/policy.toml`.

    [settings]                        # these values, whatever anybody sets
    redact = true
    policy = "/etc/nbcopilot/code.toml"

    [allow]                           # only these values; patterns as in a shell
    engine = ["auto", "in-process", "https://models.example/*"]
    model = ["auto", "qwen2.5-coder-*"]

The file counts when root owns it (on Windows, where only administrators may write into its folder).
"""

from __future__ import annotations

import fnmatch
import os
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbcopilot import paths, urls
from nbcopilot.config_schema import convert, known
from nbcopilot.errors import ConfigError, UnsafePathError
from nbcopilot.project import read_toml

LIMIT = 1_000_000


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

    def require(self, name: str, value: Any) -> None:
        """Refuse a value that somebody asks for. Raises ConfigError."""
        if name in self.fixed and value != self.fixed[name]:
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

    def fallback(self, name: str) -> str | None:
        """The first value that is allowed and no pattern, None when there is none."""
        return next((one for one in self.allowed.get(name, ()) if not set(one) & set("*?[")), None)


def read() -> Locks:
    """The locks of this machine; none where there is no such file. Raises ConfigError when it cannot be believed."""
    place = path()
    try:
        content, status = paths.read_file(place, limit=LIMIT)
    except (FileNotFoundError, NotADirectoryError):
        return Locks()
    except (OSError, UnsafePathError) as exc:
        raise ConfigError(f"{place} cannot be read: {exc}", hint="ask the administrator of this machine") from exc
    if hasattr(os, "geteuid") and (status.st_uid != 0 or status.st_mode & (stat.S_IWOTH | stat.S_IWGRP)):
        raise ConfigError(
            f"{place} could be written by others than root", hint=f"chown root {place}; chmod 644 {place}"
        )
    return _locks(read_toml(content, place), str(place))


def _locks(values: Mapping[str, Any], origin: str) -> Locks:
    for table in values:
        if table not in ("settings", "allow") or not isinstance(values[table], dict):
            raise ConfigError(f"unknown table `{table}` in {origin}", hint="it takes [settings] and [allow]")
    fixed = {known(key, origin): convert(key, raw, origin) for key, raw in values.get("settings", {}).items()}
    allowed: dict[str, tuple[str, ...]] = {}
    for key, raw in values.get("allow", {}).items():
        words = raw if isinstance(raw, list) else [raw]
        if not words or not all(isinstance(word, str) for word in words):
            raise ConfigError(f"`{key}` under [allow] in {origin} is {raw!r}", hint='it takes a list such as ["auto"]')
        allowed[known(key, origin)] = tuple(words)
    return Locks(fixed, allowed, origin)


def _matches(value: str, pattern: str) -> bool:
    if urls.is_url(value) or urls.is_url(pattern):
        try:
            same_server = urls.is_url(pattern) and urls.origin(value) == urls.origin(pattern)
        except ConfigError:
            return False
        return same_server and fnmatch.fnmatchcase(urls.split(value).path or "/", urls.split(pattern).path or "/*")
    return fnmatch.fnmatchcase(value, pattern)
