"""The language of a notebook and of each cell, also where the metadata lies."""

from __future__ import annotations

from pathlib import Path

import pytest

from nbcopilot.notebook import document
from nbcopilot.notebook.language import canonical, cell_language, notebook_language

NOTEBOOKS = Path(__file__).parent.parent / "data" / "notebooks"


@pytest.mark.parametrize(
    ("said", "name"),
    [("Python", "python"), ("python3", "python"), ("ipython", "python"), ("R", "r"), ("ir", "r"), ("C++17", "c++"), ("xcpp17", "c++"),
     (".net-csharp", "c#"), ("julia-1.10", "julia"), ("scala213", "scala"), ("PowerShell", "powershell"), ("iqsharp", "q#")],
)  # fmt: skip
def test_names_are_canonical(said: str, name: str) -> None:
    assert canonical(said) == name


def test_metadata_is_read_from_the_surest_place() -> None:
    assert notebook_language({"language_info": {"name": "julia"}, "kernelspec": {"language": "python"}}) == "julia"
    assert notebook_language({"kernelspec": {"name": "ir"}}) == "r"
    assert notebook_language({"language": "haskell"}) == "haskell"
    assert notebook_language({}) == notebook_language(None) == notebook_language({"kernelspec": "x"}) == "python"


def test_code_that_cannot_be_python_is_believed_over_the_kernelspec() -> None:
    assert document.read(NOTEBOOKS / "kernelspec_says_python_but_it_is_javascript.ipynb").language == "javascript"
    python = {"language_info": {"name": "python"}}
    assert notebook_language(python, ["x <- c(1, 2)\nlibrary(dplyr)", "y <- mean(x) %>% print"]) == "r"


@pytest.mark.parametrize(
    "source", ["print 'python 2'", "x = ", "x = 1", "%%javascript\nconst x = 1", "def f(:", "???", ""]
)
def test_broken_or_old_python_stays_python(source: str) -> None:
    assert notebook_language({"kernelspec": {"language": "python"}}, [source]) == "python"


def test_cells_may_switch_language() -> None:
    cells = document.read(NOTEBOOKS / "cells_of_other_languages.ipynb").snapshot().cells
    assert [cell_language(cell.source) for cell in cells] == ["python", "bash", "r", "python", "javascript"]
    assert cell_language("%%script ruby --x\nputs 1") == "ruby"
    assert cell_language("#!fsharp\nlet x = 1", "c#") == "f#"
    assert cell_language("x", "c#", {"dotnet_interactive": {"language": "pwsh"}}) == "powershell"
    assert cell_language("x", "sos", {"kernel": "R"}) == "r"
    assert cell_language("x = 1", "julia") == "julia"
