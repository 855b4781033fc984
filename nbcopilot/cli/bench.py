"""`nbcopilot bench`: how fast this engine is here, and against llama.cpp; the last line of stdout is one JSON object."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from nbcopilot.engine.bench.figures import PARTS
from nbcopilot.errors import UsageError

UNITS = {
    "prefill": "tokens/s",
    "decode_free": "tokens/s",
    "decode_grounded": "tokens/s",
    "batch8": "tokens/s",
    "busy_core": "tokens/s",
}


def add_parser(subparsers: Any) -> None:
    """Add `bench` to the command line."""
    parser = subparsers.add_parser("bench", help="measure speed, also against llama.cpp", description=__doc__)
    parser.add_argument(
        "notebooks", nargs="*", type=Path, help="notebooks to ask about (default: functions of this package)"
    )
    parser.add_argument("--against", choices=["llama.cpp"], help="measure that program too, in turn, on the same file")
    parser.add_argument("--peer-python", default=sys.executable, help="the interpreter that has llama-cpp-python")
    parser.add_argument("--model", default="auto", help="model id or .gguf file")
    parser.add_argument("--threads", type=int, default=0, help="threads of both sides (default: the free cores)")
    parser.add_argument("--rounds", type=int, default=5, help="times that everything is measured (default 5)")
    parser.add_argument("--only", default="", help=f"comma list of what to measure: {', '.join(PARTS)} (default all)")
    parser.add_argument(
        "--keep", type=Path, metavar="FILE", help="add the samples to those that FILE has, show them all"
    )
    parser.add_argument("--growth", action="store_true", help="also prefill and decode at 0.5k to 16k tokens")
    parser.add_argument("--soak", type=int, default=0, metavar="N", help="also N mixed requests, and memory over them")
    parser.add_argument("--json", action="store_true", help="only the JSON line on stdout, no table")


def run(args: argparse.Namespace) -> int:
    """Measure, print the table and the JSON line. Raises UsageError, ModelNotFoundError, EngineUnavailableError."""
    from nbcopilot.config import Config
    from nbcopilot.engine.bench import figures, limits, prompts
    from nbcopilot.engine.device import free_threads
    from nbcopilot.engine.local import load
    from nbcopilot.models.store import ensure

    if args.rounds < 0 or args.threads < 0 or args.soak < 0:
        raise UsageError("--rounds, --threads and --soak take 0 or more", hint="`nbcopilot bench --help`")
    parts = tuple(args.only.split(",")) if args.only else PARTS
    if unknown := set(parts) - set(PARTS):
        raise UsageError(f"--only knows no {unknown.pop()!r}", hint=f"it takes {', '.join(PARTS)}")
    notes = prompts.read_cells(args.notebooks) if args.notebooks else prompts.own_cells()
    source = ensure(args.model)
    threads = args.threads or free_threads()
    config = Config(model=source.ref.id, threads=threads, cache_mb=limits.SOAK_CACHE_MB)
    with closing(load(source.ref.id, config, draft=False)) as engine:  # converts, when it must
        info = engine.describe()
        limit: dict[str, Any] = limits.limit(engine, threads)
        if args.growth:
            limit["growth"] = limits.growth(engine, notes)
    if args.soak:
        with closing(load(source.ref.id, config)) as engine:
            limit["soak"] = limits.soak(engine, notes, args.soak, _say)
    programs, missing = [figures.ours(source.ref.id, args.threads)], ""
    if args.against and source.path.suffix != ".gguf":
        missing = f"llama.cpp reads .gguf files only, {source.ref.id} is none"
    elif args.against and not figures.has_llama_cpp(args.peer_python):
        missing = (
            "llama-cpp-python is not installed here: `pip install nbcopilot[bench]` builds it, in ten minutes or so"
        )
    elif args.against:
        programs.append(figures.llama_cpp(source.path, threads, args.peer_python))
    conditions = {
        "against": args.against if len(programs) > 1 else None,
        "model": source.ref.id,
        "sha256": source.sha256,
        "threads": threads,
        "computes": info.detail["computes"],
        "precision": info.precision,
    }
    bench = figures.Bench(programs, notes, _say)
    if args.keep:
        bench.samples = figures.load(args.keep, conditions)
    bench.run(args.rounds, parts)
    if args.keep:
        figures.keep(args.keep, conditions, bench.samples)
    found = conditions | {
        "missing": missing,
        "ratios": figures.ratios(bench.samples, int(info.detail["weight_bytes"])),
        "absolute": figures.absolute(bench.samples),
        "limit": limit,
        "machine": {"processor": processor(), "system": platform.system(), "python": platform.python_version()},
    }
    if not args.json:
        print(table(found), end="\n\n")
    if missing:
        print(missing, file=sys.stderr)
    print(json.dumps(found))
    return 0


def table(found: dict[str, Any]) -> str:
    """The figures as aligned lines: ours, the other's, the ratio."""
    lines = [f"{'figure':24}{'nbcopilot':>16}{'llama.cpp':>16}{'ratio':>10}"]
    for figure, ratio in found["ratios"].items():
        sides = found["absolute"].get(figure if figure != "memory" else "peak_bytes", {})
        scale, unit = (1e-6, "MB") if figure == "memory" else (1.0, UNITS.get(figure, "s"))
        cells = [
            f"{sides[name]['median'] * scale:.3g} {unit}" if name in sides else "-"
            for name in ("nbcopilot", "llama.cpp")
        ]
        lines.append(f"{figure:24}{cells[0]:>16}{cells[1]:>16}{'-' if ratio is None else f'{ratio:.2f}':>10}")
    share = found["limit"]["share_of_bandwidth"]
    lines.append(f"decoding reads {share:.0%} of what memory gives; {found['computes']}, {found['threads']} threads")
    return "\n".join(lines)


def processor() -> str:
    """The processor's name as people know it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
