"""The library's structs and functions as ctypes has them. Mirrors nbc.h and forward.c; holds no state."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, Structure, c_char_p, c_float, c_int, c_void_p
from pathlib import Path

# What `nbc_forward` gives back: 0 when done, NO_MEMORY, or UNFIT where sizes do not fit together (nothing was computed).
NO_MEMORY, UNFIT = 1, 2


class Linear(Structure):
    _fields_ = [
        ("w", c_void_p), ("scale", c_void_p), ("lowest", c_void_p), ("bias", c_void_p),
        ("factor", c_float), ("bits", c_int), ("n", c_int), ("k", c_int), ("group", c_int),
    ]  # fmt: skip


class Layer(Structure):
    _fields_ = [
        ("qkv", Linear), ("o", Linear), ("gate_up", Linear), ("down", Linear),
        ("norm1", c_void_p), ("norm2", c_void_p), ("query_norm", c_void_p), ("key_norm", c_void_p),
    ]  # fmt: skip


class Model(Structure):
    _fields_ = [
        ("hidden", c_int), ("layers", c_int), ("heads", c_int), ("kv_heads", c_int), ("dim", c_int),
        ("inner", c_int), ("vocab", c_int), ("epsilon", c_float),
        ("embed", c_void_p), ("norm", c_void_p), ("cosine", c_void_p), ("sine", c_void_p), ("positions", c_int),
        ("parts", POINTER(Layer)), ("head", Linear),
    ]  # fmt: skip


class Segment(Structure):
    _fields_ = [
        ("keys", c_void_p), ("values", c_void_p),
        ("capacity", c_int), ("start", c_int), ("first", c_int), ("count", c_int),
    ]  # fmt: skip


class Library:
    """The functions of a built library."""

    def __init__(self, path: Path) -> None:
        # CDLL lets go of the interpreter's lock while a call runs: other Python threads go on.
        lib = ctypes.CDLL(str(path))
        self.pool_new = lib.nbc_pool_new
        self.pool_new.restype, self.pool_new.argtypes = c_void_p, [c_int]
        self.pool_free = lib.nbc_pool_free
        self.pool_free.restype, self.pool_free.argtypes = None, [c_void_p]
        self.pool_threads = lib.nbc_pool_threads
        self.pool_threads.restype, self.pool_threads.argtypes = None, [c_void_p, c_int]
        self.forward = lib.nbc_forward
        self.forward.restype = c_int
        self.forward.argtypes = [
            POINTER(Model), c_void_p, c_int, c_void_p, c_void_p, c_int, POINTER(Segment), c_int, c_void_p, c_void_p,
        ]  # fmt: skip
        lib.nbc_isa.restype = c_char_p
        self.isa: str = lib.nbc_isa().decode()
