"""`nbcopilot testgen` on many notebooks: tests below every cell with functions. cells.py answers for a single target."""

from __future__ import annotations

import argparse
import glob
import os

from nbcopilot.cli import batching
from nbcopilot.config import Config


def is_batch(args: argparse.Namespace) -> bool:
    """Whether a call means notebooks as a whole: folders, globs, URLs, several paths, or where results go."""
    target = args.target
    if args.more or args.in_place or args.dry_run or os.path.isdir(target) or "://" in target:
        return True
    if os.path.exists(target):
        to_folder = bool(args.output) and not args.output.endswith(".py")
        return target.endswith(".zip") or (target.endswith(".ipynb") and to_folder)
    return glob.has_magic(target)


def run(args: argparse.Namespace, config: Config) -> int:
    """Write tests, or show them. Exit 1 when a notebook failed."""
    from nbcopilot.batch.job import Job

    args.paths = [args.target, *args.more]
    batching.require_one(args, ("output", "in_place", "dry_run"), "testgen")
    job = Job("testgen", config, writes=not args.dry_run, with_diff=args.dry_run)
    return batching.finish(batching.run(args, job), args)
