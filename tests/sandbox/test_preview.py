"""What a run gave, as a user sees it before accepting: data of bounded size, whatever the code does."""

from __future__ import annotations

import base64

import pytest

from nbcopilot.config import Config
from nbcopilot.preview import Preview
from nbcopilot.sandbox.preview_results import read_preview
from nbcopilot.sandbox.runner import Runner

STATE = """import pandas as pd
import matplotlib.pyplot as plt
orders = pd.DataFrame({'segment': ['a', 'b'] * 100, 'amount': [1.5, 2.25] * 100})
customers = pd.DataFrame({'id': [1, 2]})
plt.plot([1, 2])
items, count, name = [1, 2], 3, 'x'"""
CODES = {
    "column": "orders['month'] = 1\norders.merge(customers, left_on='month', right_on='id')",
    "value": "orders['amount'] *= 2\norders['amount'].sum()",
    "rows": "orders = orders[orders['amount'] > 2]\nitems.append(3)\ncount += 1\ndel name",
    "figure": "orders.groupby('segment')['amount'].sum().plot(kind='bar', title='Sales')",
    "long": "text = 'a' * 20_000_000\ntext",
    "fails": "print('before')\n1 / 0",
    "file": "import numpy as np\nprint('saved')\nopen('out.csv', 'w').write('x')\nnp.float64(2.5)",
    "broken figure": "plt.title('$\\\\frac$')",
}


@pytest.fixture(scope="module")
def seen() -> dict[str, Preview | None]:
    reports = Runner(Config(check_seconds=60)).run_many(list(CODES.values()), setup=[STATE])
    return {name: report.preview for name, report in zip(CODES, reports, strict=True)}


def the(seen: dict[str, Preview | None], name: str) -> Preview:
    found = seen[name]
    assert found is not None, name
    return found


def test_a_table_is_its_first_rows_as_text_and_the_size_of_the_whole(seen: dict[str, Preview | None]) -> None:
    value = the(seen, "column").value
    assert value is not None and value.table is not None
    table = value.table
    assert table.columns == ("segment", "amount", "month", "id") and table.numeric == (False, True, True, True)
    assert table.cells[1] == ("b", "2.25", "1", "1") and (table.rows, table.width, len(table.cells)) == (200, 4, 5)


def test_a_new_column_is_told_with_the_rows_that_are_kept(seen: dict[str, Preview | None]) -> None:
    [orders] = the(seen, "column").changes
    assert (orders.name, orders.kind, orders.added, orders.rows) == ("orders", "changed", ("month",), (200, 200))
    assert the(seen, "column").unchanged == ("customers",)


def test_a_column_with_other_values_is_named_and_a_number_is_shown_plainly(seen: dict[str, Preview | None]) -> None:
    found = the(seen, "value")
    assert [(one.name, one.altered) for one in found.changes] == [("orders", ("amount",))]
    assert found.value is not None and found.value.text == "750.0"
    assert found.uses == ("orders.amount",)


def test_rows_items_numbers_and_deletions_are_told_before_and_after(seen: dict[str, Preview | None]) -> None:
    told = {one.name: one for one in the(seen, "rows").changes}
    assert told["orders"].rows == (200, 100) and told["orders"].altered == ()
    assert (told["items"].unit, told["items"].rows) == ("items", (2, 3))
    assert (told["count"].before, told["count"].after) == ("3", "4")
    assert told["name"].kind == "deleted"


def test_a_figure_is_a_picture_with_words_and_not_drawn_into_an_earlier_one(seen: dict[str, Preview | None]) -> None:
    found = the(seen, "figure")
    [figure] = found.figures
    assert base64.b64decode(figure.png).startswith(b"\x89PNG")
    assert figure.alt == "2 bars, “Sales”, x: segment", "the line of the cell above is in it"
    assert found.value is None, "axes are no value that anybody wants to read"


def test_a_figure_that_cannot_be_drawn_is_said(seen: dict[str, Preview | None]) -> None:
    [figure] = the(seen, "broken figure").figures
    assert (figure.png, figure.missing) == ("", "error")


def test_a_long_text_is_cut_and_a_run_that_fails_shows_nothing(seen: dict[str, Preview | None]) -> None:
    value = the(seen, "long").value
    assert value is not None and len(value.text) == 2000
    assert seen["fails"] is None


def test_outcomes_may_be_switched_off() -> None:
    assert Runner(Config(outcomes=False)).run("1 + 1").preview is None


def test_what_a_run_says_of_itself_is_taken_as_data_only() -> None:
    raw = {
        "value": {"type": "x" * 500, "text": "\x1b[31m<script>", "table": {"columns": ["a"], "index": [], "cells": [["1", "2"]]}},
        "figures": [{"png": base64.b64encode(b"<svg onload=1>").decode()}, {"png": "!"}, 3, {}],
        "changes": [{"name": 1, "kind": "other", "rows": ["many", True]}, "x"],
        "unchanged": "orders",
        "uses": [None, "a" * 500],
    }  # fmt: skip
    found = read_preview(raw)
    assert found is not None and found.value is not None
    assert found.value.table is None, "a row has more cells than the table has columns"
    assert "\x1b" not in found.value.text and len(found.value.type) == 60
    assert all(figure.png == "" and figure.missing == "error" for figure in found.figures)
    assert (found.changes[0].kind, found.changes[0].rows) == ("changed", (-1, -1))
    assert found.unchanged == () and found.uses == ("", "a" * 100)
    assert read_preview("text") is None
