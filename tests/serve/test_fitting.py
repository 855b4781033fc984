"""Where a suggestion ends and how it joins what stands after the cursor."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nbcopilot.serve.end_of_suggestion import Place
from nbcopilot.serve.fitting import fit


def suggestion(said: str, prefix: str, suffix: str = "", multiline: bool | None = None, *, ended: bool = True) -> str:
    """What is shown in the end when the model says `said` token by token."""
    place = Place(prefix, suffix, multiline)
    for at in range(0, len(said), 3):
        text, complete = fit(said[:at], place, ended=False)
        if complete:
            return text
    return fit(said, place, ended=True, cut=not ended)[0]


# --------------------------------------------------------------------------- in a started line


def test_started_line_is_finished_and_no_more() -> None:
    assert suggestion("value * 2\ny = 3\nz = 4", "x = ") == "value * 2"


@pytest.mark.parametrize(
    ("prefix", "said", "shown"),
    [
        ("def f(x)", ":\n    return x\n\n\nprint(f(1))", ":\n    return x"),
        ("for a in b", ":\n    print(a)\nmore()", ":\n    print(a)"),
        ("x = f(", "\n    1,\n    2,\n)\ny = 2", "\n    1,\n    2,\n)"),
        ("x = [", "1, 2]\ny", "1, 2]"),
    ],
)
def test_what_opens_a_block_or_a_bracket_goes_on_to_its_end(prefix: str, said: str, shown: str) -> None:
    assert suggestion(said, prefix) == shown


@pytest.mark.parametrize(
    ("prefix", "said", "suffix", "shown"),
    [
        ("print(", "value)", ")", "value"),
        ("print(f(", "value))", "))", "value"),
        ("print(f(", "value)", ")", "value)"),
        ("x = [", "1, 2]", "]", "1, 2"),
        ("x = d['", "key']", "']", "key"),
        ("return ", "a + b  # sum", "  # sum", "a + b"),
        ("x = ", "5", "\ny = 6", "5"),
        ("f(", "a, b)\ng()", ", c)", "a, b"),
    ],
)
def test_what_stands_right_of_the_cursor_is_not_repeated(prefix: str, said: str, suffix: str, shown: str) -> None:
    assert suggestion(said, prefix, suffix).rstrip() == shown


def test_caller_may_ask_for_one_line_or_several() -> None:
    said = "a = 1\n    b = 2\n    return a"
    assert suggestion(said, "def f():\n    ", multiline=False) == "a = 1"
    assert suggestion("1\ny = 2", "x = ", multiline=True) == "1\ny = 2"


# --------------------------------------------------------------------------- on an empty line


def test_indentation_at_the_cursor_is_not_said_twice() -> None:
    assert suggestion("    return x", "def f(x):\n    ") == "return x"
    assert suggestion("return x", "def f(x):\n    ") == "return x"
    assert suggestion("    return x", "def f(x):\n") == "    return x"


@pytest.mark.parametrize(
    "after",
    [
        "\nprint(f(1))\n",
        "\n\n\ndef g():\n    pass\n",
        "\n# Test cases\n",
        "\nclass A:\n",
        "\n\n\n\nx = 1\n",
        "\n```\nThis",
    ],
)
def test_block_ends_where_the_next_thing_begins(after: str) -> None:
    body = "    total = 0\n    for v in values:\n        total += v\n\n    return total"
    assert suggestion(body + after, "def add(values):\n") == body


def test_next_method_is_not_written_too() -> None:
    said = "        self.a = a\n\n    def other(self):\n        pass\n"
    assert suggestion(said, "class A:\n    def __init__(self, a):\n") == "        self.a = a"


def test_statements_of_a_cell_end_at_an_empty_line() -> None:
    assert suggestion("import numpy as np\nimport pandas as pd\n\ndf = pd.DataFrame()\n", "") == (
        "import numpy as np\nimport pandas as pd"
    )


def test_line_that_repeats_itself_ends_it() -> None:
    assert suggestion("    x += 1\n" * 20, "def f(x):\n") == "    x += 1"


def test_half_a_line_is_left_away_unless_it_is_all() -> None:
    assert suggestion("    a = 1\n    b = some_lo", "def f():\n", ended=False) == "    a = 1"
    assert suggestion("    b = some_lo", "def f():\n", ended=False) == "    b = some_lo"


# --------------------------------------------------------------------------- before something


def test_line_that_stands_after_the_cursor_already_ends_it() -> None:
    prefix, suffix = "def f(values):\n    total = 0\n", "        total += v\n    return total\n"
    said = "    for v in values:\n        total += v\n    return total\n\n\nprint(f([1]))\n"
    assert suggestion(said, prefix, suffix) == "    for v in values:\n"


def test_model_that_writes_its_own_version_of_the_rest_is_cut_where_the_rest_fits() -> None:
    prefix, suffix = "def f(s):\n    n = 0\n", "        n += (c == '7')\n    return n\n"
    said = "    for c in s:\n        if c == '7':\n            n += 1\n    return n\n\n# Check\nprint(f('7'))\n"
    assert suggestion(said, prefix, suffix) == "    for c in s:\n"


def test_nothing_that_follows_is_made_unreachable() -> None:
    prefix, suffix = "def f(a, b):\n    if a:\n", "    x = len(b)\n    return x\n"
    said = "        return a\n    return b\n\nprint(f(1, 2))\n"
    assert suggestion(said, prefix, suffix) == "        return a\n"


def test_block_of_several_lines_is_kept_whole_before_a_suffix() -> None:
    prefix, suffix = "def f(values):\n", "    return total / n\n"
    block = "    total = 0\n    n = 0\n    for v in values:\n        total += v\n        n += 1\n"
    assert suggestion(block + "    return total / n\n", prefix, suffix) == block


def test_newline_is_put_only_where_the_next_line_needs_it() -> None:
    assert suggestion("    a = 1", "def f():\n", "    return a\n") == "    a = 1\n"
    assert suggestion("a = 1", "def f():\n    ", "\n    return a\n") == "a = 1"
    assert suggestion("a = 1", "", "") == "a = 1"


def test_magics_and_shell_lines_do_not_disturb() -> None:
    prefix, suffix = "%matplotlib inline\n!ls\nfor c in s:\n    n = 0\n", "        n += c\n"
    said = "    for d in c:\n        n += d\n        print(n)\n"
    assert suggestion(said, prefix, suffix) == "    for d in c:\n"


def test_other_languages_are_judged_without_syntax() -> None:
    prefix, suffix = "f <- function(x) {\n", "}\n"
    assert suggestion("  x + 1\n}\nprint(f(1))\n", prefix, suffix) == "  x + 1\n"


def test_nothing_said_is_nothing_shown() -> None:
    for prefix, suffix in (("", ""), ("x = ", "\n"), ("def f():\n", "    return 1\n"), ("print(", ")")):
        assert suggestion("", prefix, suffix) == ""
        assert suggestion("\n\n", prefix, suffix).strip() == ""


LINES = st.text("ab(){}[]:'#=\n\t  \\", max_size=40)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(LINES, LINES, LINES)
def test_any_text_fits_somehow_and_invents_nothing(said: str, prefix: str, suffix: str) -> None:
    shown = suggestion(said, prefix, suffix)
    assert shown.strip() in said
    assert fit(said, Place(prefix, suffix), ended=True)[1]
