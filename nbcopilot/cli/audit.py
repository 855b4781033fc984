"""`nbcopilot audit PATH…`: every generated cell with its model, its checks, and whether it was edited since."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from nbcopilot.cli import batching
from nbcopilot.write.provenance import tests_in_words


def add_parser(commands: Any) -> None:
    """Add the command."""
    sub = commands.add_parser("audit", help="list the generated cells of notebooks, with their checks")
    sub.add_argument("paths", nargs="+", metavar="PATH", help=batching.PATH_HELP)
    batching.add_arguments(sub, writes=False)


def run(args: argparse.Namespace) -> int:
    """Print the list. Exit 0: an audit reports, it does not judge; 1 or 2 when a notebook cannot be read."""
    from nbcopilot.batch.job import Job, Outcome

    rows: list[Mapping[str, Any]] = []

    def show(outcome: Outcome) -> None:
        if args.json:
            rows.extend(outcome.rows)
            return
        for row in outcome.rows:
            print(_line(row), flush=True)
            rows.append({})

    report = batching.run(args, Job("audit", writes=False), show)
    if not args.json:
        print(f"{_count(len(rows), 'generated cell')} in {_count(report.total, 'notebook')}", flush=True)
    rows.sort(key=lambda row: (row.get("path", ""), row.get("cell", 0)))
    return batching.finish(report, args, {"generated": len(rows), "cells": rows})


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _line(row: Mapping[str, Any]) -> str:
    state = "edited since" if row["edited"] else "as written"
    if row["outdated"]:
        state += ", its source has changed"
    said = [f"{name} {value}" for name, value in row["checks"].items() if isinstance(value, str)]
    checks = ", ".join([*said, *tests_in_words(row["checks"].get("tests"))])
    return (
        f"{row['path']} cell #{row['cell']}: {row['role']} by {row['model']} ({row['created']}); {state}; "
        f"{checks or 'not checked'}"
    )
