"""`--show-context` says what the words of the request are linked to, with scores, joins and the last result."""

from __future__ import annotations

from nbcopilot.live_state import Grounding, Join, LastResult, Link
from nbcopilot.magics.context_view import render
from nbcopilot.types import Context, Task


def test_links_are_listed_with_their_scores_and_escaped() -> None:
    grounding = Grounding(
        links=(
            Link("spent", "column", 0.82, "orders", "'amount'"),
            Link("<b>", "value", 0.95, "orders", "'tag'", "'<b>'"),
            Link("rates", "function", 1.0, label="rates"),
        ),
        joins=(Join("orders", "'customer'", "people", "'id'", 0.98, False, True),),
        last=LastResult(name="table"),
    )
    plain, rich = render(Context(Task("generate", "x"), grounding=grounding))
    assert "0.82  spent: orders['amount']" in plain and "0.95  <b>: orders['tag'] == '<b>'" in plain
    assert "1.00  rates: function rates" in plain and "`table`" in plain
    assert "orders['customer'] = people['id'] (98% of the values match)" in plain
    assert "<b>: orders" not in rich and "&lt;b&gt;: orders" in rich


def test_nothing_is_said_of_links_where_there_are_none() -> None:
    assert "linked" not in render(Context(Task("generate", "x")))[0]
