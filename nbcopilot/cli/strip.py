"""`nbcopilot strip PATH…`: notebooks without the cells that nbcopilot wrote."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

_ROLES = ("code", "explanation", "tests", "summary", "fix")


def add_parser(commands: Any) -> None:
    """Add the command."""
    sub = commands.add_parser(
        "strip",
        help="take out what nbcopilot wrote",
        description="Takes out every cell that nbcopilot wrote. Cells that you have edited since stay, without our "
        "metadata and label.",
    )
    sub.add_argument("paths", nargs="+", metavar="PATH", help="notebooks, folders, or globs such as 'nb/**/*.ipynb'")
    where = sub.add_mutually_exclusive_group()
    where.add_argument("-o", "--output", type=Path, metavar="DIR", help="write copies there, in the same tree")
    where.add_argument("--in-place", action="store_true", help="write into the notebooks")
    sub.add_argument("--dry-run", action="store_true", help="show the changes as a diff and write nothing")
    sub.add_argument("--role", action="append", choices=_ROLES, default=[], help="only cells of this role (repeatable)")
    sub.add_argument("--jobs", type=int, default=1, metavar="N", help="notebooks at once (default 1)")
    sub.add_argument("--json", action="store_true", help="one JSON object as the last line of stdout")


def run(args: argparse.Namespace) -> int:
    """Strip or show. Exit 1 when a notebook failed."""
    from nbcopilot.batch import discover, runner, tasks
    from nbcopilot.cli import batching

    batching.require_one(args, ("output", "in_place", "dry_run"), "strip")
    units, _ = discover.discover(args.paths, exclude=args.output)
    places = batching.places(units, args)
    work = tasks.stripping(args.role, places=places, with_diff=args.dry_run)
    with batching.Progress(len(units), args) as progress:
        report = runner.run(units, work, places=places, jobs=args.jobs, on_done=progress.done)
    return batching.finish(report, args)
