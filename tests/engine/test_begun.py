"""Whatever beginning the fake engine is given, what it goes on with makes a program."""

from __future__ import annotations

import ast

import pytest

from nbcopilot.engine.begun import continued

CODE = "summary = df.describe()\nsummary"


@pytest.mark.parametrize(
    "begun",
    [
        "",
        "# month: data['month']\n",
        "data = df.copy()\n",
        "data = a.merge(b, on='k')\ntable = data.pivot_table(index='month', columns='kind',",
        "by_week = data.groupby('week')['",
        'result = pd.read_sql("""',
        'query = """',
        "def f(df):\n",
        "def f(df):\n    today = df['d'].max()\n    return df.groupby('k').agg(",
        "class Counter:\n",
    ],
)
def test_every_beginning_is_finished(begun: str) -> None:
    ast.parse(begun + continued(begun, CODE))


def test_code_that_begins_so_is_not_said_twice() -> None:
    assert continued("summary = ", CODE) == "df.describe()\nsummary"
