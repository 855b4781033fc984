"""Rules on code that is not run: what is an error, what is fine, and what is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from diagnosing import static

from nbcopilot.checking import check
from nbcopilot.checks.registry import area, hint, message
from nbcopilot.config import Config
from nbcopilot.types import Candidate, Notebook, Task
from nbcopilot.verdict import Diagnostic


def found(code: str, *names: str) -> list[tuple[str, str, int | None]]:
    return [(area(f), f.severity, f.line) for f in static(code, *names)]


def only(code: str, *names: str) -> Diagnostic:
    (finding,) = static(code, *names)
    return finding


@pytest.mark.parametrize(
    "code",
    [
        "x = 1\nprint(x)",
        "%matplotlib inline\nimport os\nos.getcwd()",
        "%%time\nx = 1",
        "files = !ls\nprint(files)",
        "%time x = df.head()",
        "df?",
        "?df",
        "await df.load()",
        "async for row in df:\n    print(row)",
        "  x = 1\n  y = 2",
        "%%bash\nls -la | grep $x",
        "%%html\n<b>hi</b>",
        "def f():\n    return g()\ndef g():\n    return 1",
        "try:\n    import cupy\nexcept ImportError:\n    cupy = None",
        "try:\n    df2\nexcept NameError:\n    df2 = 1",
        "if df:\n    a = 1\nelse:\n    a = 2\nprint(a)",
        "with open('x') as h:\n    print(h)",
        "[y := 1, y]",
        "match df:\n    case {'a': b, **rest}:\n        print(b, rest)",
        "display(df); get_ipython(); print(_, _3, In, Out)",
        "class A:\n    def f(self) -> 'A':\n        return __class__",
        "global_x = 1\ndef f():\n    global made\n    made = global_x\nf()\nprint(made)",
        "lambda df: df",
        "print(__name__)",
    ],
)
def test_nothing_is_said_of_good_code(code: str) -> None:
    notebook = Notebook(namespace=(), names=frozenset({"df"}))
    assert check(Candidate(code), Task("generate"), notebook, Config()).diagnostics == ()


@pytest.mark.parametrize(
    ("code", "line", "says"),
    [
        ("x = 1\nfor y in x\n    pass", 2, "expected ':'"),
        ("return 1", 1, "outside function"),
        ("break", 1, "outside loop"),
        ("x = 'abc", 1, "unterminated"),
        ("Here is the code you want", 1, "invalid syntax"),
        ("x = \0", None, "null bytes"),
        ("(" * 5000, None, "nested"),
        ("x = '\ud800'", None, "source"),
        ("def f():\nreturn 1", 2, "indented block"),
    ],
)
def test_syntax_errors_say_the_line_and_the_text(code: str, line: int | None, says: str) -> None:
    finding = only(code)
    assert (area(finding), finding.severity) == ("syntax", "error")
    assert says in message(finding).lower()
    assert line is None or finding.line == line


def test_undefined_names_are_found_with_the_nearest_known_one() -> None:
    finding = only("print(dframe)", "dframes")
    assert (area(finding), finding.severity, finding.line) == ("names", "error", 1)
    assert message(finding) == "`dframe` is not defined"
    assert hint(finding) == "Did you mean `dframes`?"


@pytest.mark.parametrize(
    "code", ["print(y)\ny = 1", "[i for i in range(3)]\ni", "def f():\n    return zzz\nf()", "del x\nx"]
)
def test_use_before_definition_is_found(code: str) -> None:
    assert [f[0] for f in found(code, *(["x"] if "del" not in code else []))][:1] == ["names"]


def test_a_missing_usual_import_is_named() -> None:
    assert hint(only("x = np.zeros(3)")) == "Add `import numpy as np`"
    assert hint(only("def f(x: List[int]):\n    return x")) == "Add `from typing import List`"


def test_a_star_import_makes_it_a_remark() -> None:
    assert found("from math import *\nprint(sin(1))") == [("names", "info", 2)]
    assert found("print(sin(1))", "*") == [("names", "info", 1)]


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("import cv2", "%pip install opencv-python"),
        ("from skimage.io import imread", "%pip install scikit-image"),
        ("import surely_not_there.sub as s", "%pip install surely_not_there"),
        ("def f():\n    import telegram", "%pip install python-telegram-bot"),
    ],
)
def test_imports_that_are_not_installed_come_with_the_pip_line(code: str, line: str) -> None:
    finding = only(code)
    assert (area(finding), finding.severity, hint(finding)) == ("imports", "error", line)


def test_imports_are_looked_up_without_being_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "loud_module.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    assert found("import loud_module") == []


def test_local_modules_of_the_notebook_folder_count_as_installed(tmp_path: Path) -> None:
    (tmp_path / "helpers_of_nb.py").write_text("")
    assert found("import helpers_of_nb")[0][0] == "imports"
    assert static("import helpers_of_nb", folders=(tmp_path,)) == []


def test_a_module_that_its_package_lacks_is_a_warning() -> None:
    assert found("import json.nothing") == [("imports", "warning", 1)]
    assert found("import os.path, xml.etree.ElementTree, numpy.linalg") == []


def test_other_languages_are_left_alone() -> None:
    for code, language in (("x <- c(1, 2)", "r"), ("let x = 1", "julia-1.9")):
        verdict = check(Candidate(code), Task("generate"), Notebook(language=language), Config())
        assert verdict.ok and verdict.checks["syntax"] == "not-run"
