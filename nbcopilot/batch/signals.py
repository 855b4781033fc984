"""Ctrl-C, and SIGTERM as a container that is stopped or a cluster's scheduler sends it: both end a run, neither in the
middle of a file. Only the main thread gets signals; elsewhere nothing here has an effect."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

# 128 + the number of the signal, as a shell tells it.
INTERRUPTED, TERMINATED = 130, 143


class Terminated(KeyboardInterrupt):
    """SIGTERM came. What ends well at Ctrl-C ends well at this."""


def exit_code(stopped: KeyboardInterrupt) -> int:
    """The exit code of a process that ends for it."""
    return TERMINATED if isinstance(stopped, Terminated) else INTERRUPTED


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM raise Terminated in the block, where nobody else has said what is to become of it."""
    if not _is_main() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextlib.contextmanager
def uninterrupted(*, swallow: bool = False) -> Iterator[None]:
    """Hold Ctrl-C and SIGTERM back until the block is done, or (swallow) for good."""
    caught: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        caught.append(number)

    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)} if _is_main() else {}
    # What is ignored stays ignored, and what ends the process at once still does.
    before = {number: handler for number, handler in handlers.items() if callable(handler)}
    for number in before:
        signal.signal(number, note)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if caught and not swallow:
        before[signal.Signals(caught[0])](caught[0], None)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated


def _is_main() -> bool:
    return threading.current_thread() is threading.main_thread()
