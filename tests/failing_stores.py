"""Stores of tests that fail: flaky:// every tenth call, full:// every write. tests/batch/conftest.py registers them."""

from __future__ import annotations

import errno
import random
from typing import Any, ClassVar

from fsspec.implementations.memory import MemoryFileSystem


class Flaky(MemoryFileSystem):
    """A store that fails every tenth call at random, and leaves half an object behind when it is a write."""

    protocol = "flaky"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    dice = random.Random(6)
    calls = failures = 0

    def _maybe_fail(self) -> None:
        Flaky.calls += 1
        if Flaky.dice.random() < 0.1:
            Flaky.failures += 1
            raise ConnectionError("503 Slow Down")

    def cat_file(self, path: str, *args: Any, **kwargs: Any) -> bytes:
        self._maybe_fail()
        return bytes(super().cat_file(path, *args, **kwargs))

    def pipe_file(self, path: str, value: bytes, *args: Any, **kwargs: Any) -> None:
        try:
            self._maybe_fail()
        except ConnectionError:
            super().pipe_file(path, value[: len(value) // 2])
            raise
        super().pipe_file(path, value)

    def info(self, path: str, **kwargs: Any) -> Any:
        self._maybe_fail()
        return super().info(path, **kwargs)


class Full(MemoryFileSystem):
    """A store without room."""

    protocol = "full"
    store: ClassVar[dict[str, Any]] = {}

    def pipe_file(self, path: str, value: bytes, *args: Any, **kwargs: Any) -> None:
        if value:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().pipe_file(path, value)
