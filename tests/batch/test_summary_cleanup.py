"""What is left of a model's answer: prose about the code, in safe markdown."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbcopilot.batch import summary_cleanup


@pytest.mark.parametrize(
    ("answer", "left"),
    [
        ("This code cell loads `df` from a file.", ["Loads `df` from a file."]),
        ("This Python code is used to compute the mean of `x`.", ["Compute the mean of `x`."]),
        ("It then prints the value of `x`.", ["Prints the value of `x`."]),
        ("The following code defines `f` with one parameter.", ["Defines `f` with one parameter."]),
        ("Sure! Here is the description: This cell sorts `rows` by date.", ["Sorts `rows` by date."]),
        ("Certainly, here's a summary:\n\nSorts `rows` by date.", ["Sorts `rows` by date."]),
        ("**Purpose:** sorts `rows` by date", []),
        ("- Loads `a` from disk\n- Sorts `a` by date", ["Loads `a` from disk.", "Sorts `a` by date."]),
        ("- Training data is in `x`.", ["Training data is in `x`."]),
        ("## Summary\n\nSorts `rows` by date.", ["Sorts `rows` by date."]),
        ("```markdown\nSorts `rows` by date.\n```", ["Sorts `rows` by date."]),
        ("Sorts `rows` by date.\n\n```python\nrows.sort()\n```", ["Sorts `rows` by date."]),
        ("Sorts `rows` by date.<|im_end|><|im_start|>user", ["Sorts `rows` by date."]),
        ("Sorts `rows` by date. Sorts `rows` by date.", ["Sorts `rows` by date."]),
        ("Sorts `rows` by date. And then it", ["Sorts `rows` by date."]),
        ("Sorts `rows` by date. Let me know if you need more.", ["Sorts `rows` by date."]),
        ("I hope this helps you a lot.", []),
        ("PWNED", []),
        ("", []),
    ],
)  # fmt: skip
def test_chatter_fences_headings_and_empty_subjects_go(answer: str, left: list[str]) -> None:
    assert summary_cleanup.prose(answer) == left


@pytest.mark.parametrize(
    ("answer", "left"),
    [
        ("Shows <b>bold</b> text in `x`.", "Shows &lt;b>bold&lt;/b> text in `x`."),
        ("Runs <script>alert(1)</script> in the page.", "Runs in the page."),
        ("See [the docs](javascript:alert(1)) for `x`.", "See the docs for `x`."),
        ("Shows ![a plot](http://evil/x.png) of `x`.", "Shows a plot of `x`."),
        ("Costs $5 and then $6 each.", "Costs \\$5 and then \\$6 each."),
        ("Keeps `<b>` and `$x` as code.", "Keeps `<b>` and `$x` as code."),
        ("Hides <!-- a comment --> from `x`.", "Hides from `x`."),
    ],
)
def test_html_links_and_mathematics_come_out_as_plain_text(answer: str, left: str) -> None:
    assert summary_cleanup.prose(answer) == [left]


def test_length_is_bounded() -> None:
    found = summary_cleanup.prose(" ".join(f"Sorts `rows{i}` by key {i}." for i in range(20)))
    assert summary_cleanup.bounded(found) == "Sorts `rows0` by key 0. Sorts `rows1` by key 1. Sorts `rows2` by key 2."
    assert summary_cleanup.bounded(["x" * 400, "y" * 400]) == "x" * 400
    assert summary_cleanup.prose("Word " * 300 + ".") == []


@pytest.mark.parametrize(
    ("answer", "title"),
    [
        ("# Monthly sales\n\nText.", "Monthly sales"),
        ('Title: "Monthly sales"', "Monthly sales"),
        ("**Monthly sales**", "Monthly sales"),
        ("# R Notebook: Monthly sales", "Monthly sales"),
        ("# 2.1 Monthly sales in a Jupyter notebook", "Monthly sales"),
        ("# 2 to 8 word title for this notebook: Monthly sales", "Monthly sales"),
        ("# Notebook for monthly sales", "Monthly sales"),
        ("This notebook computes the monthly sales", ""),
        ("a b c d e f g h i j k l m", ""),
        ("# <img src=x onerror=alert(1)>", "&lt;img src=x onerror=alert(1)>"),
        ("", ""),
    ],
)
def test_titles_are_a_few_plain_words(answer: str, title: str) -> None:
    assert summary_cleanup.heading(answer) == title


def test_words_in_two_alphabets_are_a_stumbling_model() -> None:
    assert summary_cleanup.prose("\u05e7\u05d5\u05d3 \u05d6\u05d4 \u05e9\u05dc \u05e1erie.") == []
    assert (
        len(summary_cleanup.prose("\u8fd9\u6bb5\u4ee3\u7801\u4f7f\u7528DataFrame\u8ba1\u7b97\u5e73\u5747\u503c\u3002"))
        == 1
    )


def test_chinese_sentences_are_joined_without_a_blank() -> None:
    assert (
        summary_cleanup.bounded(["\u7b2c\u4e00\u53e5\u3002", "\u7b2c\u4e8c\u53e5\u3002"])
        == "\u7b2c\u4e00\u53e5\u3002\u7b2c\u4e8c\u53e5\u3002"
    )


def test_names_in_prose_get_backticks_when_the_code_has_them() -> None:
    assert summary_cleanup.in_backticks("Calls read_csv() and np.mean on `df_a`.", ["np", "mean", "df_a"]) == (
        "Calls read_csv() and `np.mean` on `df_a`."
    )


TOKENS = [*"ab `*_#<>[]()$\n.-|!", "this code ", "```", "<|im_end|>", "script", "sorts "]


@given(st.lists(st.sampled_from(TOKENS), max_size=40).map("".join))
def test_any_answer_comes_out_without_live_html_and_without_fences(answer: str) -> None:
    for sentence in summary_cleanup.prose(answer):
        outside = "".join(part for i, part in enumerate(re.split(r"(`+.+?`+)", sentence)) if i % 2 == 0)
        assert "<" not in outside.replace("&lt;", "") and "```" not in sentence and "\n" not in sentence
