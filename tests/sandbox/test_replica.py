"""What of a live namespace travels, and what is said of the rest."""

from __future__ import annotations

import linecache
import sys
import threading
import time
import types
from collections.abc import Iterator

import numpy as np
import pytest

from nbcopilot.sandbox import replica
from nbcopilot.sandbox.replica import replicate
from nbcopilot.sandbox.runner import Runner
from nbcopilot.verdict import NotRun

CELL = """
import math
from collections import Counter
from dataclasses import dataclass
import numpy as np

@dataclass
class Point:
    x: int

    def double(self):
        return scale(self.x)

def scale(v, factor=2):
    return v * factor + OFFSET

class Sub(Point):
    pass

OFFSET = 1
points = [Point(1), Sub(2)]
add = lambda a, b: a + b
array = np.arange(6).reshape(2, 3)
lock = __import__("threading").Lock()
counts = Counter("aab")
"""


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, object]]:
    """A namespace as a kernel has it: cells executed in `__main__`, their source in linecache."""
    module = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", module)
    linecache.cache["<cell>"] = (len(CELL), None, CELL.splitlines(True), "<cell>")
    exec(compile(CELL, "<cell>", "exec"), module.__dict__)
    yield module.__dict__
    linecache.cache.pop("<cell>")


def test_values_modules_and_definitions_travel(live: dict[str, object]) -> None:
    found = replicate(live, ["array", "math", "points", "add"], [CELL])
    assert set(found.values) >= {"array", "points", "OFFSET"}
    assert found.modules == {"math": "math"}
    text = "\n".join(found.definitions)
    assert text.index("class Point") < text.index("class Sub") and "def scale" in text and "add = lambda" in text
    assert not found.left_out


def test_only_what_is_needed_travels(live: dict[str, object]) -> None:
    found = replicate(live, ["OFFSET"])
    assert set(found.values) == {"OFFSET"} and not found.definitions and not found.modules


def test_what_cannot_be_pickled_is_named(live: dict[str, object]) -> None:
    found = replicate({**live, "lock": threading.Lock()}, ["lock"])
    assert found.left_out == {"lock": "cannot be pickled: TypeError"}


def test_large_values_are_left_out_without_being_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replica, "VALUE_BYTES", 1000)
    found = replicate(
        {"big": np.zeros(1_000_000), "text": "x" * 5000, "deep": [["x" * 600], ["y" * 600]]}, ["big", "text", "deep"]
    )
    assert found.left_out == {"big": "8 MB", "text": "0 MB", "deep": "too large"}


def test_a_namespace_of_five_gigabytes_takes_no_time() -> None:
    huge = np.lib.stride_tricks.as_strided(np.zeros(1), shape=(650_000_000,), strides=(0,))
    started = time.process_time()  # of the processor, not of the wall
    found = replicate({f"v{i}": huge for i in range(5)}, [f"v{i}" for i in range(5)])
    assert found.left_out["v0"] == "5.2 GB" and len(found.left_out) == 5
    assert time.process_time() - started < 5


def test_a_value_whose_pickling_raises_is_named() -> None:
    class Odd:
        def __reduce__(self) -> str:
            raise RuntimeError("no")

    assert replicate({"odd": Odd()}, ["odd"]).left_out == {"odd": "cannot be pickled: RuntimeError"}


def test_the_replica_works_in_a_run(live: dict[str, object]) -> None:
    runner = Runner(namespace=live)
    report = runner.run("points[1].double(), add(1, 2), array.sum(), counts['a'], scale(2)", setup=[CELL])
    assert report.result is not None and report.result.repr == "(5, 3, np.int64(15), 2, 5)", report


def test_the_live_values_count_and_not_those_that_the_cells_made(live: dict[str, object]) -> None:
    live["OFFSET"] = 100
    report = Runner(namespace=live).run("OFFSET, scale(1)", setup=[CELL])
    assert report.result is not None and report.result.repr == "(100, 102)"


def test_what_cannot_be_copied_is_made_again_by_its_cell(live: dict[str, object]) -> None:
    report = Runner(namespace=live).run("lock.acquire()", setup=[CELL])
    assert report.ok and report.result is not None and report.result.repr == "True"


def test_without_its_cell_it_is_said_and_not_held_against_the_code(live: dict[str, object]) -> None:
    report = Runner(namespace=live).run("lock.acquire()")
    assert not report.ok and report.needs == NotRun("variable", "lock", "cannot be pickled: TypeError")


def test_the_namespace_is_not_touched(live: dict[str, object]) -> None:
    before = dict(live)
    Runner(namespace=live).run("array[0, 0] = 99\npoints.clear()\nnew = 1", setup=[CELL])
    assert live == before and live["array"][0, 0] == 0 and len(live["points"]) == 2  # type: ignore[index,arg-type]
