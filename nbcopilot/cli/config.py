"""`nbcopilot config`: every setting, its value here, where that comes from, and what an administrator has locked."""

from __future__ import annotations

import argparse
import json
from typing import Any

from nbcopilot.cli import configured


def add_parser(commands: Any) -> None:
    """Add the command."""
    sub = commands.add_parser("config", help="every setting and where it comes from; settings that are locked")
    sub.add_argument("--json", action="store_true", help="one JSON object as the last line of stdout")


def run(args: argparse.Namespace) -> int:
    """Print the settings that count in the working folder."""
    settings = configured.effective({}).settings
    shown = {one.name: "(set)" if one.name == "api_key" and one.value else one.value for one in settings}
    if args.json:
        rows = {one.name: {"value": shown[one.name], "origin": one.origin, "locked": one.is_locked} for one in settings}
        print(json.dumps({"settings": rows}))
        return 0
    for one in settings:
        print(f"{one.name:20} {shown[one.name]!s:24} {one.origin}")
    return 0
