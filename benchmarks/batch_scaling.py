"""How batch runs scale: efficiency at 1 to 32 worker processes, and when the client or the scheduler is the bottleneck.

Efficiency: every worker gets the same number of notebooks of the same latency (the fake engine at a fixed pace; a worker
mostly sleeps, as it does while a model on another machine answers); throughput(N) / (N * throughput(1)), in the steady
state: each worker has done a notebook before the clock runs, and how long workers take to start is told apart. What the
CPU of this machine allows is told beside it: cores / CPU seconds of a notebook (client, scheduler and worker together).
Limit: CPU seconds of the client and of a scheduler in a process of its own, per notebook, at full speed, with one worker
and with 1,000, and of a scheduler whose workers idle; on paper, what 1,000 workers need. The last line is one JSON object.

    python benchmarks/batch_scaling.py [--workers 1,2,4,8,32] [--each 8] [--loads 2:1.6,2:5,8:6] [--limit-count 600]

A load is CELLS:SECONDS. The real 0.5b takes 1.6 s for a notebook of two cells on two cores, the 1.5b 5 s; eight cells are
what a notebook of the evaluation has, three requests to a GPU elsewhere.
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
import threading
import time
from pathlib import Path
from typing import Any

import psutil
from distributed.scheduler import heartbeat_interval

from nbcopilot import config
from nbcopilot.batch.cluster import Cluster
from nbcopilot.batch.discover import discover
from nbcopilot.batch.job import Item, Job, Unit
from nbcopilot.batch.runner import Run
from nbcopilot.batch.tasks import perform
from nbcopilot.engine.fake import FakeEngine

# Workers of one thread in one process: their own work takes most of a core there, which is not what is measured.
MANY_EACH = 200
CELL = "def {name}(x):\n    y = x + {number}\n    return y"
MANY = """
import asyncio, sys
import dask
from distributed import Worker
from nbcopilot.batch.processes import QUIET
dask.config.set(QUIET)
async def main():
    workers = [Worker(sys.argv[1], nthreads=1, dashboard=False) for _ in range(int(sys.argv[2]))]
    await asyncio.gather(*(worker.start() for worker in workers))
    print("ready", flush=True)
    await asyncio.sleep(3600)
