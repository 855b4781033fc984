"""`nbcopilot document PATH…`: documentation of notebooks, in place, into a folder, as a diff, or only checked."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbcopilot.config import Config

_EPILOG = """\
examples:
  nbcopilot document analysis.ipynb --dry-run      show what would be written
  nbcopilot document notebooks/ -o documented/     write documented copies
  nbcopilot document notebooks/ --in-place         write into the notebooks
  nbcopilot document notebooks/ --check            exit 1 when documentation is missing or outdated (needs no model)
"""


def add_parser(commands: Any) -> None:
    """Add the command."""
    sub = commands.add_parser(
        "document",
        help="write titles, overviews and summaries into notebooks",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    sub.add_argument("paths", nargs="+", metavar="PATH", help="notebooks, folders, or globs such as 'nb/**/*.ipynb'")
    where = sub.add_mutually_exclusive_group()
    where.add_argument("-o", "--output", type=Path, metavar="DIR", help="write copies there, in the same tree")
    where.add_argument("--in-place", action="store_true", help="write into the notebooks")
    sub.add_argument(
        "--check", action="store_true", help="only list what is missing or outdated; exit 1 if anything is"
    )
    sub.add_argument("--dry-run", action="store_true", help="show the changes as a diff and write nothing")
    sub.add_argument("--jobs", type=int, default=1, metavar="N", help="notebooks at once (default 1)")
    sub.add_argument("--resume", action="store_true", help="go on with an interrupted run of the same command")
    sub.add_argument("--json", action="store_true", help="one JSON object as the last line of stdout")
    sub.add_argument("--no-label", action="store_true", help="leave out the line that names the model")
    sub.add_argument("--model", help="model id, folder or .gguf file; fake needs no weights")
    sub.add_argument("--engine", help="auto, in-process, or the URL of an OpenAI-compatible server")
    sub.add_argument("--precision", help="weights in memory: auto, int8, float32, bfloat16, float16")


def run(args: argparse.Namespace) -> int:
    """Document, check or show. Exit 1 when something was found wrong, 130 when stopped by Ctrl-C."""
    from nbcopilot import config as settings
    from nbcopilot.batch import discover, runner, tasks
    from nbcopilot.batch.journal import Journal
    from nbcopilot.cli import batching

    batching.require_one(args, ("output", "in_place", "check", "dry_run"), "document")
    config = settings.load(
        {
            "model": args.model,
            "engine": args.engine,
            "precision": args.precision,
            "label": False if args.no_label else None,
        }
    )
    units, base = discover.discover(args.paths, exclude=args.output)
    if args.check:
        places = discover.targets(units, args.output) if args.output else None
        with batching.Progress(len(units), args) as progress:
            report = runner.run(units, tasks.checking(places=places), jobs=args.jobs, on_done=progress.done)
        return batching.finish(report, args)
    places = batching.places(units, args)
    options = _options(config)
    journal = None
    if places is not None:
        journal = Journal.open(
            args.output or base, f"{config.model} {config.label} {config.redact}", resume=args.resume
        )
        batching.say(journal.problem)
    with batching.Progress(len(units), args) as progress:
        engine = tasks.LazyEngine(lambda: _engine(config, progress))
        work = tasks.documenting(engine, options, places=places, with_diff=args.dry_run, on_cells=progress.cells)
        report = runner.run(units, work, places=places, journal=journal, jobs=args.jobs, on_done=progress.done)
    return batching.finish(report, args)


def _options(config: Config) -> Any:
    import os
    import time

    from nbcopilot.batch.texts import Options

    # https://reproducible-builds.org/specs/source-date-epoch/: the same run gives the same bytes.
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    moment = time.gmtime(int(epoch) if epoch.isdigit() else None)
    budget = min(Options.budget, config.context_tokens or Options.budget)
    return Options(time.strftime("%Y-%m-%dT%H:%M:%SZ", moment), config.label, config.redact, budget)


def _engine(config: Config, progress: Any) -> Any:
    from nbcopilot.cli.terminal import asker
    from nbcopilot.session import Session

    session = Session(config)
    session.ask = asker()
    progress.note("starting the model")
    engine = session.engine()
    for notice in session.notices:
        progress.say(notice)
    return engine
