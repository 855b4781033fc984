"""`nbcopilot strip PATH…`: notebooks without the cells that nbcopilot wrote."""

from __future__ import annotations

import argparse
from typing import Any

from nbcopilot.cli import batching

_ROLES = ("code", "explanation", "tests", "summary", "fix")


def add_parser(commands: Any) -> None:
    """Add the command."""
    sub = commands.add_parser(
        "strip",
        help="take out what nbcopilot wrote",
        description="Takes out every cell that nbcopilot wrote. Cells that you have edited since stay, without our "
        "metadata and label.",
    )
    sub.add_argument("paths", nargs="+", metavar="PATH", help=batching.PATH_HELP)
    sub.add_argument("--role", action="append", choices=_ROLES, default=[], help="only cells of this role (repeatable)")
    batching.add_arguments(sub)


def run(args: argparse.Namespace) -> int:
    """Strip or show. Exit 1 when a notebook failed."""
    from nbcopilot.batch.job import Job

    batching.require_one(args, ("output", "in_place", "dry_run"), "strip")
    job = Job("strip", roles=tuple(args.role), writes=not args.dry_run, with_diff=args.dry_run)
    return batching.finish(batching.run(args, job), args)
