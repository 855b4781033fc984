"""`nbcopilot document PATH…`: documentation of notebooks, in place, into a folder, as a diff, or only checked."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from nbcopilot.cli import batching, configured

if TYPE_CHECKING:
    from nbcopilot.config import Config

_EPILOG = """\
examples:
  nbcopilot document analysis.ipynb --dry-run      show what would be written
  nbcopilot document notebooks/ -o documented/     write documented copies
  nbcopilot document notebooks/ --in-place         write into the notebooks
  nbcopilot document notebooks/ --check            exit 1 when documentation is missing or outdated (needs no model)
  nbcopilot document s3://b/nb -o s3://b/documented --scheduler tcp://HOST:8786 --report night.html
"""


def add_parser(commands: Any) -> None:
    """Add the command."""
    sub = commands.add_parser(
        "document",
        help="write titles, overviews and summaries into notebooks",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    sub.add_argument("paths", nargs="+", metavar="PATH", help=batching.PATH_HELP)
    sub.add_argument(
        "--check", action="store_true", help="only list what is missing or outdated; exit 1 if anything is"
    )
    sub.add_argument("--no-label", action="store_true", help="leave out the line that names the model")
    batching.add_arguments(sub, model=True)


def run(args: argparse.Namespace) -> int:
    """Document, check or show. Exit 1 when something was found wrong, 130 when stopped by Ctrl-C, 143 by SIGTERM."""
    from nbcopilot.batch.job import Job

    batching.require_one(args, ("output", "in_place", "check", "dry_run"), "document")
    config = configured.load(
        {
            "model": args.model,
            "engine": args.engine,
            "precision": args.precision,
            "label": False if args.no_label else None,
        }
    )
    if args.check:
        job = Job("check", config, writes=False)
    else:
        job = Job("document", config, _options(config), writes=not args.dry_run, with_diff=args.dry_run)
    return batching.finish(batching.run(args, job), args)


def _options(config: Config) -> Any:
    import os
    import time

    from nbcopilot.batch.texts import Options

    # https://reproducible-builds.org/specs/source-date-epoch/: the same run gives the same bytes.
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    moment = time.gmtime(int(epoch) if epoch.isdigit() else None)
    budget = min(Options.budget, config.context_tokens or Options.budget)
    created, personal = time.strftime("%Y-%m-%dT%H:%M:%SZ", moment), config.redact_personal
    return Options(created, config.label, config.redact, budget, personal=personal)
