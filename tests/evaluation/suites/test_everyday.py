"""The suite of everyday requests: what a question shows, what it hides, and the judge on the suite's own answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nbcopilot.errors import NotebookNotFoundError, UsageError
from nbcopilot.evaluation.suites import Question, find
from nbcopilot.evaluation.systems import Answer

STEPS = [
    {"setup": "import pandas as pd\nshop = pd.read_csv('shop.csv')"},
    {"question": "how many cups?", "reference": "total = shop.cups.sum()\ntotal", "check": "shows(9)", "wrong": []},
    {"question": "and per kind?", "reference": "shop.groupby('kind').cups.sum()", "check": "mapping({'tea': 6, 'milk': 3})", "wrong": []},
    {"question": "with polars", "reference": "1", "check": "shows(1)", "requires": ["no_such_package"]},
]  # fmt: skip
SESSION = {"id": "s", "data": "open('shop.csv', 'w').write('kind,cups\\ntea,6\\nmilk,3\\n')", "steps": STEPS}
FIX = {
    "id": "f", "cells": ["a = [1, 2]", "sum(a) / len(b)", "print('not reached')"], "bug": 1, "failing": 1, "complaint": None,
    "error": {"ename": "NameError", "evalue": "name 'b' is not defined", "traceback_plain": "NameError: name 'b' is not defined"},
    "reference": "sum(a) / len(a)", "check": "shows(1.5)", "wrong": [],
}  # fmt: skip
SILENT = {
    **FIX,
    "id": "g",
    "cells": ["a = [1, 2]", "sum(a)"],
    "failing": None,
    "complaint": "should be 1.5",
    "error": None,
}
TESTGEN = {
    "id": "t", "good": "def twice(x):\n    return 2 * x\n", "buggy": ["def twice(x):\n    return x\n", "def twice(x):\n    return x + 2\n"],
    "entry_points": ["twice"], "params": {"twice": {"x": ["int"]}},
    "reference": "def test_twice_doubles_numbers():\n    assert twice(3) == 6\n    assert twice(2) == 4\n",
}  # fmt: skip
EXPLAIN = {
    "id": "e",
    "code": "total = 1 + 2",
    "must": [{"say": "sum", "re": "sum"}],
    "must_not": [],
    "good": "A sum.",
    "bad": [],
}
DOCUMENT = {
    "id": "d",
    "cells": [{"source": "1 + 2", "output": "3"}],
    "facts": [{"say": "3", "re": "3"}],
    "false": [],
    "good": "It is 3.",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("everyday")
    files = {
        "sessions": [SESSION],
        "fix": [FIX, SILENT],
        "testgen": [TESTGEN],
        "explain": [EXPLAIN],
        "document": [DOCUMENT],
    }
    for name, items in files.items():
        (path / f"{name}.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    return path


# An answer to each question that is right in content, and one that is wrong.
ANSWERS = {
    "s/1": ("print(shop['cups'].sum())", "len(shop)"),
    "s/2": ("dict(zip(shop.kind, shop.cups))", "shop.cups.mean()"),
    "f": ("sum(a) / len(a)", "sum(a)"),
    "g": ("sum(a) / 2", "sum(a)"),
    "t": ("def test_three():\n    assert twice(3) == 6\n", "def test_three():\n    assert twice(3) == 5\n"),
    "e": ("The sum of both.", "A product."),
    "d": ("The result is 3.", "Adds."),
}


@pytest.fixture(scope="module")
def asked(folder: Path) -> Iterator[dict[str, tuple[Question, list[bool]]]]:
    """Every question, with the judgements on its reference and on ANSWERS."""
    suite = find("everyday")
    items = suite.read(folder)
    found = {}
    for item in items:
        for question in suite.questions(item):
            answers = [question.reference, *(Answer(text) for text in ANSWERS.get(question.id, ()))]
            verdicts = [] if question.excluded else [question.judge(answer).ok for answer in answers if answer]
            found[question.id] = question, verdicts
    suite.close(items)
    yield found


def test_references_and_other_right_answers_pass_and_wrong_ones_fail(asked: Any) -> None:
    judged = {name: verdicts for name, (_, verdicts) in asked.items() if name in ANSWERS}
    assert judged.keys() == ANSWERS.keys()
    assert {name: verdicts for name, verdicts in judged.items() if verdicts != [True, True, False]} == {}


def test_a_question_sees_the_state_and_the_cells_before_it_and_no_check(asked: Any) -> None:
    question = asked["s/2"][0]
    sources = [cell.source for cell in question.notebook.cells]
    assert sources == [
        STEPS[0]["setup"],
        "%%generate\nhow many cups?",
        STEPS[1]["reference"],
        "%%generate\nand per kind?",
    ]
    assert {"shop", "total", "pd"} <= question.notebook.names
    assert question.notebook.cells[2].outputs[0].text == "np.int64(9)"
    assert "mapping(" not in repr(question.notebook)
    assert "open('shop.csv'" not in repr(question.notebook)


def test_a_failed_cell_is_shown_with_its_error_and_a_complaint_is_the_request(asked: Any) -> None:
    failed, silent = asked["f"][0], asked["g"][0]
    assert failed.notebook.error.name == "NameError"
    assert failed.task.target.source == "sum(a) / len(b)"
    assert "a" in failed.notebook.names
    assert (silent.notebook.error, silent.task.instruction) == (None, "should be 1.5")


def test_what_needs_a_package_that_is_not_here_is_excluded(asked: Any) -> None:
    assert "no_such_package" in asked["s/3"][0].excluded


def test_a_folder_that_is_none_or_holds_something_else_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(NotebookNotFoundError, match="No folder"):
        find("everyday").read(tmp_path / "none")
    with pytest.raises(UsageError, match="holds no file"):
        find("everyday").read(tmp_path)
    (tmp_path / "fix.jsonl").write_text('{"id": "x"}\n')
    with pytest.raises(UsageError, match=r"fix.jsonl, line 1 lacks cells"):
        find("everyday").read(tmp_path)


def test_the_suite_s_own_answers_are_judged_as_it_plans(evals_folder: Path) -> None:
    """A session and the fixes of the development half: references and `also` pass, planned wrong answers fail."""
    suite = find("everyday")
    items = suite.read(evals_folder / "everyday")
    judge = items[0].judge
    wrong = []
    for item in (i for i in items if i.raw["id"] in ("dev-01", "dev-06")):
        step = item.raw["steps"][item.step]
        for answer in (step["reference"], *step.get("also", ())):
            got = judge.call("request", session=item.raw, number=item.step, answer=answer)
            wrong += [] if got["ok"] else [(item.id, got)]
        for answer in step["wrong"]:
            got = judge.call("request", session=item.raw, number=item.step, answer=answer)
            wrong += [(item.id, got)] if got["kind"] not in ("wrong", "spoilt") else []
    suite.close(items)
    assert not wrong
