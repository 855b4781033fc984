"""What a request says of the values it wants is understood where it is plain, and held against a run as a guess."""

from __future__ import annotations

import pytest
from diagnosing import after

from nbcopilot.checks.registry import message
from nbcopilot.checks.request import WantedKind, kinds, named
from nbcopilot.execution import RunReport, Shown

FRAME = Shown("pandas.DataFrame", "", (100, 3))
SERIES = Shown("pandas.Series", "", (100,))
NUMBER = Shown("numpy.int64", "7", ())
LIST = Shown("list", "[]")


@pytest.mark.parametrize(
    ("instruction", "wanted"),
    [
        ("Put the two halves into a DataFrame called halves", WantedKind("DataFrame", "halves")),
        ("make a list named stations of all that report", WantedKind("list", "stations")),
        ("Split it by sign. Return the parts as a tuple.", WantedKind("tuple", "")),
        ("return a dictionary that maps each port to its ships", WantedKind("dict", "")),
        ("give me the depths as a numpy array", WantedKind("NumPy array", "")),
        ("Return a single number for the whole fleet.", WantedKind("number", "")),
    ],
)
def test_a_plain_sentence_names_a_kind_and_a_variable(instruction: str, wanted: WantedKind) -> None:
    assert wanted in kinds(instruction)


@pytest.mark.parametrize(
    "instruction",
    [
        "how many ships are there?",
        "return a boolean mask of the late ones",
        "return a distance matrix",
        "return a number for each port",
        "return a string per ship",
        "convert the DataFrame df to a numpy array and save it as arr",
        "Write a function that returns a list of primes",
        "def f(x):\n    '''Return a list of x.'''",
        "show the last elements of the data set",
        "",
    ],
)
def test_what_is_not_plain_or_asks_for_a_function_names_nothing(instruction: str) -> None:
    assert kinds(instruction) == ()


@pytest.mark.parametrize(
    ("instruction", "names"),
    [
        ("Assign it to a variable called fleet and sort it", ["fleet"]),
        ("count the calls and store the result in `calls`.", ["calls"]),
        ("the mean draught; call it mean_draught", ["mean_draught"]),
        ("create a list sorted by price", []),
        ("add a column called total to df", []),
        ("sort the list called by the user", []),
        ("save the figure to plot.png and keep it in the folder", []),
    ],
)
def test_names_that_the_request_gives_are_found(instruction: str, names: list[str]) -> None:
    assert named(instruction) == names


def said(instruction: str, result: Shown | None = None, **created: Shown) -> str:
    found = after(RunReport(True, result=result, created=created), request=instruction)
    assert all(diagnostic.severity == "intent" for diagnostic in found)
    return "; ".join(message(diagnostic) for diagnostic in found if diagnostic.code == "NB208")


def test_a_value_of_another_kind_is_told_as_a_guess() -> None:
    fleet = "create a DataFrame called fleet with the ships"
    assert said(fleet, fleet=FRAME) == ""
    assert said(fleet, fleet=SERIES) == "The request asks for a DataFrame, and `fleet` is a Series with 100 rows"
    assert said("return a list of the dates", LIST) == ""
    text = "The request asks for a list, and the result is a Series with 100 rows"
    assert said("return a list of the dates", SERIES) == text
    assert said("return a single number", NUMBER) == ""


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
    assert said("return a list of the dates") == ""
    assert said("create a list called rows", rows=Shown("builtins.list", "")) == ""


def test_a_long_request_is_read_in_no_time() -> None:
    for text in ("return a " + "very " * 20_000, "return a list of 3 by " * 5_000, "return a" + " " * 50_000 + "x"):
        assert kinds(text) is not None
