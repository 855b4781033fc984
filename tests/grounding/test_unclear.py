"""What of a request cannot be known is said beside the answer."""

from __future__ import annotations

from typing import Any

import pytest

pd = pytest.importorskip("pandas")

from nbcopilot.config import Config  # noqa: E402
from nbcopilot.engine.fake import FakeEngine  # noqa: E402
from nbcopilot.notebook.profile.measure import measure  # noqa: E402
from nbcopilot.pipeline import Copilot  # noqa: E402
from nbcopilot.types import Cell, Notebook, Task  # noqa: E402

SALES = pd.DataFrame({"day": pd.date_range("2024-01-01", periods=40), "margin": range(40), "shop": ["a", "b"] * 20})


def notices(request: str, answer: str, names: dict[str, Any]) -> list[str]:
    cells = (Cell("a", "code", "import pandas as pd", executed=1),)
    state = measure({"pd": pd, **names}, list(names), None)
    notebook = Notebook(cells, cursor=0, names=frozenset({"pd", *names}), state=state)
    engine = FakeEngine([f"```python\n{answer}\n```"])
    task = Task("generate", request, check=False)
    found = Copilot(engine, Config()).run(task, notebook).notices
    return [f"{one.message} {one.hint}" for one in found]


def test_a_quoted_name_that_is_nowhere_is_said_with_what_is_there() -> None:
    (told,) = notices("total `profit` per shop", "sales.groupby('shop')['margin'].sum()", {"sales": SALES})
    assert told.startswith("`profit` is nowhere") and "`margin`" in told and "`shop`" in told


def test_a_name_that_is_spelt_alike_is_offered_alone() -> None:
    (told,) = notices("sum of `margins`", "sales['margin'].sum()", {"sales": SALES})
    assert told.endswith("did you mean `margin`?")


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        ("total `margin` per `shop`", "sales.groupby('shop')['margin'].sum()"),
        ("rows of `a`", "sales[sales['shop'] == 'a']"),
        ("a column `share` of margin", "sales.assign(share=sales['margin'] / sales['margin'].sum())"),
        ("use `groupby(...)` on shop", "sales.groupby('shop').size()"),
    ],
)
def test_nothing_is_said_of_names_that_are_there_or_made_and_of_code(request_: str, answer: str) -> None:
    assert notices(request_, answer, {"sales": SALES}) == []


def test_tables_that_fit_alike_are_named_and_one_is_asked_for() -> None:
    runs = {
        f"run{n}": pd.DataFrame({"step": range(9), "loss": [1.0 / (i + n + 1) for i in range(9)]}) for n in range(10)
    }
    (told,) = notices("plot loss over step", "run3.plot(x='step', y='loss')", runs)
    assert "and 5 more fit the request alike" in told and "name the one that is meant" in told
    assert notices("plot loss over step of run3", "run3.plot(x='step', y='loss')", runs) == []
