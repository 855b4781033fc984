"""Checks in a fork of the live process: everything is there, and nothing of it is touched."""

from __future__ import annotations

import os
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from jupyter_client import manager as manager_module
from jupyter_client.client import KernelClient

from nbcopilot.config import Config
from nbcopilot.execution import Job, Limits, RunReport
from nbcopilot.sandbox import live_fork
from nbcopilot.sandbox.runner import Runner
from nbcopilot.sandbox.worker import landlock

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not landlock.version(), reason="a fork is only guarded where the kernel has Landlock"
)


@pytest.fixture
def live() -> Iterator[dict[str, object]]:
    yield {"values": [1, 2], "lock": threading.Lock(), "array": np.arange(5.0), "made": lambda x: x + 1}


def run(namespace: dict[str, object], code: str, data_dir: Path | None = None, **limits: float) -> RunReport:
    job = Job(codes=(code,), limits=replace(Limits(seconds=30), **limits))  # type: ignore[arg-type]
    return live_fork.run(job, namespace, data_dir)[0]


def test_every_variable_is_there_and_none_is_touched(live: dict[str, object]) -> None:
    report = run(live, "values.append(3)\nlock.acquire()\narray[0] = 9\nnew = made(1)\nvalues, new")
    assert report.ok and report.level == "landlock"
    assert report.result is not None and report.result.repr == "([1, 2, 3], 2)"
    assert set(report.changed) >= {"values", "array"} and list(report.created) == ["new"]
    assert live["values"] == [1, 2] and live["array"][0] == 0.0 and "new" not in live  # type: ignore[index]


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("import os\nos.kill(PARENT, 9)", "PermissionError"),
        ("open(OUTSIDE, 'w')", "PermissionError"),
        ("import socket\nsocket.create_connection(('127.0.0.1', 1), 1)", "PermissionError"),
        ("while True: pass", "TimeLimit"),
        ("import os\nos._exit(3)", "ProcessEnded"),
        ("x = bytearray(10 ** 12)", "MemoryError"),
        ("1 / 0", "ZeroDivisionError"),
        ("import os\nwhile True:\n    try: os.fork()\n    except OSError: pass", "ProcessEnded TimeLimit"),
    ],
)
def test_the_kernel_survives_what_the_code_does(live: dict[str, object], tmp_path: Path, code: str, error: str) -> None:
    seconds = 0.5 if "while" in code else 30.0
    report = run({**live, "PARENT": os.getpid(), "OUTSIDE": str(tmp_path / "x")}, code, seconds=seconds)
    assert not report.ok and report.error is not None and report.error.name in error.split(), report
    assert not (tmp_path / "x").exists()


def test_files_land_in_a_folder_that_goes(live: dict[str, object], tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("a\n")
    report = run(live, "open('out.txt', 'w').write(open('data.csv').read())", tmp_path)
    assert report.ok and [f.path for f in report.files] == ["out.txt"]
    assert [p.name for p in tmp_path.iterdir()] == ["data.csv"]


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if no thread but the main one were running: earlier tests may have left threads of libraries."""
    here = [thread for thread in threading.enumerate() if thread is not threading.main_thread()]
    running = threading.enumerate
    monkeypatch.setattr(threading, "enumerate", lambda: [t for t in running() if t not in here])


@contextmanager
def started(make: Callable[[Callable[[], object]], threading.Thread]) -> Iterator[threading.Thread]:
    done = threading.Event()
    thread = make(done.wait)
    thread.start()
    try:
        yield thread
    finally:
        done.set()
        thread.join()


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(
    "name", [None, "my trainer", "MainThread", "IOPub", "Heartbeat", "Thread-0 (warm)", "nbcopilot-warm", "asyncio_0"]
)
def test_a_thread_of_the_user_is_an_obstacle_whatever_its_name(name: str | None) -> None:
    assert live_fork.obstacle() == ""
    with started(lambda wait: threading.Thread(target=lambda: wait(), name=name)) as thread:
        assert live_fork.obstacle() == f"the thread {thread.name} is running"


@pytest.mark.usefixtures("alone")
def test_threads_of_the_kernel_and_of_the_sandbox_are_none() -> None:
    class OfTheKernel(threading.Thread):
        __module__ = "ipykernel.heartbeat"

        def __init__(self, wait: Callable[[], object]) -> None:
            super().__init__(name="Thread-7")
            self.wait = wait

        def run(self) -> None:
            self.wait()

    class Warmed(Runner):
        def warm(self, sources: Sequence[str] = ()) -> None:
            waiting[0]()

    Warmed.__module__ = Runner.__module__
    waiting: list[Callable[[], object]] = []

    def warming(wait: Callable[[], object]) -> threading.Thread:
        waiting.append(wait)
        return threading.Thread(target=Warmed().warm)

    for make in (OfTheKernel, warming):
        with started(make):
            assert live_fork.obstacle() == ""


@pytest.mark.kernel
def test_it_works_in_a_real_kernel_and_leaves_it_alive(tmp_path: Path) -> None:
    work = """
    import threading, numpy as np
    lock, array = threading.Lock(), np.random.rand(300, 300)
    array @ array
    from nbcopilot.sandbox import live_fork
    from nbcopilot.execution import Job, Limits
    codes = ("lock.acquire()\\narray[0] = 0\\n(array @ array).shape", "import os\\nos.kill(os.getppid(), 9)")
    reports = live_fork.run(Job(codes=codes, limits=Limits(seconds=60)), get_ipython().user_ns, None)
    print(repr(live_fork.obstacle()), [r.ok for r in reports], lock.locked(), bool(array[0].any()))
    """
    with start_new_kernel(kernel_name="python3", cwd=str(tmp_path)) as client:
        client.execute(textwrap.dedent(work))
        printed, idle = "", False
        while not idle:
            message = client.get_iopub_msg(timeout=120)
            printed += message["content"].get("text", "") + "".join(message["content"].get("traceback", []))
            idle = message["content"].get("execution_state") == "idle"
    assert printed.strip() == "'' [True, False] False True", printed


@contextmanager
def start_new_kernel(**options: str) -> Iterator[KernelClient]:
    manager, client = manager_module.start_new_kernel(**options)
    try:
        yield client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_it_is_only_used_when_asked_for() -> None:
    assert Config().check_fork is False
