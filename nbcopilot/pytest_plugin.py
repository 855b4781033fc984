"""A pytest plugin that collects the test cells of notebooks: one node a cell, below it pytest's own test nodes.

    pytest -p nbcopilot.pytest_plugin analysis.ipynb            analysis.ipynb::cell6::test_mean

Loaded by name only (`nbcopilot test` does so): it is no entry point, other people's test runs never see it. A test cell
is one that %testgen wrote; `--all-cells` takes every cell that defines tests. The cells that it stands on run first, in a
fresh module, in the notebook's folder; magics go to an IPython shell, a %%generate asks no model. Nothing is sandboxed:
these are the notebook's own cells, as `jupyter execute` would run them.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import linecache
import os
import signal
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any

import pytest

from nbcopilot.errors import NbcopilotError
from nbcopilot.notebook import conventions, dependencies, document, syntax
from nbcopilot.notebook.labels import is_label
from nbcopilot.types import Cell, Notebook
from nbcopilot.write.provenance import ours

TEST_SECONDS = 60.0


def pytest_addoption(parser: pytest.Parser) -> None:
    """The two options of the plugin."""
    group = parser.getgroup("nbcopilot", "tests in notebooks")
    group.addoption("--all-cells", action="store_true", help="also cells with tests that nbcopilot did not write")
    group.addoption(
        "--cell-seconds",
        type=float,
        default=TEST_SECONDS,
        metavar="SECONDS",
        help="longest time of a test in a notebook, and of a cell above it (default %(default)g; 0 is no limit)",
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> NotebookTests | None:
    """A notebook is a file of tests; every other file is somebody else's."""
    return NotebookTests.from_parent(parent, path=file_path) if file_path.suffix == ".ipynb" else None


class NotebookTests(pytest.File):
    """A notebook: its children are its test cells."""

    def collect(self) -> Iterator[pytest.Collector]:
        """One TestCell for each test cell, named by its place: cell1 is the first cell of the notebook."""
        try:
            notebook = document.read(self.path).snapshot()
        except NbcopilotError as exc:
            raise self.CollectError(str(exc)) from exc
        if not syntax.is_python(notebook.language):
            return
        for position, cell in enumerate(notebook.cells):
            if is_test_cell(cell, every=bool(self.config.getoption("--all-cells"))):
                name = f"cell{position + 1}"
                made = TestCell.from_parent(self, path=self.path, name=name, nodeid=f"{self.nodeid}::{name}")
                made.notebook, made.position = notebook, position
                yield made


def is_test_cell(cell: Cell, *, every: bool = False) -> bool:
    """Whether the cell holds tests that we wrote (told by its metadata, or its label where that was lost); `every`: any."""
    if cell.kind != "code" or not _defines_tests(cell.source):
        return False
    record = ours(cell.metadata)
    return every or (record["role"] == "tests" if record else is_label(cell.source.split("\n", 1)[0]))


def _defines_tests(source: str) -> bool:
    return any(d.name.startswith(("test", "Test")) for d in dependencies.definitions(source))


