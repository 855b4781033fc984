"""`nbcopilot generate|explain|testgen`: the magics, without a kernel, on notebooks and .py files. fix.py builds on it."""

from __future__ import annotations

import argparse
import ast
import json
import os
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from nbcopilot.checks.registry import as_json
from nbcopilot.cli import batching, configured, screen, terminal, testgen
from nbcopilot.cli.importing import import_lines
from nbcopilot.config import Config
from nbcopilot.errors import (
    CellNotFoundError,
    EmptyPromptError,
    NotebookInvalidError,
    NotebookNotFoundError,
    UsageError,
    sentences,
)
from nbcopilot.events import EditReady, Notice, Token
from nbcopilot.notebook import dependencies, document, syntax
from nbcopilot.notebook.labels import is_label
from nbcopilot.project import require_own
from nbcopilot.session import Session
from nbcopilot.task import make_task
from nbcopilot.types import Cell, CellEdit, Notebook, Target, Task, TaskKind
from nbcopilot.verdict import Verdict
from nbcopilot.write import files, pairing, showing
from nbcopilot.write.provenance import checked

KINDS = ("generate", "explain", "testgen")
_SETTINGS = ("model", "engine", "temperature", "candidates", "max_tokens", "answer_seconds", "seed", "precision")


def add_parser(commands: Any) -> None:
    """Add the three commands."""
    helps = {
        "generate": "write code from an instruction",
        "explain": "explain code in words",
        "testgen": "write tests for functions, with evidence",
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
        if kind == "testgen":
            sub.add_argument(
                "more", nargs="*", metavar="PATH", help="more notebooks or folders, with -o DIR or --in-place"
            )
            batching.add_arguments(sub, output="write the tests into this new .py file, or copies of notebooks there")
        add_options(sub)


def add_options(sub: argparse.ArgumentParser) -> None:
    """Add what every request takes."""
    sub.add_argument("--json", action="store_true", help="one JSON object as the last line of stdout")
    sub.add_argument("--no-check", action="store_true", help="do not validate")
    sub.add_argument("--model")
    sub.add_argument("--engine")
    sub.add_argument("--precision")
    sub.add_argument("-t", "--temperature", type=float)
    sub.add_argument("-n", "--candidates", type=int)
    sub.add_argument("--max-tokens", type=int)
    sub.add_argument("--answer-seconds", type=float, help="time until an answer is shown; 0 is no limit")
    sub.add_argument("--seed", type=int)


def load_config(args: argparse.Namespace) -> Config:
    """The settings with those of the call."""
    overrides = {name: getattr(args, name) for name in _SETTINGS}
    return configured.load({**overrides, "check": False if args.no_check else None})


def run(args: argparse.Namespace) -> int:
    """Answer one request; exit 1 when the checks rejected the best answer."""
    config = load_config(args)
    if args.command == "testgen" and testgen.is_batch(args):
        return testgen.run(args, config)
    if args.command == "generate":
        if not args.instruction.strip():
            raise EmptyPromptError(
                "there is nothing to generate", hint='say what the code should do: nbcopilot generate "…"'
            )
        path, name, instruction = args.notebook, "", args.instruction
    else:
        (path, name), instruction = split_target(args.target), ""
    new_file = Path(args.output) if getattr(args, "output", None) else None
    if path is not None and path.suffix == ".py" and args.write and new_file is None:
        new_file = path.with_name(f"test_{path.stem}.py")
    if new_file is not None:
        _require_new(new_file, path)
    before = _require_writable(path) if args.write and new_file is None else None
    if args.command == "generate":
        notebook, target = _for_generate(path, args.after)
    else:
        notebook, target = for_code(path, name, args.command)
    task = make_task(args.command, config, instruction, target)
    ready = answer(Session(config), task, notebook, quiet=args.json)
    if ready is None:
        return 1
    written = ""
    try:
        if ready.held_back and config.check and (args.write or new_file):
            screen.notice(f"nothing was written: {_UNWRITTEN[args.command]}")
        elif new_file is not None:
            written = _write_tests(new_file, path, ready.edit)
        elif path is not None and before is not None:
            files.apply(path, [ready.edit], before)
            tell_pairs(path, before)
            written = str(path)
    finally:  # an answer that could not be written is shown all the same
        _show(args, ready, written)
    return 0 if ready.verdict.ok else 1


_UNWRITTEN = {
    "testgen": "tests that fail are not offered",
    "generate": "the checks found a problem; --no-check writes it all the same",
    "explain": "nothing in the text is borne out by the notebook; --no-check writes it all the same",
}


def tell_pairs(path: Path, before: bytes) -> None:
    """Bring files that are paired with the notebook in step, and say so."""
    said = pairing.follow(path, before)
    if said:
        print(f"nbcopilot: {path.name}: {said}", file=sys.stderr)


def _show(args: argparse.Namespace, ready: EditReady, written: str) -> None:
    if args.json:
        print(json.dumps(report(args, ready, written)))
        return
    print("\n" if sys.stderr.isatty() else "", end="", file=sys.stderr)
    print(ready.candidate.text, flush=True)
    told = ready.confidence.told(args.command, ready.verdict)
    print(verdict_line(ready.verdict, told.words if told else ""), file=sys.stderr)
    if written:
        print(f"Written to {written}", file=sys.stderr)


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
    common = {"model": model_id(ready.edit), "source": ready.candidate.text, "ok": verdict.ok, "written": written}
    common["findings"] = [as_json(diagnostic) for diagnostic in verdict.diagnostics]
    if args.command != "testgen":
        sure = ready.confidence
        confidence = {"label": sure.label, "probability": sure.probability}
        return {"kind": args.command, **common, "checks": dict(verdict.checks), "confidence": confidence}
    tests = verdict.checks.get("tests")
    tests = tests if isinstance(tests, dict) else {}
    counts = verdict.evidence.tests
    return {
        "target": args.target,
        "tests": counts.passed if counts else len(re.findall(r"^(?:async )?def test_", ready.candidate.text, re.M)),
        "passed": tests.get("passed", 0),
        "disagree": counts.disagree if counts else 0,
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


def for_code(path: Path, name: str, kind: TaskKind) -> tuple[Notebook, Target]:
    """The notebook (a .py file: a cell for each of its statements) and what of it is meant.

    Raises CellNotFoundError and the errors of reading a notebook.
    """
    if path.suffix == ".py":
        source = read_module(path)
        # As if they had run: a function may call what stands below it.
        cells = tuple(Cell(f"line {line}", "code", text, executed=line) for line, text in statements(source))
        notebook = Notebook(cells=cells, path=path.resolve())
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
        at = None if path.suffix == ".py" else notebook.index(found.cell_id)
        return notebook, Target(found.source, found.cell_id, (name,), at)
    if path.suffix == ".py":
        if not notebook.cells:
            raise CellNotFoundError(f"{path} has no code", hint="name a notebook or .py file with code")
        if kind != "testgen":
            return notebook, Target(source)
        names = tuple(d.name for d in dependencies.definitions(source))
        return notebook, Target("\n\n".join(cell.source for cell in notebook.cells), None, names)
    return notebook, _whole(notebook, path, kind)


def read_module(path: Path) -> str:
    """The text of a .py file. Raises NotebookInvalidError when it is none."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as exc:
        raise NotebookInvalidError(f"{path} is not UTF-8 text: {exc.reason}", hint="save it as UTF-8") from exc


def statements(source: str) -> list[tuple[int, str]]:
    """(last line, text) of each statement at the top level, with the comments above it; all of a file that does not parse.

    What runs only as a script (`if __name__ == "__main__"`) is left out: it is not there when the file is imported.
    """
    lines = source.split("\n")
    module = syntax.plain_tree(source)
    if module is None:
        return [(len(lines), source)]
    found, start = [], 0
    for node in module.body:
        end = node.end_lineno or node.lineno
        is_script = isinstance(node, ast.If) and ast.unparse(node.test).startswith("__name__ ==")
        if end > start and not is_script:  # two statements of one line are one piece
            found.append((end, "\n".join(lines[start:end]).strip("\n")))
        start = max(start, end)
    return found


def _whole(notebook: Notebook, path: Path, kind: TaskKind) -> Target:
    """No name given: the cells with definitions for testgen, all code otherwise."""
    code = [cell for cell in notebook.cells if cell.kind == "code" and cell.source.strip()]
    if not code:
        raise CellNotFoundError(f"{path} has no code", hint="name a notebook or .py file with code")
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


def answer(session: Session, task: Task, notebook: Notebook, *, quiet: bool) -> EditReady | None:
    """The answer. On a terminal it is seen as it comes (stderr); what the checks made of it goes to stdout at the end."""
    session.ask = terminal.asker()
    with terminal.Bar() as bar:
        session.progress = bar
        copilot = session.copilot()
    for notice in session.notices:
        print(f"nbcopilot: {notice}", file=sys.stderr)
    ready: EditReady | None = None
    live = not quiet and sys.stderr.isatty()
    for event in copilot.stream(task, notebook):
        if isinstance(event, Token) and live and event.index == 0:
            print(event.text, end="", file=sys.stderr, flush=True)
        elif isinstance(event, Notice):
            print(f"nbcopilot: {sentences(event.message, event.hint)}", file=sys.stderr)
        elif isinstance(event, EditReady):
            ready = event
    return ready


def _require_writable(path: Path | None) -> bytes:
    """The notebook as it was read. Raises UsageError before the model is asked."""
    if path is None:
        raise UsageError("--write needs --notebook", hint="name the notebook to write to: --notebook NB.ipynb")
    if path.suffix == ".py":
        raise UsageError("--write takes a notebook", hint="omit --write to see the answer")
    return document.read(path).raw


def _require_new(target: Path, path: Path | None) -> None:
    """Raises UsageError before the model is asked when the tests of `path` cannot go into a new file `target`."""
    if path is None or path.suffix != ".py" or target.suffix != ".py":
        raise UsageError(f"-o {target} is for the tests of a .py file", hint="say --write for a notebook")
    require_own(target, path.parent)
    if os.path.lexists(target):
        raise UsageError(f"{target} exists already", hint="move it away first, or name another: -o FILE")


def _write_tests(target: Path, path: Path | None, edit: CellEdit) -> str:
    assert path is not None
    source = edit.cells[-1].source.rstrip()
    there = dependencies.names(read_module(path))
    used = sorted(dependencies.names(source).used & there.defined) or ["*"]
    label, _, rest = source.partition("\n")
    head = f"{label}\n" if is_label(label) else ""
    files.write(target, f"{head}{import_lines(path, target, used)}\n\n{rest if head else source}\n".encode())
    return str(target)


def verdict_line(verdict: Verdict, sure: str = "") -> str:
    """What was checked and how sure it is, in one line, and what the run gave, below it."""
    seen = showing.plain(verdict.preview) if verdict.preview is not None else ""
    line = " · ".join(filter(None, [" · ".join(checked(verdict)) or "not checked", sure]))
    return f"nbcopilot: {line}" + (f"\n{seen}" if seen else "")


def model_id(edit: CellEdit) -> str:
    """The name of the model that wrote the cells."""
    return str(edit.cells[0].metadata.get("nbcopilot", {}).get("model", {}).get("id", "")) if edit.cells else ""
