"""Work in a thread that is given up when it takes too long; for code of other packages."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class TookTooLong(Exception):
    """The work did not end in time."""


def time_boxed(work: Callable[[], T], seconds: float) -> T:
    """What `work` returns. Raises what it raises, and TookTooLong after `seconds` of wall time.

    Python code that loops is ended by an exception in its thread; native code that never returns keeps a daemon thread.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as exc:  # handed to the caller below
            errors.append(exc)

    thread = threading.Thread(target=run, daemon=True, name="nbcopilot-rule")
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(TookTooLong))
        raise TookTooLong
    if errors:
        raise errors[0]
    return results[0]
