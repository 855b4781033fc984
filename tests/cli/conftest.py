"""The tiny model of tests/carriers.py and what carries it."""

from carriers import index, store, tiny

__all__ = ["index", "store", "tiny"]
