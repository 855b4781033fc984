"""The tiny model of tests/carriers.py and what carries it."""

from carriers import hub, index, store, tiny

__all__ = ["hub", "index", "store", "tiny"]
