"""`nbcopilot fix PATH`: the smallest edit that mends a notebook or a .py file, as a diff, and whether it is verified.

It starts from the last error in the notebook's outputs, a traceback (--error), or a test that fails. The cell or
function at fault is often another one than the one that failed.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from nbcopilot.checks import registry, wording
from nbcopilot.cli import cells, screen
from nbcopilot.config import Config
from nbcopilot.errors import NotebookNotFoundError, UsageError
from nbcopilot.events import EditReady
from nbcopilot.notebook import conventions, dependencies, document, syntax, tracebacks
from nbcopilot.notebook.fault import at_fault
from nbcopilot.notebook.marks import directives
from nbcopilot.notebook.outputs import strip_ansi
from nbcopilot.sandbox.runner import Runner
from nbcopilot.session import Session
from nbcopilot.task import make_task
from nbcopilot.testgen.failing import first_failing
from nbcopilot.types import Cell, ErrorInfo, Notebook, Target
from nbcopilot.write import diff, files
from nbcopilot.write.cells import require_unlocked, with_cells

_TEST = "tests"  # the id of a test that is not a cell of the notebook


def add_parser(commands: Any) -> None:
    """Add the command."""
    sub = commands.add_parser(
        "fix",
        help="mend a failing cell or function",
        description="Proposes the smallest edit as a diff, from the last error in a notebook's outputs, a traceback "
        "(--error) or a test that fails. Exit code: 0 verified (it failed before and passes now), 1 not verified or not found.",
    )
    sub.add_argument("target", metavar="PATH[::name|#cell]", help="a notebook or a .py file, and what in it")
    sub.add_argument("hint", nargs="?", default="", help="what is wrong, in words")
    sub.add_argument("--test", type=Path, metavar="FILE", help="tests of a .py file (default: test_NAME.py beside it)")
    sub.add_argument("--error", metavar="FILE", help="a traceback to start from; - is standard input")
    where = sub.add_mutually_exclusive_group()
    where.add_argument("--write", action="store_true", help="write the mended cell below the one at fault")
    where.add_argument("--in-place", action="store_true", help="write a verified edit into the cell or file itself")
    cells.add_options(sub)


def run(args: argparse.Namespace) -> int:
    """Find the fault, show the edit, write it where that is asked for and the checks accept it."""
    config = cells.load_config(args)
    path, name = cells.split_target(args.target)
    if args.write and path.suffix == ".py":
        raise UsageError("--write takes a notebook", hint="say --in-place to edit the file itself")
    before = path.read_bytes()
    notebook, target = _failure(args, path, name, config)
    if notebook.error is None and not (name or args.hint) and _shows_errors(notebook):
        return _nothing(args)
    if notebook.error is None and not args.json:
        screen.notice("no error and no failing test was found: the code alone is looked at")
    ready = cells.answer(Session(config), make_task("fix", config, args.hint, target), notebook, quiet=args.json)
    if ready is None:
        return 1
    text = _diff(path, target, ready, before)
    written = ""
    lock = _lock(args, path, notebook, target)
    try:
        verified = bool(ready.verdict.evidence.verified) or args.no_check
        if ready.verdict.ok and not lock and (args.write or (args.in_place and verified)):
            written = _write(args, path, target, ready, before)
    finally:
        _show(args, ready, text, written, lock)
    if lock:
        return 1
    return 0 if ready.verdict.evidence.verified else 1


def _shows_errors(notebook: Notebook) -> bool:
    """Whether the notebook has outputs that are errors: here those that it shows on purpose."""
    return any(output.kind == "error" for cell in notebook.cells for output in cell.outputs)


def _nothing(args: argparse.Namespace) -> int:
    said = "there is nothing to mend: the only errors are those that the notebook shows on purpose"
    if args.json:
        print(json.dumps({"kind": "fix", "ok": True, "diff": "", "verified": False, "written": "", "note": said}))
    else:
        screen.notice(said)
    return 0


def _lock(args: argparse.Namespace, path: Path, notebook: Notebook, target: Target) -> str:
    """Why the cell at fault may not be edited in place, as a sentence; "" when it may."""
    cell = notebook.cell(target.cell_id) if args.in_place and path.suffix != ".py" else None
    reason = conventions.locked(cell.metadata) if cell is not None else ""
    return f"cell #{(target.position or 0) + 1} is locked ({reason}); nothing was written" if reason else ""


def _show(args: argparse.Namespace, ready: EditReady, text: str, written: str, lock: str = "") -> None:
    if args.json:
        verified = bool(ready.verdict.evidence.verified)
        why = {"not_verified": wording.why(doubt)} if (doubt := ready.verdict.evidence.unverified) is not None else {}
        why |= {"locked": lock} if lock else {}
        found = {**cells.report(args, ready, written), "diff": text, "verified": verified, **why}
        print(json.dumps(found))
        return
    print(text, end="", flush=True)
    if not ready.verdict.ok:
        wrong = next(map(registry.message, ready.verdict.errors), "the checks reject it")
        tried = "the best answer is shown" if text else "the model changes nothing"
        unwritten = " and nothing was written" if args.write or args.in_place else ""
        screen.notice(f"not mended: {tried}{unwritten}: {wrong}")
        return
    print(cells.verdict_line(ready.verdict), file=sys.stderr)
    if written:
        print(f"Written to {written}", file=sys.stderr)
    elif lock:
        screen.notice(lock)
    elif args.in_place:
        screen.notice("not written, because it is not verified; --no-check writes it all the same")


# --------------------------------------------------------------------------- what failed


def _failure(args: argparse.Namespace, path: Path, name: str, config: Config) -> tuple[Notebook, Target]:
    """The notebook with the error to start from, and the cell or function at fault."""
    is_module = path.suffix == ".py"
    notebook, target = cells.for_code(path, name, "fix")
    error = _told(args.error, notebook) if args.error else None if is_module else _shown(notebook, target, name)
    is_test = error is None
    if error is None and config.check:
        runner = Runner(config, data_dir=path.resolve().parent)
        error = _from_module(args.test, path, notebook, runner) if is_module else _from_cells(notebook, runner)
        if error is None and not is_module and not name:
            is_test, error = False, _from_run(notebook, runner, config)
    if error is None:
        return notebook, target
    if error.cell_id == _TEST:  # a test of a .py file stands below what it tests
        notebook = replace(notebook, cells=(*notebook.cells, Cell(_TEST, "code", error.source)))
    notebook = replace(notebook, error=error)
    if name:
        return notebook, target
    frames = _frames(error.traceback, notebook) if is_module and args.error else []
    # A test is taken to be right, whatever was raised in it: the fault is in what it calls.
    asked = replace(notebook, error=replace(error, name="AssertionError")) if is_test else notebook
    fault = frames[-1] if frames else at_fault(asked)
    if fault is None:
        return notebook, target
    position = notebook.index(fault.id)
    if fault.id != error.cell_id:
        place = fault.id if is_module else f"cell #{(position or 0) + 1}"
        print(
            f"nbcopilot: The error surfaced elsewhere, but its cause appears to be in {_named(fault, place)}; fixing that",
            file=sys.stderr,
        )
    return notebook, Target(fault.source, fault.id, position=None if is_module else position)


def _named(cell: Cell, place: str) -> str:
    """The functions of a cell where it is nothing else, else its place."""
    names = [f"`{d.name}`" for d in dependencies.definitions(cell.source)]
    return f"{', '.join(names[:3])} ({place})" if names else place


def _shown(notebook: Notebook, target: Target, name: str) -> ErrorInfo | None:
    """The error in the outputs of the cell that is meant, else the last one of the notebook."""
    meant = [cell for cell in notebook.cells if cell.id == target.cell_id] if name.startswith("#") else []
    for cell in meant or reversed(notebook.cells):
        shown = next((output.text for output in cell.outputs if output.kind == "error"), "")
        if cell.kind == "code" and shown and (meant or not conventions.expects_error(cell.source, cell.metadata)):
            return _error(shown, cell.id, cell.source)
    return None


def _error(shown: str, cell_id: str | None, source: str) -> ErrorInfo:
    told = tracebacks.read(shown)
    return ErrorInfo(told.name, told.message, shown, cell_id, source)


def _told(where: str, notebook: Notebook) -> ErrorInfo:
    """The traceback in a file; the cell is the statement of the .py file that failed."""
    try:
        shown = sys.stdin.read() if where == "-" else Path(where).read_text(encoding="utf-8", errors="replace")
    except OSError as exc:
        raise NotebookNotFoundError(
            f"--error {where} cannot be read: {exc.strerror}", hint="- is standard input"
        ) from exc
    shown = strip_ansi(shown)
    if not shown.strip():
        raise UsageError("the traceback is empty", hint="pipe it in: python a.py 2>&1 | nbcopilot fix a.py --error -")
    frames = _frames(shown, notebook)
    return _error(shown, frames[0].id if frames else None, frames[0].source if frames else "")


def _frames(shown: str, notebook: Notebook) -> list[Cell]:
    """The statements of a .py file that a plain traceback goes through, outermost first; those run as a script are none."""
    here = notebook.path.name if notebook.path else ""
    lines = [frame.line or 0 for frame in tracebacks.read(shown).frames if frame.file and Path(frame.file).name == here]
    found = (next((c for c in notebook.cells if (c.executed or 0) >= line), None) for line in lines)
    return [cell for cell in found if cell is not None]


def _from_cells(notebook: Notebook, runner: Runner) -> ErrorInfo | None:
    """The first failing test of the notebook's test cells."""
    from nbcopilot.pytest_plugin import is_test_cell

    for position, cell in enumerate(notebook.cells):
        if is_test_cell(cell, every=True):
            setup = [above.source for above in dependencies.upstream(notebook, cell.source, position)]
            found = first_failing(cell.source, (), runner=runner, setup=setup, cell_id=cell.id)
            if found is not None:
                return found
    return None


