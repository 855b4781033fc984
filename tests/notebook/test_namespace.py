"""Live variables are summarised by type: bounded, without running the user's code, without touching lazy things."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import enum
import functools
import io
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from serving import eventually

from nbcopilot.notebook import namespace
from nbcopilot.notebook.namespace import MAX_SUMMARY, summarize


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tested is not how soon a busy machine comes to it."""
    monkeypatch.setattr(namespace, "HOOK_SECONDS", 60.0)


def summary(value: Any, **options: Any) -> str:
    return summarize({"value": value}, ["value"], **options)[0].summary


def kind(value: Any) -> str:
    return summarize({"value": value}, ["value"])[0].kind


def frame() -> pd.DataFrame:
    return pd.DataFrame({"price": [1.5, None, 3.0], "unit cost": [1, 2, 3], "when": pd.to_datetime(["2020-01-01"] * 3)})


# --------------------------------------------------------------------------- what is said


def test_a_frame_is_its_schema_and_no_data() -> None:
    text = summary(frame())
    assert text.startswith(
        "DataFrame, 3 rows × 3 columns\ncolumns: price float64 (1 null), 'unit cost' int64, when datetime64"
    )
    assert "1.5" not in text and "2020" not in text
    assert kind(frame()) == "frame"


def test_rows_are_shown_only_when_asked_for() -> None:
    text = summary(frame(), rows=2)
    assert "first rows (price, 'unit cost', when):\n1.5, 1, 2020-01-01 00:00:00\nnan, 2," in text
    assert "3.0" not in text


def test_many_columns_are_bounded_and_those_in_question_come_first() -> None:
    wide = pd.DataFrame(np.zeros((2, 1700)), columns=[f"feature_{i}" for i in range(1700)])
    text = summary(wide, focus="how does feature_1500 behave?")
    assert "columns, all float64: feature_1500, feature_0," in text and "more columns: " in text
    assert len(text) <= MAX_SUMMARY


def test_an_index_that_means_something_is_named() -> None:
    text = summary(frame().set_index("when"))
    assert "index: DatetimeIndex when" in text
    assert "MultiIndex price, when" in summary(frame().set_index(["price", "when"]))
    assert summary(frame().price) == "Series price, float64 (1 null), length 3"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (np.zeros((3, 4), "f4"), "numpy array, shape (3, 4), float32"),
        (np.float64(3.5), "numpy float64 3.5"),
        (5, "int 5"),
        (2**200, "int about 2**201"),
        (None, "None"),
        ("abc", "str 'abc'"),
        ("x" * 5000, f"str of 5,000 characters '{'x' * 60}'…"),
        ([1, 2.5, "a"], "list of 3 int / float / str: 1, 2.5, 'a'"),
        (list(range(1000)), "list of 1,000 int: 0, 1, 2, 3, 4, 5, 6, 7, …"),
        ({"a": 1, "b": [1, 2], "c": {"d": None}}, "dict, 3 keys: 'a': 1, 'b': [1, 2], 'c': {'d': None}"),
        ([], "list, empty"),
        ({}, "dict, 0 keys"),
        (collections.Counter("aab"), "Counter, 2 keys: 'a': 2, 'b': 1"),
        (collections.deque([1]), "deque of 1 int: 1"),
        (datetime.date(2020, 1, 2), "date datetime.date(2020, 1, 2)"),
        (Path("/tmp/x"), "PosixPath /tmp/x"),
        (np, f"module numpy {np.__version__}"),
        (len, "built-in len(obj, /) - Return the number of items in a container."),
        (iter([1]), "list_iterator"),
        (io.StringIO("x"), "_io StringIO"),
    ],
)
def test_plain_values(value: Any, said: str) -> None:
    assert summary(value) == said


