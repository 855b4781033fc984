"""What a request is about: questions about code are answered in words, everything else as it was asked."""

from __future__ import annotations

import pytest
from cell_builders import notebook

from nbcopilot.task import aim
from nbcopilot.types import Target, Task

BOOK = notebook(("a", "code", "total = df.sum()"), ("p", "code", "%%generate\nwhy did you use sum?"))


@pytest.mark.parametrize(
    "words",
    [
        "why did you use sum?",
        "Why is there a groupby in this cell?",
        "explain this",
        "explain the code above",
        "what does this code do?",
        "What is this line for?",
    ],
)
def test_a_question_about_code_is_answered_in_words(words: str) -> None:
    task, notices = aim(Task("generate", words, Target(cell_id="p", position=1)), BOOK)
    assert (task.kind, task.target.source, task.instruction) == ("explain", "total = df.sum()", words)
    assert "answered in words" in notices[0].message


@pytest.mark.parametrize(
    "words",
    [
        "plot the sum",
        "why do sales drop in March?",
        "what is the mean of price?",
        "explain the variance of the columns with PCA. Plot it",
        "which customers bought most?",
        "show why the total differs",
    ],
)
def test_a_question_about_data_is_answered_by_code(words: str) -> None:
    asked = Task("generate", words, Target(cell_id="p", position=1))
    assert aim(asked, BOOK) == (asked, ())


def test_without_code_above_there_is_nothing_to_explain() -> None:
    asked = Task("generate", "why did you use sum?", Target(position=0))
    assert aim(asked, notebook(("p", "code", "%%generate\nwhy did you use sum?"))) == (asked, ())
