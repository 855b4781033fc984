"""The line of requests beside the cells: in order, one at a time, stopped together or by a new run of their cell."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from types import SimpleNamespace

from nbcopilot.magics import background
from nbcopilot.magics.background import Line

WHERE: ContextVar[str] = ContextVar("where", default="nowhere")


class Job:
    """Waits until it is let go; `log` keeps who answered when, and in which context."""

    def __init__(self, name: str, log: list[str], execution: str = "") -> None:
        self.cell_id, self.execution = name, execution or name
        self.log, self.go, self.begun = log, threading.Event(), threading.Event()
        self.stopped = False

    def answer(self) -> None:
        self.begun.set()
        assert self.go.wait(60)
        self.log.append(f"{self.execution} {WHERE.get()}")

    def stop(self) -> None:
        self.stopped = True
        self.go.set()


def test_requests_are_answered_in_order_each_in_the_context_of_its_cell() -> None:
    line, log = Line(), []
    jobs = [Job(name, log) for name in "abc"]
    for job in jobs:
        token = WHERE.set(f"cell {job.cell_id}")
        line.add(job)
        WHERE.reset(token)
    assert jobs[0].begun.wait(60) and not jobs[1].begun.is_set()
    assert line.jobs == jobs
    for job in reversed(jobs):
        job.go.set()
    assert line.join(60)
    assert log == ["a cell a", "b cell b", "c cell c"] and line.jobs == []
    again = Job("d", log)
    again.go.set()
    line.add(again)
    assert line.join(60) and log[-1] == "d nowhere", "the line has ended for good"


def test_a_new_run_of_a_cell_stops_its_earlier_request_and_no_other() -> None:
    line, log = Line(), []
    first, other, twin = Job("a", log, "run 1"), Job("b", log, "run 2"), Job("a", log, "run 1")
    again = Job("a", log, "run 3")
    line.add(first)
    line.add(other)
    line.add(twin)
    assert not first.stopped, "two magics of one run of a cell are two requests"
    line.add(again)
    assert first.stopped and twin.stopped and not other.stopped
    assert line.stop() >= 2 and again.stopped and other.stopped
    assert line.join(60)


def test_an_interrupt_that_the_kernel_would_ignore_stops_the_line() -> None:
    shell = SimpleNamespace(kernel=SimpleNamespace(saved_sigint_handler=None))
    line = background.line(shell)
    job = Job("a", [])
    line.add(job)
    shell.kernel.saved_sigint_handler(2, None)
    assert job.stopped and line.join(60)
    assert background.line(shell) is line is background.under_way(shell)
