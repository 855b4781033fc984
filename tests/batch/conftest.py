"""Stores that fail, and notebooks to work on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest
from cell_builders import code, raw
from failing_stores import Flaky, Full
from fsspec.implementations.memory import MemoryFileSystem

from nbcopilot.batch import stores

BIG = "def f(x):\n    y = x + 1\n    return y"


@pytest.fixture(autouse=True)
def failing_stores(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stores flaky:// and full://, empty, and no waiting between tries."""
    fsspec.register_implementation("flaky", Flaky, clobber=True)
    fsspec.register_implementation("full", Full, clobber=True)
    monkeypatch.setattr(stores, "FIRST_WAIT_SECONDS", 0.0)
    for one in (Flaky, Full, MemoryFileSystem):
        one.store.clear()
        one.pseudo_dirs[:] = [""]


@pytest.fixture
def books(tmp_path: Path) -> Callable[..., Path]:
    """A folder with `count` notebooks that lack documentation."""

    def make(count: int = 4, folder: str = "in") -> Path:
        place = tmp_path / folder
        place.mkdir(exist_ok=True)
        for i in range(count):
            data = raw(code(BIG.replace("f(", f"f{i}(")), code(BIG.replace("f(", f"g{i}(")))
            (place / f"n{i:02d}.ipynb").write_bytes(data)
        return place

    return make
