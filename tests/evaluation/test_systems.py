"""Systems see a task and a notebook; each rung of nbcopilot has exactly the parts that its name says."""

from __future__ import annotations

import pytest

from nbcopilot.config import Config
from nbcopilot.engine.fake import FakeEngine
from nbcopilot.errors import UsageError
from nbcopilot.evaluation.systems import MODES, first_block, make_systems
from nbcopilot.inference import Prompt
from nbcopilot.types import Cell, ErrorInfo, Notebook, Output, Target, Task, Variable

DOUBLE = Task("generate", "Write double(x), two times x.\nassert double(2) == 4")
RIGHT = "def double(x):\n    return 2 * x"
WRONG = "def double(x):\n    return x"


def answers(mode: str, script: list[str], task: Task = DOUBLE, **settings: object) -> tuple[FakeEngine, object]:
    engine = FakeEngine(script)
    (system,) = make_systems([mode], engine, Config(**settings))  # type: ignore[arg-type]
    return engine, system.answer(task, Notebook(namespace=()))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Here:\n```python\nx = 1\n```\nand\n```\ny = 2\n```", "x = 1\n"),
        ("```\nx = 1", "x = 1"),
        ("x = 1\ny = 2", "x = 1\ny = 2"),
        ("1. do\n   ```python\n   x = 1\n   ```", "   x = 1\n"),
    ],
)
def test_the_raw_answer_is_the_first_block(text: str, code: str) -> None:
    assert first_block(text) == code


def test_raw_sends_what_was_typed_and_nothing_else() -> None:
    engine, answer = answers("raw", [f"Sure!\n```python\n{WRONG}\n```"])
    (prompt,) = engine.prompts
    assert [(m.role, m.content) for m in prompt.messages] == [("user", DOUBLE.instruction)]
    assert answer.text.strip() == WRONG  # type: ignore[attr-defined]
    assert answer.accepted is None  # type: ignore[attr-defined]


def test_raw_ends_with_its_first_block_and_counts_the_tokens_to_there() -> None:
    engine, answer = answers("raw", [f"Sure!\n```python\n{WRONG}\n```\n" + "It works as follows. " * 200])
    assert answer.text.strip() == WRONG  # type: ignore[attr-defined]
    assert answer.usage.completion_tokens < 100 and answer.usage.prompt_tokens > 0  # type: ignore[attr-defined]
    assert engine.cancelled == 1


def test_context_asks_once_and_checks_nothing() -> None:
    engine, answer = answers("context", [WRONG])
    assert len(engine.prompts) == 1
    assert (answer.text.strip(), answer.accepted) == (WRONG, None)  # type: ignore[attr-defined]


def test_static_sees_an_undefined_name_and_does_not_run() -> None:
    _, answer = answers("static", ["def double(x):\n    return two * x"])
    assert answer.accepted is False  # type: ignore[attr-defined]
    _, answer = answers("static", [WRONG])
    assert answer.accepted is True  # type: ignore[attr-defined]


def test_run_runs_the_examples_of_the_instruction_and_chooses_nothing() -> None:
    engine, answer = answers("run", [WRONG])
    assert len(engine.prompts) == 1
    assert (answer.text.strip(), answer.accepted) == (WRONG, False)  # type: ignore[attr-defined]
    _, answer = answers("run", [RIGHT])
    assert answer.accepted is True  # type: ignore[attr-defined]


def test_repair_asks_again_and_counts_all_tokens() -> None:
    engine, answer = answers("repair", [WRONG, RIGHT])
    assert len(engine.prompts) == 2
    assert (answer.text.strip(), answer.accepted, answer.generations) == (RIGHT, True, 2)  # type: ignore[attr-defined]
    one = answers("context", [RIGHT])[1]
    assert answer.usage.completion_tokens > one.usage.completion_tokens  # type: ignore[attr-defined]


