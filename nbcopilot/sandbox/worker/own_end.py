"""A fork that the kernel ends when its time is over, where its parent may send no signals (Landlock before Linux 6.12).

The filter of system calls can allow signals to one process only, by its number; that of a fork is not known before.
"""

from __future__ import annotations

import ctypes
import platform
import signal
import struct

from nbcopilot.sandbox.worker.seccomp import COLUMNS
from nbcopilot.sandbox.worker.system_call_numbers import NUMBERS

_CLOCK_MONOTONIC = 1
_refused: list[bool] = []


def signals_are_refused() -> None:
    """From now on forks of this process have to end by themselves."""
    _refused.append(True)


def at_the_latest(seconds: float) -> None:
    """Let the kernel kill this process after so many seconds on the clock, whatever it blocks; nothing where others can."""
    column = COLUMNS.get(platform.machine())
    if not _refused or column is None:
        return
    create, settime = NUMBERS["timer_create"][column], NUMBERS["timer_settime"][column]
    call = ctypes.CDLL(None, use_errno=True).syscall
    timer = ctypes.c_int()
    event = struct.pack("=Qii48x", 0, signal.SIGKILL, 0)  # struct sigevent: SIGEV_SIGNAL
    if call(create, _CLOCK_MONOTONIC, ctypes.c_char_p(event), ctypes.byref(timer)) == 0:
        whole = int(seconds)
        when = struct.pack("=qqqq", 0, 0, whole, int((seconds - whole) * 1e9) + 1)  # struct itimerspec: once
        call(settime, timer, 0, ctypes.c_char_p(when), None)
