"""`nbcopilot finish PATH…`: notebooks that run where nbcopilot is not installed."""

from __future__ import annotations

import argparse
from typing import Any

from nbcopilot.cli import batching


def add_parser(commands: Any) -> None:
    """Add the command."""
    sub = commands.add_parser(
        "finish",
        help="make notebooks run without nbcopilot",
        description="Turns our magics into comments that keep the request, and takes the labels off. What was written "
        "stays, and so does its metadata unless --metadata is given.",
    )
    sub.add_argument("paths", nargs="+", metavar="PATH", help=batching.PATH_HELP)
    sub.add_argument("--metadata", action="store_true", help="take our metadata out, too: nothing can be stripped then")
    batching.add_arguments(sub)


def run(args: argparse.Namespace) -> int:
    """Finish or show. Exit 1 when a notebook failed."""
    from nbcopilot.batch.job import Job

    batching.require_one(args, ("output", "in_place", "dry_run"), "finish")
    job = Job("finish", metadata=args.metadata, writes=not args.dry_run, with_diff=args.dry_run)
    return batching.finish(batching.run(args, job), args)
