"""Sentences that say nothing new, that nothing ties to the code, or that name what the notebook does not hold."""

from __future__ import annotations

import pytest

from nbcopilot.batch.claims import invented, is_tied, restates, vocabulary

WORDS = vocabulary(
    ["df_apple = web.DataReader('AAPL', start=start_dt)\nbatch_size, learningRate = 3, 0.1  # trading volume"]
)
CODE = vocabulary(["revenue = orders['cups'] * orders['price']\nby_kind = orders.groupby('weekend')['cups'].mean()"])


@pytest.mark.parametrize(
    "sentence",
    [
        "Computes `revenue` with `orders`.",
        "Sets `by_kind` to the mean of `cups`, grouped by `weekend`.",
        "Calculates the revenue of the orders and the mean cups by weekend.",
        "Multiplies cups and price.",
    ],
)
def test_a_sentence_of_words_of_the_code_restates_it(sentence: str) -> None:
    assert restates(sentence, CODE)


@pytest.mark.parametrize(
    "sentence",
    [
        "Tells busy days from quiet ones, because staff is planned a week ahead.",
        "Shows whether people drink more coffee on Saturdays and Sundays.",
    ],
)
def test_a_sentence_with_words_of_its_own_does_not(sentence: str) -> None:
    assert not restates(sentence, CODE)


@pytest.mark.parametrize("sentence", ["The dataset is split in training sets.", "Evaluates how well it performs."])
def test_a_sentence_that_shares_no_word_with_the_code_is_not_tied_to_it(sentence: str) -> None:
    assert not is_tied(sentence, WORDS)


@pytest.mark.parametrize(
    "sentence", ["Reads the price of Apple.", "Learns in batches.", "Uses `x`.", "Plots volumes.", "计算移动平均值。"]
)
def test_a_sentence_that_the_code_speaks_of_is_tied_to_it(sentence: str) -> None:
    assert is_tied(sentence, WORDS)


def test_code_of_a_few_words_ties_everything() -> None:
    assert is_tied("Lists all files in the current directory.", vocabulary(["for f in *; do echo $f; done"]))


def test_proper_names_that_the_notebook_nowhere_holds_are_invented() -> None:
    assert invented("Fetches prices of Apple from Yahoo Finance.", WORDS) == "Yahoo"
    assert invented("Fetches prices of Apple in January with the Euclidean norm.", WORDS) == ""
    assert invented("Yahoo is first. And `x` is from `Google`.", WORDS) == ""


def test_the_name_of_a_data_set_must_be_in_the_notebook() -> None:
    known = vocabulary(["images = load_digits()"])
    assert invented("Trains a model (VAE) on the MNIST dataset.", known) == "MNIST"
    assert invented("Trains a model on the Fashion MNIST data set.", known) == "Fashion"
    assert invented("Trains a VAE on the Digits dataset. The dataset is small.", known) == ""
