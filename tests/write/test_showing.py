"""What is known of an answer as text and as HTML: nothing that an answer made is markup."""

from __future__ import annotations

from nbcopilot.confidence import Confidence
from nbcopilot.preview import Change, FigureView, Preview, TableView, ValueView
from nbcopilot.verdict import Evidence, NotRun, Verdict
from nbcopilot.write import showing

TABLE = TableView(("name", "<b>n</b>"), ("0", "1"), (("ann", "1.50"), ("<img src=x>", "20.25")), 12, 2, (False, True))
SEEN = Preview(
    ValueView("DataFrame", "", TABLE),
    (FigureView("iVBORw0KGgo=", 'a "figure"'), FigureView("", "1 line", "time")),
    (Change("orders", "changed", "DataFrame", "DataFrame", "rows", (200, 200), 3, ("month",)),),
    ("customers",),
    ("orders.amount",),
    "<script>alert(1)</script>\n",
    (("out.csv", 1200),),
)


def test_one_line_says_what_is_known() -> None:
    ran = Verdict(True, checks={"run": "passed"}, evidence=Evidence(seconds=0.12, plots=1), preview=SEEN)
    assert showing.truth(ran, Confidence()) == (
        "Ran in 0.1 s · uses orders.amount · 12 rows × 2 columns · 1 figure · unsure"
    )
    lacking = Evidence(not_run=NotRun("network", "example.org"))
    assert showing.truth(Verdict(True, checks={"run": "not-run"}, evidence=lacking)) == (
        "Not run: needs the network (example.org)"
    )


def test_in_a_terminal_a_table_is_aligned_and_changes_are_sentences() -> None:
    assert showing.plain(SEEN).split("\n") == [
        "   name         <b>n</b>",
        "0  ann              1.50",
        "1  <img src=x>     20.25",
        "(12 rows × 2 columns)",
        '[figure: a "figure"]',
        "[figure: 1 line]",
        "<script>alert(1)</script>",
        "orders: +1 column `month`, 200 rows kept",
        "customers unchanged",
        "writes out.csv (1,200 bytes)",
    ]


def test_in_html_every_text_of_the_data_is_escaped() -> None:
    shown = showing.rich(SEEN)
    for markup in ("<b>", "<img src=x>", "<script>"):
        assert markup not in shown
    assert "src='data:image/png;base64,iVBORw0KGgo='" in shown and 'alt="a &quot;figure&quot;"' in shown
    assert "it took too long to draw" in shown


def test_changes_are_told_by_what_is_different() -> None:
    def told(**more: object) -> str:
        return showing.change(Change("x", **{"kind": "changed", "type": "int", "was": "int", **more}))  # type: ignore[arg-type]

    assert told(before="3", after="4") == "x: 3 → 4"
    assert told(type="Series", was="DataFrame", unit="rows", rows=(3, 2)) == "x: DataFrame → Series, 3 → 2 rows"
    assert told(kind="made", type="dict", unit="items", rows=(-1, 1)) == "new: x, dict, 1 item"
    assert told(kind="made", after="4") == "new: x = 4"
    assert told(kind="deleted") == "x is deleted"
    assert told(unit="items", rows=(1, 2), added=("k",)) == "x: +1 key `k`, 1 → 2 items"
    assert told() == "x: changed"
