"""`nbcopilot test` and its pytest plugin as CI runs them: real notebooks, a process of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from nbcopilot.pytest_plugin import is_test_cell
from nbcopilot.types import Cell

OURS = {"nbcopilot": {"schema": 1, "role": "tests"}}
CELLS = {
    "setup": "import asyncio\n%config Application.log_level = 30\nrows = open('d.csv').read().split()\nN = len(rows)",
    "code": "%%testgen\ndef double(x):\n    return 2 * x * N",
    "broken": "await asyncio.sleep(0)\nbroken = 1 / 0",
    "tests": """# nbcopilot · tiny · 3 tests pass
import pytest

@pytest.fixture
def one():
    return 1

@pytest.mark.parametrize("x, y", [(1, 2), (2, 5)])
def test_many(x, y):
    assert double(x) == y

class TestDouble:
    def test_fixture(self, one, tmp_path):
        assert open("d.csv").read() and double(one) == 2

if __name__ == "__main__":
    raise SystemExit("the lines for the notebook do not run under pytest")
""",
    "hang": "def test_hang():\n    while True: pass\n\ndef test_after():\n    assert double(0) == 0",
    "needs": "def test_needs():\n    assert broken",
    "mine": "def test_mine():\n    assert True",
}


def book(path: Path, *names: str) -> Path:
    cells = [new_code_cell(CELLS[n], metadata=OURS if n in ("tests", "hang", "needs") else {}) for n in names]
    nbformat.write(new_notebook(cells=cells), path)
    path.with_name("d.csv").write_text("a\n")
    return path


def run(folder: Path, *words: object) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "nbcopilot", "test", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr


def test_each_cell_is_a_node_and_junit_and_json_say_the_same(tmp_path: Path) -> None:
    path = book(tmp_path / "a b.ipynb", *CELLS)
    (tmp_path / "bad.ipynb").write_text("{")
    code, out, _ = run(tmp_path, path, "bad.ipynb", "--cell-seconds=3", "--json", "--junit=r.xml")
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    assert code == 1
    counts = {k: found[k] for k in ("notebooks", "tests", "passed", "failed", "errors", "skipped")}
    assert counts == {"notebooks": 2, "tests": 5, "passed": 3, "failed": 2, "errors": 2, "skipped": 0}, out
    messages = {f["test"].split("::", 1)[-1]: f["message"] for f in found["failures"]}
    assert messages == {
        "cell4::test_many[2-5]": "assert 4 == 5",
        "cell5::test_hang": "Failed: test_hang did not finish in 3 s",
        "cell6": "cell 3 of a b.ipynb, which cell6 needs, failed: ZeroDivisionError: division by zero in line 2",
        "bad.ipynb": f"{tmp_path}/bad.ipynb is not JSON: expected a key in double quotes (line 1, column 2). Is it a notebook?",
    }
    assert "where 4 = double(2)" in out, "asserts are rewritten as pytest does"
    cases = ElementTree.parse(tmp_path / "r.xml").getroot().iter("testcase")
    assert {(c.get("classname"), c.get("name")) for c in cases} >= {
        ("a b.ipynb.cell4", "test_many[1-2]"),
        ("a b.ipynb.cell4.TestDouble", "test_fixture"),
        ("a b.ipynb.cell5", "test_after"),
    }


def test_one_cell_by_its_number_and_green_is_exit_0(tmp_path: Path) -> None:
    path = book(tmp_path / "a.ipynb", "setup", "code", "hang", "tests", "mine")
    code, out, _ = run(tmp_path, f"{path}#4", "--pytest=-v -x", "-k", "not 2-5")
    assert code == 0 and "a.ipynb::cell4::test_many[1-2]" not in out and "2 passed" in out, out
    code, out, _ = run(tmp_path, path, "--all-cells", "-k", "mine or after")
    assert code == 0 and "2 passed" in out


def test_nothing_to_test_is_one_sentence_and_exit_2(tmp_path: Path) -> None:
    path = book(tmp_path / "a.ipynb", "mine")
    code, _, said = run(tmp_path, path)
    assert (code, said.count("\n")) == (2, 1)
    assert "No test cell to run. Write some: nbcopilot testgen" in said and "--all-cells" in said
    code, _, said = run(tmp_path, "b.ipynb")
    assert code == 2 and "Did you mean a.ipynb?" in said


def test_other_people_s_pytest_never_collects_a_notebook(tmp_path: Path) -> None:
    book(tmp_path / "a.ipynb", "setup", "code", "tests")
    (tmp_path / "test_own.py").write_text("import sys\ndef test_own():\n    assert 'nbcopilot' not in sys.modules\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    plain = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert "1 passed" in plain.stdout, plain.stdout
    asked = subprocess.run(
        [*command, "-p", "nbcopilot.pytest_plugin", "a.ipynb"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert "1 failed, 2 passed" in asked.stdout, asked.stdout


@pytest.mark.parametrize(
    ("source", "metadata", "ours"),
    [
        (CELLS["mine"], {}, False),
        (CELLS["mine"], OURS, True),
        ("# nbcopilot · tiny · 1 test passes\n" + CELLS["mine"], {}, True),  # the metadata was lost
        (CELLS["mine"], {"nbcopilot": {"role": "code"}}, False),
        ("# These disagree with the code.", OURS, False),
    ],
)
def test_a_test_cell_is_told_by_its_metadata_or_its_label(source: str, metadata: dict[str, Any], ours: bool) -> None:
    assert is_test_cell(Cell("a", "code", source, metadata=metadata)) is ours