asyncio.run(main())
"""


def books(folder: Path, count: int, output_bytes: int = 0, cells_each: int = 2) -> None:
    """Notebooks that differ, each with some functions and an output of some size below each."""
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
            for at in range(cells_each)
        ]
        node = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        (folder / f"n{number:05d}.ipynb").write_text(json.dumps(node, indent=1) + "\n")


def timed(executor: Cluster, folder: Path, out: Path, model: str) -> float:
    """Seconds from the first notebook to the last result on workers that are there already."""
    units, _ = discover([str(folder)])
    places = {unit: str(out / unit.name) for unit in units}
    job, started = Job("document", config.Config(model=model)), time.monotonic()
    ended = [started]
    report = Run(job, units, executor, places=places, on_done=lambda outcome: ended.append(time.monotonic())).run()
    assert report.count("ok") == len(units), report.json()
    return ended[-1] - started


def spent() -> float:
    """CPU seconds so far of this process (client, scheduler) and of its workers."""
    children = psutil.Process().children(recursive=True)
    return time.process_time() + sum(sum(one.cpu_times()[:2]) for one in children)


def warm() -> None:
    """Let a worker import what it needs."""
    import threading

    from nbcopilot.batch.job import Item, Job, Unit
    from nbcopilot.batch.tasks import perform
    from nbcopilot.engine.fake import FakeEngine

    cell = {"cell_type": "code", "metadata": {}, "outputs": [], "source": "def f(x):\n    y = x + 1\n    return y"}
    data = json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 4}).encode()
    perform(Job("document"), Item(Unit("n.ipynb", "n.ipynb"), data), FakeEngine, threading.Event())


def pace_of(cells: int, seconds: float) -> float:
    """Tokens a second at which the fake engine takes `seconds` for a notebook with so many cells."""
    with tempfile.TemporaryDirectory() as place:
        books(Path(place), 1, cells_each=cells)
        data = next(Path(place).iterdir()).read_bytes()
    outcome = perform(Job("document"), Item(Unit("n.ipynb", "n.ipynb"), data), FakeEngine, threading.Event())
    return outcome.usage.completion_tokens / seconds


class Counted(Cluster):
    """A cluster that notes the CPU seconds spent until it is closed."""

    spent = 0.0

    def close(self) -> None:
        """See `Cluster.close`."""
        self.spent = self.spent or spent()
        super().close()


def efficiency(workers: list[int], each: int, cells: int, latency: float) -> list[dict[str, Any]]:
    """One row for each number of workers."""
    rows: list[dict[str, Any]] = []
    model, cores = f"fake:{pace_of(cells, latency):.3f}", os.cpu_count() or 1
    for count in workers:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place, "in")
            folder.mkdir()
            books(folder, count * each, 2000, cells)
            began = time.monotonic()
            executor = Counted(count)
            started = time.monotonic() - began
            executor._client.run(warm)  # a first notebook for each, before the clock runs
            before = spent()
            seconds = timed(executor, folder, Path(place, "out"), model)
        rate, cpu = count * each / seconds, (executor.spent - before) / (count * each)
        row = {"workers": count, "seconds": round(seconds, 2), "per_second": round(rate, 3)}
        rows.append({**row, "start_seconds": round(started, 1), "cpu_ms": round(1000 * cpu, 1)})
        rows[-1]["efficiency"] = round(rate / (count * rows[0]["per_second"] / rows[0]["workers"]), 3)
        rows[-1]["cores_busy"] = round(rate * cpu / cores, 2)
        rows[-1]["cpu_allows_per_second"] = round(cores / cpu, 1)
        print(rows[-1], file=sys.stderr, flush=True)
    return rows


class Processes:
    """A scheduler in a process of its own, and workers: real ones, or many in a process."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
        self._running: list[subprocess.Popen[str]] = []
        port = self.address.rpartition(":")[2]
        words = ["-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard"]
        self.scheduler = psutil.Process(self._start(*words).pid)

    def _start(self, *words: str) -> subprocess.Popen[str]:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
        self._running.append(subprocess.Popen([sys.executable, *words], **pipes))  # type: ignore[call-overload]
        return self._running[-1]

    def worker(self, threads: int) -> None:
        """Start a worker of `threads` threads."""
        words = [self.address, "--nthreads", str(threads), "--no-dashboard"]
        self._start("-m", "distributed.cli.dask_worker", *words)

    def many(self, count: int) -> None:
        """Start `count` workers of one thread in one process."""
        process = self._start("-c", MANY, self.address, str(count))
        assert process.stdout is not None and process.stdout.readline().strip() == "ready"

    def spent(self) -> float:
        """CPU seconds of the scheduler so far."""
        return float(sum(self.scheduler.cpu_times()[:2]))

    def stop_workers(self) -> None:
        """End all but the scheduler."""
        while len(self._running) > 1:
            self._end(self._running.pop())

    def close(self) -> None:
        """End all."""
        while self._running:
            self._end(self._running.pop())

    def _end(self, process: subprocess.Popen[str]) -> None:
        for one in [*psutil.Process(process.pid).children(recursive=True), process]:
            one.kill()
        process.wait()


