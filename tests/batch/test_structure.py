"""Which cells need no text, and titles from names of files."""

from __future__ import annotations

import pytest

from nbcopilot.batch import structure


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import os\nfrom a import b", True),
        ("import matplotlib.pyplot as plt\nplt.style.use('ggplot')\nplt.rcParams.update()", True),
        ("SEED = 3\nFILE = 'a.csv'", True),
        ("con.close()", True),
        ("import pandas as pd\ndf = pd.read_csv('a.csv')", False),
        ("rows = [1, 2, 3]", False),
        ("df.dropna(inplace=True)", False),
        ("main()", False),
        ("def f(): pass", False),
        ("not python at all", False),
        ("", False),
    ],
)
def test_imports_constants_and_settings_are_trivial(source: str, expected: bool) -> None:
    assert structure.is_trivial(source) is expected


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
