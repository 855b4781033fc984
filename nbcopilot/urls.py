"""Judgements about an engine's URL, made once and by parsing: is it one, is it this machine, what may be shown of it."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

from nbcopilot.errors import ConfigError

SCHEMES = ("http", "https")
# What urlsplit takes for the address in brackets may have more behind it, and another reader connects to that.
_BRACKETS = re.compile(r"\[[0-9A-Fa-f:.%]+\](?::[0-9]*)?|[^\[\]]*")


def is_url(text: str) -> bool:
    """Whether a setting names a server; "auto" and "in-process" do not."""
    return text.lower().startswith(tuple(f"{scheme}://" for scheme in SCHEMES))


def is_local(url: str) -> bool:
    """Whether the server behind `url` is on this machine: its host is `localhost` or a loopback address.

    A URL that cannot be parsed, or that carries user information, is not local.
    """
    try:
        return is_loopback(split(url).hostname or "")
    except ConfigError:
        return False


def is_loopback(host: str) -> bool:
    """Whether a host name or address, without port and brackets, always means this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return "%" not in host and ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def split(url: str) -> SplitResult:
    """The parts of an engine's URL. Raises ConfigError when it is not one, or when it names a user or password."""
    hint = "it looks like http://host:8000/v1"
    if any(not char.isprintable() or char in " \\" for char in url):
        raise ConfigError(
            f"{url!r} is not the URL of a server: it contains a space, a backslash or a control character", hint=hint
        )
    try:
        parts = urlsplit(url)
        named = parts.scheme in SCHEMES and bool(parts.hostname) and (parts.port is None or parts.port > 0)
        named = named and _BRACKETS.fullmatch(parts.netloc.rpartition("@")[2]) is not None
    except ValueError as exc:
        raise ConfigError(f"`{url}` is not the URL of a server: {exc}", hint=hint) from exc
    if "@" in parts.netloc:
        raise ConfigError(
            f"the engine URL for {parts.hostname} contains user information before the @",
            hint="remove it, and set api_key if the server needs a key",
        )
    if not named:
        raise ConfigError(f"`{url}` is not the URL of a server", hint=hint)
    return parts


def origin(url: str) -> str:
    """Scheme, host and port of a URL, normalized, so that two spellings of one server are equal. Raises ConfigError."""
    parts = split(url)
    host = (parts.hostname or "").lower().rstrip(".")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port}"
