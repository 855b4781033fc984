"""Answers and cells that fail are run again with the edit that their error asks for, and no model is asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nbcopilot.checks.wording import evidence_json
from nbcopilot.config import Config
from nbcopilot.engine.fake import FakeEngine
from nbcopilot.inference import Chunk, Prompt, Sampling
from nbcopilot.judge import Judge
from nbcopilot.pipeline import Copilot, Result
from nbcopilot.types import Cell, ErrorInfo, Notebook, Target, Task, Variable
from nbcopilot.write.provenance import checked

pytest.importorskip("pandas", reason="pandas is not installed")

TABLE = "import pandas as pd\nimport numpy as np\nd = pd.DataFrame({'Team': ['a', 'b', 'a'], 'Goals': [1, 2, 3], 'price': ['$1', '$2', '$3']})"

# What a small model writes for a request, and a piece of what it is to become.
ANSWERS = [
    ("d.groupby('Team').mean()", "mean(numeric_only=True)"),
    ("d['goals'].sum()", "d['Goals'].sum()"),
    ("d[d['Team'] == 'a' | d['Goals'] > 1]", "(d['Team'] == 'a') | (d['Goals'] > 1)"),
    ("d['price'] = d['price'].astype(float)\nd", '.str.replace(r"[$€£¥₹,%\\s]", "", regex=True).astype(float)'),
    ("d.drop('price', 1)", "d.drop('price', axis=1)"),
    ("d2 = d.append(d, ignore_index=True)\nd2", "pd.concat([d, d], ignore_index=True)"),
    ("x = np.array(d['Goals'], dtype=np.float)\nx + np.NaN", "dtype=float)\nx + np.nan"),
]


def answered(
    answer: str,
    config: Config | None = None,
    folder: Path | None = None,
    instruction: str = "Show the table in another way",
    there: tuple[Variable, ...] | None = None,
) -> Result:
    """What becomes of an answer to a request below the cell that makes the table."""
    cells = (Cell("a", "code", TABLE, executed=1), Cell("q", "code", f"%%generate\n{instruction}"))
    path = folder / "n.ipynb" if folder else None
    notebook = Notebook(
        cells, cursor=1, names=frozenset({"d", "pd", "np"}), history=(TABLE,), path=path, namespace=there
    )
    config = config or Config(repairs=1, retry_samples=0, consensus_samples=0, answer_seconds=0)
    task = Task("generate", instruction, repairs=config.repairs)
    return Copilot(FakeEngine([f"```python\n{answer}\n```"]), config).run(task, notebook, judge=Judge(config))


@pytest.mark.parametrize(("answer", "piece"), ANSWERS, ids=[answer.split("\n")[0] for answer, _ in ANSWERS])
def test_an_answer_is_run_again_with_the_edit_that_its_error_asks_for(answer: str, piece: str) -> None:
    result = answered(answer)
    assert result.candidate is not None and result.verdict is not None
    assert result.verdict.ok and piece in result.candidate.text, result
    assert result.attempts == 1, "no second answer is asked for"
    assert any(words.startswith("mended by rule: ") for words in checked(result.verdict))


@pytest.mark.parametrize(
    ("instruction", "answer", "mended"),
    [
        (
            "Create a DataFrame called prices with the prices",
            "prices = d['price']",
            "prices = d['price'].to_frame()\nprices",
        ),
        ("The teams as a `list`", "d['Team'].unique()", "d['Team'].unique().tolist()"),
        ("How many rows and columns? Return the answers as a tuple.", "list(d.shape)", "tuple(list(d.shape))"),
    ],
)
def test_a_value_of_another_kind_is_made_what_the_request_names(instruction: str, answer: str, mended: str) -> None:
    table = Variable("d", "DataFrame", "frame", "DataFrame, 3 rows × 3 columns")
    result = answered(answer, instruction=instruction, there=(table,))
    assert result.candidate is not None and result.verdict is not None and result.verdict.ok, result
    assert result.candidate.text.removesuffix("\nprices") == mended.removesuffix("\nprices") and result.attempts == 1


def test_the_one_table_is_meant_by_a_name_that_people_give_to_tables() -> None:
    cells = (Cell("a", "code", TABLE, executed=1), Cell("q", "code", "%%generate\nSelect rows"))
    variables = (Variable("d", "DataFrame", "frame", "DataFrame, 2 rows × 3 columns"),)
    notebook = Notebook(cells, cursor=1, namespace=variables, names=frozenset({"d", "pd", "np"}), history=(TABLE,))
    config = Config(repairs=1, retry_samples=0, consensus_samples=0)

    def asked(notebook: Notebook) -> Result:
        task = Task("generate", "Select rows where df.Goals is greater than 1", repairs=1)
        engine = FakeEngine(["```python\ndf[df['Goals'] > 1]\n```", "```python\nd[d['Goals'] > 1]\n```"])
        return Copilot(engine, config).run(task, notebook, judge=Judge(config))

    result = asked(notebook)
    assert result.candidate is not None and result.candidate.text == "d[d['Goals'] > 1]" and result.attempts == 1
    two = replace(notebook, namespace=(*variables, replace(variables[0], name="e")))
    assert asked(two).attempts == 2, "with two tables the model is asked which"


def test_years_that_were_read_as_nanoseconds_are_read_as_years() -> None:
    result = answered("y = d['Goals'] + 1990\nd['year'] = pd.to_datetime(y)", instruction="add the year as a date")
    assert result.candidate is not None and result.verdict is not None and result.verdict.ok, result
    assert result.candidate.text == "y = d['Goals'] + 1990\nd['year'] = pd.to_datetime(y.astype(str), format=\"%Y\")"
    assert "warnings" not in evidence_json(result.verdict.evidence)
    plain = answered("d['day'] = pd.to_datetime('2020-01-01')", instruction="add a day")
    assert plain.verdict is not None and "mended" not in evidence_json(plain.verdict.evidence)


def test_a_file_that_lies_in_a_folder_beside_is_found(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "sales.tsv").write_text("a\tb\n1\t2\n3\t4,5,6\n")
    result = answered("s = pd.read_csv('sales.tsv')\ns['b']", folder=tmp_path)
    assert result.verdict is not None and result.verdict.ok and result.candidate is not None, result
    assert result.candidate.text == "s = pd.read_csv('data/sales.tsv', sep=\"\\t\")\ns['b']", "two errors, two edits"


def test_a_file_without_a_row_of_names_is_read_as_one(tmp_path: Path) -> None:
    (tmp_path / "iris.data").write_text("5.1,3.5,0.2,setosa\n4.9,3.0,0.2,setosa\n")
    result = answered("iris = pd.read_csv('iris.data')", folder=tmp_path)
    assert (
        result.candidate is not None and result.candidate.text == "iris = pd.read_csv('iris.data', header=None)\niris"
    )
    (tmp_path / "years.csv").write_text("city,2010,2011,2012\nOslo,1,2,3\n")
    result = answered("years = pd.read_csv('years.csv')", folder=tmp_path)
    assert result.candidate is not None and "header" not in result.candidate.text


def test_without_repairs_an_answer_is_shown_as_the_model_wrote_it() -> None:
    result = answered(ANSWERS[0][0], Config(repairs=0, retry_samples=0, consensus_samples=0))
    assert result.candidate is not None and result.candidate.text == ANSWERS[0][0]
    assert result.verdict is not None and not result.verdict.ok


class Unasked(FakeEngine):
    """An engine that must not be asked."""

    def generate(self, prompt: Prompt, sampling: Sampling, *, candidates: int = 1) -> Iterator[Chunk]:
        """Fails."""
        raise AssertionError("the model was asked")


def fixed(source: str, error: ErrorInfo, engine: Any, *above: str) -> Result:
    """What `%fix` makes of the last cell of a notebook."""
    cells = [Cell(f"c{n}", "code", text, executed=n + 1) for n, text in enumerate(above)]
    cells.append(Cell("bad", "code", source, executed=len(cells) + 1))
    notebook = Notebook(tuple(cells), cursor=len(cells), history=above, error=error)
    task = Task("fix", target=Target(source, "bad", position=len(cells) - 1), repairs=2)
    return Copilot(engine, Config()).run(task, notebook, judge=Judge(Config()))


def test_a_cell_is_mended_without_the_model_and_the_edit_is_verified() -> None:
    error = ErrorInfo(
        "AttributeError", "'DataFrame' object has no attribute 'append'", cell_id="bad", source="d = d.append(d)"
    )
    result = fixed("d = d.append(d)", error, Unasked(), TABLE)
    assert result.candidate is not None and result.candidate.text == "d = pd.concat([d, d])"
    assert result.verdict is not None and evidence_json(result.verdict.evidence)["verified"] is True
    assert result.usage.completion_tokens == 0 and result.edit is not None
    (cell,) = result.edit.cells
    assert cell.metadata["nbcopilot"]["model"]["id"] == "rule" and "fake" not in cell.source


def test_a_cell_that_cannot_run_here_is_mended_where_the_error_names_the_edit() -> None:
    source = "y = model.predict_classes(X)"
    error = ErrorInfo(
        "AttributeError", "'Functional' object has no attribute 'predict_classes'", cell_id="bad", source=source
    )
    result = fixed(source, error, Unasked(), "import numpy as np\nfrom nowhere_to_be_had import X, model")
    assert result.candidate is not None and result.candidate.text == "y = np.argmax(model.predict(X), axis=1)"
    assert result.verdict is not None and evidence_json(result.verdict.evidence)["verified"] is False


def misspelt(name: str, *above: str) -> Result:
    error = ErrorInfo("NameError", f"name '{name}' is not defined", cell_id="bad", source=f"sum({name})")
    return fixed(f"sum({name})", error, FakeEngine(["```python\nsum([])\n```"]), *above)


def test_a_slip_for_a_name_of_the_notebook_is_mended_without_the_model() -> None:
    result = misspelt("araes", "areas = [1.5, 2.5]")
    assert result.candidate is not None and result.candidate.text == "sum(areas)" and not result.usage.completion_tokens


@pytest.mark.parametrize(
    ("name", "above"), [("data2", ("data1 = [1]",)), ("totals", ("total = [1]", "if 0:\n    totals = [2]"))]
)
def test_a_name_that_is_counted_on_or_made_elsewhere_is_no_slip(name: str, above: tuple[str, ...]) -> None:
    assert misspelt(name, *above).usage.completion_tokens


def test_who_says_what_is_wrong_is_answered_by_the_model() -> None:
    error = ErrorInfo("NameError", "name 'xrange' is not defined", cell_id="bad", source="xrange(2)")
    cells = (Cell("bad", "code", "xrange(2)", executed=1),)
    task = Task("fix", "use a list instead", target=Target("xrange(2)", "bad", position=0), repairs=2)
    engine = FakeEngine(["```python\n[0, 1]\n```"])
    result = Copilot(engine, Config()).run(task, Notebook(cells, cursor=1, error=error), judge=Judge(Config()))
    assert result.candidate is not None and result.candidate.text == "[0, 1]"


def test_what_no_rule_knows_is_asked_of_the_model() -> None:
    error = ErrorInfo("ZeroDivisionError", "division by zero", cell_id="bad", source="x = 1 / 0")
    result = fixed("x = 1 / 0", error, FakeEngine(["```python\nx = 1 / 1\n```"]))
    assert result.candidate is not None and result.candidate.text == "x = 1 / 1"
    assert result.usage.completion_tokens > 0
