"""The protocol of stateful sessions: state, isolation, and each validator both ways, in a real shell."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import suite_builders as builders

from nbcopilot.evaluation.runner import Reference, ask
from nbcopilot.evaluation.suites import Question, find
from nbcopilot.evaluation.systems import Answer
from nbcopilot.evaluation.validators import checks_of, unsupported


def walk(path: Path) -> Iterator[Question]:
    suite = find("stateful")
    for item in suite.read(path):
        yield from suite.questions(item)


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[bool]]]:
    """Per question of the session: the judgement on each of ANSWERS, all made in one walk."""
    path = builders.session_file(tmp_path_factory.mktemp("stateful"))
    found: dict[str, list[bool]] = {}
    with closing(walk(path)) as questions:  # type: ignore[type-var]
        for question in questions:
            found[question.id] = [question.judge(Answer(text)).ok for text in ANSWERS.get(question.id, ())]
    yield found


ANSWERS = {
    # read: the variable counts; other new ones are allowed, an old one may not go.
    "t/session/1": [
        "df = pd.read_csv('inputs/shop.csv')",
        "path = 'inputs/shop.csv'\ndf = pd.read_csv(path)\ndf.head()",
        "data = pd.read_csv('inputs/shop.csv')",
        "df = pd.read_csv('inputs/shop.csv', index_col=0)",
        "keep.append(3)\ndf = pd.read_csv('inputs/shop.csv')",
        "del keep\ndf = pd.read_csv('inputs/shop.csv')",
        "raise ValueError",
        "df = pd.read_csv('inputs/shop.csv'",
    ],
    # count: the value of the last expression.
    "t/session/2": ["len(df)", "df.shape[0]", "print(len(df))", "len(df) + 1", "df = df.copy()\nlen(df)", "df['x'] = 1\nlen(df)"],
    "t/session/3": ["df.columns", "list(df.columns)", "df.columns.tolist()", "list(df)[::-1]"],
    # in place: what the reference changes may change, and must be right.
    "t/session/4": ["df['price'] *= 2", "df = df.assign(price=df.price * 2)", "df['price'] * 2", "df['price'] = df['price'] + 2"],
    "t/session/5": ["print(df['price'].sum())", "print(10)", "df['price'].sum()", "print('total', df['price'].sum())"],
    # intact: the result is not compared.
    "t/session/6": ["df.pop('price')", "del df['price']", "df.drop(columns='price', inplace=True)", "df.pop('item')"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("question", "verdicts"),
    [
        ("t/session/1", [True, True, False, False, False, False, False, False]),
        ("t/session/2", [True, True, False, False, True, False]),
        ("t/session/3", [True, True, True, False]),
        ("t/session/4", [True, True, False, False]),
        ("t/session/5", [True, True, False, False]),
        ("t/session/6", [True, True, True, False]),
    ],
)
def test_each_validator_accepts_what_is_right_and_nothing_else(
    question: str, verdicts: list[bool], asked: dict[str, list[bool]]
) -> None:
    assert asked[question] == verdicts


def test_references_score_100_percent_and_crashes_score_0(tmp_path: Path) -> None:
    for question in walk(builders.session_file(tmp_path)):
        assert ask(question, Reference()).ok
        assert question.judge(Answer("1 / 0")).reason.startswith("crash: ZeroDivisionError")


def test_a_question_sees_the_reference_cells_and_the_live_names_but_not_its_own_answer(tmp_path: Path) -> None:
    for number, question in enumerate(walk(builders.session_file(tmp_path))):
        *cells, asking = question.notebook.cells
        assert asking.source == f"%%generate\n{question.task.instruction}"
        assert question.notebook.cursor == len(cells)
        assert [cell.source for cell in cells] == [
            source
            for step in builders.SESSION["steps"][: number + 1]
            for source in (
                [step["setup"]] if "setup" in step else [f"%%generate\n{step['question']}", step["reference"]]
            )
        ]
        assert {"pd", "keep"} <= question.notebook.names
        assert ("df" in question.notebook.names) == (number >= 1)
        if number >= 1:
            frame = next(v for v in question.notebook.namespace or () if v.name == "df")
            assert "price" in frame.summary


def test_answers_write_into_a_copy_of_the_folder(tmp_path: Path) -> None:
    for question in walk(builders.session_file(tmp_path)):
        question.judge(Answer("import os\nos.remove('inputs/shop.csv')"))
        assert ask(question, Reference()).ok
    assert (tmp_path / "inputs" / "shop.csv").exists()


def test_an_answer_that_does_not_end_fails_and_the_session_goes_on(tmp_path: Path) -> None:
    steps = [
        {"question": "q", "reference": "x = 1\nx", "execution": {"max_time": 1}},
        {"question": "r", "reference": "x + 1"},
    ]
    questions = walk(builders.session_file(tmp_path, {"id": "s", "steps": steps}))
    first = next(questions)
    assert first.judge(Answer("while True: pass")).reason == "crash: no end in 1 s"
    assert ask(next(questions), Reference()).ok


def test_a_question_whose_reference_fails_here_is_excluded(tmp_path: Path) -> None:
    steps = [{"question": "q", "reference": "open('inputs/none.csv')"}, {"question": "r", "reference": "1 + 1"}]
    results = [ask(q, Reference()) for q in walk(builders.session_file(tmp_path, {"id": "s", "steps": steps}))]
    assert "FileNotFoundError" in results[0].excluded
    assert (results[1].ok, results[1].excluded) == (True, "")


def test_validators_add_to_the_template_or_override_it() -> None:
    assert checks_of({}) == {"crash": None, "namespace_intact": None, "result": None}
    assert checks_of({"result": {"value_only": True}})["result"] == {"value_only": True}
    assert list(checks_of({"template": "intact", "namespace_check": {"x": None}})) == [
        "crash",
        "namespace_intact",
        "namespace_check",
    ]
    assert checks_of({"template": "empty", "stream": None}) == {"stream": None}


@pytest.mark.parametrize(
    ("validator", "named"),
    [
        ({"table_test": {}}, "table_test"),
        ({"template": "exotic"}, "exotic"),
        ({"result": {"rounding": 2}}, "rounding"),
        ({"result": {"compare_fn": {"rounding": 2}}}, "rounding"),
        ({"namespace_check": {"df": {"rounding": 2}}}, "rounding"),
    ],
)
def test_what_cannot_be_judged_is_excluded_by_name_and_the_session_goes_on(
    validator: dict[str, object], named: str, tmp_path: Path
) -> None:
    assert named in unsupported(validator)
    steps = [
        {"question": "q", "reference": "x = 1\nx", "validator": validator},
        {"question": "r", "reference": "x + 1"},
    ]
    results = [ask(q, Reference()) for q in walk(builders.session_file(tmp_path, {"id": "s", "steps": steps}))]
    assert f"`{named}`" in results[0].excluded
    assert (results[1].ok, results[1].excluded) == (True, "")


DTYPES = "import pandas as pd\ndf = pd.DataFrame({'n': ['1', '2'], 'x': [1.0, 2.0]})"


@pytest.mark.parametrize(
    ("reference", "validator", "right", "wrong"),
    [
        (
            "df['x'] = df['x'].astype(int)",
            {"namespace_check": {"df": None}},
            "df.x = df.x.astype('int32')",
            "df = df.copy()",
        ),
        ("df['x'].astype(int)", {}, "df.x.astype('int64')", "df.x"),
        ("df['x'] * 2", {}, "(df.x * 2).astype(int)", "df.x"),
        ("list(df.x)", {"result": {"type_only": True}}, "[1]", "(1, 2)"),
        ("df.x.mean()", {"result": {"atol": 0.2}}, "1.6", "1.8"),
        ("df.x.mean()", {"result": {"compare_fn": "def near(a, b):\n    return abs(a - b) < 1"}}, "2.2", "2.6"),
    ],
)
def test_options_decide_what_counts(
    reference: str, validator: dict[str, object], right: str, wrong: str, tmp_path: Path
) -> None:
    steps = [{"setup": DTYPES}, {"question": "q", "reference": reference, "validator": validator}]
    for question in walk(builders.session_file(tmp_path, {"id": "s", "steps": steps})):
        assert question.excluded == ""
        assert [question.judge(Answer(text)).ok for text in (reference, right, wrong)] == [True, True, False]