def _from_run(notebook: Notebook, runner: Runner, config: Config) -> ErrorInfo | None:
    """The error of the first cell that fails when it is run: for notebooks that record none, as text notebooks do."""
    until = time.monotonic() + config.check_total_seconds
    for position, cell in enumerate(notebook.cells):
        python = cell.kind == "code" and cell.source.strip() and syntax.tree(cell.source) is not None
        if not python or conventions.expects_error(cell.source, cell.metadata) or time.monotonic() > until:
            continue
        setup = [above.source for above in dependencies.upstream(notebook, cell.source, position)]
        report = runner.run(cell.source, setup=setup)
        if report.error is not None and not (report.ok or report.needs or report.setup_error or report.timed_out):
            told = report.error
            return ErrorInfo(told.name, told.message, told.traceback or str(told), cell.id, cell.source)
    return None


def _from_module(tests: Path | None, path: Path, notebook: Notebook, runner: Runner) -> ErrorInfo | None:
    """The first failing test of a .py file; its tests run on the file as it is read, not as it is imported."""
    file = tests or path.with_name(f"test_{path.stem}.py")
    if tests is None and not file.is_file():
        return None
    if not file.is_file():
        raise NotebookNotFoundError(f"--test {file} is not a file", hint="name a .py file with test functions")
    source = _without_imports_of(cells.read_module(file), path.stem)
    return first_failing(source, (), runner=runner, setup=[cell.source for cell in notebook.cells], cell_id=_TEST)


