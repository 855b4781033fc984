"""Ten thousand notebooks through `nbcopilot document -o … --jobs N` with the fake engine at the pace of a small GPU.

Copies of the notebooks of --source with varied content. Measured: the time to plan (find, read, hash, hold against the
journal), throughput, the client's memory (sampled), the size of the journal; then the same run with its client killed
(SIGKILL) at random moments and resumed until it is done, compared byte by byte with the undisturbed one.

The script itself goes on where it was stopped: each stage leaves its result in WORK/state.json. The last line is one
JSON object.

    python benchmarks/batch_ten_thousand.py --source NOTEBOOKS --work FOLDER [--count 10000] [--jobs 12] [--kills 10] [--strip]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

LIMIT_MB = 500
ENVIRONMENT = {**os.environ, "SOURCE_DATE_EPOCH": "1795000000"}


def corpus(source: Path, folder: Path, count: int, most_cells: int) -> int:
    """Make the notebooks, of those with at most so many cells; gives their bytes together."""
    originals = []
    for path in sorted(source.rglob("*.ipynb")):
        try:
            node = json.loads(path.read_text("utf-8"))
        except ValueError:
            continue
        cells = node.get("cells") if isinstance(node, dict) and node.get("nbformat") == 4 else None
        if isinstance(cells, list) and len(cells) <= most_cells:
            originals.append(node)
    total = 0
    for number in range(count):
        place = folder / f"{number // 100:03d}" / f"n{number:05d}.ipynb"
        if not place.exists():  # the script goes on where it was stopped
            node = json.loads(json.dumps(originals[number % len(originals)]))
            for cell in node["cells"]:
                if cell.get("cell_type") == "code":
                    text = cell.get("source", "")
                    cell["source"] = f"{''.join(text)}\nvariant_{number} = {number}"
            place.parent.mkdir(parents=True, exist_ok=True)
            unfinished = place.with_suffix(".tmp")
            unfinished.write_text(json.dumps(node, indent=1) + "\n")
            unfinished.replace(place)
        total += place.stat().st_size
    return total


def start(args: argparse.Namespace, out: Path, *words: str, command: str = "document") -> subprocess.Popen[str]:
    """The run as a user starts it."""
    program = [sys.executable, "-c", "import sys; from nbcopilot.cli.main import main; sys.exit(main())"]
    model = ["--model", f"fake:{args.pace}"] if command == "document" else []
    common = [str(args.work / "in"), "-o", str(out), "--jobs", str(args.jobs), "--json"]
    log = (args.work / "log.txt").open("a")
    line = [*program, command, *common, *model, *words]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=log, text=True, env=ENVIRONMENT)


def watched(child: subprocess.Popen[str], out: Path, until: float = float("inf")) -> dict[str, Any]:
    """Peak memory of the client and of the journal, and when the first notebook was written, while it runs."""
    process, began = psutil.Process(child.pid), time.monotonic()
    seen: dict[str, Any] = {"client_mb": [], "journal_mb": 0.0, "first_seconds": None}
    while child.poll() is None and time.monotonic() < until:
        try:
            seen["client_mb"].append(round(process.memory_info().rss / 1e6, 1))
            seen["client_cpu_seconds"] = round(sum(process.cpu_times()[:2]), 1)
        except psutil.Error:
            break
        sizes = [path.stat().st_size for path in (out / ".nbcopilot").glob("journal.sqlite*") if path.exists()]
        seen["journal_mb"] = max(seen["journal_mb"], sum(sizes) / 1e6)
        if seen["first_seconds"] is None and any(out.glob("*/*.ipynb")):
            seen["first_seconds"] = round(time.monotonic() - began, 1)
        time.sleep(1)
    return seen


def digests(out: Path) -> dict[str, str]:
    """The hash of each result."""
    return {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*.ipynb"))
    }


def planning(args: argparse.Namespace) -> float:
    """Seconds to find, read, hash and hold against an empty journal all notebooks."""
    code = (
        "import sys, time; from nbcopilot.batch import discover, stores; from nbcopilot.batch.journal import Journal;"
        "started = time.perf_counter(); units, base = discover.discover([sys.argv[1]]); journal = Journal();"
        "[journal.is_done(unit.name, stores.digest(stores.read(unit.path)), '') for unit in units];"
        "print(time.perf_counter() - started)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(args.work / "in")], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def undisturbed(args: argparse.Namespace, command: str = "document") -> dict[str, Any]:
    """One run from beginning to end."""
    out = args.work / ("whole" if command == "document" else command)
    shutil.rmtree(out, ignore_errors=True)
    child = start(args, out, command=command)
    seen = watched(child, out)
    report = json.loads(child.communicate()[0].splitlines()[-1])
    memory = seen["client_mb"]
    tenth = max(len(memory) // 10, 1)
    return {
        "exit": child.returncode,
        "report": {**report, "failed": len(report["failed"])},
        "notebooks_per_second": round(report["notebooks"] / report["seconds"], 2),
        "client_mb": {"peak": max(memory), "after_a_tenth": max(memory[: tenth + 1]), "last": memory[-2:][0]},
        "client_cpu_ms": round(1000 * seen["client_cpu_seconds"] / report["notebooks"], 1),
        "journal_mb": round(seen["journal_mb"], 2),
        "first_notebook_seconds": seen["first_seconds"],
    }


def killed(args: argparse.Namespace, state: dict[str, Any], save: Callable[[], None]) -> dict[str, Any]:
    """The same with `args.kills` kills of the client at random moments, each followed by --resume."""
    out = args.work / "killed"
    seconds, moments = state["whole"]["report"]["seconds"], random.Random(args.seed)
    # Each life lasts so long on the average that the last one begins before the work is done.
    lives = [moments.uniform(0.2, 1.4) * seconds / (args.kills + 2) for _ in range(args.kills)]
    done_after: list[int] = state.setdefault("written_at_each_kill", [])
    if not done_after:
        shutil.rmtree(out, ignore_errors=True)
    began = time.monotonic()
    for life in lives[len(done_after) :]:
        child = start(args, out, "--resume")
        watched(child, out, time.monotonic() + life + 5)  # 5 s: the workers start
        child.kill()
        child.communicate()
        done_after.append(sum(1 for _ in out.rglob("*.ipynb")))
        save()
    child = start(args, out, "--resume")
    report = json.loads(child.communicate()[0].splitlines()[-1])
    return {
        "exit": child.returncode,
        "kills": len(lives),
        "seconds": round(time.monotonic() - began, 1),
        "last_run": {**report, "failed": len(report["failed"])},
        "done_twice": sum(done_after[-1:]) - report["skipped"],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--jobs", type=int, default=12)
    parser.add_argument("--pace", type=float, default=60)
    parser.add_argument("--cells", type=int, default=300, help="larger notebooks of --source are left out")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=6)
    parser.add_argument("--strip", action="store_true", help="only the plan and a run without a model: strip -o")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    place = args.work / "state.json"
    state: dict[str, Any] = json.loads(place.read_text()) if place.exists() else {}

    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs, shared with other work"
    conditions = {"machine": machine, "count": args.count, "most_cells": args.cells}
    conditions |= {"jobs": args.jobs, "tokens_per_second": args.pace}

    def save() -> None:
        place.write_text(json.dumps(state, indent=1))

    def stage(name: str, work: Callable[[], Any]) -> None:
        if name not in state:
            state[name] = work()
            save()
            print(f"{name}: {json.dumps(state[name])}", flush=True)

    stage("corpus_bytes", lambda: corpus(args.source, args.work / "in", args.count, args.cells))
    stage("plan_seconds", lambda: round(planning(args), 2))
    if args.strip:
        stage("strip", lambda: undisturbed(args, "strip"))
        print(json.dumps({"bench": "batch_ten_thousand", "command": "strip", **conditions, **state}))
        return int(state["strip"]["exit"] != 0 or state["strip"]["client_mb"]["peak"] > LIMIT_MB)
    stage("whole", lambda: undisturbed(args))
    stage("killed", lambda: killed(args, state, save))
    stage("identical", lambda: digests(args.work / "whole") == digests(args.work / "killed"))

    whole, after = state["whole"], state["killed"]
    print("\n| what | measured |\n| --- | --- |")
    print(f"| notebooks, MB | {args.count}, {state['corpus_bytes'] / 1e6:.0f} |")
    print(f"| plan | {state['plan_seconds']} s |")
    print(
        f"| throughput, {args.jobs} workers at {args.pace:g} tokens/s | {whole['notebooks_per_second']} notebooks/s |"
    )
    print(f"| client memory | {whole['client_mb']} MB (limit {LIMIT_MB}) |")
    print(f"| journal | {whole['journal_mb']} MB |")
    print(
        f"| {after['kills']} kills, then resumed | identical: {state['identical']}, done twice: {after['done_twice']} |"
    )
    ok = state["identical"] and whole["exit"] == after["exit"] == 0 and whole["client_mb"]["peak"] <= LIMIT_MB
    print(json.dumps({"bench": "batch_ten_thousand", "command": "document", **conditions, **state, "ok": ok}))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