class TestCell(pytest.Module):
    """A test cell as a module: what it stands on has run in it. Fixtures, classes and parameters are pytest's."""

    __test__ = False
    notebook: Notebook
    position: int

    def _getobj(self) -> ModuleType:
        # pytest.Module imports a file here; a cell is no file.
        cell = self.notebook.cells[self.position]
        module = ModuleType(f"notebook_{self.path.stem}_{self.name}")
        sys.modules[module.__name__] = module  # dataclasses and pickle look their module up
        with self.in_folder():
            for above in dependencies.upstream(self.notebook, cell.source, self.position):
                self._execute(above, module, needed=True)
            self._execute(cell, module)
        return module

    def _execute(self, cell: Cell, module: ModuleType, *, needed: bool = False) -> None:
        position = self.notebook.index(cell.id)
        place = f"cell {position + 1}" if position is not None else "a cell that is gone"
        what = f"{place} of {self.path.name}" + (f", which {self.name} needs," if needed else "")
        seconds = float(self.config.getoption("--cell-seconds"))
        try:
            with time_limit(seconds):
                run_cell(cell.source, module, f"{self.path}#{place.removeprefix('cell ')}", self.config)
        except TimeLimitError:
            raise self.CollectError(f"{what} did not finish in {seconds:g} s") from None
        except (Exception, SystemExit) as exc:
            if needed and conventions.expects_error(cell.source, cell.metadata):
                return  # it shows an error on purpose; what it bound before counts
            line = next((f.lineno for f in reversed(inspect.trace()) if f.filename.startswith(f"{self.path}#")), None)
            where = f" in line {line}" if line else ""
            raise self.CollectError(f"{what} failed: {type(exc).__name__}: {exc}{where}") from None

    @contextmanager
    def in_folder(self) -> Iterator[None]:
        """The notebook's folder as working directory and first on the path, as a kernel has it."""
        before, folder = os.getcwd(), str(self.path.parent)
        os.chdir(folder)
        if folder not in sys.path:
            sys.path.insert(0, folder)
        try:
            yield
        finally:
            os.chdir(before)


def run_cell(source: str, module: ModuleType, filename: str, config: pytest.Config | None = None) -> None:
    """Run a cell in `module`: IPython syntax and top-level await understood, asserts rewritten as pytest does."""
    plain = syntax.transform(source)
    if syntax.foreign_magic(source):
        return  # another language: it defines nothing here
    if "get_ipython" in plain:
        module.__dict__.setdefault("get_ipython", _shell_for(module))
    linecache.cache[filename] = (len(plain), None, plain.splitlines(keepends=True), filename)
    tree = ast.parse(plain, filename)
    _rewrite_asserts(tree, plain, filename, config)
    code: CodeType = compile(tree, filename, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    result = eval(code, module.__dict__)
    if code.co_flags & inspect.CO_COROUTINE:
        asyncio.run(result)


def _rewrite_asserts(tree: ast.Module, source: str, filename: str, config: pytest.Config | None) -> None:
    try:
        from _pytest.assertion.rewrite import rewrite_asserts
    except ImportError:  # pragma: no cover  # not public: without it a failed assert shows no values
        return
    rewrite_asserts(tree, source.encode("utf-8", "surrogatepass"), filename, config)


def _shell_for(module: ModuleType) -> Any:
    """`get_ipython` for cells with magics: a shell of their own, made on the first call, without history."""
    made: list[Any] = []

    def get_ipython() -> Any:
        if not made:
            from IPython.core.interactiveshell import InteractiveShell
            from traitlets.config import Config

            settings = Config({"HistoryManager": {"enabled": False}})
            shell: Any = InteractiveShell  # untyped in IPython
            made.append(shell(user_module=module, config=settings))
            made[0].enable_gui = lambda gui=None: None  # %matplotlib asks for one; there is no window
        return made[0]

    return get_ipython


# --------------------------------------------------------------------------- limits


class TimeLimitError(Exception):
    """A cell or test took longer than it may."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeLimitError after so long, where the system has timers and this is the main thread; 0 is no limit."""

    def late(number: int, frame: FrameType | None) -> None:
        raise TimeLimitError(f"did not finish in {seconds:g} s")

    try:
        before = signal.signal(signal.SIGALRM, late) if seconds else None
    except (AttributeError, ValueError):
        before = None
    if before is None:
        yield
        return
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Tests of a notebook run in its folder, for so long at most."""
    cell = item.getparent(TestCell)
    if cell is None:
        return (yield)
    seconds = float(item.config.getoption("--cell-seconds"))
    with cell.in_folder():
        with suppress(TimeLimitError), time_limit(seconds):
            return (yield)
        pytest.fail(f"{item.name} did not finish in {seconds:g} s", pytrace=False)
