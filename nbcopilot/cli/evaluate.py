"""`nbcopilot eval`: a benchmark on this machine's model; the last line of stdout is one JSON object."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from nbcopilot.errors import UsageError

DEFAULT_MODES = "raw,full"


def add_parser(subparsers: Any) -> None:
    """Add `eval` to the command line."""
    parser = subparsers.add_parser("eval", help="measure quality on a benchmark file", description=__doc__)
    parser.add_argument(
        "suite", metavar="SUITE", help="generate, humaneval, mbpp, fix, crashes, testgen, complete, stateful"
    )
    parser.add_argument("--data", type=Path, required=True, help="the suite's JSON-lines file")
    parser.add_argument("--limit", type=int, help="only the first N items")
    parser.add_argument(
        "--mode", default=DEFAULT_MODES, help=f"comma list, the last one is the headline (default {DEFAULT_MODES})"
    )
    parser.add_argument("--model", help="model id, folder, .gguf file; fake is scripted")
    parser.add_argument("--engine", help="in-process (default) or the URL of a server")
    parser.add_argument("--precision", help="int8, float32, bfloat16, float16")
    parser.add_argument("--candidates", type=int, help="answers to choose from, where a mode uses several")
    parser.add_argument("--repairs", type=int, help="repair rounds, where a mode repairs")
    parser.add_argument("--redraws", type=int, help="new answers beside each repair, where a mode draws them")
    parser.add_argument("--opinions", type=int, help="further answers to a next cell, where a mode compares them")
    parser.add_argument("--max-tokens", type=int, help="longest answer")
    parser.add_argument(
        "--jobs", type=int, default=8, help="items at a time; their answers are decoded together (default 8)"
    )
    parser.add_argument(
        "--resume", type=Path, metavar="FILE", help="journal: finished questions are kept and not asked again"
    )
    parser.add_argument(
        "--memo", type=Path, metavar="FILE", help="keep answers by prompt: an equal prompt is not asked again"
    )
    parser.add_argument("--failures", type=Path, metavar="FILE", help="write the wrong answers there, for reading")
    parser.add_argument("--json", action="store_true", help="only the JSON line on stdout, no table")


def run(args: argparse.Namespace) -> int:
    """Run one evaluation and print its report. Raises UsageError, EngineError."""
    from nbcopilot.evaluation import report
    from nbcopilot.evaluation.runner import Journal, Run
    from nbcopilot.evaluation.suites import find

    suite = find(args.suite)
    modes = _modes(args.mode)
    items = suite.read(args.data)[: _positive(args.limit, "--limit")]
    systems, conditions, close = _systems(args, modes)
    try:
        conditions = {"suite": args.suite, **conditions, "items": len(items), "data_sha256": _sha256(args.data)}
        journal = Journal(args.resume, conditions)
        job = Run(
            suite, items, systems, journal, jobs=_positive(args.jobs, "--jobs") or 1, progress=_progress(args.suite)
        )
        results = [r for r in job.run() if r.mode in modes]
    finally:
        close()
    found = report.summary(results, modes, conditions, journal.seconds)
    if args.failures:
        args.failures.write_text(report.failures(results, modes[-1]) + "\n", encoding="utf-8")
    if not args.json:
        print(report.table(found, results), end="\n\n")
    print(json.dumps(found, ensure_ascii=False))
    return 0


def _systems(args: argparse.Namespace, modes: list[str]) -> tuple[list[Any], dict[str, Any], Callable[[], None]]:
    """The systems of `modes`, the conditions, and what closes the engine (not opened when no mode needs it)."""
    from nbcopilot.config import load, with_changes
    from nbcopilot.evaluation import report
    from nbcopilot.evaluation.memo import MemoEngine
    from nbcopilot.evaluation.runner import Reference
    from nbcopilot.evaluation.systems import make_systems
    from nbcopilot.sandbox import start
    from nbcopilot.session import Session
    from nbcopilot.types import ModelInfo

    config = with_changes(
        load(),
        model=args.model,
        precision=args.precision,
        engine=args.engine,
        candidates=args.candidates,
        repairs=args.repairs,
        redraws=args.redraws,
        opinions=args.opinions,
        max_tokens=args.max_tokens,
    )
    if config.engine == "auto":
        # The resident engine is shared with kernels: a benchmark has its own, and gives it back when it ends.
        config = replace(config, engine="in-process")
    start.keep(args.jobs)
    settings = {
        "candidates": config.candidates,
        "repairs": config.repairs,
        "redraws": config.redraws,
        "opinions": config.opinions,
        "max_tokens": config.max_tokens,
    }
    if modes == ["reference"]:
        return [Reference()], report.conditions(ModelInfo("reference"), **settings), lambda: None
    session = Session(config)
    engine = MemoEngine(session.engine(), args.memo)
    named = [mode for mode in modes if mode != "reference"]
    systems: list[Any] = [*([Reference()] if "reference" in modes else []), *make_systems(named, engine, config)]
    return systems, report.conditions(engine.describe(), **settings), engine.close


def _modes(text: str) -> list[str]:
    modes = [mode.strip() for mode in text.split(",") if mode.strip()]
    if not modes:
        raise UsageError("--mode names no mode", hint=f"try --mode {DEFAULT_MODES}")
    return list(dict.fromkeys(modes))


def _positive(value: int | None, option: str) -> int | None:
    if value is not None and value < 1:
        raise UsageError(f"{option} is {value}", hint="it takes 1 or more")
    return value


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _progress(name: str) -> Callable[[int, int], None]:
    """A bar on a terminal, a line every tenth of the way elsewhere; on stderr."""
    started = time.monotonic()

    def show(done: int, total: int) -> None:
        left = (time.monotonic() - started) / done * (total - done)
        text = f"{name}: {done} of {total} items, {_span(left)} left"
        if sys.stderr.isatty():
            bar = "#" * round(20 * done / total)
            print(f"\r[{bar:<20}] {text}   ", end="\n" if done == total else "", file=sys.stderr, flush=True)
        elif done == total or done * 10 // total != (done - 1) * 10 // total:
            print(text, file=sys.stderr, flush=True)

    return show


def _span(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds > 90 else f"{seconds:.0f} s"
