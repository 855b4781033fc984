"""Checks in a fork of the live process: everything is there, and nothing of it is touched."""

from __future__ import annotations

import os
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from jupyter_client import manager as manager_module
from jupyter_client.client import KernelClient

from nbcopilot.config import Config
from nbcopilot.sandbox import live_fork
from nbcopilot.sandbox.report import Job, Limits, RunReport
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


def test_a_thread_of_the_user_is_an_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    here = threading.enumerate()  # earlier tests may have left threads of libraries
    running = threading.enumerate
    monkeypatch.setattr(threading, "enumerate", lambda: [t for t in running() if t not in here])
    assert live_fork.obstacle() == ""
    done = threading.Event()
    thread = threading.Thread(target=done.wait, name="my trainer")
    thread.start()
    try:
        assert live_fork.obstacle() == "the thread my trainer is running"
    finally:
        done.set()
        thread.join()


@pytest.mark.kernel
def test_it_works_in_a_real_kernel_and_leaves_it_alive(tmp_path: Path) -> None:
    work = """
    import threading, numpy as np
    lock, array = threading.Lock(), np.random.rand(300, 300)
    array @ array
    from nbcopilot.sandbox import live_fork
    from nbcopilot.sandbox.report import Job, Limits
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
