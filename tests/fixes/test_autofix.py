"""What is added to a candidate without a model, and what is left alone."""

from __future__ import annotations

import pytest

from nbcopilot.fixes.autofix import mend
from nbcopilot.notebook import packages
from nbcopilot.types import Candidate, Task

NONE: frozenset[str] = frozenset()


def mended(text: str, instruction: str = "", *names: str) -> Candidate:
    return mend(Candidate(text), Task("generate", instruction), frozenset(names))


def test_a_missing_usual_import_is_added_and_noted() -> None:
    found = mended("x = math.sqrt(2)")
    assert found.text == "import math\n\nx = math.sqrt(2)"
    assert found.notes == ("added `import math`, which the code needs",)


def test_imports_join_those_that_are_there() -> None:
    assert mended("import os\nx = math.pi").text == "import math\nimport os\nx = math.pi"


@pytest.mark.parametrize("text", ["x = math.pi", "x = frame.head()", "x = 1", "not python ("])
def test_nothing_is_added_for_names_that_exist_or_that_nobody_knows(text: str) -> None:
    candidate = Candidate(text)
    assert mend(candidate, Task("generate"), frozenset({"math"})) is candidate


def test_imports_of_the_instruction_are_taken_over() -> None:
    head = 'from typing import List as L\n\ndef f(x: L[int]) -> int:\n    """Sum."""\n'
    assert mended("def f(x: L[int]) -> int:\n    return sum(x)", head).text.startswith("from typing import List as L\n")


def test_a_helper_that_the_instruction_shows_is_taken_over() -> None:
    given = 'def enc(s):\n    return s[::-1]\n\n\ndef dec(s):\n    """Undo enc."""\n'
    found = mended("def dec(s):\n    return enc(s)", given)
    assert found.text == "def enc(s):\n    return s[::-1]\n\n\ndef dec(s):\n    return enc(s)"


@pytest.mark.parametrize("body", ["    return x + 1", "return x + 1", "    y = x\n    return y + 1"])
def test_a_body_alone_is_put_below_the_head_that_was_asked_for(body: str) -> None:
    found = mended(body, 'def inc(x):\n    """One more."""\n')
    space: dict[str, object] = {}
    exec(found.text, space)
    assert space["inc"](1) == 2  # type: ignore[operator]
    assert "head of `inc`" in found.notes[0]


def test_a_whole_answer_is_not_taken_for_a_body() -> None:
    whole = "def inc(x):\n    return x + 1"
    assert mended(whole, 'def inc(x):\n    """One more."""\n').text == whole


def test_cell_magics_and_future_imports_stay_first() -> None:
    assert mended("%%time\nx = math.pi").text == "%%time\nimport math\nx = math.pi"
    assert mended("from __future__ import annotations\nx = math.pi").text.startswith("from __future__")


def test_packages_that_are_not_installed_are_not_added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "is_installed", lambda module: module != "tensorflow")
    assert "import" not in mended("x = tf.zeros(3)").text


def test_a_whole_function_below_empty_lines_is_no_body() -> None:
    answer = Candidate("\n\ndef half(x):\n    return x / 2\n")
    head = 'def half(x):\n    """Half of x."""\n'
    assert mend(answer, Task("generate", head), frozenset()) == answer
