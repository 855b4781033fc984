"""`nbcopilot audit NOTEBOOK…`: every generated cell with its model, its checks, and whether it was edited since."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nbcopilot.notebook import document
from nbcopilot.types import text_hash
from nbcopilot.write.provenance import is_edited, ours


def add_parser(commands: Any) -> None:
    """Add the command."""
    sub = commands.add_parser("audit", help="list the generated cells of notebooks, with their checks")
    sub.add_argument("paths", nargs="+", type=Path, metavar="NOTEBOOK")
    sub.add_argument("--json", action="store_true", help="one JSON object as the last line of stdout")


def run(args: argparse.Namespace) -> int:
    """Print the list. Exit 0: an audit reports, it does not judge."""
    rows = [row for path in args.paths for row in generated(path)]
    if args.json:
        print(json.dumps({"notebooks": len(args.paths), "generated": len(rows), "cells": rows}, ensure_ascii=False))
        return 0
    for row in rows:
        state = "edited since" if row["edited"] else "as written"
        if row["outdated"]:
            state += ", its source has changed"
        checks = ", ".join(f"{name} {value}" for name, value in row["checks"].items() if isinstance(value, str))
        print(
            f"{row['path']} cell {row['cell']}: {row['role']} by {row['model']} ({row['created']}); {state}; {checks or 'not checked'}"
        )
    print(f"{len(rows)} generated cell(s) in {len(args.paths)} notebook(s)")
    return 0


def generated(path: Path) -> Iterator[dict[str, Any]]:
    """One row for each cell of ours: place, role, model, checks, `edited` (the cell) and `outdated` (its source)."""
    notebook = document.read(path).snapshot()
    for number, cell in enumerate(notebook.cells, start=1):
        record = ours(cell.metadata)
        if record is None:
            continue
        source = notebook.cell(record.get("source_cell"))
        wanted = record.get("source_hash")
        yield {
            "path": str(path),
            "cell": number,
            "id": cell.id,
            "role": record.get("role"),
            "model": (record.get("model") or {}).get("id", "?"),
            "model_sha256": (record.get("model") or {}).get("sha256", ""),
            "created": record.get("created"),
            "version": record.get("version"),
            "checks": dict(record.get("checks") or {}),
            "edited": is_edited(cell.metadata, cell.source),
            "outdated": bool(source and isinstance(wanted, str) and wanted != text_hash(source.source)),
        }