def test_functions_show_signature_and_first_docstring_line() -> None:
    def convert(x: int, /, y: str = "a", *rest: Any, flag=None, **more) -> list:  # type: ignore[no-untyped-def]
        """Turn x into a list.

        At length.
        """

    assert summary(convert) == (
        "def convert(x: int, /, y: str = 'a', *rest: Any, flag=None, **more) -> list - Turn x into a list."
    )
    assert summary(functools.partial(convert, 1)) == "functools partial"
    assert summary([].append).startswith("built-in append(object, /)")


def test_classes_show_bases_fields_and_public_methods() -> None:
    @dataclasses.dataclass
    class Point:
        """A place."""

        x: int
        y: float = 0.0

        def norm(self, p: int = 2) -> float:
            return 0.0

        def _hidden(self) -> None: ...

    class Color(enum.Enum):
        RED = 1

    # Annotations of this module are text, and shown as such.
    assert summary(Point) == (
        "class Point - A place.\nfields: x: int, y: float\nmethods: norm(self, p: int = 2) -> float"
    )
    assert summary(Color) == "class Color(Enum)\nmembers: RED"


def test_namedtuples_show_their_fields() -> None:
    assert summary(collections.namedtuple("P", "x y")(1, "a")) == "P(x=1, y='a')"


def test_instances_of_notebook_classes_show_their_attributes() -> None:
    made: dict[str, Any] = {"__name__": "__main__"}
    exec(
        "class Box:\n    def __init__(self):\n        self.size, self.items, self._secret = 3, [1], 2\nbox = Box()",
        made,
    )
    assert summary(made["box"]) == "instance of Box with size 3, items list"


def test_estimators_show_changed_settings_and_whether_they_are_fitted() -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    model = linear.Ridge(alpha=2.0)
    assert summary(model) == "sklearn Ridge(alpha=2.0), not fitted"
    model.fit([[1.0, 2.0], [2.0, 1.0]], [1, 2])
    assert summary(model) == "sklearn Ridge(alpha=2.0), fitted on 2 features"


def test_tensors_and_torch_models() -> None:
    import torch

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.hidden = torch.nn.Linear(4, 2)

    assert summary(torch.zeros(2, 3)) == "torch Tensor, shape (2, 3), float32, on cpu"
    assert summary(Net()) == "torch module Net, 10 parameters: hidden Linear"


# --------------------------------------------------------------------------- what must not happen


class Hostile:
    """Every method hangs; `__class__` lies."""

    def __getattribute__(self, name: str) -> Any:
        time.sleep(3600)

    def _hang(self, *_: Any) -> Any:
        time.sleep(3600)

    __repr__ = __str__ = __len__ = __iter__ = __bool__ = __eq__ = __format__ = __dir__ = _hang  # type: ignore[assignment]
    __hash__ = None  # type: ignore[assignment]


class HostileMeta(type):
    def __getattribute__(cls, name: str) -> Any:
        raise RuntimeError("do not ask")

    def __instancecheck__(cls, instance: Any) -> bool:
        raise RuntimeError("do not ask")


class HostileList(list):  # type: ignore[type-arg]
    def __len__(self) -> int:
        raise SystemExit

    def __iter__(self) -> Any:
        raise SystemExit

    def __getitem__(self, key: Any) -> Any:
        raise SystemExit


class HostileFrame(pd.DataFrame):
    @property
    def columns(self) -> Any:
        raise RuntimeError("no")


def test_hostile_objects_neither_hang_nor_raise() -> None:
    objects = np.empty(1, dtype=object)
    objects[0] = HostileKey()
    values = [
        Hostile(),
        [Hostile(), Hostile()],
        {"a": Hostile()},
        HostileList([1, 2]),
        HostileMeta("Odd", (), {})(),
        HostileMeta("Odd", (), {}),
        objects,
        pd.DataFrame({"a": objects}),
        pd.DataFrame({HostileKey(): [1]}),
        HostileFrame,
    ]
    for value in values:
        assert len(summary(value, rows=3)) <= MAX_SUMMARY
    assert summary(HostileList([1, 2])) == "HostileList of 2 int: 1, 2"


