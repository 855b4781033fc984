"""`nbcopilot eval`: a benchmark on this machine's model; the last line of stdout is one JSON object."""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from nbcopilot.cli import calibrate
from nbcopilot.cli.renamed import Renamed
from nbcopilot.errors import UsageError

DEFAULT_MODES = "raw,full"
DEFAULT_JOBS = 8
INTERRUPTED = 130


def add_parser(subparsers: Any) -> None:
    """Add `eval` to the command line."""
    parser = subparsers.add_parser("eval", help="measure quality on a benchmark file", description=__doc__)
    parser.add_argument(
        "suite",
        metavar="SUITE",
        help="generate, humaneval, mbpp, fix, crashes, testgen, complete, stateful, everyday; calibrate fits the labels "
        "to the journals that --data names",
    )
    parser.add_argument(
        "--data",
        type=Path,
        nargs="+",
        required=True,
        help="the suite's JSON-lines file; for everyday the folder of its files; for calibrate the --resume files",
    )
    parser.add_argument("--kinds", help="everyday: comma list of generate, fix, explain, testgen, document")
    parser.add_argument("--limit", type=int, help="only the first N items, of every kind")
    parser.add_argument("--sample", type=int, metavar="N", help="only N items of every kind, drawn by --sample-seed")
    parser.add_argument("--sample-seed", type=int, default=0, help="seed of --sample (default 0)")
    parser.add_argument(
        "--mode", default=DEFAULT_MODES, help=f"comma list, the last one is the headline (default {DEFAULT_MODES})"
    )
    parser.add_argument("--model", help="model id, folder, .gguf file; fake is scripted")
    parser.add_argument("--engine", help="in-process (default) or the URL of a server")
    parser.add_argument("--precision", help="int8, float32, bfloat16, float16")
    parser.add_argument("--candidates", type=int, help="answers to choose from, where a mode uses several")
    parser.add_argument("--repairs", type=int, help="repair rounds, where a mode repairs")
    parser.add_argument(
        "--retry-samples",
        "--redraws",
        action=Renamed,
        type=int,
        help="new answers beside each repair, where a mode draws them",
    )
    parser.add_argument(
        "--consensus-samples",
        "--opinions",
        action=Renamed,
        type=int,
        help="further answers to a next cell, where a mode compares them",
    )
    parser.add_argument("--max-tokens", type=int, help="longest answer")
    parser.add_argument(
        "--answer-seconds",
        type=float,
        help="time of an answer (default: 0, no limit, so that results do not depend on the machine; everyday: the setting)",
    )
    parser.add_argument(
        "--jobs",
        type=int,
        help="items at a time; their answers are decoded together (default 8; everyday 1, so that seconds are a user's)",
    )
    parser.add_argument(
        "--resume", type=Path, metavar="FILE", help="journal: finished questions are kept and not asked again"
    )
    parser.add_argument(
        "--memo", type=Path, metavar="FILE", help="keep answers by prompt: an equal prompt is not asked again"
    )
    parser.add_argument("--failures", type=Path, metavar="FILE", help="write the wrong answers there, for reading")
    parser.add_argument("--output", type=Path, metavar="FILE", help="calibrate: write the table there")
    parser.add_argument("--json", action="store_true", help="only the JSON line on stdout, no table")


def run(args: argparse.Namespace) -> int:
    """Run one evaluation and print its report. Raises UsageError, EngineError."""
    from nbcopilot.evaluation import breakdown, report
    from nbcopilot.evaluation.runner import Journal, Run
    from nbcopilot.evaluation.suites import find

    if args.suite == "calibrate":
        return calibrate.run(args)
    suite = find(args.suite)
    if len(args.data) > 1:
        raise UsageError(f"--data names {len(args.data)} files", hint="only `eval calibrate` takes several")
    (args.data,) = args.data
    modes = _modes(args.mode)
    jobs = _positive(args.jobs, "--jobs") or (1 if args.suite == "everyday" else DEFAULT_JOBS)
    items = _chosen(suite.read(args.data), args)
    stop, interrupted = threading.Event(), False
    systems, conditions, close = _systems(args, modes, jobs, stop)
    conditions = {"suite": args.suite, **conditions, "items": len(items), "data_sha256": _sha256(args.data)}
    journal = Journal(args.resume, conditions)
    try:
        Run(suite, items, systems, journal, jobs=jobs, progress=_progress(args.suite), stop=stop).run()
    except KeyboardInterrupt:
        interrupted = True
        print(f"nbcopilot: interrupted; {len(journal.results)} answers were judged", file=sys.stderr)
    finally:
        suite.close(items)
        if not interrupted:  # a model that is in the middle of a step is left to the end of the process
            close()
    asked = {item.id for item in items}  # a session's questions are called after it: session/number
    mine = [r for r in journal.results if r.id in asked or r.id.rpartition("/")[0] in asked]
    results = [r for r in mine if r.mode in modes]
    found = report.summary(results, modes, conditions, journal.seconds)
    if interrupted:
        found["interrupted"] = True
    if args.suite == "everyday":
        found["kinds"] = {mode: breakdown.by_kind([r for r in results if r.mode == mode]) for mode in modes}
    if args.failures:
        args.failures.write_text(report.failures(results, modes[-1]) + "\n", encoding="utf-8")
    if not args.json:
        print(report.table(found, results), end="\n\n")
        if "kinds" in found:
            print(breakdown.table(found["kinds"]), end="\n\n")
    print(json.dumps(found), flush=True)
    return INTERRUPTED if interrupted else 0


