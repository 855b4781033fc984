"""A live shell becomes a Notebook: order of execution, names, the last error, and the saved file's text."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config as Settings

from nbcopilot.config import Config
from nbcopilot.errors import EmptyPromptError
from nbcopilot.notebook import live, tracking
from nbcopilot.types import Notebook


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A shell of its own, with a `%%peek` that keeps the snapshot of the running cell in `shell.seen`."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    monkeypatch.chdir(tmp_path)
    made: Any = InteractiveShell(config=Settings({"HistoryManager": {"enabled": False}}))
    for name in ("last_value", "last_exc"):  # of an earlier test
        sys.__dict__.pop(name, None)
    made.__dict__["seen"] = []

    def peek(line: str, cell: str | None = None) -> None:
        made.seen.append(live.snapshot(made, cell or line, line or None, Config()))

    made.register_magic_function(peek, "line_cell")
    yield made
    tracking.unwatch(made)


@pytest.fixture
def run(shell: Any) -> Callable[..., Notebook]:
    """Run sources as cells of the shell, then `%%peek` with the last one as its body."""

    def go(*sources: str, request: str = "say", cell_id: str = "") -> Notebook:
        for source in sources:
            shell.run_cell(source, store_history=True)
        shell.run_cell(f"%%peek {cell_id}\n{request}\n", store_history=True)
        seen: Notebook = shell.seen[-1]
        return seen

    return go


def test_cells_come_in_order_of_execution_and_the_running_one_is_last(run: Callable[..., Notebook]) -> None:
    notebook = run("x = 1", "y = x", request="use y", cell_id="abc")
    assert [(cell.source, cell.executed) for cell in notebook.cells] == [
        ("x = 1", 1), ("y = x", 2), ("%%peek abc\nuse y\n", None),
    ]  # fmt: skip
    assert notebook.cells[2].id == "abc" and notebook.cursor == 2
    assert notebook.history == ("x = 1", "y = x")


def test_without_a_running_cell_the_cursor_is_the_last(shell: Any, run: Callable[..., Notebook]) -> None:
    shell.run_cell("x = 1", store_history=True)
    notebook = live.snapshot(shell, "", None, Config())
    assert notebook.cursor == 0 and notebook.history == ("x = 1",)


def test_a_shell_that_ran_nothing_has_no_cells(shell: Any) -> None:
    notebook = live.snapshot(shell, "", None, Config())
    assert notebook.cells == () and notebook.cursor is None


def test_the_same_text_run_twice_is_one_cell(run: Callable[..., Notebook]) -> None:
    notebook = run("x = 1", "y = 2", "x = 1")
    assert [(cell.source, cell.executed) for cell in notebook.cells[:-1]] == [("y = 2", 2), ("x = 1", 3)]


def test_names_and_variables_are_the_users_with_those_of_the_request_first(run: Callable[..., Notebook]) -> None:
    notebook = run("first = [1, 2]", "last = 3", request="sum first")
    assert [(v.name, v.summary) for v in notebook.namespace or ()] == [
        ("first", "list of 2 int: 1, 2"),
        ("last", "int 3"),
    ]
    assert {"first", "last", "get_ipython"} <= notebook.names


@pytest.mark.parametrize("watched", [True, False])
def test_the_last_error_comes_with_its_cell_and_a_plain_traceback(
    shell: Any, run: Callable[..., Notebook], watched: bool
) -> None:
    if watched:
        tracking.watch(shell)
    notebook = run("def f(n):\n    return 1 / n", "f(0)", "x = 1")
    error = notebook.error
    assert error is not None and (error.name, error.message, error.source) == (
        "ZeroDivisionError",
        "division by zero",
        "f(0)",
    )
    assert error.traceback.startswith("Cell In[2], line 1\n    f(0)\nCell In[1], line 2, in f\n    return 1 / n\n")
    assert error.traceback.endswith("ZeroDivisionError: division by zero") and "\x1b" not in error.traceback
    assert notebook.cell(error.cell_id) is not None


def test_an_error_from_before_the_watch_is_known_after_it(run: Callable[..., Notebook]) -> None:
    run("f()", request="first use")
    error = run("x = 1").error
    assert error is not None and error.source == "f()"


def test_an_error_is_forgotten_when_its_cell_runs_well(shell: Any, run: Callable[..., Notebook]) -> None:
    tracking.watch(shell)
    shell.run_cell("y", store_history=True, cell_id="one")
    assert run("x = 1").error is not None
    shell.run_cell("y = 1", store_history=True, cell_id="one")
    notebook = run()
    assert notebook.error is None
    assert [cell.id for cell in notebook.cells].count("one") == 1 and notebook.cell("one").source == "y = 1"  # type: ignore[union-attr]


def test_an_error_of_our_own_is_not_the_users(shell: Any, run: Callable[..., Notebook]) -> None:
    tracking.watch(shell)
    shell.user_ns["E"] = EmptyPromptError
    assert run("y", "raise E('x')").error.name == "NameError"  # type: ignore[union-attr]


def test_a_syntax_error_has_its_line(shell: Any, run: Callable[..., Notebook]) -> None:
    tracking.watch(shell)
    error = run("x = = 1").error
    assert error is not None and error.name == "SyntaxError" and "x = = 1" in error.traceback


def test_a_deep_recursion_is_short() -> None:
    def down(n: int) -> int:
        return down(n + 1)

    with pytest.raises(RecursionError) as caught:
        down(0)
    error = tracking.error_info(caught.value, None, "")
    assert "frames left out" in error.traceback and len(error.traceback) < 1000


def test_an_error_whose_text_cannot_be_had_is_still_named() -> None:
    class Odd(Exception):
        def __str__(self) -> str:
            raise ValueError

    assert tracking.error_info(Odd(), None, "").message == "<message unavailable>"


def test_watching_twice_is_watching_once_and_can_end(shell: Any) -> None:
    assert tracking.watch(shell) is tracking.watch(shell)
    tracking.unwatch(shell)
    assert tracking.runs_of(shell) is None


# --------------------------------------------------------------------------- the saved file


def save(path: Path, *cells: Any) -> None:
    nbformat.write(nbformat.v4.new_notebook(cells=list(cells)), path)


def test_the_saved_file_gives_text_order_and_ids(
    shell: Any, run: Callable[..., Notebook], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, text = nbformat.v4.new_code_cell, nbformat.v4.new_markdown_cell
    save(
        tmp_path / "sales.ipynb",
        text("# Sales", id="t"),
        code("x = 1", id="a", execution_count=7),
        code("never_ran = 1", id="b", execution_count=9),
        code("%%peek d\nsay\n", id="d"),
        code("below = 1", id="e"),
    )
    monkeypatch.setenv("JPY_SESSION_NAME", "work/sales.ipynb")
    notebook = run("x = 1", "unsaved = 2", cell_id="d")
    assert notebook.path == tmp_path / "sales.ipynb"
    assert [(cell.id, cell.executed) for cell in notebook.cells] == [
        ("t", None), ("a", 1), ("b", None), ("In[2]", 2), ("d", None), ("e", None),
    ]  # fmt: skip
    assert notebook.cursor == 4


def test_vs_code_says_the_path_in_the_namespace(shell: Any, run: Callable[..., Notebook], tmp_path: Path) -> None:
    save(tmp_path / "x.ipynb")
    shell.user_ns["__vsc_ipynb_file__"] = str(tmp_path / "x.ipynb")
    assert run().path == tmp_path / "x.ipynb"


@pytest.mark.parametrize("content", [b"", b"no json", b"[]", b'{"cells": 3, "nbformat": 4}'])
def test_a_broken_file_costs_nothing(
    shell: Any, run: Callable[..., Notebook], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    (tmp_path / "x.ipynb").write_bytes(content)
    monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / "x.ipynb"))
    assert run("x = 1").cells[0].source == "x = 1"


# --------------------------------------------------------------------------- nothing gets through


class Hostile:
    def __getattribute__(self, name: str) -> Any:
        time.sleep(3600)


class Broken:
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


def test_a_hostile_namespace_is_survived(shell: Any, run: Callable[..., Notebook]) -> None:
    shell.user_ns.update({"bad": Hostile(), 5: "odd key", "a b": 1})
    notebook = run()
    (bad,) = [variable for variable in notebook.namespace or () if variable.name == "bad"]
    assert "Hostile" in bad.summary


def test_a_broken_shell_gives_an_empty_notebook() -> None:
    notebook = live.snapshot(Broken(), "x", None, Config())
    assert notebook.cells == () and notebook.cursor is None and notebook.error is None
