"""Tracebacks of every writer are read once, into frames."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbcopilot.notebook.tracebacks import Frame, Traceback, missing_name, read

IPYTHON_9 = """---------------------------------------------------------------------------
NameError                                 Traceback (most recent call last)
Cell In[4], line 2
      1 y = 1
----> 2 area(y)

Cell In[2], line 3, in area(r)
      2 def area(r):
----> 3     return PI * r

NameError: name 'PI' is not defined"""
VS_CODE = """Cell In[5], [line 2](vscode-notebook-cell:?execution_count=5&line=2)
      [1](vscode-notebook-cell:?execution_count=5&line=1) y = 1
----> [2](vscode-notebook-cell:?execution_count=5&line=2) area(y)

File c:\\env\\shop.py:7, in area(r)
      [6](file:///c:/env/shop.py:6) def area(r):
----> [7](file:///c:/env/shop.py:7)     return PI * r

NameError: name 'PI' is not defined"""
PLAIN = """Traceback (most recent call last):
  File "/home/a/shop.py", line 12, in <module>
    total([])
  File "/home/a/shop.py", line 3, in total
    return xs[0]
shop.errors.Empty: nothing: to add"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (IPYTHON_9, Traceback((Frame(2, 4), Frame(3, 2, "area")), "NameError", "name 'PI' is not defined", 2)),
        (
            PLAIN,
            Traceback(
                (Frame(12, None, "<module>", "/home/a/shop.py"), Frame(3, None, "total", "/home/a/shop.py")),
                "Empty",
                "nothing: to add",
            ),
        ),
        (  # jupyter-ai#1244, vscode-jupyter#14666: links in the saved traceback
            VS_CODE,
            Traceback(
                (Frame(2, 5), Frame(7, None, "area", r"c:\env\shop.py")), "NameError", "name 'PI' is not defined", 2
            ),
        ),
        ("Input In [7], in area(r)\nKeyError: 'x'", Traceback((Frame(None, 7, "area"),), "KeyError", "'x'")),
        ("Input In [7], in <cell line: 2>()", Traceback((Frame(2, 7),), "Input In [7], in <cell line", "2>()")),
        (
            "<ipython-input-5-ab12> in area(r)",
            Traceback((Frame(None, 5, "area"),), "<ipython-input-5-ab12> in area(r)", ""),
        ),
        ('E     File "x.py", line 9', Traceback((Frame(9, None, "", "x.py"),), 'E     File "x', "")),
        ("", Traceback((), "", "")),
    ],
)
def test_frames_error_and_arrow_are_read_whoever_wrote_them(text: str, expected: Traceback) -> None:
    found = read(text)
    assert (found.frames, found.arrow) == (expected.frames, expected.arrow)
    if "Error" in text or "Empty" in text:
        assert found == expected


def test_frames_of_files_are_no_cells() -> None:
    assert read(PLAIN).in_cells == () and len(read(IPYTHON_9).in_cells) == 2


def test_only_a_name_error_has_a_missing_name() -> None:
    assert missing_name("NameError", "name 'PI' is not defined. Did you mean: 'pi'?") == "PI"
    assert missing_name("KeyError", "name 'PI' is not defined") == missing_name("NameError", "odd") == ""


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    assert isinstance(read(text), Traceback)
