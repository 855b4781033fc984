"""A check sees an answer's content in any form, and nothing but its content: each helper both ways."""

from __future__ import annotations

import pytest

from nbcopilot.evaluation.everyday.running import judge_fix, judge_request

SESSION = {
    "id": "t/shop",
    "data": "open('shop.csv', 'w').write('kind,cups,price\\ntea,2,1.5\\ncoffee,3,2.25\\ntea,4,1.5\\n')",
    "steps": [
        {
            "setup": "import pandas as pd\nimport matplotlib.pyplot as plt\nshop = pd.read_csv('shop.csv')\nn = 3\nlimit = 2"
        },
        {"question": "cups per kind", "reference": "shop.groupby('kind').cups.sum()"},
    ],
}
PER_KIND = "mapping({'tea': 6, 'coffee': 3})"
PLOT = "ax = axis(lambda a: has(bars(a), [3, 6]), 'no bars'); assert titled(ax) and labelled(ax)"


def judged(answer: str, check: str, **step: object) -> dict[str, object]:
    """The verdict on an answer to the session's request under this check."""
    setup, request = SESSION["steps"]
    session = {**SESSION, "steps": [setup, {**request, "check": check, **step}]}  # type: ignore[dict-item]
    return judge_request(session, 1, answer)


@pytest.fixture(autouse=True)
def folder(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # type: ignore[arg-type]


RIGHT = [
    ("shop.groupby('kind').cups.sum()", PER_KIND),
    ("shop.groupby('kind', as_index=False).cups.sum()", PER_KIND),
    ("d = {}\nfor k, c in zip(shop.kind, shop.cups):\n    d[k] = d.get(k, 0) + c", PER_KIND),
    ("for k, v in shop.groupby('kind').cups.sum().items():\n    print(f'{k}: {v} cups')", PER_KIND),
    ("[(k, v) for k, v in shop.groupby('kind').cups.sum().items()]", PER_KIND),
    ("shop.cups.mean()", "shows(3)"),
    ("print('on average', shop.cups.mean())", "shows(3)"),
    ("(shop.price * shop.cups).mean()", "shows(5.25)"),
    ("round((shop.price * shop.cups).mean(), 1)", "shows(5.25)"),
    ("f'{shop.price.std():.2f}'", "shows(0.4330127)"),
    ("(shop.kind == 'tea').mean() * 100", "shows(2 / 3, pct=True)"),
    ("shop.sort_values('cups', ascending=False).cups.tolist()", "column([4, 3, 2], ordered=True)"),
    ("total = shop.cups * shop.price", "column([3.0, 6.75, 6.0])"),
    ("big = shop[shop.cups > 2]", "frame(lambda f: len(f) == 2 and set(f.kind) == {'tea', 'coffee'})"),
    ("def twice(x):\n    '''Doubled.'''\n    return 2 * x", "f = function(lambda f: f(2) == 4); assert f.__doc__"),
    ("%matplotlib inline\nshop.cups.max()", "shows(4)"),
    ("shop.cups.sum()  # the tea of all days", "says('tea'); no_loop()"),
    ("s = shop.groupby('kind').cups.sum()\nax = s.plot.bar(title='Cups')\nax.set_ylabel('cups')", PLOT),
    ("fig, ax = plt.subplots()\nax.barh(['tea', 'coffee'], [6, 3])\nax.set(title='Cups', xlabel='cups', ylabel='kind')", PLOT),
    ("display(shop.groupby('kind').cups.sum())", PER_KIND),
    ("shop['total'] = shop.cups * shop.price\nshop.total.sum()", "shows(15.75)"),
    ("n = 10\nshop.cups.max()", "shows(4)"),
]  # fmt: skip
WRONG = [
    ("", PER_KIND, "empty"),
    ("shop.groupby('kind'.cups", PER_KIND, "syntax"),
    ("!ls", PER_KIND, "syntax"),
    ("shop.groupby('sort').cups.sum()", PER_KIND, "crash"),
    ("raise SystemExit", PER_KIND, "crash"),
    ("shop.groupby('kind').cups.mean()", PER_KIND, "wrong"),
    ("shop.groupby('kind').cups.sum().drop('tea')", PER_KIND, "wrong"),
    ("print(shop.groupby('kind').cups.mean())", PER_KIND, "wrong"),
    ("shop.cups.tolist()", "column([4, 3, 2], ordered=True)", "wrong"),
    ("shop.cups.sum() + 1", "shows(9)", "wrong"),
    ("0", "shows(0.004)", "wrong"),
    ("(shop.price * shop.cups).mean() // 1", "shows(5.25)", "wrong"),
    ("big = shop[shop.cups > 2]", "frame(lambda f: len(f) == 3 and 'total' in f)", "wrong"),
    ("def twice(x):\n    return x", "function(lambda f: f(2) == 4)", "wrong"),
    ("shop.cups.sum()", "says('tea')", "wrong"),
    ("[c * 2 for c in shop.cups]", "no_loop()", "wrong"),
    ("shop.cups.map(str)", "no_loop()", "wrong"),
    ("shop.groupby('kind').cups.sum()", PLOT, "wrong"),
    ("shop.groupby('kind').cups.sum().plot.bar()", PLOT, "wrong"),
    ("shop = shop[shop.cups > 2]\nshop.cups.max()", "shows(4)", "spoilt"),
    ("shop.pop('price')\nshop.cups.max()", "shows(4)", "spoilt"),
    ("shop['cups'] = 4\nshop.cups.max()", "shows(4)", "spoilt"),
    ("del shop\n4", "shows(4)", "spoilt"),
    ("limit = 4\nlimit", "shows(4)", "spoilt"),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "check"), RIGHT)
