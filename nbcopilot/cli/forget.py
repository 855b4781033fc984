"""`nbcopilot forget`: remove the prompts that are kept on this machine for `nbcopilot replay`."""

from __future__ import annotations

import argparse
import json
import re
from typing import Any

from nbcopilot.errors import NbcopilotError, UsageError
from nbcopilot.write import kept

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def add_parser(commands: Any) -> None:
    """Add the command."""
    sub = commands.add_parser(
        "forget",
        help="remove the prompts that are kept for replay",
        description="Removes the prompts that nbcopilot keeps on this machine so that replay can ask the same again. "
        "The settings keep_days and keep_mb remove old ones without being asked; keep_prompts = false keeps none.",
    )
    sub.add_argument("--older-than", metavar="AGE", help="only those older than this: 12h, 30d, 2w")
    sub.add_argument("--json", action="store_true", help="one JSON object as the last line of stdout")


def run(args: argparse.Namespace) -> int:
    """Remove them and say how many. Raises UsageError for an age that is not one."""
    age = _age(args.older_than) if args.older_than is not None else 0
    try:
        count, size = kept.forget(age)
    except OSError as exc:
        raise NbcopilotError(
            f"a kept prompt cannot be removed: {exc.strerror} ({exc.filename})", hint="check who owns the folder"
        ) from exc
    if args.json:
        print(json.dumps({"removed": count, "bytes": size, "folder": str(kept.folder())}))
    else:
        print(f"Removed {count} kept prompt{'s' if count != 1 else ''} ({size / 1000:,.1f} kB) from {kept.folder()}.")
    return 0


def _age(text: str) -> float:
    """Seconds of an age such as 30d; 0 means everything."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhdw])", text.strip().lower())
    if match is None:
        raise UsageError(f"`--older-than {text}` is not an age", hint="write a number and a unit: 12h, 30d or 2w")
    return float(match[1]) * _SECONDS[match[2]]
