"""A state that goes to another process comes back whole; what is not of the right shape is left out."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

import pytest

pd = pytest.importorskip("pandas")

from nbcopilot.live_state import LiveState  # noqa: E402
from nbcopilot.notebook.profile.measure import measure  # noqa: E402
from nbcopilot.notebook.profile.transfer import as_json, from_json  # noqa: E402


def test_a_state_comes_back_as_it_was() -> None:
    con = sqlite3.connect(":memory:")
    con.execute("create table t (id integer primary key)")
    frame = pd.DataFrame(
        {"a": ["1,5 €", "2,25 €"], ("b", 1): [1, 2], "d": pd.to_datetime(["2024-01-01", "2024-02-01"])}
    )
    other = pd.DataFrame({"k": range(1, 31)})
    more = pd.DataFrame({"k": list(range(1, 31)) * 2})
    names: dict[str, Any] = {"frame": frame, "other": other, "more": more, "con": con, "f": as_json, "x": [1]}
    state = measure(names, list(names), None)
    assert from_json(json.loads(json.dumps(as_json(state)))) == state
    assert state.joins and state.now


@pytest.mark.parametrize(
    "raw",
    [
        {"tables": 3, "now": ["x"]},
        {"tables": [{"name": 1}, None, "x", {"name": "t", "rows": "many", "columns": [{"label": None}]}]},
        {"joins": [{}], "things": [[]], "unknown": 1},
    ],
)
def test_what_has_another_shape_is_left_out(raw: Any) -> None:
    found = from_json(raw)
    assert isinstance(found, LiveState) and found.joins == () and all(not t.columns for t in found.tables)


@pytest.mark.parametrize("raw", [None, 1, "x", []])
def test_what_is_no_state_is_none(raw: Any) -> None:
    assert from_json(raw) is None and as_json(None) is None
