"""Sentences that the notebook does not bear out go; the rest stays as it was, lists included."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbcopilot.write.grounding import code_words, facts, ground, unsupported
from nbcopilot.write.markdown import blocks, headings, joined, prose_words, sentences

KNOWN = facts(
    [
        "import pandas as pd\ndf = pd.read_csv('data.csv')\nx = 1_000 * 0.5\ndf.head(5)\nurl = 'https://a.org/b'",
        "  price\n0  12.50",
    ],
    names_from=["def elsewhere(): ..."],
    counts=[2],
)


@pytest.mark.parametrize(
    "sentence",
    [
        "Reads `data.csv` into `df` with `pd.read_csv`.",
        "Calls `df.head(5)` and `elsewhere`.",
        "Multiplies 1000 by 0.5.",
        "Shows the first 5 rows; the price is 12.50.",
        "It has two parts.",
        "Looks at https://a.org/b.",
        "It prints \"price\".",
        "No claim at all.",
        "Reads data.csv, e.g. with pd.read_csv.",
        "Uses `import pandas as pd`.",
        'Calls `pd.read_csv( "data.csv" )`.',
        "Calls `elsewhere(df, x)`.",
    ],
)  # fmt: skip
def test_sentences_that_the_notebook_bears_out_stay(sentence: str) -> None:
    assert unsupported(sentence, KNOWN) == ""


@pytest.mark.parametrize(
    ("sentence", "missing"),
    [
        ("Uses `numpy`.", "`numpy`"),
        ("Uses `d`.", "`d`"),
        ("Calls `df.tail(5)`.", "`df.tail(5)`"),
        ("Calls `df.head(6)`.", "`df.head(6)`"),
        ("Computes `x + df`.", "`x + df`"),
        ("Shows 6 rows.", "6"),
        ("Takes 0.50 of it.", "0.50"),
        ("It has three parts.", "three"),
        ("A 2D array.", "2D"),
        ("Calls read_excel on it.", "read_excel"),
        ("Calls compute() on it.", "compute()"),
        ("See https://evil.example/x.", "https://evil.example/x."),
        ('It prints "hello".', '"hello"'),
    ],
)
def test_sentences_with_something_made_up_go(sentence: str, missing: str) -> None:
    assert unsupported(sentence, KNOWN) == missing
    assert ground(f"It reads `df`. {sentence}", KNOWN).text == "It reads `df`."
    assert ground(sentence, KNOWN).dropped == ((sentence, missing),)


def test_a_list_stays_a_list_when_an_item_goes() -> None:
    text = "It does this:\n\n1. Loads `nothing`.\n2. Loads `df`. Then `zzz`.\n3. Shows 5 rows.\n\nDone."
    assert ground(text, KNOWN).text == "It does this:\n\n1. Loads `df`.\n2. Shows 5 rows.\n\nDone."


def test_a_lead_in_and_a_heading_go_with_all_that_they_led_to() -> None:
    assert ground("Good.\n\n## Steps\n\nAll of:\n\n- Uses `aaa`.\n- Uses `bbb`.", KNOWN).text == "Good."


def test_a_code_fence_stays_only_when_its_lines_are_the_notebooks() -> None:
    good, bad = "```python\ndf.head(5)\n```", "```python\nos.remove(x)\n```"
    assert ground(f"A.\n\n{good}", KNOWN).text == f"A.\n\n{good}"
    assert ground(f"A.\n\n{bad}", KNOWN).text == "A."


def test_text_that_is_borne_out_is_not_touched_at_all() -> None:
    text = "A  `df`\nwith odd   spacing.\n\n\n* one\n* two"
    assert ground(text, KNOWN).text == text


def test_sentences_end_where_a_reader_would_end_them() -> None:
    text = "Dr. X did e.g. this. pandas is it! 这是。那是。 It is 3.5 kg. `a. b` ends"
    assert sentences(text) == [
        "Dr. X did e.g. this.",
        "pandas is it!",
        "这是。",
        "那是。",
        "It is 3.5 kg.",
        "`a. b` ends",
    ]


def test_a_quotation_in_the_middle_does_not_end_a_sentence() -> None:
    assert sentences("Prints 'Hello!' and ends. Done.") == ["Prints 'Hello!' and ends.", "Done."]


def test_headings_of_every_form_are_found() -> None:
    text = "# One\n\nTwo\n===\n\n<h3 id='x'>Three</h3>\n\n```\n# no\n```\n\n- item\n---"
    assert headings(text) == [(1, "One"), (1, "Two"), (3, "Three")]


def test_words_of_prose_leave_headings_images_and_addresses_out() -> None:
    assert prose_words("# A long heading here\n\n![image text](x.png) https://a.org") == 0
    assert prose_words("# T\n\nThis loads the data.") == 4
    assert prose_words("このセルはデータを読み込みます。") >= 3


def test_words_that_can_only_be_code_are_found_outside_backticks() -> None:
    text = "Calls read_csv and f() on np.mean, not `some_name`, e.g. here. See https://a.org/b_c"
    assert [text[a:b] for a, b in code_words(text)] == ["read_csv", "f()", "np.mean"]


@given(st.text(alphabet="ab `.\n-#1*|~5\\", max_size=80))
def test_grounding_never_fails_and_is_idempotent(text: str) -> None:
    once = ground(text, KNOWN)
    assert not ground(once.text, KNOWN).dropped


@given(st.lists(st.sampled_from(["- a.", "para one. two.", "# H", "", "1. x", "| t |", "---"]), max_size=12))
def test_blocks_put_together_read_as_before(lines: list[str]) -> None:
    text = "\n".join(lines)
    again = joined(blocks(text))
    assert [w for w in again.split() if not w.rstrip(".").isdigit()] == [
        w for w in text.split() if not w.rstrip(".").isdigit()
    ]
