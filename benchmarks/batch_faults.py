"""What batch runs survive: killed workers, a full disk, a failing store, a notebook that eats memory, a dead scheduler.

Each case runs real processes, and its results are compared byte by byte with those of an undisturbed run. Counted: what
was lost (must be 0), what is wrong (must be 0), and how often each failure was named. The last line is one JSON object.

    python benchmarks/batch_faults.py [--cases workers,disk,store,memory,scheduler] [--small-disk FOLDER]

--small-disk: a folder on a file system of less than 2 MB that the case may fill (a small tmpfs); without it that case runs
on a store that says that it is full.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import psutil
from batch_scaling import books

from nbcopilot import config
from nbcopilot.batch import stores
from nbcopilot.batch.cluster import Cluster
from nbcopilot.batch.discover import discover
from nbcopilot.batch.executors import Executor, Threads
from nbcopilot.batch.job import Job, Outcome
from nbcopilot.batch.journal import Journal
from nbcopilot.batch.report import Report
from nbcopilot.batch.runner import Run
from nbcopilot.batch.tasks import LazyEngine
from nbcopilot.batch.texts import Options
from nbcopilot.batch.worker import on_engine
from nbcopilot.engine.fake import FakeEngine

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from failing_stores import Flaky, Full

CREATED = "2026-11-22T00:00:00Z"


class Case:
    """A folder with notebooks, and runs on it that keep one journal."""

    def __init__(self, place: Path, count: int, pace: float | None = None) -> None:
        self.place, self.folder = place, place / "in"
        self.folder.mkdir()
        books(self.folder, count, 1000)
        self.model = f"fake:{pace:g}" if pace else "fake"
        self.named: dict[str, int] = {}
        self.notices: list[str] = []
        self.twice = 0

    def run(self, executor: Executor, out: str, *, resume: bool = False) -> Report:
        """One run; failures are counted by the notebook they name."""
        job = Job("document", config.Config(model=self.model), Options(created=CREATED))
        units, _ = discover([str(self.folder)])
        journal = Journal.open(self.place / "journal", {}, resume=resume, created=CREATED)

        seen: set[str] = set()

        def done(outcome: Outcome) -> None:
            self.twice += outcome.unit.name in seen
            seen.add(outcome.unit.name)
            if outcome.state == "failed":
                self.named[outcome.unit.name] = self.named.get(outcome.unit.name, 0) + 1

        places = {unit: stores.join(out, unit.name) for unit in units}
        report = Run(job, units, executor, journal, places, on_done=done, on_notice=self.notices.append).run()
        journal.close(complete=report.complete)
        return report

    def wrong(self, out: str) -> dict[str, int]:
        """How many results are lost, and how many are not those of an undisturbed run."""
        whole = str(self.place / "whole")
        if not Path(whole).exists():
            units, _ = discover([str(self.folder)])
            job = Job("document", config.Config(model="fake"), Options(created=CREATED))
            Run(job, units, threads(), places={unit: stores.join(whole, unit.name) for unit in units}).run()
        found = [(stores.present(stores.join(out, path.name)), path.read_bytes()) for path in Path(whole).iterdir()]
        return {
            "notebooks": len(found),
            "lost": sum(there is None for there, _ in found),
            "wrong": sum(there not in (None, wanted) for there, wanted in found),
        }


def threads() -> Threads:
    engine = FakeEngine()
    return Threads(on_engine(LazyEngine(lambda: engine)))


def workers(place: Path) -> dict[str, Any]:
    """A worker of four is killed every 5 s, from the first moment to the end; a notebook takes 2.7 s."""
    case, out = Case(place, 120, pace=16), str(place / "out")
    executor = Cluster(4)
    over, kills = threading.Event(), [0]

    def kill() -> None:
        while not over.wait(5):
            alive = [nanny.pid for nanny in list(executor._own.workers.values()) if nanny.pid]
            with contextlib.suppress(ProcessLookupError, IndexError):
                os.kill(random.choice(alive), signal.SIGKILL)
                kills[0] += 1

    killer = threading.Thread(target=kill)
    killer.start()
    report = case.run(executor, out)
    over.set()
    killer.join()
    lost = sum("lost the worker" in text for text in case.notices)
    told = {"kills": kills[0], "workers_lost": lost, "set_aside": len(report.failed), "seconds": round(report.seconds)}
    return {**told, "named": dict(case.named), "finished_twice": case.twice, **case.wrong(out)}


def disk(place: Path, small: str) -> dict[str, Any]:
    """The disk of the output is full in the middle; then there is room, and the run goes on."""
    case = Case(place, 60)
    if small:
        filler = Path(small, "filler")
        room = psutil.disk_usage(small).free
        if room > 50_000_000:
            raise SystemExit(
                f"--small-disk {small} has {room} bytes free: that is no small disk, and it would be filled"
            )
        filler.write_bytes(b"x" * max(room - 120_000, 0))
        out = str(Path(small, "out"))
        report = case.run(threads(), out)
        filler.unlink()
        where = f"a file system with 120 kB left of {room} bytes"
    else:
        fsspec.register_implementation("full", Full, clobber=True)
        out = str(place / "out")
        report = case.run(threads(), "full://out")
        where = "a store that says that it is full"
    said, written = str(report.fatal), report.count("ok")
    again = case.run(threads(), out, resume=True)
    named = {"named": dict(case.named), "written_before": written}
    return {"where": where, "said": said, **named, "after_resume_failed": len(again.failed), **case.wrong(out)}


def store(place: Path) -> dict[str, Any]:
    """A store of which every tenth call fails, and a failing write leaves half an object."""
    fsspec.register_implementation("flaky", Flaky, clobber=True)
    case = Case(place, 300)
    report = case.run(threads(), "flaky://out")
    found = {"calls": Flaky.calls, "calls_failed": Flaky.failures, "failed": len(report.failed)}
    return {**found, "named": dict(case.named), **case.wrong("flaky://out")}


def memory(place: Path) -> dict[str, Any]:
    """One notebook of 14 MB, which takes twenty times as much when it is parsed, among small ones; workers of 250 MB."""
    case, out = Case(place, 8), str(place / "out")
    cell = {"cell_type": "code", "execution_count": 1, "metadata": {}, "outputs": [], "source": ["x = 1\n"] * 400}
    node = {"cells": [cell] * 6_000, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
    eater = case.folder / "eater.ipynb"
    eater.write_text(json.dumps(node))
    report = case.run(Cluster(2, memory="250MB"), out)
    lost = sum("lost the worker" in text for text in case.notices)
    said = {"named": dict(case.named), "workers_lost": lost, "said": [str(one.error) for one in report.failed]}
    size = round(eater.stat().st_size / 1e6)
    eater.unlink()
    return {"eater_mb": size, **said, **case.wrong(out)}


def scheduler(place: Path) -> dict[str, Any]:
    """The scheduler and its worker are killed in the middle and started again; the client waits."""
    case, out = Case(place, 40, pace=60), str(place / "out")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    running: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        words = [["dask_scheduler", "--host", "127.0.0.1", "--port", port], ["dask_worker", f"tcp://127.0.0.1:{port}"]]
        for name, *more in words:
            command = [sys.executable, "-m", f"distributed.cli.{name}", *more, "--no-dashboard"]
            extra = ["--nthreads", "2"] if name == "dask_worker" else []
            running.append(subprocess.Popen([*command, *extra], **quiet))  # type: ignore[call-overload]

    def stop() -> None:
        while running:
            one = running.pop()
            for child in psutil.Process(one.pid).children(recursive=True):
                child.kill()
            one.kill()
            one.wait()

    start()
    executor = Cluster(scheduler=f"tcp://127.0.0.1:{port}")

    def restart() -> None:
        while len(list(Path(out).glob("*.ipynb"))) < 10:
            time.sleep(0.1)
        stop()
        time.sleep(2)
        start()

    breaker = threading.Thread(target=restart)
    breaker.start()
    report = case.run(executor, out)
    breaker.join()
    stop()
    said = [text for text in case.notices if "scheduler" in text]
    return {"said": said, "failed": len(report.failed), "seconds": round(report.seconds), **case.wrong(out)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", default="workers,disk,store,memory,scheduler")
    parser.add_argument("--small-disk", default="")
    args = parser.parse_args()
    random.seed(6)
    cases: dict[str, Callable[[Path], dict[str, Any]]] = {
        "workers": workers,
        "disk": lambda place: disk(place, args.small_disk),
        "store": store,
        "memory": memory,
        "scheduler": scheduler,
    }
    found = {}
    for name in args.cases.split(","):
        with tempfile.TemporaryDirectory() as place:
            found[name] = cases[name](Path(place))
        print(f"{name}: {json.dumps(found[name])}", file=sys.stderr, flush=True)
    print("| case | notebooks | lost | wrong | named |\n| --- | --- | --- | --- | --- |")
    for name, row in found.items():
        print(f"| {name} | {row['notebooks']} | {row['lost']} | {row['wrong']} | {row.get('named', {})} |")
    ok = all(row["lost"] == row["wrong"] == 0 for row in found.values())
    ok &= all(count == 1 for row in found.values() for count in row.get("named", {}).values())
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs, shared with other work"
    print(json.dumps({"bench": "batch_faults", "machine": machine, **found, "ok": ok}))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
