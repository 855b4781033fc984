"""Keys of the users of one model server: made, listed, revoked, and recognised.

A key is `nbc_`, its public id, and 256 random bits. Only the SHA-256 of these is kept: a slow hash protects words that
people choose and can be guessed; 256 random bits cannot, and every request would pay for it. The id is what
metrics, logs and usage name.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nbcopilot.errors import UsageError
from nbcopilot.serve import keys_file

PATTERN = re.compile(r"nbc_(?P<id>[0-9a-f]{8})_(?P<secret>[A-Za-z0-9_-]{43})")
ASK, METRICS = "ask", "metrics"
MOST_CHARACTERS = 64
_COLUMNS = "id, name, digest, purpose, tokens_per_day, concurrent, created, revoked"


@dataclass(frozen=True)
class Limits:
    """What a caller may use: tokens of prompts and answers in a UTC day, requests at a time. None: no limit."""

    tokens_per_day: int | None = None
    concurrent: int | None = None

    def __post_init__(self) -> None:
        for option, value in (("--tokens-per-day", self.tokens_per_day), ("--concurrent", self.concurrent)):
            if value is not None and not 1 <= value < 2**63:
                raise UsageError(
                    f"`{option}` is {value}", hint="it takes 1 or more; nbcopilot keys revoke NAME refuses all requests"
                )


@dataclass(frozen=True)
class Key:
    """A key as it is kept. `created` and `revoked` are seconds since 1970; `purpose` is "ask" or "metrics"."""

    id: str
    name: str
    digest: bytes = field(repr=False)
    purpose: str
    limits: Limits
    created: float
    revoked: float | None = None


class KeyStore:
    """The keys in a file; every call reads or writes it anew, so that all processes see the same."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or keys_file.path()

    def add(self, name: str, limits: Limits = Limits(), *, purpose: str = ASK) -> tuple[Key, str]:
        """(the new key, its text, which is not kept). Raises UsageError for a name that is taken or is none."""
        if not name.strip() or len(name) > MOST_CHARACTERS or not name.isprintable() or name != name.strip():
            raise UsageError(
                f"{name!r} is no name for a key", hint=f"take 1 to {MOST_CHARACTERS} printable characters, such as ada"
            )
        secret = secrets.token_urlsafe(32)
        key = Key(secrets.token_hex(4), name, _digest(secret), purpose, limits, time.time())
        with keys_file.opened(self.path, write=True) as file:
            assert file is not None
            if file.execute("SELECT 1 FROM keys WHERE name = ? AND revoked IS NULL", (name,)).fetchone():
                raise UsageError(f"there is a key `{name}` already", hint=f"nbcopilot keys revoke {name} ends it")
            values = (
                key.id,
                key.name,
                key.digest,
                purpose,
                limits.tokens_per_day,
                limits.concurrent,
                key.created,
                None,
            )
            file.execute(f"INSERT INTO keys ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
        return key, f"nbc_{key.id}_{secret}"

    def all(self) -> list[Key]:
        """All keys, also revoked ones, in the order of their making."""
        with keys_file.opened(self.path) as file:
            rows = file.execute(f"SELECT {_COLUMNS} FROM keys ORDER BY created, rowid").fetchall() if file else []
        return [_key(row) for row in rows]

    def any(self) -> bool:
        """Whether a key was ever made here: a server whose last key was revoked is not open to everybody."""
        with keys_file.opened(self.path) as file:
            return file is not None and file.execute("SELECT 1 FROM keys LIMIT 1").fetchone() is not None

    def revoke(self, name: str) -> Key:
        """The key by its name or id, which is refused from now on. Raises UsageError when there is none."""
        with keys_file.opened(self.path, write=True) as file:
            assert file is not None
            known = [_key(row) for row in file.execute(f"SELECT {_COLUMNS} FROM keys WHERE revoked IS NULL")]
            found = next((key for key in known if key.name == name), None)
            found = found or next((key for key in known if key.id == name), None)
            if found is None:
                raise UsageError(f"there is no key `{name}`", hint=_names(known))
            now = time.time()
            file.execute("UPDATE keys SET revoked = ? WHERE id = ?", (now, found.id))
        return replace(found, revoked=now)

    def find(self, text: str) -> Key | None:
        """The key with this text, which may be revoked; None when there is none. Takes as long for every wrong secret."""
        match = PATTERN.fullmatch(text)
        if match is None:
            return None
        with keys_file.opened(self.path) as file:
            row = file and file.execute(f"SELECT {_COLUMNS} FROM keys WHERE id = ?", (match["id"],)).fetchone()
        key = _key(row) if row else None
        is_right = hmac.compare_digest(_digest(match["secret"]), key.digest if key else bytes(32))
        return key if is_right else None


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("ascii")).digest()


def _key(row: Sequence[Any]) -> Key:
    id, name, digest, purpose, tokens_per_day, concurrent, created, revoked = row
    return Key(id, name, digest, purpose, Limits(tokens_per_day, concurrent), created, revoked)


def _names(known: Sequence[Key]) -> str:
    if not known:
        return "nbcopilot keys add NAME makes one"
    more = f" and {len(known) - 8} more" if len(known) > 8 else ""
    return f"there is {', '.join(key.name for key in known[:8])}{more}"
