"""Follow-ups: what was asked, what it led to and what became of that are known to the next turn."""

from __future__ import annotations

from typing import Any

import pytest

from nbcopilot.config import Config
from nbcopilot.conversation.intent import intent
from nbcopilot.conversation.talk import Mode, reply
from nbcopilot.engine.fake import FakeEngine
from nbcopilot.errors import EngineError
from nbcopilot.events import ContextReady, Done, EditReady, Meant, PromptReady
from nbcopilot.inference import Prompt
from nbcopilot.pipeline import Copilot
from nbcopilot.task import make_task
from nbcopilot.turns import Turn
from nbcopilot.types import Cell, Notebook, Target

CODE = "top = orders.groupby('customer')['amount'].mean()\ntop"
TURN = Turn("t1", "generate", "mean amount by customer", CODE, state="taken", cells=("c2",), group="g1")
LOAD = Cell("c1", "code", "orders = load()", executed=1)
CELL = Cell(
    "c2", "code", f"# nbcopilot · fake · ran clean\n{CODE}", executed=2, metadata={"nbcopilot": {"group": "g1"}}
)
NOTEBOOK = Notebook((LOAD, CELL))
CONFIG = Config(model="fake", check=False)


def talk(
    said: str,
    asked: str = "as bars",
    notebook: Notebook = NOTEBOOK,
    turns: tuple[Turn, ...] = (TURN,),
    mode: Mode = "auto",
) -> tuple[list[Any], FakeEngine]:
    """The events of a turn, with a model that says `said` when it is asked what is meant, and code otherwise."""
    engine = FakeEngine(script=lambda prompt: said if prompt.answer == "text" else "x = 1")
    task = make_task("generate", CONFIG, asked, Target(position=len(notebook.cells) - 1))
    return list(reply(Copilot(engine, CONFIG), task, notebook, turns, mode)), engine


def prompt_of(events: list[Any]) -> Prompt:
    found = next(event.prompt for event in events if isinstance(event, PromptReady))
    assert isinstance(found, Prompt)
    return found


def the(kind: Any, events: list[Any]) -> Any:
    return next(event for event in events if isinstance(event, kind))


def test_the_turn_before_is_said_as_a_turn_with_its_cell_as_it_is_now() -> None:
    edited = Cell("c2", "code", CODE.replace("mean", "median"), executed=3)
    events, _ = talk("code", notebook=Notebook((LOAD, edited)))
    messages = prompt_of(events).messages
    at = [message.content for message in messages].index("mean amount by customer")
    assert messages[at].role == "user" and messages[at + 1].role == "assistant"
    assert "median" in messages[at + 1].content and "mean()" not in messages[at + 1].content
    assert "follows up on your last answer, which is in the notebook" in messages[-1].content
    assert "median" not in messages[-1].content, "the cell is said twice"


def test_an_answer_that_was_taken_out_or_not_taken_is_said_not_to_be_there() -> None:
    for turn, notebook in ((TURN, Notebook((LOAD,))), (Turn("t1", "generate", "mean", CODE), Notebook((LOAD,)))):
        events, _ = talk("code", notebook=notebook, turns=(turn,))
        assert "which is not in the notebook" in prompt_of(events).messages[-1].content


def test_cells_are_known_by_their_group_where_their_ids_are_not() -> None:
    events, _ = talk("code", turns=(Turn("t1", "generate", "mean", CODE, group="g1"),))
    assert "which is in the notebook" in prompt_of(events).messages[-1].content


def test_what_was_sent_lists_the_turns_and_three_are_enough() -> None:
    turns = tuple(Turn(f"t{i}", "generate", f"ask {i}", f"x = {i}") for i in range(6))
    events, _ = talk("code", turns=turns)
    sent = [snippet.source for snippet in the(ContextReady, events).context.snippets if snippet.kind == "turn"]
    assert sent == ["turn “ask 3”", "turn “ask 4”", "turn “ask 5”"]


def test_a_question_is_answered_in_words_about_the_code_of_the_turn_before() -> None:
    events, _ = talk("words", "why the mean?")
    meant = the(Meant, events)
    assert (meant.intent, meant.task.kind, meant.task.target.cell_id) == ("words", "explain", "c2")
    assert meant.task.target.source == CODE, "our label is told to the model"
    last = prompt_of(events).messages[-1].content
    assert "Answer the question" in last and "why the mean?" in last and CODE in last
    assert the(EditReady, events).edit.cells[0].kind == "markdown"


def test_undo_names_the_latest_turn_that_is_in_the_notebook_and_changes_nothing() -> None:
    later = Turn("t2", "generate", "as bars", "y = 2")
    events, engine = talk("undo", "undo that", turns=(TURN, later))
    assert [type(event) for event in events] == [Meant, Done]
    assert (events[0].intent, events[0].turn) == ("undo", "t1")
    assert len(engine.prompts) == 1, "an answer was generated"
    events, _ = talk("undo", "undo that", notebook=Notebook((LOAD,)))
    assert events[0].turn == ""


def test_the_first_turn_and_a_chosen_kind_ask_the_model_nothing_first() -> None:
    _, engine = talk("words", turns=())
    assert [prompt.answer for prompt in engine.prompts] == ["code"]
    events, engine = talk("code", mode="words")
    assert the(Meant, events).intent == "words" and all(prompt.answer != "text" for prompt in engine.prompts)


@pytest.mark.parametrize(
    ("said", "wanted"),
    [("words", "words"), (" `Words`.", "words"), ("undo", "undo"), ("code", "code"), ("Sure!", "code")],
)
def test_one_word_says_what_is_meant_and_anything_else_is_code(said: str, wanted: str) -> None:
    assert intent(FakeEngine(script=lambda _: said), "x", TURN) == wanted


def test_an_engine_that_fails_then_costs_no_turn() -> None:
    assert intent(FakeEngine(script=[EngineError("gone")]), "x", TURN) == "code"
