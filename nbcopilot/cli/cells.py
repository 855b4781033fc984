"""`nbcopilot generate|explain|testgen|fix`: the magics, without a kernel, on notebooks and .py files."""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from nbcopilot import config as settings
from nbcopilot.cli import terminal
from nbcopilot.errors import (
    CellNotFoundError,
    EmptyPromptError,
    NotebookInvalidError,
    NotebookNotFoundError,
    UsageError,
)
from nbcopilot.events import EditReady, Notice, Token
from nbcopilot.notebook import dependencies, document
from nbcopilot.pipeline import make_task
from nbcopilot.session import Session
from nbcopilot.types import Cell, CellEdit, ErrorInfo, Notebook, Target, Verdict
from nbcopilot.write import files
from nbcopilot.write.provenance import checked

KINDS = ("generate", "explain", "testgen", "fix")
_SETTINGS = ("model", "engine", "temperature", "candidates", "max_tokens", "seed", "precision")


def add_parser(commands: Any) -> None:
    """Add the four commands."""
    helps = {
        "generate": "write code from an instruction",
        "explain": "explain code in words",
        "testgen": "write tests for functions, with evidence",
        "fix": "mend a failing cell or function",
    }
    for kind in KINDS:
        sub = commands.add_parser(kind, help=helps[kind])
        if kind == "generate":
            sub.add_argument("instruction")
            sub.add_argument("--notebook", type=Path, help="take its cells as context, and --write into it")
            sub.add_argument("--after", metavar="CELL", help="cell id, or #N for the N-th cell (default: the last)")
        else:
            sub.add_argument("target", metavar="PATH[::name|#cell]", help="a .py file or a notebook, and what in it")
        sub.add_argument("--write", action="store_true", help="write the result into the notebook (or test_NAME.py)")
        sub.add_argument("--json", action="store_true", help="one JSON object as the last line of stdout")
        sub.add_argument("--no-check", action="store_true", help="do not validate")
        sub.add_argument("--model")
        sub.add_argument("--engine")
        sub.add_argument("--precision")
        sub.add_argument("-t", "--temperature", type=float)
        sub.add_argument("-n", "--candidates", type=int)
        sub.add_argument("--max-tokens", type=int)
        sub.add_argument("--seed", type=int)


def run(args: argparse.Namespace) -> int:
    """Answer one request; exit 1 when the checks rejected the best answer."""
    overrides = {name: getattr(args, name) for name in _SETTINGS}
    config = settings.load({**overrides, "check": False if args.no_check else None})
    if args.command == "generate":
        if not args.instruction.strip():
            raise EmptyPromptError(
                "there is nothing to generate", hint='say what the code should do: nbcopilot generate "…"'
            )
        path, name, instruction = args.notebook, "", args.instruction
    else:
        (path, name), instruction = split_target(args.target), ""
    expected = _require_writable(path, args.command) if args.write else None
    if args.command == "generate":
        notebook, target = _for_generate(path, args.after)
    else:
        notebook, target = _for_code(path, name, args.command)
    task = make_task(args.command, config, instruction, target)
    ready = _answer(Session(config), task, notebook, quiet=args.json)
    if ready is None:
        return 1
    written = ""
    try:
        if path is not None and args.write:
            written = _write(path, ready.edit, expected)
    finally:  # an answer that could not be written is shown all the same
        _show(args, ready, written)
    return 0 if ready.verdict.ok else 1


def _show(args: argparse.Namespace, ready: EditReady, written: str) -> None:
    if args.json:
        print(json.dumps(report(args, ready, written), ensure_ascii=False))
        return
    print("\n" if sys.stderr.isatty() else "", end="", file=sys.stderr)
    print(ready.candidate.text, flush=True)
    print(_verdict_line(ready.verdict), file=sys.stderr)
    if written:
        print(f"written to {written}", file=sys.stderr)


def split_target(text: str) -> tuple[Path, str]:
    """`PATH::name` or `PATH#cell` -> (path, "name" or "#cell")."""
    if Path(text).exists():
        return Path(text), ""
    path, found, name = text.partition("::")
    if not found:
        path, found, name = text.rpartition("#")
        name = f"#{name}" if found else ""
        path = path or text
    if not Path(path).is_file():
        raise NotebookNotFoundError(
            f"{path} is not a file", hint="give a .py file or a notebook, such as a.py::name or a.ipynb#3"
        )
    return Path(path), name


def report(args: argparse.Namespace, ready: EditReady, written: str) -> dict[str, Any]:
    """The `--json` object; for testgen the keys of the contract in docs/architecture.md."""
    verdict = ready.verdict
    common = {"model": _model_id(ready.edit), "source": ready.candidate.text, "ok": verdict.ok, "written": written}
    common["findings"] = [{"check": f.check, "severity": f.severity, "message": f.message} for f in verdict.findings]
    if args.command != "testgen":
        return {"kind": args.command, **common, "checks": dict(verdict.checks)}
    tests = verdict.checks.get("tests")
    tests = tests if isinstance(tests, dict) else {}
    return {
        "target": args.target,
        "tests": verdict.evidence.get("tests", len(re.findall(r"^(?:async )?def test_", ready.candidate.text, re.M))),
        "passed": tests.get("passed", 0),
        "disagree": verdict.evidence.get("disagree", 0),
        "line_coverage": tests.get("line_coverage"),
        "mutants": tests.get("mutants", 0),
        "killed": tests.get("killed", 0),
        **common,
    }


