"""`nbcopilot trust FOLDER`: let the settings of a project count in full, list what is trusted, take it back."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nbcopilot import trust
from nbcopilot.cli import screen
from nbcopilot.errors import UsageError
from nbcopilot.project import FILE, SHARED


def add_parser(commands: Any) -> None:
    """Add the command."""
    sub = commands.add_parser(
        "trust",
        help="let the settings of a project count in full",
        description="Files of a project can only make things stricter, until you trust its folder. After that its "
        "nbcopilot.toml or pyproject.toml may also choose the engine and the model, and switch redaction and checks off.",
    )
    sub.add_argument("folder", nargs="?", metavar="FOLDER", help="the folder that holds the project's file")
    what = sub.add_mutually_exclusive_group()
    what.add_argument("--list", action="store_true", help="show the folders that are trusted")
    what.add_argument("--remove", action="store_true", help="trust FOLDER no longer")
    sub.add_argument("--json", action="store_true", help="one JSON object as the last line of stdout")


def run(args: argparse.Namespace) -> int:
    """Trust, list or remove. Exit 1 when a folder to remove was not trusted."""
    if args.list:
        return _list(args)
    if not args.folder:
        raise UsageError(
            "no folder was named",
            hint="say which: nbcopilot trust FOLDER; nbcopilot trust --list shows those that are trusted",
        )
    if args.remove:
        was_trusted = trust.remove(args.folder)
        said = "is no longer trusted" if was_trusted else "was not trusted"
        _say(args, f"{args.folder} {said}", {"folder": args.folder, "trusted": False, "removed": was_trusted})
        return 0 if was_trusted else 1
    made = trust.add(args.folder)
    _say(args, f"{made.folder} is trusted: its settings count in full", {**asdict(made), "trusted": True})
    if not any((Path(made.folder) / name).is_file() for name in (FILE, SHARED)):
        screen.notice(f"it holds neither {FILE} nor {SHARED}; folders below it are not trusted")
    return 0


def _list(args: argparse.Namespace) -> int:
    known = trust.folders()
    lines = [f"{one.folder}  (since {one.since}, owner {one.owner})" for one in known]
    _say(args, "\n".join(lines) or "No folder is trusted", {"folders": [asdict(one) for one in known]})
    return 0


def _say(args: argparse.Namespace, text: str, found: dict[str, Any]) -> None:
    print(json.dumps(found) if args.json else text)