def _chosen(items: list[Any], args: argparse.Namespace) -> list[Any]:
    """The items that --kinds, --limit and --sample leave, in the order of the file. Raises UsageError."""
    of_kind: dict[str, list[Any]] = {}
    for item in items:
        of_kind.setdefault(getattr(item, "kind", "") if args.suite == "everyday" else "", []).append(item)
    if args.kinds:
        kinds = [kind.strip() for kind in args.kinds.split(",") if kind.strip()]
        unknown = [kind for kind in kinds if kind not in of_kind]
        if unknown:
            known = ", ".join(kind for kind in of_kind if kind) or "no kinds"
            raise UsageError(f"--kinds names {', '.join(unknown)}", hint=f"{args.data} has {known}")
        of_kind = {kind: found for kind, found in of_kind.items() if kind in kinds}
    chosen = []
    for found in of_kind.values():
        found = found[: _positive(args.limit, "--limit")]
        count = _positive(args.sample, "--sample")
        if count is not None and count < len(found):
            places = sorted(random.Random(args.sample_seed).sample(range(len(found)), count))
            found = [found[place] for place in places]
        chosen += found
    return chosen


def _systems(
    args: argparse.Namespace, modes: list[str], jobs: int, stop: threading.Event
) -> tuple[list[Any], dict[str, Any], Callable[[], None]]:
    """The systems of `modes`, the conditions, and what closes the engine (not opened when no mode needs it)."""
    from nbcopilot.cli import configured
    from nbcopilot.evaluation import report
    from nbcopilot.evaluation.memo import MemoEngine
    from nbcopilot.evaluation.runner import Reference
    from nbcopilot.evaluation.systems import make_systems
    from nbcopilot.inference import ModelInfo
    from nbcopilot.sandbox import start
    from nbcopilot.session import Session

    named = (
        "model",
        "precision",
        "engine",
        "candidates",
        "repairs",
        "retry_samples",
        "consensus_samples",
        "max_tokens",
    )
    overrides = {name: getattr(args, name) for name in named}
    unlimited = args.answer_seconds is None and args.suite != "everyday"
    overrides["answer_seconds"] = 0.0 if unlimited else args.answer_seconds
    config = configured.load(overrides)
    if config.engine == "auto":
        # The resident engine is shared with kernels: a benchmark has its own, and gives it back when it ends.
        config = replace(config, engine="in-process")
    start.keep(jobs)
    settings = {
        "candidates": config.candidates,
        "repairs": config.repairs,
        "retry_samples": config.retry_samples,
        "consensus_samples": config.consensus_samples,
        "max_tokens": config.max_tokens,
        "answer_seconds": config.answer_seconds,
    }
    if modes == ["reference"]:
        return [Reference()], report.conditions(ModelInfo("reference"), **settings), lambda: None
    session = Session(config)
    engine = MemoEngine(session.engine(), args.memo, stop)
    asked = [mode for mode in modes if mode != "reference"]
    systems: list[Any] = [*([Reference()] if "reference" in modes else []), *make_systems(asked, engine, config)]
    return systems, report.conditions(engine.describe(), **settings), engine.close


def _modes(text: str) -> list[str]:
    modes = [mode.strip() for mode in text.split(",") if mode.strip()]
    if not modes:
        raise UsageError("--mode names no mode", hint=f"try --mode {DEFAULT_MODES}")
    if "redraws" in modes:
        said = "the mode `redraws` is now called `retries`; the former name stops working with the next release"
        print(f"nbcopilot: {said}", file=sys.stderr)
    return list(dict.fromkeys("retries" if mode == "redraws" else mode for mode in modes))


def _positive(value: int | None, option: str) -> int | None:
    if value is not None and value < 1:
        raise UsageError(f"{option} is {value}", hint="it takes 1 or more")
    return value


def _sha256(path: Path) -> str:
    """Of the file, or of all JSON-lines files of the folder together."""
    files = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


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