def _for_generate(path: Path | None, after: str | None) -> tuple[Notebook, Target]:
    if path is None:
        if after:
            raise UsageError("--after needs --notebook", hint="name the notebook: --notebook NB.ipynb")
        return Notebook(), Target()
    notebook = document.read(path).snapshot()
    position = len(notebook.cells) - 1 if after is None else _cell_index(notebook, after, path)
    cell = notebook.cells[position] if notebook.cells else None
    return replace(notebook, cursor=position), Target(cell_id=cell.id if cell else None, position=position)


def _for_code(path: Path, name: str, kind: str) -> tuple[Notebook, Target]:
    if path.suffix == ".py":
        try:
            source = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as exc:
            raise NotebookInvalidError(f"{path} is not UTF-8 text: {exc.reason}", hint="save it as UTF-8") from exc
        notebook = Notebook(cells=(Cell("file", "code", source),), path=path.resolve(), cursor=0)
    else:
        notebook = replace(document.read(path).snapshot(), path=path.resolve())
    if name.startswith("#"):
        position = _cell_index(notebook, name, path)
        return notebook, Target(notebook.cells[position].source, notebook.cells[position].id, position=position)
    if name:
        found = dependencies.find_definition(notebook, name)
        if found is None:
            known = [
                d.name for cell in notebook.cells if cell.kind == "code" for d in dependencies.definitions(cell.source)
            ]
            raise CellNotFoundError(
                f"{path} defines no `{name}`", hint="it has " + (", ".join(known[:12]) or "no functions or classes")
            )
        holder = next(c for c in reversed(notebook.cells) if c.kind == "code" and found.source in c.source)
        return notebook, Target(found.source, holder.id, (name,), notebook.index(holder.id))
    return notebook, _whole(notebook, path, kind)


def _whole(notebook: Notebook, path: Path, kind: str) -> Target:
    """No name given: the failed cell for fix, the cells with definitions for testgen, all code otherwise."""
    code = [cell for cell in notebook.cells if cell.kind == "code" and cell.source.strip()]
    if not code:
        raise CellNotFoundError(f"{path} has no code", hint="name a notebook or .py file with code")
    if kind == "fix":
        failed = next((c for c in reversed(code) if any(o.kind == "error" for o in c.outputs)), code[-1])
        return Target(failed.source, failed.id, position=notebook.index(failed.id))
    if kind == "testgen" and len(code) > 1:
        code = [cell for cell in code if dependencies.definitions(cell.source)] or code
    names = tuple(d.name for cell in code for d in dependencies.definitions(cell.source))
    source = "\n\n".join(cell.source for cell in code)
    return Target(source, code[-1].id, names if kind == "testgen" else (), notebook.index(code[-1].id))


def _cell_index(notebook: Notebook, text: str, path: Path) -> int:
    """Index of a cell id, or of `#N` (1 is the first)."""
    word = text.lstrip("#")
    index = notebook.index(word)
    if index is None and word.isdigit() and 0 < int(word) <= len(notebook.cells):
        index = int(word) - 1
    if index is None:
        raise CellNotFoundError(f"{path} has no cell {text}", hint=f"it has cells #1 to #{len(notebook.cells)}")
    return index


def _answer(session: Session, task: Any, notebook: Notebook, *, quiet: bool) -> EditReady | None:
    """The answer. On a terminal it is seen as it comes (stderr); what the checks made of it goes to stdout at the end."""
    session.ask = terminal.asker()
    with terminal.Bar() as bar:
        session.progress = bar
        copilot = session.copilot()
    ready: EditReady | None = None
    live = not quiet and sys.stderr.isatty()
    for event in copilot.stream(task, _with_error(task, notebook)):
        if isinstance(event, Token) and live and event.index == 0:
            print(event.text, end="", file=sys.stderr, flush=True)
        elif isinstance(event, Notice):
            print(f"nbcopilot: {event.message}" + (f" ({event.hint})" if event.hint else ""), file=sys.stderr)
        elif isinstance(event, EditReady):
            ready = event
    return ready


def _with_error(task: Any, notebook: Notebook) -> Notebook:
    """For fix: the error that stands in the outputs of the target cell."""
    cell = notebook.cell(task.target.cell_id)
    if task.kind != "fix" or cell is None:
        return notebook
    shown = next((output.text for output in cell.outputs if output.kind == "error"), "")
    if not shown:
        return notebook
    name, _, message = shown.strip().splitlines()[-1].partition(":")
    return replace(notebook, error=ErrorInfo(name.strip(), message.strip(), shown, cell.id, cell.source))


def _require_writable(path: Path | None, kind: str) -> str | None:
    """The hash of the notebook as it was read (None for a .py file). Raises UsageError before the model is asked."""
    if path is None:
        raise UsageError("--write needs --notebook", hint="name the notebook to write to: --notebook NB.ipynb")
    if path.suffix != ".py":
        return document.read(path).sha256
    if kind != "testgen":
        raise UsageError(f"{kind} --write takes a notebook", hint="leave --write away to see the answer")
    target = _test_file(path)
    if target.exists():
        raise UsageError(f"{target} exists already", hint="move it away first; nothing was written")
    return None


def _test_file(path: Path) -> Path:
    return path.with_name(f"test_{path.stem}.py")


def _write(path: Path, edit: CellEdit, expected: str | None) -> str:
    if path.suffix == ".py":
        source = f"from {path.stem} import *\n\n{edit.cells[-1].source.rstrip()}\n"
        files.write(_test_file(path), source.encode("utf-8"))
        return str(_test_file(path))
    files.apply(path, [edit], expected)
    return str(path)


def _verdict_line(verdict: Verdict) -> str:
    return "nbcopilot: " + (" · ".join(checked(verdict)) or "not checked")


def _model_id(edit: CellEdit) -> str:
    return str(edit.cells[0].metadata.get("nbcopilot", {}).get("model", {}).get("id", "")) if edit.cells else ""
