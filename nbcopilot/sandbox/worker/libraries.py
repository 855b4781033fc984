"""/proc/self/maps for Python code in a process to which Landlock shows no part of /proc: a fork has another number.

Libraries of numbers find each other by it (threadpoolctl for scikit-learn), and end with a PermissionError otherwise.
"""

from __future__ import annotations

import builtins
import ctypes
import io
import os
from typing import IO, Any

MAPS = "/proc/self/maps"


class _Loaded(ctypes.Structure):
    """The head of `struct dl_phdr_info`."""

    _fields_ = (("address", ctypes.c_void_p), ("name", ctypes.c_char_p))


def offer_maps() -> None:
    """Let `open` answer for /proc/self/maps, read only, from the list of the dynamic linker, where the kernel refuses."""
    plain = io.open

    def open_(file: Any, mode: str = "r", *args: Any, **named: Any) -> IO[Any]:
        try:
            return plain(file, mode, *args, **named)
        except PermissionError:
            if file != MAPS or set(mode) - set("rbt"):
                raise
            text = "".join(
                f"{address:012x}-{address:012x} r-xp 00000000 00:00 0 {path}\n" for address, path in loaded()
            )
            return io.BytesIO(text.encode("utf-8", "surrogateescape")) if "b" in mode else io.StringIO(text)

    vars(builtins)["open"] = vars(io)["open"] = open_


def loaded() -> list[tuple[int, str]]:
    """(address, path) of the shared libraries that this process has loaded."""
    found: list[tuple[int, str]] = []

    def note(info: Any, size: int, data: Any) -> int:
        if info.contents.name:
            found.append((info.contents.address or 0, os.fsdecode(info.contents.name)))
        return 0

    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_Loaded), ctypes.c_size_t, ctypes.c_void_p)
    ctypes.CDLL(None).dl_iterate_phdr(kind(note), None)
    return found
