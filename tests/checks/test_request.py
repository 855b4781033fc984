"""What a request says of the values it wants is understood where it is plain, and held against a run as a guess."""

from __future__ import annotations

import pytest
from diagnosing import after

from nbcopilot.checks.registry import message
from nbcopilot.checks.request import WantedType, names_as_code, types
from nbcopilot.execution import RunReport, Shown
from nbcopilot.types import Notebook, Variable

FRAME = Shown("pandas.DataFrame", "", (100, 3))
SERIES = Shown("pandas.Series", "", (100,))
LIST = Shown("list", "[]")


@pytest.mark.parametrize(
    ("instruction", "wanted"),
    [
        ("Put the two halves into a DataFrame called halves", WantedType("DataFrame", "halves")),
        ("make a `list` named halves of all that report", WantedType("list", "halves")),
        ("Leg die Stationen in ein dict mit dem Namen halves", WantedType("dict", "halves")),
        ("Split it by sign. Return the parts as a tuple.", WantedType("tuple", "")),
        ("les profondeurs, en `list`", WantedType("list", "")),
        ("\u6df1\u3055\u3092 ndarray \u3067", WantedType("ndarray", "")),
    ],
)
def test_a_type_beside_a_new_name_or_of_no_variable_is_what_is_wanted(instruction: str, wanted: WantedType) -> None:
    assert list(types(instruction, {"halves"}, ["int", "pandas.DataFrame"])) == [wanted]


@pytest.mark.parametrize(
    "instruction",
    [
        "how many ships are there?",
        "list the ships that set out",
        "set the index",
        "a series of measurements",
        "the mean of the DataFrame",
        "plot the Series",
        "join the pay to the staff list, halves only",
        "the first of the tuple, then halves",
        "",
    ],
)
def test_words_and_types_of_what_is_there_ask_for_nothing(instruction: str) -> None:
    assert list(types(instruction, {"halves"}, ["pandas.DataFrame", "pandas.Series", "tuple"])) == []


def test_types_alone_ask_for_nothing_where_the_variables_are_not_known() -> None:
    assert list(types("as a tuple", (), None)) == []
    assert list(types("as a tuple called x", {"x"}, None)) == [WantedType("tuple", "x")]


@pytest.mark.parametrize(
    ("instruction", "names"),
    [
        ("count the calls and store the result in `calls`.", ["calls"]),
        ("`a` und `b_2`, dann nochmals `a`", ["a", "b_2"]),
        ("a list called depths", []),
        ("call `df.head()` and `x = 1`", []),
    ],
)
def test_plain_names_in_backticks_are_names(instruction: str, names: list[str]) -> None:
    assert names_as_code(instruction) == names


def said(instruction: str, result: Shown | None = None, **created: Shown) -> str:
    there = Notebook(namespace=(Variable("n", "int", "scalar", "1"),))
    found = after(RunReport(True, result=result, created=created), request=instruction, notebook=there)
    assert all(diagnostic.severity == "intent" for diagnostic in found)
    return "; ".join(message(diagnostic) for diagnostic in found if diagnostic.code == "NB208")


def test_a_value_of_another_kind_is_told_as_a_guess() -> None:
    fleet = "create a DataFrame called fleet with the ships"
    assert said(fleet, fleet=FRAME) == ""
    assert said(fleet, fleet=SERIES) == "The request asks for a DataFrame, and `fleet` is a Series with 100 rows"
    assert said("return the dates as `list`", LIST) == ""
    text = "The request asks for a list, and the result is a Series with 100 rows"
    assert said("return the dates as `list`", SERIES) == text


@pytest.mark.parametrize(
    ("instruction", "result"),
    [
        ("Return a DataFrame with two rows per city", Shown("pandas.DataFrame", "", (6, 2))),
        ("Show the result as a DataFrame with 3 columns per store", Shown("pandas.DataFrame", "", (4, 9))),
        ("View the first 3 columns, transposed", Shown("pandas.DataFrame", "", (3, 100))),
        ("select the first 3 columns and the last one", Shown("pandas.DataFrame", "", (100, 4))),
        ("Create an array of 12 random numbers, reshape it to 3 x 4", Shown("numpy.ndarray", "", (3, 4))),
        ("Make an array of 100 random numbers for each of 6 sensors", Shown("numpy.ndarray", "", (6, 100))),
        ("Create a Series of 3 repeated labels, 20 long", Shown("pandas.Series", "", (20,))),
    ],
)
def test_sizes_in_a_sentence_are_not_held_against_a_right_answer(instruction: str, result: Shown) -> None:
    assert said(instruction, result) == ""


def test_what_is_not_known_or_not_there_says_nothing() -> None:
    assert said("create a DataFrame called fleet", fleet=Shown("mylib.Table", "")) == ""
    assert said("create a DataFrame called fleet", other=SERIES) == ""
    assert said("return the dates as `list`") == ""
    assert said("create a list called rows", rows=Shown("builtins.list", "")) == ""


def test_a_long_request_is_read_in_no_time() -> None:
    for text in ("return a tuple " + "very " * 20_000, "a dict x " * 5_000, "`" * 50_000, "a" + " " * 50_000 + "x"):
        assert len(list(types(text, {"x"}, []))) < 5_001
        assert names_as_code(text) == []
