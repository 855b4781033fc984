"""Claims that the code refutes are found; those that it does not refute are left alone."""

from __future__ import annotations

import pytest

from nbcopilot.batch.claims import invented, is_vague, vocabulary, wrong


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


WORDS = vocabulary(
    ["df_apple = web.DataReader('AAPL', start=start_dt)\nbatch_size, learningRate = 3, 0.1  # trading volume"]
)


@pytest.mark.parametrize(
    "sentence",
    ["The dataset is split into training sets and testing sets.", "Evaluates how well it performs on unseen examples."],
)
def test_a_sentence_that_shares_no_word_with_the_code_is_vague(sentence: str) -> None:
    assert is_vague(sentence, WORDS)


@pytest.mark.parametrize(
    "sentence",
    [
        "Reads the price of Apple.",
        "Learns in batches.",
        "Sets 3 of them.",
        "Uses `x`.",
        "Plots volumes.",
        "计算移动平均值。",
    ],
)
def test_a_sentence_that_the_code_speaks_of_is_not_vague(sentence: str) -> None:
    assert not is_vague(sentence, WORDS)


def test_code_of_a_few_words_makes_nothing_vague() -> None:
    words = vocabulary(["for f in *; do echo $f; done"])
    assert not is_vague("Lists all files in the current directory.", words, first=True)
    assert is_vague("Lists all files in the current directory.", words), "but only the first sentence is believed"


def test_proper_names_that_the_notebook_nowhere_holds_are_invented() -> None:
    assert invented("Fetches prices of Apple from Yahoo Finance.", WORDS) == "Yahoo"
    assert invented("Fetches prices of Apple in January with the Euclidean norm.", WORDS) == ""
    assert invented("Yahoo is first. And `x` is from `Google`.", WORDS) == ""


def test_the_name_of_a_data_set_must_be_in_the_notebook() -> None:
    known = vocabulary(["images = load_digits()"])
    assert invented("Trains a model (VAE) on the MNIST dataset.", known) == "MNIST"
    assert invented("Trains a model on the Fashion MNIST data set.", known) == "Fashion"
    assert invented("Trains a VAE on the Digits dataset. The dataset is small.", known) == ""
