"""What a request says of the values to be made is understood where it is plain, and held against a run."""

from __future__ import annotations

import pytest

from nbcopilot.checks.request_constraints import Promise, broken, named, promised
from nbcopilot.sandbox.report import RunReport, Shown

FRAME = Shown("pandas.DataFrame", "", (100, 3))
SERIES = Shown("pandas.Series", "", (100,))
ARRAY = Shown("numpy.ndarray", "", (100,))
NUMBER = Shown("numpy.int64", "7", ())
LIST = Shown("list", "[]")


@pytest.mark.parametrize(
    ("instruction", "promise"),
    [
        ("Create a dataFrame called vol, with the volume values.", Promise("vol", "DataFrame")),
        ("Join both into a single DataFrame called cars", Promise("cars", "DataFrame")),
        ("make a list named names of the columns", Promise("names", "list")),
        ("a pandas Series called `ages` of length 12", Promise("ages", "Series", (12, None))),
        ("Create the DataFrame with raw_data.\nAssign it to a variable called army.", Promise("army", "DataFrame")),
        ("create a dictionary of counts and store it in `counts`", Promise("counts", "dict")),
        ("Count both. Return the answers as a tuple.", Promise("", "tuple")),
        ("Return a data frame with only two columns a and b", Promise("", "DataFrame", (None, 2))),
        ("return a DataFrame with 5 rows and 2 columns", Promise("", "DataFrame", (5, 2))),
        ("Return a single number for the entire dataset.", Promise("", "number")),
        ("give me the column names as a list of strings", Promise("", "list")),
        ("make a 3x4 numpy array of zeros", Promise(None, "NumPy array", (3, 4))),
        ("Create an array of 10 random integers between 0 and 9", Promise(None, "array", (10, None))),
        ("create 3 different Series, each of 1,000 numbers", Promise(None, "Series", count=3)),
        ("Now select only the first 7 columns", Promise("", "DataFrame", (None, 7))),
        ("create a one column DataFrame of all values", Promise(None, "DataFrame", (None, 1))),
    ],
)
def test_a_plain_sentence_promises_a_kind_a_shape_and_a_name(instruction: str, promise: Promise) -> None:
    assert promise in promised(instruction)


@pytest.mark.parametrize(
    "instruction",
    [
        "how many rows are there?",
        "return a boolean mask of the rows",
        "return a correlation matrix",
        "Select all columns except the last 3 columns",
        "Set the first 3 columns to NaN",
        "generate a series of random numbers called xs",
        "return a number for each row",
        "return a string per city",
        "convert the DataFrame df to a numpy array and save it as arr",
        "Write a function that returns a list of primes",
        "def f(x):\n    '''Return a list of x.'''",
        "take the mean of the list and call it m",
        "Set the date as the index of the dataframe",
        "show the last elements of the data set",
        "",
    ],
)
def test_what_is_not_plain_or_asks_for_a_function_promises_nothing(instruction: str) -> None:
    assert promised(instruction) == ()


@pytest.mark.parametrize(
    ("instruction", "names"),
    [
        ("Assign it to a variable called users and use the id as index", ["users"]),
        ("view only a and b and assign them to a dataframe called `best`", ["best"]),
        ("count the words and store the result in `counts`.", ["counts"]),
        ("the mean of price; call it mean_price", ["mean_price"]),
        ("Combine the four frames into one combined dataFrame df_all that holds all", ["df_all"]),
        ("create a list sorted by price", []),
        ("make a table df with the means", ["df"]),
        ("add a column called total to df", []),
        ("sort the list called by the user", []),
        ("save the figure to plot.png and keep it in the folder", []),
    ],
)
def test_names_that_the_request_gives_are_found(instruction: str, names: list[str]) -> None:
    assert named(instruction) == names


def said(instruction: str, result: Shown | None = None, **created: Shown) -> str:
    return "; ".join(f.message for f in broken(instruction, RunReport(True, result=result, created=created)))


def test_a_value_of_another_kind_or_shape_breaks_a_promise_and_is_named() -> None:
    vol = "create a DataFrame called vol with the volumes"
    assert said(vol, vol=FRAME) == ""
    assert said(vol, vol=SERIES) == "the request asks for a DataFrame, and `vol` is a Series with 100 rows"
    assert said("return a list of the dates", LIST) == ""
    assert (
        said("return a list of the dates", SERIES)
        == "the request asks for a list, and the result is a Series with 100 rows"
    )
    assert said("return a single number", NUMBER) == ""
    one = "create a one column DataFrame of the values and assign it to `big`"
    wide = "the request asks for a DataFrame with 1 column, and `big` is a DataFrame with 100 rows and 3 columns"
    assert said(one, big=FRAME) == wide


def test_several_values_are_counted() -> None:
    three = "create 3 different Series of random numbers"
    assert said(three, a=SERIES, b=SERIES, c=SERIES) == ""
    arrays = "the request asks for 3 Series, and what is made is a ndarray with 100 rows"
    assert said(three, a=ARRAY, b=ARRAY, c=ARRAY) == said(three, a=SERIES, b=SERIES, c=ARRAY) == arrays
    assert said(three, all=LIST) == "", "they may be in a list"


def test_what_is_not_known_or_not_there_breaks_nothing() -> None:
    assert said("create a DataFrame called vol", vol=Shown("mylib.Table", "")) == ""
    assert said("create a DataFrame called vol", other=SERIES) == ""
    assert said("return a list of the dates") == ""
    assert (
        said("create an array of 10 numbers, and use them as an index", picked=Shown("numpy.ndarray", "", (10,))) == ""
    )
    assert said("create a list called rows", rows=Shown("builtins.list", "")) == ""


def test_a_table_where_one_number_is_asked_for_is_doubted_and_not_refused() -> None:
    found = broken("How many orders were made?", RunReport(True, result=SERIES))
    assert [(f.check, f.severity) for f in found] == [("intent", "warning")]
    assert not broken("How many orders were made?", RunReport(True, result=NUMBER))
    listed = broken("Return a list of the customers with their totals", RunReport(True, result=SERIES))
    assert [(f.check, f.severity) for f in listed] == [("intent", "warning")], "it would lose the names"
    assert not broken("How many orders were made per month?", RunReport(True, result=SERIES))


def test_a_long_request_is_read_in_no_time() -> None:
    for text in ("create a " + "very " * 20_000, "create a list of 3 by " * 5_000, "create a" + " " * 50_000 + "x"):
        assert promised(text) is not None
