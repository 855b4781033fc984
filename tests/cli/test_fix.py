"""`nbcopilot fix` as a user types it: a diff, verified or not, written only where that is asked for."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from nbcopilot.cli.main import main

MODULE = '''"""Numbers."""
import math


def mean(values):
    # of numbers
    return sum(values) / len(values)


def spread(values):
    return math.sqrt(mean([(v - mean(values)) ** 2 for v in values]))


if __name__ == "__main__":
    raise SystemExit("never run here")
'''
TESTS = "import numbers_here\nfrom numbers_here import mean, spread\n\ndef test_one():\n    assert mean([1, 3, 8]) == 4\n\ndef test_none():\n    assert mean([]) == 0\n"
MENDED = MODULE.replace("/ len(values)", "/ (len(values) or 1)")


@pytest.fixture(autouse=True)
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBCOPILOT_MODEL", "fake")
    monkeypatch.setenv("NBCOPILOT_ANSWER_SECONDS", "0")  # a busy machine is no reason to leave a fix unverified


@pytest.fixture
def module(tmp_path: Path) -> Path:
    path = tmp_path / "numbers_here.py"
    path.write_text(MODULE)
    (tmp_path / "test_numbers_here.py").write_text(TESTS)
    return path


@pytest.fixture
def book(tmp_path: Path) -> Path:
    error = new_output(
        "error", ename="NameError", evalue="x", traceback=["\x1b[31mNameError\x1b[0m: name 'math' is not defined"]
    )
    cells = [
        new_code_cell("r = 2", id="a"),
        new_code_cell("area = math.pi * r", id="b", metadata={"tags": ["mine"]}, outputs=[error], execution_count=2),
        new_code_cell("shown = area", id="c"),
    ]
    path = tmp_path / "book.ipynb"
    nbformat.write(new_notebook(cells=cells), path)
    return path


def as_json(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    code = main(["fix", *words, "--json"])
    return code, json.loads(capsys.readouterr().out.splitlines()[-1])


def test_a_failing_test_leads_to_the_function_and_the_diff_is_verified(
    module: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fix", str(module)]) == 0
    said = capsys.readouterr()
    assert [row for row in said.out.splitlines() if row[0] in "+-"] == [
        f"--- {module}", f"+++ {module}", "-    return sum(values) / len(values)", "+    return sum(values) / (len(values) or 1)",
    ]  # fmt: skip
    assert "its cause appears to be in `mean` (line 7)" in said.err and "failed before, passes now" in said.err
    assert module.read_text() == MODULE


def test_in_place_changes_those_lines_and_nothing_else(module: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = as_json(capsys, str(module), "--in-place")
    assert (code, found["verified"], found["written"]) == (0, True, str(module))
    assert module.read_text() == MENDED
    code, found = as_json(capsys, str(module))
    assert (code, found["verified"], found["ok"]) == (1, False, False), (
        "nothing fails any more, and the model changes nothing"
    )


def test_a_plain_traceback_says_where(
    module: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    module.write_text(
        MODULE.replace('if __name__ == "__main__":\n    raise SystemExit("never run here")', "print(spread([]))")
    )
    frames = [(14, "<module>"), (11, "spread"), (7, "mean")]
    text = "".join(f'  File "/elsewhere/{module.name}", line {n}, in {name}\n    ...\n' for n, name in frames)
    monkeypatch.setattr(
        "sys.stdin", io.StringIO(f"Traceback (most recent call last):\n{text}ZeroDivisionError: division by zero\n")
    )
    code, found = as_json(capsys, str(module), "--error", "-")
    assert (code, found["verified"]) == (0, True), found
    assert "+    return sum(values) / (len(values) or 1)" in found["diff"]


def test_the_last_error_of_a_notebook_is_mended_in_the_user_s_own_cell(
    book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = as_json(capsys, str(book), "--in-place")
    assert code == 0 and found["diff"].splitlines()[0] == f"--- {book} cell #2"
    cells = nbformat.read(book, 4).cells
    nbformat.validate(nbformat.read(book, 4))
    assert [cell.id for cell in cells] == ["a", "b", "c"] and cells[1].metadata == {"tags": ["mine"]}
    assert cells[1].source == "import math\n\narea = math.pi * r"
    assert (cells[1].outputs, cells[1].execution_count) == ([], None)


def test_write_puts_a_labelled_cell_below(book: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fix", str(book), "--write"]) == 0
    cells = nbformat.read(book, 4).cells
    assert [cell.id for cell in cells][:2] == ["a", "b"] and cells[2].metadata.nbcopilot.role == "fix"
    assert "failed before, passes now" in cells[2].source.splitlines()[0]
    assert cells[2].metadata.nbcopilot.checks.fix == "passed"


def test_a_failing_test_cell_leads_to_the_cell_above(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cells = [new_code_cell("def mean(v):\n    return sum(v) / len(v)"), new_code_cell("n = mean([1])"),
             new_code_cell("def test_none():\n    assert mean([]) == 0")]  # fmt: skip
    path = tmp_path / "t.ipynb"
    nbformat.write(new_notebook(cells=cells), path)
    code, found = as_json(capsys, str(path))
    assert code == 0 and found["diff"].startswith(f"--- {path} cell #1") and found["verified"]


def test_what_shows_no_fault_is_said_to_be_unverified_or_not_mended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "calm.py"
    path.write_text("def inverse(n):\n    return 1 / n\n")
    assert main(["fix", f"{path}::inverse", "ZeroDivisionError for 0"]) == 1
    said = capsys.readouterr().err
    assert "No error and no failing test was found" in said
    assert "not verified: the cell as it was does not fail here" in said
    before = path.read_text()
    assert main(["fix", f"{path}::inverse", "ZeroDivisionError for 0", "--in-place"]) == 1
    assert "Not written, because it is not verified" in capsys.readouterr().err and path.read_text() == before
    assert main(["fix", f"{path}::inverse", "ZeroDivisionError", "--in-place", "--no-check"]) == 1
    assert "(n or 1)" in path.read_text()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["{tmp}/none.py"], "Give a .py file or a notebook"),
        (["{tmp}/numbers_here.py", "--write"], "Say --in-place"),
        (["{tmp}/numbers_here.py", "--test", "{tmp}/none.py"], "Name a .py file with test functions"),
        (["{tmp}/numbers_here.py", "--test", "{tmp}/broken.py"], "The tests are not valid Python"),
        (["{tmp}/numbers_here.py", "--error", "{tmp}/none.txt"], "cannot be read"),
        (["{tmp}/numbers_here.py", "--error", "{tmp}/empty.txt"], "The traceback is empty"),
        (["{tmp}/numbers_here.py", "--write", "--in-place"], "not allowed with"),
    ],
)
def test_bad_input_is_one_sentence(
    module: Path, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    (module.parent / "broken.py").write_text("def (")
    (module.parent / "empty.txt").write_text("\n")
    try:
        code = main(["fix", *(word.replace("{tmp}", str(module.parent)) for word in words)])
    except SystemExit as stop:
        code = int(str(stop.code))
    said = capsys.readouterr().err
    assert code == 2 and says in said and "Traceback" not in said and len(said.strip().splitlines()) == 1
    assert module.read_text() == MODULE


@pytest.mark.parametrize(
    ("function", "call", "error", "cure"),
    [
        (
            "import pandas as pd\n\ndef step(df):\n    return df.append({'a': 3}, ignore_index=True)",
            "data = step(pd.DataFrame({'a': [1]}))",
            ("AttributeError", "'DataFrame' object has no attribute 'append'", 4),
            "pd.concat",
        ),
        (
            "import numpy as np\n\ndef step(x):\n    return np.int(x)",
            "data = step(3.5)",
            ("AttributeError", "module 'numpy' has no attribute 'int'", 4),
            "return int(x)",
        ),
    ],
)
def test_a_rule_mends_the_cell_that_holds_the_cause_not_only_the_one_that_fails(
    function: str, call: str, error: tuple[str, str, int], cure: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, message, line = error
    shown = f"Cell In[2], line 1\n----> 1 {call}\nCell In[1], line {line}, in step(x)\n{name}: {message}"
    output = {"output_type": "error", "ename": name, "evalue": message, "traceback": [shown]}
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(function), nbformat.v4.new_code_cell(call)])
    made.cells[0].execution_count, made.cells[1].execution_count = 1, 2
    made.cells[1].outputs = [nbformat.from_dict(output)]
    path = tmp_path / "apart.ipynb"
    nbformat.write(made, path)
    assert main(["fix", str(path), "--in-place", "--model", "fake", "--engine", "in-process"]) == 0
    assert cure in nbformat.read(path, 4).cells[0].source
    assert "mended by rule" in capsys.readouterr().err


@pytest.mark.parametrize(("suffix", "fence"), [(".md", "python"), (".qmd", "{python}")])
def test_a_text_notebook_is_run_to_find_what_fails_and_that_cell_alone_is_mended(
    suffix: str, fence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head = "---\njupyter:\n  kernelspec:\n    display_name: Python 3\n    language: python\n    name: python3\n---\n\n"
    cells = ["values = [1, 2]", "total = sum(value)   ", "shown = total"]
    text = f"{head}# Sums  \n\n" + "\n\n".join(f"```{fence}\n{cell}\n```" for cell in cells) + "\n"
    path = tmp_path / f"sums{suffix}"
    path.write_text(text)
    assert main(["fix", str(path), "--in-place"]) == 0, capsys.readouterr()
    assert path.read_text() == text.replace("sum(value)   ", "sum(values)   ") or path.read_text() == text.replace(
        "sum(value)   ", "sum(values)"
    )
