"""A cell run in one process, its examples judged in others that it never ran in.

The process that forks them all runs neither. For each example it forks a judge from the state before the cell; beside
it, the process of the cell forks a copy of itself that answers that judge over a socket. So no example sees what
another did, and nothing that the cell has put in place of a class, a function or a module is there where it is judged.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Any

from nbcopilot.sandbox.worker import example_judge, forks, own_end
from nbcopilot.sandbox.worker.answering import Answering
from nbcopilot.sandbox.worker.execute import Session
from nbcopilot.sandbox.worker.remote import Answer

MOST = 60  # examples of one cell: each has a socket


def judged_apart(
    run: Callable[[], dict[str, Any]], session: Session, code: str, examples: Sequence[dict[str, Any]],
    seconds: tuple[float, float], clock: forks.Deadline,
) -> dict[str, Any]:  # fmt: skip
    """The report of `run`, with the "examples" judged apart. seconds: for the run, for each example. Raises ChildDied."""
    base = dict(session.namespace)
    examples = examples[:MOST]
    pairs = [socket.socketpair() for _ in examples]
    orders, ordering = os.pipe()

    def whole() -> dict[str, Any]:
        os.close(ordering)
        for judging, _ in pairs:
            judging.close()
        return run()

    def then() -> None:
        _answer_each(orders, [answering for _, answering in pairs], session.namespace, base, seconds[1])

    try:
        child = forks.Child(whole, seconds[0], clock, then)
    finally:
        os.close(orders)
        for _, answering in pairs:
            answering.close()
    try:
        report = {**child.answer, "examples": []}
        if report.get("ok") is True:
            ends = [judging for judging, _ in pairs]
            report["examples"] = _judge_each(examples, ends, ordering, code, session, base, seconds[1])
        return report
    finally:
        os.close(ordering)
        child.end()
        for judging, _ in pairs:
            judging.close()


def _judge_each(
    examples: Sequence[dict[str, Any]], ends: Sequence[socket.socket], ordering: int, code: str, session: Session,
    base: dict[str, Any], seconds: float,
) -> list[dict[str, Any]]:  # fmt: skip
    judged: list[dict[str, Any]] = []
    late = 0
    for example, end in zip(examples, ends, strict=True):
        if late >= 2:
            judged.append(_no_verdict("not tried: two examples before it did not end", "", "skipped"))
            continue
        with contextlib.suppress(OSError):
            os.write(ordering, b"n")

        def judge(example: dict[str, Any] = example, end: socket.socket = end) -> dict[str, Any]:
            _import_from_packages_only()
            return example_judge.judge(example, Answer(end, base), session.namespace, code)

        try:
            judged.append(forks.in_child(judge, seconds))
        except forks.ChildDied as died:
            late += died.late
            error = f"did not finish in {seconds:g} s" if died.late else f"ended the process ({died.told()})"
            end_ = "time" if died.late else "died"
            judged.append(_no_verdict(error, end_, end_))
        end.close()
    return judged


def _no_verdict(error: str, digest: str, end: str) -> dict[str, Any]:
    return {"ok": False, "got": "", "error": error, "digest": digest, "end": end}


def _import_from_packages_only() -> None:
    """A module that the cell wrote into the working folder is none of the judge's."""
    here = os.getcwd()
    sys.path[:] = [path for path in sys.path if path and os.path.realpath(path) != here]
    sys.path_importer_cache.clear()


def _answer_each(
    orders: int, ends: Sequence[socket.socket], namespace: dict[str, Any], base: dict[str, Any], seconds: float
) -> None:  # fmt: skip
    """For each order a fork that answers at the next socket; the one before is ended."""
    running = 0
    for end in ends:
        more = os.read(orders, 1)
        if running:
            forks.kill(running)
            os.waitpid(running, 0)
        if not more:
            return
        running = forks.fork()
        if not running:
            own_end.at_the_latest(seconds + 1.0)
            Answering(end, namespace, base).serve()
            os._exit(0)
        end.close()
    os.read(orders, 1)
    if running:
        forks.kill(running)
