"""How batch runs scale: efficiency at 1 to 32 worker processes, and when the client or the scheduler is the bottleneck.

Efficiency: every worker gets the same number of notebooks of the same latency (the fake engine at a fixed pace; a worker
mostly sleeps, as it does while a model on another machine answers); throughput(N) / (N * throughput(1)).
Limit: CPU seconds of the client and of a scheduler in a process of its own, per notebook, at full speed, and of a
scheduler with idle workers; on paper, what 1,000 workers need. The last line is one JSON object.

    python benchmarks/batch_scaling.py [--workers 1,2,4,8,32] [--each 10] [--pace 10] [--limit-count 600]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from nbcopilot import config
from nbcopilot.batch.cluster import Cluster
from nbcopilot.batch.discover import discover
from nbcopilot.batch.job import Job
from nbcopilot.batch.runner import Run

IDLE_WORKERS = 50
CELL = "def {name}(x):\n    y = x + {number}\n    return y"
IDLE = """
import asyncio, sys
from distributed import Worker
async def main():
    workers = [Worker(sys.argv[1], nthreads=1, dashboard=False) for _ in range(int(sys.argv[2]))]
    await asyncio.gather(*(worker.start() for worker in workers))
    print("ready", flush=True)
    await asyncio.sleep(3600)
asyncio.run(main())
"""


def books(folder: Path, count: int, output_bytes: int = 0) -> None:
    """Notebooks that differ, each with two functions and an output of some size."""
    for number in range(count):
        cells = [
            {
                "cell_type": "code",
                "execution_count": 1,
                "id": f"c{at}",
                "metadata": {},
                "outputs": [{"output_type": "stream", "name": "stdout", "text": ["x" * output_bytes]}],
                "source": [CELL.format(name=f"f{at}_{number}", number=number)],
            }
            for at in range(2)
        ]
        node = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        (folder / f"n{number:05d}.ipynb").write_text(json.dumps(node, indent=1) + "\n")


def timed(executor: Cluster, folder: Path, out: Path, model: str) -> float:
    """Seconds of a run on workers that are there already."""
    units, _ = discover([str(folder)])
    places = {unit: str(out / unit.name) for unit in units}
    report = Run(Job("document", config.Config(model=model)), units, executor, places=places).run()
    assert report.count("ok") == len(units), report.json()
    return report.seconds


def warm() -> None:
    """Let a worker import what it needs."""
    import threading

    from nbcopilot.batch.job import Item, Job, Unit
    from nbcopilot.batch.tasks import perform
    from nbcopilot.engine.fake import FakeEngine

    cell = {"cell_type": "code", "metadata": {}, "outputs": [], "source": "def f(x):\n    y = x + 1\n    return y"}
    data = json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 4}).encode()
    perform(Job("document"), Item(Unit("n.ipynb", "n.ipynb"), data), FakeEngine, threading.Event())


def efficiency(workers: list[int], each: int, pace: float) -> list[dict[str, Any]]:
    """One row for each number of workers."""
    rows: list[dict[str, Any]] = []
    for count in workers:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place, "in")
            folder.mkdir()
            books(folder, count * each)
            executor = Cluster(count)
            executor._client.run(warm)  # a first notebook for each, before the clock runs
            seconds = timed(executor, folder, Path(place, "out"), f"fake:{pace:g}")
        rate = count * each / seconds
        rows.append({"workers": count, "seconds": round(seconds, 2), "per_second": round(rate, 3)})
        rows[-1]["efficiency"] = round(rate / (count * rows[0]["per_second"] / rows[0]["workers"]), 3)
        print(rows[-1], file=sys.stderr, flush=True)
    return rows


def limit(count: int) -> dict[str, Any]:
    """CPU seconds per notebook of 25 kB: of the client, and of a scheduler in its own process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    words = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", address.rpartition(":")[2], "--host"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    scheduler = subprocess.Popen([*words, "127.0.0.1", "--no-dashboard"], **quiet)  # type: ignore[call-overload]
    worker = subprocess.Popen(
        [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "8", "--no-dashboard"],
        **quiet,  # type: ignore[call-overload]
    )
    idle = None
    try:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place, "in")
            folder.mkdir()
            books(folder, count, 12_000)
            executor = Cluster(scheduler=address)
            while executor.slots < 8:
                executor._stale.set()
                time.sleep(0.2)
            process = psutil.Process(scheduler.pid)
            before = (time.process_time(), sum(process.cpu_times()[:2]))
            seconds = timed(executor, folder, Path(place, "out"), "fake")
            after = (time.process_time(), sum(process.cpu_times()[:2]))
        found = {
            "notebooks": count,
            "per_second_here": round(count / seconds, 1),
            "client_cpu_ms": round(1000 * (after[0] - before[0]) / count, 2),
            "scheduler_cpu_ms": round(1000 * (after[1] - before[1]) / count, 2),
        }
        idle = subprocess.Popen(
            [sys.executable, "-c", IDLE, address, str(IDLE_WORKERS)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert idle.stdout is not None and idle.stdout.readline().strip() == "ready"
        time.sleep(2)
        began, start = time.monotonic(), sum(process.cpu_times()[:2])
        time.sleep(15)
        spent = (sum(process.cpu_times()[:2]) - start) / (time.monotonic() - began)
        found["idle_workers"], found["scheduler_idle_cpu_share"] = IDLE_WORKERS, round(spent, 4)
        return found
    finally:
        for one in (idle, worker, scheduler):
            if one is not None:
                one.kill()
                one.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", default="1,2,4,8,32")
    parser.add_argument("--each", type=int, default=10)
    # Two cells and an overview are some 43 tokens: 4.3 s a notebook.
    parser.add_argument("--pace", type=float, default=10, help="tokens a second of the fake engine")
    parser.add_argument("--limit-count", type=int, default=600)
    args = parser.parse_args()
    rows = (
        efficiency([int(word) for word in args.workers.split(",") if word], args.each, args.pace) if args.each else []
    )
    found = limit(args.limit_count) if args.limit_count else {}
    if rows:
        print("| workers | notebooks/s | efficiency |\n| --- | --- | --- |")
        for row in rows:
            print(f"| {row['workers']} | {row['per_second']} | {row['efficiency']:.2f} |")
    paper = {}
    if found:
        per_worker = found["scheduler_idle_cpu_share"] / IDLE_WORKERS
        for seconds in (3, 10, 30):
            # The busier of the two processes is full at this number of workers, each `seconds` on a notebook.
            client = 1000 / found["client_cpu_ms"] * seconds
            # Dask's workers call in every 2 s when there are 50, every 6 s when there are 1,000.
            scheduler = 1 / (found["scheduler_cpu_ms"] / 1000 / seconds + per_worker * 2 / 6)
            share = 1000 / seconds * found["client_cpu_ms"] / 1000
            paper[f"{seconds}_s_a_notebook"] = {
                "client_full_at": round(client),
                "scheduler_full_at": round(scheduler),
                "client_share_at_1000_workers": round(share, 2),
            }
        print(
            f"\nCPU a notebook of 25 kB: client {found['client_cpu_ms']} ms, scheduler {found['scheduler_cpu_ms']} ms"
        )
        for name, row in paper.items():
            print(f"{name}: client is full at {row['client_full_at']} workers, scheduler at {row['scheduler_full_at']}")
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs"
    row = {"bench": "batch_scaling", "machine": machine, "tokens_per_second": args.pace, "each": args.each}
    ok = all(one["efficiency"] >= 0.9 for one in rows)
    print(json.dumps({**row, "efficiency": rows, "limit": found, "on_paper": paper, "ok": ok}))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
