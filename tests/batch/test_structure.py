"""What code plainly does, read off its syntax."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbcopilot.batch import structure


@pytest.mark.parametrize(
    ("source", "language", "said"),
    [
        ("import pandas as pd\nimport numpy as np", "python", "Imports `pandas` as `pd` and `numpy` as `np`."),
        ("from a.b import c, d", "python", "Imports `c` and `d` from `a.b`."),
        ("def f(x, y):\n    return x", "python", "Defines `f(x, y)`."),
        ('def f(x):\n    """The area of a circle."""', "python", "Defines `f(x)` (The area of a circle)."),
        ("class A:\n    def b(self): ...\n    def _c(self): ...", "python", "Defines the class `A` with `b`."),
        ("df = pd.read_csv('a.csv')", "python", "Sets `df` to `pd.read_csv('a.csv')`."),
        ("df = pd.concat([one, two, three, four, five])\ndf", "python", "Computes `df` with `pd.concat`."),
        ("x = 3", "python", "Sets `x` to `3`."),
        ("x = 3\ny = [1, 2]", "python", "Sets `x` to `3`. Makes `y`."),
        ("df.head()", "python", "Calls `df.head`."),
        ("df", "python", "Shows `df`."),
        ("for i in range(3):\n    pass", "python", "Loops over `range(3)`."),
        ("print(x)", "python", "Prints `x`."),
        ("%%time\nfit(x)", "python", "Calls `fit`."),
        ("%%writefile a.py\nx = 1", "python", "Writes the file `a.py`."),
        ("%%sql\nCREATE TABLE w (a, b);\nINSERT INTO w VALUES (1, 2)", "python", "Creates the table `w`. Inserts into `w`."),
        ("%%sql\nselect a, b from w where a > 1", "python", "Selects `a, b` from `w`."),
        ("library(ggplot2)\nf <- function(x) x", "r", "Loads `ggplot2`. Defines `f`."),
        ("#include <vector>\nint x = sqr(2);", "c++", "Loads `vector`. Defines `x`. Calls `sqr`."),
        ("using System;\nConsole.Write(1);", "c#", "Loads `System`. Calls `Console.Write`."),
        ("plot 'a' with lines", "gnuplot", "Runs `plot 'a' with lines`."),
    ],
)  # fmt: skip
def test_description(source: str, language: str, said: str) -> None:
    assert structure.describe([source], language) == said


def test_long_lists_and_long_code_are_cut() -> None:
    text = structure.describe(["\n".join(f"import module{i}" for i in range(9))], "python")
    assert text == "Imports `module0`, `module1`, `module2`, `module3`, `module4`, `module5` and more."
    assert len(structure.describe(["x = " + " + ".join(f"name{i}" for i in range(99))], "python")) < 100


def test_outline_is_one_phrase() -> None:
    assert structure.outline(["import os\nx = os.getcwd()"], "python") == "imports `os`; sets `x` to `os.getcwd()`"


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("02_monthly-sales", "Monthly sales"),
        ("Untitled12", "Notebook"),
        ("2021", "Notebook"),
        ("", "Notebook"),
        ("name with spaces & (parens) #1", "Name with spaces & (parens) #1"),
        ("<img src=x>", "Img src x"),
    ],
)
def test_title_from_a_file_name(name: str, title: str) -> None:
    assert structure.title_from(name) == title


def test_counts_are_those_of_the_code() -> None:
    assert {2, 3} <= structure.counts("def f(a, b, c): pass\ndef g(): pass", "python")


@given(st.text(max_size=60), st.sampled_from(["python", "r", "haskell", "sql", "klingon"]))
def test_any_source_gets_a_sentence_without_live_markup(source: str, language: str) -> None:
    text = structure.describe([source], language)
    assert text.endswith(".") and "\n" not in text
    assert text.count("`") % 2 == 0


def test_names_that_begin_alike_come_in_the_same_order_in_every_process() -> None:
    names = [f"Counter{'X' * length}" for length in range(5)]
    source = "\n".join(f"class {name}" for name in reversed(names))
    said = structure.describe([source], "kotlin")
    assert [said.index(f"`{name}`") for name in names] == sorted(said.index(f"`{name}`") for name in names)
