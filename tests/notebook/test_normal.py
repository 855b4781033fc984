"""The normal form of a cell: what formatters change does not count, what people change does."""

from __future__ import annotations

import pytest

from nbcopilot.notebook.normal import form, forms

SAME = [
    ("x = {'a': 1}", 'x = {"a": 1}'),
    ("for t in (a, b,):\n    t()", "for t in (a, b):\n    t()"),
    ("x=1;y=2", "x = 1\ny = 2"),
    ("total = (1 + 2)", "total = 1 + 2"),
    ("f(1,\n  2)", "f(\n    1,\n    2,\n)"),
    ("import os\nimport abc\nx = 1", "import abc\nimport os\n\nx = 1"),
    ("#a remark\nx = 1", "# a remark\nx = 1  "),
    ("def f():\n  '''Doc.\n  more'''\n  return 1", 'def f():\n    """Doc.\n    more"""\n    return 1'),
    ("x = 0XFF", "x = 0xFF"),
    ("# nbcopilot · fake\nx = 1", "x = 1"),
    ("%matplotlib inline\nx = 'a'", '%matplotlib inline\nx = "a"'),
    ("%%time\nx = 'a'", '%%time\nx = "a"'),
]
OTHER = [
    ("x = 1", "x = 2"),
    ("x = 1  # why", "x = 1  # because"),
    ("x = 1  # why", "x = 1"),
    ("x = 1\nimport os", "import os\nx = 1"),
    ("x = 'a'", "x = b'a'"),
    ("def f():\n    '''Doc.'''", "def f():\n    '''Other.'''"),
    ("%%time\nx = 1", "%%timeit\nx = 1"),
    ("x = [", "x = ("),
    ("if a:\n    b()\nc()", "if a:\n    b()\n    c()"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_a_formatter_changes_does_not_count(one: str, other: str) -> None:
    assert form("code", one) == form("code", other)


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_what_a_person_changes_does(one: str, other: str) -> None:
    assert form("code", one) != form("code", other)


def test_layout_of_markdown_does_not_count_and_its_words_do() -> None:
    written = "# Title\n\n* one `x`\n* two\n\nSome *words* that go on\nfor long."
    tidied = "Title\n=====\n\n- one `x`\n- two\n\nSome _words_ that go on for long.\n"
    assert form("markdown", written) == form("markdown", tidied)
    assert form("markdown", written) != form("markdown", written.replace("words", "numbers"))


def test_the_form_of_several_cells_depends_on_their_order() -> None:
    assert forms([("code", "a"), ("code", "b")]) != forms([("code", "b"), ("code", "a")])
    assert forms([("code", "a")]) == form("code", "a")