def test_what_a_person_would_call_right_is_right(answer: str, check: str) -> None:
    found = judged(answer, check)
    assert found["ok"], found


@pytest.mark.parametrize(("answer", "check", "kind"), WRONG)
def test_what_is_wrong_is_told_with_its_kind(answer: str, check: str, kind: str) -> None:
    found = judged(answer, check)
    assert (found["ok"], found["kind"]) == (False, kind), found
    assert found["reason"]


def test_a_variable_that_the_request_is_about_may_change() -> None:
    assert judged("shop = shop[shop.cups > 2]", "assert len(ns['shop']) == 2", may_change=["shop"])["ok"]


def test_a_conversion_without_new_gaps_is_a_note_and_one_with_gaps_a_fault() -> None:
    lossless = judged("shop['kind'] = shop['kind'].astype('category')\n4", "shows(4)")
    assert (lossless["ok"], lossless["notes"]) == (True, ["shop got helper columns or other types"])
    lossy = judged("shop['kind'] = pd.to_numeric(shop['kind'], errors='coerce')\n4", "shows(4)")
    assert (lossy["ok"], lossy["kind"]) == (False, "spoilt")


def test_a_missing_package_excludes_the_question() -> None:
    assert judged("1", "shows(1)", requires=["no_such_package"])["kind"] == "excluded"


FIX = {"cells": ["a = 2", "b = a - 1", "b * 2"], "bug": 1, "check": "assert ns['b'] == 3; shows(6)"}


@pytest.mark.parametrize(
    ("failing", "answer", "at", "kind"),
    [
        (2, "b = a + 1", 1, "ok"),
        (None, "b = a + 1", 1, "ok"),
        (2, "b = a - 1", 1, "wrong"),
        (2, "b = c", 1, "crash"),
        (2, "b = 3\nb * 2", 2, "ok"),
        (2, "b = 3", 2, "wrong"),
    ],
)
def test_a_mended_notebook_runs_with_the_answer_in_whichever_cell_it_is_for(
    failing: int | None, answer: str, at: int, kind: str
) -> None:
    assert judge_fix({**FIX, "failing": failing}, answer, at)["kind"] == kind
