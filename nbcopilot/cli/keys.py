"""`nbcopilot keys add | list | revoke | usage`: who may ask the server of `nbcopilot serve`, how much, and what was used."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

from nbcopilot.serve.keys import ASK, METRICS, Key, KeyStore, Limits
from nbcopilot.serve.ledger import Ledger


def add_parser(commands: Any) -> None:
    """Add the command with its four parts."""
    sub = commands.add_parser(
        "keys",
        help="keys of the users of `nbcopilot serve`",
        description="Each user of a shared server gets a key. Only its fingerprint is kept, in a file of yours that "
        "nobody else can read. A running server knows of every change at once.",
    )
    parts = sub.add_subparsers(dest="part", metavar="PART", required=True)
    add = parts.add_parser("add", help="make a key and show it, once")
    add.add_argument("name", metavar="NAME", help="whose key it is, for you")
    add.add_argument("--tokens-per-day", type=int, metavar="N", help="tokens of prompts and answers in a UTC day")
    add.add_argument("--concurrent", type=int, metavar="N", help="requests that may run at a time")
    add.add_argument("--metrics", action="store_true", help="a key that reads /metrics and nothing else")
    revoke = parts.add_parser("revoke", help="refuse a key from now on")
    revoke.add_argument("name", metavar="NAME", help="its name or its id")
    for part in (
        add,
        revoke,
        parts.add_parser("list", help="all keys, without their text"),
        parts.add_parser("usage", help="what each key used, by UTC day"),
    ):
        part.add_argument("--json", action="store_true", help="one JSON object as the last line of stdout")


def run(args: argparse.Namespace) -> int:
    """Run one part. Raises UsageError for names and limits that cannot be, ConfigError for a file that cannot be read."""
    return {"add": _add, "list": _list, "revoke": _revoke, "usage": _usage}[args.part](KeyStore(), args)


def _add(store: KeyStore, args: argparse.Namespace) -> int:
    limits = Limits(args.tokens_per_day, args.concurrent)
    key, text = store.add(args.name, limits, purpose=METRICS if args.metrics else ASK)
    print(json.dumps({**_shown(key), "key": text}) if args.json else text)
    print(f"This is the only time that the key of {key.name} is shown; its id is {key.id}", file=sys.stderr)
    return 0


def _list(store: KeyStore, args: argparse.Namespace) -> int:
    keys = store.all()
    if args.json:
        print(json.dumps({"keys": [_shown(key) for key in keys]}))
        return 0
    head = ("id", "name", "for", "tokens/day", "concurrent", "made", "revoked")
    _table(head, [_row(key) for key in keys], "There are no keys. nbcopilot keys add NAME makes one")
    return 0


def _revoke(store: KeyStore, args: argparse.Namespace) -> int:
    key = store.revoke(args.name)
    print(json.dumps(_shown(key)) if args.json else f"The key {key.id} of {key.name} is refused from now on")
    return 0


def _usage(store: KeyStore, args: argparse.Namespace) -> int:
    names = {key.id: key.name for key in store.all()}
    days = Ledger(store.path).days()
    if args.json:
        found = [{**vars(used), "name": names.get(used.caller, ""), "tokens": used.tokens} for used in days]
        print(json.dumps({"usage": found}))
        return 0
    head = ("day", "key", "name", "requests", "prompt", "of it cached", "answers", "tokens")
    rows = []
    for used in days:
        counts = (used.requests, used.prompt_tokens, used.cached_tokens, used.completion_tokens, used.tokens)
        rows.append((used.day, used.caller, names.get(used.caller, ""), *(f"{count:,}" for count in counts)))
    _table(head, rows, "Nothing was used yet")
    return 0


def _shown(key: Key) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "for": key.purpose,
        "tokens_per_day": key.limits.tokens_per_day,
        "concurrent": key.limits.concurrent,
        "created": _day(key.created),
        "revoked": _day(key.revoked),
    }


def _row(key: Key) -> tuple[str, ...]:
    return tuple("-" if value is None else str(value) for value in _shown(key).values())


def _day(seconds: float | None) -> str | None:
    return None if seconds is None else time.strftime("%Y-%m-%d", time.gmtime(seconds))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], otherwise: str) -> None:
    """Aligned columns, or one sentence when there is nothing to show."""
    if not rows:
        print(otherwise)
        return
    widths = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head))]
    for row in (head, *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