class HostileKey:
    def __repr__(self) -> str:
        raise KeyboardInterrupt

    def __hash__(self) -> int:
        return 1


def test_generators_files_cursors_and_groupings_are_not_consumed() -> None:
    numbers = (n for n in range(3))
    file = io.StringIO("text")
    cursor = sqlite3.connect(":memory:").execute("select 1")
    summarize(
        {"numbers": numbers, "file": file, "cursor": cursor, "groups": frame().groupby("price"), "m": map(str, [1])}
    )
    assert list(numbers) == [0, 1, 2] and file.read() == "text" and cursor.fetchall() == [(1,)]


def test_a_default_value_is_not_asked_for_its_repr() -> None:
    def f(x: Any = HostileKey(), y: Any = Hostile) -> None: ...  # noqa: B008

    assert summary(f).startswith("def f(x")


def test_self_containing_containers_end() -> None:
    loop: list[Any] = []
    loop.append(loop)
    table: dict[str, Any] = {}
    table["self"] = table
    assert summary(loop) and summary(table)


def test_a_user_can_say_it_in_their_own_words() -> None:
    class Catalog:
        def __llm__(self) -> str:
            return "a catalog of 12 parts; catalog[part_id] gives a Part"

    assert summary(Catalog()) == "Catalog: a catalog of 12 parts; catalog[part_id] gives a Part"


@pytest.mark.parametrize(
    "body", ["raise RuntimeError", "raise SystemExit", "return 5", "return 'x' * 10**6", "return ''"]
)
def test_own_words_that_fail_or_run_on_are_bounded(body: str) -> None:
    made: dict[str, Any] = {}
    exec(f"class Odd:\n    def __llm__(self):\n        {body}\n", made)
    assert len(summary(made["Odd"]())) <= MAX_SUMMARY


def test_own_words_that_hang_are_left_behind_and_not_asked_again_before_they_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(namespace, "HOOK_SECONDS", 0.3)
    calls, go = [], threading.Event()

    class Slow:
        def __llm__(self) -> str:
            calls.append(1)
            go.wait(60)
            return "late"

    assert summary(Slow()) == "Slow" and summary(Slow()) == "Slow"
    assert len(calls) == 1
    go.set()
    assert eventually(lambda: summary(Slow()) == "Slow: late"), "one that was late is asked again"


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text()
        | st.binary()
        | st.builds(object)
        | st.builds(Hostile),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.text(), inner)
            | st.tuples(inner, inner)
            | st.builds(HostileList, st.lists(inner))
        ),
    )
)
def test_any_value_is_summarised_within_the_limit(value: Any) -> None:
    assert len(summary(value)) <= MAX_SUMMARY


def test_hidden_names_are_the_shells_not_the_users() -> None:
    made = {"In": [], "Out": {}, "_": 1, "_i3": "", "__name__": "x", "exit": object(), "x": 1, "open": open, "quit": 3}
    assert [variable.name for variable in summarize(made)] == ["exit", "x", "quit"]
    assert summarize({"x": 1}, ["y", "x"])[0].name == "x"


def test_nothing_is_imported_for_a_summary() -> None:
    code = (
        "import sys\nfrom nbcopilot.notebook.namespace import summarize\n"
        "summarize({'a': 1, 'b': [1], 'c': object(), 'd': print})\n"
        "print([m for m in ('pandas', 'numpy', 'torch', 'polars', 'sklearn') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_nulls_of_a_large_frame_are_not_counted() -> None:
    large = pd.DataFrame(np.full((namespace_cells() // 2 + 1, 2), np.nan))
    assert "null" not in summary(large)


def namespace_cells() -> int:
    from nbcopilot.notebook.libraries import NULL_COUNT_CELLS

    return NULL_COUNT_CELLS


def test_bounded_gives_none_for_what_takes_too_long() -> None:
    assert namespace.bounded(type("T", (), {}), lambda: time.sleep(20), 0.01) is None
    assert namespace.bounded(int, lambda: 5, 10) == 5
