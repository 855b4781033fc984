"""Text notebooks: document, strip, fix and testgen work on them as on an .ipynb, and change nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from nbcopilot.cli.main import main
from nbcopilot.errors import NotebookInvalidError, NotebookWriteError
from nbcopilot.notebook.document import loads

FAKE = ["--model", "fake", "--engine", "in-process"]
LOOP = "totals = []\nfor row in range(3):\n    totals.append(row)\nprint(totals)"
PROSE = "Some words about all of it."
TEXTS = {
    "a.py": f"# %% [markdown]\n# # Title\n#\n# {PROSE}\n\n# %%\nimport os\n\n# %%\n{LOOP}\n",
    "light.py": f"# ---\n# jupyter:\n#   kernelspec:\n#     display_name: Python 3\n#     language: python\n#     name: python3\n# ---\n\n# # Title\n#\n# {PROSE}\n\nimport os\n\n# +\n{LOOP}\n",
    "a.md": f"# Title\n\n{PROSE}\n\n```python\nimport os\n```\n\n## Part\n\n```python\n{LOOP}\n```\n",
    "a.Rmd": f"---\ntitle: Title\n---\n\n{PROSE}\n\n```{{python}}\nimport os\n```\n\n## Part\n\n```{{python}}\n{LOOP}\n```\n",
    "a.qmd": f"---\ntitle: Title\nformat: html\n---\n\n{PROSE}\n\n```{{python}}\n#| label: one\nimport os\n```\n\n## Part\n\n```{{python}}\n{LOOP}\n```\n",
}


@pytest.fixture(params=sorted(TEXTS))
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    pytest.importorskip("jupytext")
    made: Path = tmp_path / request.param
    made.write_text(TEXTS[request.param], encoding="utf-8")
    return made


def test_a_text_notebook_has_its_cells_and_its_bytes(path: Path) -> None:
    file = loads(path.read_bytes(), path)
    assert [cell["source"] for cell in file.cells if cell["cell_type"] == "code"][-1] == LOOP
    assert file.dumps(dict(file.node)) == path.read_bytes()


def test_what_document_writes_stands_in_the_text_and_strip_takes_it_back(path: Path) -> None:
    before = path.read_text(encoding="utf-8")
    assert main(["document", str(path), "--in-place", *FAKE]) == 0
    after = path.read_text(encoding="utf-8")
    assert "nbcopilot · fake" in after and after != before
    assert main(["document", str(path), "--check"]) == 0
    assert main(["strip", str(path), "--in-place"]) == 0
    assert path.read_text(encoding="utf-8") == before


@pytest.mark.parametrize("name", ["a.md", "a.qmd", "a.Rmd"])
def test_tests_and_explanations_are_made_of_a_text_notebook(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("jupytext")
    path = tmp_path / name
    fence = "```python" if name == "a.md" else "```{python}"
    code = "def double(x: int) -> int:\n    '''Twice x.'''\n    return 2 * x"
    path.write_text(f"# Title\n\n{fence}\n{code}\n```\n", encoding="utf-8")
    assert main(["testgen", f"{path}::double", "--write", *FAKE]) == 0
    assert "def test_" in path.read_text(encoding="utf-8")
    capsys.readouterr()
    assert main(["explain", f"{path}#2", *FAKE]) == 0
    assert "double" in capsys.readouterr().out


def test_a_script_without_cells_is_no_notebook_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text("x = 1\n", encoding="utf-8")
    with pytest.raises(NotebookInvalidError, match="is a script without cells"):
        loads(path.read_bytes(), path)


def test_without_jupytext_the_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jupytext", None)
    monkeypatch.setitem(sys.modules, "jupytext.formats", None)
    with pytest.raises(NotebookInvalidError, match=r"pip install 'nbcopilot\[text\]'"):
        loads(b"# T\n", "a.md")


def test_what_jupytext_would_change_elsewhere_is_not_written() -> None:
    pytest.importorskip("jupytext")
    odd = "# %%\n\n\n\nx = 1\n\n\n\n\n\n# %%    \ny = 2\n\n\n# %%\nz = 3\n"
    file = loads(odd.encode(), "a.py")
    more = file.new_cell("code", "new = 1", {}, cell_id="n")
    assert file.dumps({**file.node, "cells": [*file.node["cells"], more]}).decode() == odd + "\n# %%\nnew = 1\n"
    changed = [{**cell, "source": "mine = 1"} if i == 0 else cell for i, cell in enumerate(file.node["cells"])]
    try:
        made = file.dumps({**file.node, "cells": changed}).decode()
    except NotebookWriteError as exc:
        assert "would change other parts" in str(exc)
    else:
        assert "mine = 1" in made and made.endswith("# %%    \ny = 2\n\n\n# %%\nz = 3\n")
