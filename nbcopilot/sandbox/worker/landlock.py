"""Landlock by ctypes: which files this process and its children may read, run and write. Linux 5.13 and newer.

Covers opening, listing, creating, removing, renaming and running files; from newer kernels also TCP and signals to
processes outside. Does not cover stat, chmod, chown and times: `seccomp` freezes those.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
import sys
from collections.abc import Iterable

_CREATE, _ADD, _RESTRICT = 444, 445, 446  # the same on every architecture
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE, _IOCTL_DEV = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 14, 1 << 15
_BITS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # file access rights known to each ABI
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_FILE_ONLY = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV


def version() -> int:
    """The kernel's Landlock ABI, 0 when there is none."""
    if sys.platform != "linux":
        return 0
    try:
        return max(0, int(_libc().syscall(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(1))))
    except (OSError, AttributeError):
        return 0


def restrict(
    read: Iterable[str], write: Iterable[str], list_only: Iterable[str] = (), exact: Iterable[str] = ()
) -> bool:
    """Allow reading below `read`, everything below `write`, listing below `list_only`, nothing else; True when in force.

    exact: further paths to read, and `list_only`, are real ones: nothing is opened when a link leads elsewhere now.

    Paths that do not exist are passed over. Cannot be undone, and holds for all children.
    """
    abi = version()
    if not abi:
        return False
    libc = _libc()
    every = (1 << _BITS.get(abi, 16)) - 1
    attributes = struct.pack("=Q", every)
    if abi >= 4:
        attributes += struct.pack("=Q", 3)  # TCP bind and connect
    if abi >= 6:
        attributes += struct.pack("=Q", 3)  # abstract Unix sockets, signals
    rules = libc.syscall(_CREATE, ctypes.c_char_p(attributes), ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0))
    if rules < 0:
        return False
    try:
        for paths, access, real in (
            (read, _READ, False), (write, every, False), (list_only, _READ_DIR, True), (exact, _READ, True),
        ):  # fmt: skip
            for path in paths:
                _allow(libc, rules, path, access & every, real=real)
        if libc.prctl(38, 1, 0, 0, 0) != 0:  # PR_SET_NO_NEW_PRIVS
            return False
        return bool(libc.syscall(_RESTRICT, rules, ctypes.c_uint32(0)) == 0)
    finally:
        os.close(rules)


def _allow(libc: ctypes.CDLL, rules: int, path: str, access: int, *, real: bool) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if real and os.readlink(f"/proc/self/fd/{fd}") != path:
            return
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            access &= _FILE_ONLY
        rule = struct.pack("=Qi", access, fd)
        libc.syscall(_ADD, rules, ctypes.c_uint32(1), ctypes.c_char_p(rule), ctypes.c_uint32(0))
    except OSError:
        return
    finally:
        os.close(fd)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