def _without_imports_of(source: str, module: str) -> str:
    """The tests without `import module` and `from module import ...`: that would bring the code that is not mended."""
    try:
        tree = syntax.parse_plain(source)
    except SyntaxError as exc:
        raise UsageError(
            f"the tests are not valid Python: {exc.msg} in line {exc.lineno}", hint="mend them first"
        ) from exc
    own = [
        node
        for node in tree.body
        if (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[-1] == module)
        or (isinstance(node, ast.Import) and any(a.name.split(".")[-1] == module for a in node.names))
    ]
    gone = {line for node in own for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)}
    return "\n".join(line for number, line in enumerate(source.split("\n"), 1) if number not in gone)


# --------------------------------------------------------------------------- the edit


def _diff(path: Path, mended: Target, ready: EditReady, before: bytes) -> str:
    new = ready.candidate.text
    if path.suffix == ".py":
        old_file = before.decode("utf-8")
        new_file = _replaced(old_file, mended.source, new)
        lines = difflib.unified_diff(
            old_file.splitlines(keepends=True), new_file.splitlines(keepends=True), str(path), str(path)
        )
        return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
    place = f"{path} cell #{mended.position + 1}" if mended.position is not None else str(path)
    return diff.cell_diff(mended.source.rstrip("\n"), new.rstrip("\n"), place, f"{place} (mended)")


def _replaced(text: str, old: str, new: str) -> str:
    """The file with one piece replaced. Raises UsageError when the piece does not stand there once."""
    old = old.strip("\n")
    if text.count(old) != 1:
        raise UsageError("the code at fault does not stand in the file in one place", hint="edit it by hand")
    return text.replace(old, new.strip("\n"))


def _write(args: argparse.Namespace, path: Path, mended: Target, ready: EditReady, before: bytes) -> str:
    """Write the edit; the file must be what it was when it was read. Raises EditConflictError and NotebookWriteError."""
    if path.suffix == ".py":
        new = _replaced(before.decode("utf-8"), mended.source, ready.candidate.text)
        files.write(path, new.encode("utf-8"), base=before)
        return str(path)
    if args.write:
        files.apply(path, [ready.edit], before)
    else:
        files.write(path, _edited_cell(document.loads(before, path), mended, ready.candidate.text), base=before)
    cells.tell_pairs(path, before)
    return str(path)


def _edited_cell(file: document.NotebookFile, mended: Target, text: str) -> bytes:
    """The notebook with the edit in the user's own cell, which keeps its id and metadata; its outputs are no longer true."""
    cell = file.cells[file.cell_ids.index(str(mended.cell_id))]
    require_unlocked(cell, f"cell #{file.cells.index(cell) + 1} of {file.name}")
    head, _ = directives(mended.source)
    text = text if text.startswith(head) else head + directives(text)[1]  # they say how the cell is treated
    source = _replaced(document.source_text(cell), mended.source, text)
    new = {**cell, "source": file.source_value(source), "outputs": [], "execution_count": None}
    return with_cells(file, [new if item is cell else item for item in file.content["cells"]])