def test_candidates_choose_the_one_that_passes() -> None:
    _, answer = answers("candidates", [WRONG, WRONG, RIGHT, WRONG])
    assert (answer.text.strip(), answer.accepted, answer.generations) == (RIGHT, True, 4)  # type: ignore[attr-defined]


def test_vote_takes_the_answer_that_most_equal_and_runs_nothing() -> None:
    script = ["def f(:", RIGHT, f"{WRONG}  # why not", WRONG]
    engine, answer = answers("vote", script)
    assert engine.samplings[0].temperature == 0.8
    assert (answer.text, answer.accepted, answer.generations) == (script[2], None, 4)  # type: ignore[attr-defined]


def test_full_draws_new_answers_beside_the_repair() -> None:
    engine, answer = answers("full", [WRONG, WRONG, WRONG, RIGHT, WRONG])
    assert [s.temperature for s in engine.samplings] == [0.0, 0.0, 0.0, 0.8]
    assert (answer.text.strip(), answer.accepted, answer.generations) == (RIGHT, True, 5)  # type: ignore[attr-defined]


def test_no_repairs_in_the_config_means_none() -> None:
    engine, _ = answers("repair", [WRONG], repairs=0)
    assert len(engine.prompts) == 1


def test_every_mode_can_be_made_and_an_unknown_one_is_named() -> None:
    assert [s.name for s in make_systems(MODES, FakeEngine(), Config())] == list(MODES)
    with pytest.raises(UsageError, match="Unknown mode `chess`"):
        make_systems(["chess"], FakeEngine(), Config())


NOTEBOOK = Notebook(
    cells=(
        Cell("a", "code", "import pandas as pd", executed=1),
        Cell("b", "code", "df = pd.read_csv('x.csv')", executed=2, metadata={"question": "Read x.csv"}),
        Cell(
            "c",
            "code",
            "df.head()",
            (Output("result", "word " * 200),),
            executed=3,
            metadata={"question": "Show the head"},
        ),
        Cell("d", "code", "len(df)", executed=4, metadata={"question": "How many rows?"}),
        Cell("e", "code", "%%generate\nSort it."),
    ),
    namespace=(
        Variable("df", "DataFrame", "frame", "DataFrame 3 x 2: a int64"),
        Variable("pd", "module", "module", ""),
    ),
)


def sent(mode: str) -> Prompt:
    engine = FakeEngine(["x"])
    make_systems([mode], engine, Config())[0].answer(Task("generate", "Sort it."), NOTEBOOK)
    return engine.prompts[0]


def test_jupyter_ai_sends_the_last_two_exchanges() -> None:
    messages = sent("jupyter-ai").messages
    assert [m.role for m in messages] == ["user", "assistant", "user", "assistant", "user"]
    assert messages[0].content.startswith("Show the head")
    assert messages[3].content == "len(df)"
    assert "DataFrame 3" not in str(messages)


def test_chapyter_sends_all_cells_with_short_outputs() -> None:
    text = sent("chapyter").messages[-1].content
    assert all(cell.source in text for cell in NOTEBOOK.cells[:-1])
    assert "%%generate" not in text
    assert text.count("word") == 100


def test_coml_sends_variables_cells_and_examples() -> None:
    messages = sent("coml").messages
    assert len(messages) > 4
    assert "df: DataFrame 3 x 2" in messages[-1].content
    assert "pd: " not in messages[-1].content
    assert all(cell.source in messages[-1].content for cell in NOTEBOOK.cells[:-1])


def test_raw_fix_sends_the_cells_and_the_error() -> None:
    engine = FakeEngine(["x"])
    notebook = Notebook((Cell("a", "code", "x = y"),), error=ErrorInfo("NameError", "y", "NameError: y", "a", "x = y"))
    make_systems(["raw"], engine, Config())[0].answer(Task("fix", target=Target("x = y", "a")), notebook)
    text = engine.prompts[0].messages[0].content
    assert "x = y" in text
    assert "NameError: y" in text
