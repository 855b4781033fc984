"""`nbcopilot eval calibrate`: the table behind `likely right` and `probably wrong`, from journals of evaluations."""

from __future__ import annotations

import argparse
import datetime
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nbcopilot._version import __version__


def run(args: argparse.Namespace) -> int:
    """Fit, print what cross-validation says, write the table to --output. Raises UsageError, NotebookNotFoundError."""
    from nbcopilot.evaluation import calibrate

    mode = args.mode.split(",")[-1].strip() or "full"
    rows, conditions = calibrate.rows(args.data, mode)
    provenance = {
        "journals": conditions,
        "mode": mode,
        "answers": len(rows),
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
        "version": __version__,
    }
    found = calibrate.table(rows, provenance)
    text = json.dumps(found, indent=1) + "\n"
    if args.output:
        Path(args.output).write_text(text, encoding="utf-8")
    if not args.json:
        print(_table(found), end="\n\n")
    print(json.dumps({"suite": "calibrate", **found}))
    return 0


def _table(found: Mapping[str, Any]) -> str:
    lines = [
        "| kind | answers | right | calibration error | AUROC | likely: share, precision | probably wrong: recall, precision |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for kind, row in found["kinds"].items():
        seen = row["measured"]
        likely = _pair(seen["likely_share"], seen["likely_precision"])
        wrong = _pair(seen["wrong_recall"], seen["wrong_precision"])
        lines.append(
            f"| {kind} | {seen['n']} | {seen['right']} | {seen['expected_calibration_error']:.3f} | {seen['auroc']:.2f} "
            f"| {likely} | {wrong} |"
        )
    lines += [f"| {kind} | {reason} | | | | | |" for kind, reason in found["lacking"].items()]
    return "\n".join(lines)


def _pair(first: float | None, second: float | None) -> str:
    return "not given" if second is None else f"{100 * (first or 0.0):.0f} %, {100 * second:.0f} %"
