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
  nbcopilot document notebooks/ --readme           write notebooks/README.md from what its notebooks say
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
    sub.add_argument(
        "--style",
        default="full",
        metavar="STYLE",
        help="brief: facts only; full (default); teaching: how the code works; report: for readers who see no code",
    )
    sub.add_argument("--glossary", action="store_true", help="list the columns that the notebook computes")
    sub.add_argument("--like", metavar="NOTEBOOK", help="write as the texts of this notebook are written")
    sub.add_argument(
        "--readme",
        action="store_true",
        help="write README.md of a folder from the titles and overviews in its notebooks",
    )
    sub.add_argument("--no-label", action="store_true", help="leave out the line that names the model")
    batching.add_arguments(sub, model=True)


def run(args: argparse.Namespace) -> int:
    """Document, check or show. Exit 1 when something was found wrong, 130 when stopped by Ctrl-C, 143 by SIGTERM."""
    from nbcopilot.batch.job import Job

    if args.readme:
        return _readme(args)
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
        job = Job("document", config, _options(config, args), writes=not args.dry_run, with_diff=args.dry_run)
    return batching.finish(batching.run(args, job), args)


def _options(config: Config, args: argparse.Namespace) -> Any:
    import os
    import time

    from nbcopilot.batch.style import style
    from nbcopilot.batch.texts import Options

    # https://reproducible-builds.org/specs/source-date-epoch/: the same run gives the same bytes.
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    moment = time.gmtime(int(epoch) if epoch.isdigit() else None)
    budget = min(Options.budget, config.context_tokens or Options.budget)
    created, personal = time.strftime("%Y-%m-%dT%H:%M:%SZ", moment), config.redact_personal
    style(args.style)  # says now what it does not know
    return Options(
        created,
        config.label,
        config.redact,
        budget,
        personal=personal,
        style=args.style,
        glossary=args.glossary,
        examples=_house(args.like) if args.like else (),
    )


def _house(path: str) -> tuple[Any, ...]:
    """The texts of the notebook at `path` that show how texts are written. Raises UsageError when it has none."""
    from nbcopilot.batch.reading import house
    from nbcopilot.batch.survey import survey
    from nbcopilot.errors import UsageError
    from nbcopilot.notebook.document import read

    file = read(path)
    found = tuple(house(file, survey(file)))
    if not found:
        raise UsageError(
            f"{path} has no text of one paragraph above code",
            hint="--like takes a notebook with texts as you want them",
        )
    return found


def _readme(args: argparse.Namespace) -> int:
    """Write, check or show the part of README.md that lists the notebooks of a folder. Exit 1 when a check finds it old."""
    from nbcopilot.batch import readme

    folder, text = readme.of(args.paths)
    before, after = readme.merged(folder, text)
    if args.check:
        return int(before != after)
    if args.dry_run:
        print(readme.diff(before, after, folder), end="")
        return 0
    readme.write(folder, after)
    batching.say(f"{folder / 'README.md'} is {'as it was' if before == after else 'written'}")
    return 0