def full_speed(processes: Processes, count: int, workers: int) -> dict[str, Any]:
    """CPU milliseconds of client and scheduler for a notebook of 25 kB, when nobody waits for a model."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "in")
        folder.mkdir()
        books(folder, count, 12_000)
        executor = Cluster(scheduler=processes.address)
        while executor.slots < workers:
            executor._stale.set()
            time.sleep(0.2)
        before = (time.process_time(), processes.spent())
        seconds = timed(executor, folder, Path(place, "out"), "fake")
        after = (time.process_time(), processes.spent())
    client, scheduler = (round(1000 * (b - a) / count, 2) for a, b in zip(before, after, strict=True))
    found = {"workers": workers, "notebooks": count, "per_second_here": round(count / seconds, 1)}
    return {**found, "client_cpu_ms": client, "scheduler_cpu_ms": scheduler}


def idle(processes: Processes, workers: int, seconds: float = 15) -> dict[str, Any]:
    """Share of a core that the scheduler takes for so many workers that have nothing to do."""
    time.sleep(3)
    began, start = time.monotonic(), processes.spent()
    time.sleep(seconds)
    share = (processes.spent() - start) / (time.monotonic() - began)
    call = 1000 * share * heartbeat_interval(workers) / workers
    return {"workers": workers, "scheduler_cpu_share": round(share, 4), "ms_a_call": round(call, 2)}


def limit(count: int, many: int) -> dict[str, Any]:
    """What client and scheduler take of the CPU: with 8 threads of one worker, with `many` workers, and while those idle."""
    processes = Processes()
    try:
        processes.worker(8)
        found: dict[str, Any] = {"full_speed": [full_speed(processes, count, 8)], "idle": []}
        processes.stop_workers()
        for number in range(1, many // MANY_EACH + 1):
            processes.many(MANY_EACH)
            if number in (1, many // MANY_EACH):
                found["idle"].append(idle(processes, number * MANY_EACH))
        row = full_speed(processes, count, many)
        row["of_that_calls_ms"] = round(1000 * found["idle"][-1]["scheduler_cpu_share"] / row["per_second_here"], 2)
        found["full_speed"].append(row)
        return found
    finally:
        processes.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", default="1,2,4,8,32")
    parser.add_argument("--each", type=int, default=8, help="notebooks for each worker; 0: only the limit")
    parser.add_argument("--loads", default="2:1.6,2:5,8:6", help="CELLS:SECONDS of a notebook, several with commas")
    parser.add_argument("--limit-count", type=int, default=600, help="notebooks for the limit; 0: not measured")
    parser.add_argument("--limit-workers", type=int, default=1000, help=f"for the limit, a multiple of {MANY_EACH}")
    args = parser.parse_args()
    loads = []
    for text in args.loads.split(",") if args.each else []:
        cells, latency = int(text.partition(":")[0]), float(text.partition(":")[2])
        counts = [int(word) for word in args.workers.split(",") if word]
        loads.append({"cells": cells, "latency": latency, "rows": efficiency(counts, args.each, cells, latency)})
    found = limit(args.limit_count, args.limit_workers) if args.limit_count else {}
    for load in loads:
        print(f"\n{load['cells']} cells, {load['latency']:g} s a notebook\n")
        print("| workers | notebooks/s | efficiency | cores busy | CPU a notebook |\n| --- | --- | --- | --- | --- |")
        for row in load["rows"]:
            cpu = f"{row['cores_busy']:.0%} | {row['cpu_ms']:.0f} ms"
            print(f"| {row['workers']} | {row['per_second']} | {row['efficiency']:.2f} | {cpu} |")
    paper = on_paper(found) if found else {}
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs"
    ok = all(row["efficiency"] >= 0.9 for load in loads for row in load["rows"])
    row = {"bench": "batch_scaling", "machine": machine, "each": args.each, "efficiency": loads}
    print(json.dumps({**row, "limit": found, "on_paper": paper, "ok": ok}))
    return 0 if ok else 1


def on_paper(found: dict[str, Any]) -> dict[str, Any]:
    """At how many workers the client and the scheduler are full, for some lengths of a notebook."""
    paper = {}
    a_client = max(row["client_cpu_ms"] for row in found["full_speed"])
    a_scheduler = max(row["scheduler_cpu_ms"] - row.get("of_that_calls_ms", 0) for row in found["full_speed"])
    call = max(row["ms_a_call"] for row in found["idle"])
    print(f"\nCPU a notebook of 25 kB: client {a_client} ms, scheduler {a_scheduler:.2f} ms")
    for seconds in (3, 10, 30):

        def scheduler(workers: int, seconds: int = seconds) -> float:
            """Its share of a core: notebooks, and the calls of workers, which are rarer the more there are."""
            calls = workers * call / heartbeat_interval(workers)
            return (workers * a_scheduler / seconds + calls) / 1000

        client = 1000 / a_client * seconds
        row = paper[f"{seconds}_s_a_notebook"] = {
            "client_full_at": round(client),
            "scheduler_full_at": next(count for count in range(10, 1_000_000, 10) if scheduler(count) >= 1),
            "client_share_at_1000_workers": round(1000 / client, 2),
            "scheduler_share_at_1000_workers": round(scheduler(1000), 2),
        }
        print(
            f"{seconds} s: client is full at {row['client_full_at']} workers, scheduler at {row['scheduler_full_at']}"
        )
    return paper


if __name__ == "__main__":
    sys.exit(main())
