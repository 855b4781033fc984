"""A seccomp filter by ctypes: code in a sandbox makes the calls of `system_calls` and no other.

Linux on x86-64 and aarch64, 64 bits; calls by another entry (i386, x32) are refused. Elsewhere `install` returns False.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterable, Sequence

from nbcopilot.sandbox.worker import system_calls
from nbcopilot.sandbox.worker.system_call_numbers import NUMBERS
from nbcopilot.sandbox.worker.system_calls import Argument

COLUMNS = {"x86_64": 0, "aarch64": 1}  # of the table of numbers
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_LOAD, _EQUAL, _ATLEAST, _MASK, _RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
_NR, _ARCH, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data; arguments are 8 bytes, low word first
_X32 = 0x40000000
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP = 38, 22


def install(*, signals_to: int | None = None, freeze_modes: bool = False, keep_session: bool = False) -> bool:
    """Put the filter on this process and all that it will start; True when it is in force.

    signals_to: the only process id that may get signals (None: no such rule). freeze_modes: chmod, chown and the
    like, which Landlock does not cover, seem to succeed and do nothing. keep_session: setsid and setpgid are refused,
    so that a group can be killed as one.
    """
    machine = platform.machine()
    if machine not in COLUMNS or not hasattr(os, "fork") or struct.calcsize("P") != 8 or platform.system() != "Linux":
        return False
    arch = COLUMNS[machine], _AUDIT_ARCH[machine]
    filter_ = program(*arch, signals_to=signals_to, freeze_modes=freeze_modes, keep_session=keep_session)
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(filter_)
    head = struct.pack("HxxxxxxP", len(filter_) // 8, ctypes.addressof(buffer))
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    return bool(libc.prctl(_PR_SET_SECCOMP, 2, ctypes.c_char_p(head), 0, 0) == 0)


def program(
    column: int, audit_arch: int, *, signals_to: int | None = None, freeze_modes: bool = False,
    keep_session: bool = False,
) -> bytes:  # fmt: skip
    """The filter as BPF for a column of `NUMBERS`. Each rule is complete in itself: test, return."""
    conditions = dict(system_calls.CONDITIONS)
    plain = [] if keep_session else [system_calls.SESSIONS]
    if signals_to is None:
        plain.append(system_calls.SIGNALS)
    else:
        to_it = ((Argument(0, (signals_to & 0xFFFFFFFF,)),),)
        conditions.update(dict.fromkeys(system_calls.SIGNALS.split(), to_it))
    if not freeze_modes:
        plain.append(system_calls.MODES)
    code = [
        _op(_LOAD, _ARCH), _op(_EQUAL, audit_arch, 1, 0), _op(_RETURN, _KILL),
        _op(_LOAD, _NR), _op(_ATLEAST, _X32, 0, 1), _op(_RETURN, _ERRNO | errno.ENOSYS),
    ]  # fmt: skip
    for first, last in _runs(_numbers(system_calls.allowed(*plain), column)):
        code += [_op(_ATLEAST, first, 0, 2), _op(_ATLEAST, last + 1, 1, 0), _op(_RETURN, _ALLOW)]
    for name, ways in conditions.items():
        for number in _numbers([name], column):
            body = [op for way in ways for op in _way(way)] + [_op(_RETURN, _ERRNO | errno.EPERM)]
            code += [_op(_EQUAL, number, 0, len(body)), *body]
    errors = {0: system_calls.MODES if freeze_modes else "", **system_calls.ERRORS}
    for error, names in errors.items():
        for number in _numbers(names.split(), column):
            code += [_op(_EQUAL, number, 0, 1), _op(_RETURN, _ERRNO | error)]
    newer = [_op(_ATLEAST, system_calls.FIRST_NEW, 0, 1), _op(_RETURN, _ERRNO | errno.ENOSYS)]
    return b"".join([*code, *newer, _op(_RETURN, _ERRNO | errno.EPERM)])


def _numbers(names: Iterable[str], column: int) -> list[int]:
    """Numbers of the calls that this architecture has."""
    return [number for name in names if (number := NUMBERS[name][column]) is not None]


def _runs(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """The numbers as (first, last) of those without a gap."""
    found: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def _way(conditions: Sequence[Argument]) -> list[bytes]:
    """Return ALLOW when all conditions hold, else go on after it."""
    code: list[bytes] = [_op(_RETURN, _ALLOW)]
    for wanted in reversed(conditions):
        low = [_op(_LOAD, _ARGUMENTS + 8 * wanted.at)]
        if wanted.mask != 0xFFFFFFFF:
            low.append(_op(_MASK, wanted.mask))
        last = len(wanted.values) - 1
        tests = [
            _op(_EQUAL, value, last - at, len(code) if at == last else 0) for at, value in enumerate(wanted.values)
        ]
        code = [*low, *tests, *code]
        if wanted.wide:
            code = [_op(_LOAD, _ARGUMENTS + 8 * wanted.at + 4), _op(_EQUAL, 0, 0, len(code)), *code]
    return code


def _op(code: int, k: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, no, k)
