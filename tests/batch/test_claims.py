"""Claims that the code refutes are found; those that it does not refute are left alone."""

from __future__ import annotations

import pytest

from nbcopilot.batch.claims import wrong


@pytest.mark.parametrize(
    ("sentence", "source", "language"),
    [
        ("Imports `numpy` for arrays.", "import pandas\nnumpy = pandas", "python"),
        ("Imports the data.", "x = read()", "python"),
        ("Defines `f` and `h`.", "def f(): return h()", "python"),
        ("Defines a function named `fit`.", "model.fit(X)", "python"),
        ("Defines `display`, which shows it.", "x <- 1\ndisplay(x)", "r"),
        ("Calls the `writer` function.", "select * from writer", "sql"),
        ("Uses the function `df`.", "df.head()", "python"),
        ("Loops over the rows of `df`.", "df.head()", "python"),
        ("Prints the mean of `x`.", "m = x.mean()", "python"),
    ],
)
def test_refuted(sentence: str, source: str, language: str) -> None:
    assert wrong(sentence, [source], language)


@pytest.mark.parametrize(
    ("sentence", "source", "language"),
    [
        ("Imports `numpy` as `np`.", "import numpy as np", "python"),
        ("Imports `dates` from `matplotlib`.", "import matplotlib.dates as dates", "python"),
        ("Defines `f` and `g`.", "def f(): pass\ndef g(): pass", "python"),
        ("Defines a class `A`.", "class A: pass", "python"),
        ("Defines the variable `x`.", "x = 1", "python"),
        ("Defines `f`, a function.", "f <- function(x) x", "r"),
        ("Calls the `fit` method.", "model.fit(X)", "python"),
        ("Loops over the rows.", "for row in rows: print(row)", "python"),
        ("Prints the rows.", "print(rows)", "python"),
        ("Defines `f`.", "(define (f x) x)", "scheme"),
        ("Defines anything.", "this is not python", "python"),
    ],
)
def test_not_refuted(sentence: str, source: str, language: str) -> None:
    assert wrong(sentence, [source], language) == ""
