"""What each magic does: parse what was typed into a Task and hand it to `Request`. Loaded when a magic is first used."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from nbcopilot import session
from nbcopilot.errors import CellNotFoundError, NotebookError, UsageError
from nbcopilot.magics import options
from nbcopilot.magics.interpolate import interpolate
from nbcopilot.magics.request import Request
from nbcopilot.magics.talk import Talk
from nbcopilot.notebook import dependencies, live, targets
from nbcopilot.task import make_task
from nbcopilot.types import Notebook, Target, TaskKind
from nbcopilot.write.comm import running_cell

# What each magic takes, for --help.
FORMS: dict[TaskKind, tuple[str, ...]] = {
    "generate": (
        "%%generate [options]         the text below says what the next cell should do",
        "%generate [options] TEXT     the same in one line",
    ),
    "explain": (
        "%%explain [options]          a markdown cell that explains the code below, which is not run",
        "%explain [options] [NAME|N]  explains a function or class, cell [N], or the last cell",
    ),
    "testgen": (
        "%%testgen [options] [NAMES]  runs the code below, then writes tests for its functions",
        "%testgen [options] NAME      writes tests for a function or class that a cell defines",
    ),
    "fix": (
        "%fix [options] [HINT]        mends the cell that failed last",
        "%%fix [options] [HINT]       mends the code below",
    ),
    "document": (
        "%%document [options]         a short text for the code below, which is not run",
        "%document [options] [NAME|N] for a function or class, cell [N], or the last cell",
    ),
}


def run(kind: TaskKind, shell: InteractiveShell, line: str, cell: str | None) -> None:
    """Carry out one magic. `cell` is the text below `%%kind`, None for the line form. Raises NbcopilotError."""
    opts = options.parse(line, f"%%{kind}")
    if "help" in opts.flags:
        print(options.help_text(f"%%{kind}", FORMS[kind]))
        return
    if kind == "testgen" and cell is not None and "no_run" not in opts.flags:
        _run_first(shell, cell)
    notebook = live.snapshot(shell, cell or "", running_cell(shell), session.current().config)
    target, instruction = _asked(kind, opts, notebook, shell, cell)
    if kind == "testgen" and target.source.strip() and not dependencies.definitions(target.source):
        raise UsageError(
            "there is no function or class to test in that cell",
            hint="name one: %testgen NAME, or put it below %%testgen",
        )
    config = opts.config(session.current().config)
    task = make_task(kind, config, instruction, target)
    if kind == "testgen" and "no_run" in opts.flags:
        task = replace(task, check=False)
    Request(shell, task, notebook, config, opts.flags).run()


CHAT_FORMS = (
    "%%chat [options]             the next turn of the conversation about this notebook: code, or an answer in words",
    "%chat [options] TEXT         the same in one line, as does %nbcopilot ask TEXT",
)


def chat(shell: InteractiveShell, line: str, cell: str | None) -> None:
    """Carry out one turn of the conversation: what was asked and answered before is known. Raises NbcopilotError."""
    opts = options.parse(line, "%%chat")
    if "help" in opts.flags:
        print(options.help_text("%%chat", CHAT_FORMS))
        return
    notebook = live.snapshot(shell, cell or opts.text, running_cell(shell), session.current().config)
    target, words = _asked("generate", opts, notebook, shell, cell)
    config = opts.config(session.current().config)
    Request(
        shell, make_task("generate", config, words, target), notebook, config, opts.flags, talk=Talk(notebook)
    ).run()


def _run_first(shell: InteractiveShell, cell: str) -> None:
    """Run the body of %%testgen, as %%time does. IPython has shown its error when NotebookError comes."""
    typed: Any = shell
    if not typed.run_cell(cell, silent=False, store_history=False).success:
        raise NotebookError(
            "the code failed, so no tests were written", hint="mend it first, or add --no-run to have it read only"
        )


def _asked(
    kind: TaskKind, opts: options.Options, notebook: Notebook, shell: InteractiveShell, cell: str | None
) -> tuple[Target, str]:
    """What the request is about, and the user's own words."""
    here = Target(source=cell or "", cell_id=running_cell(shell), position=notebook.cursor)
    if kind == "generate":
        words = "\n".join(part for part in (opts.text, cell) if part and part.strip())
        return replace(here, source=""), interpolate(words, shell.user_ns)
    if kind == "testgen":
        if cell is None:
            return targets.find(opts.text, notebook), ""
        return replace(here, names=tuple(opts.text.replace(",", " ").split())), ""
    if kind == "fix" and not (cell or "").strip():
        return _failed(notebook), interpolate(opts.text, shell.user_ns)
    if cell is None:
        return targets.find(opts.text, notebook), ""
    return here, interpolate(opts.text, shell.user_ns)


def _failed(notebook: Notebook) -> Target:
    failed = notebook.error
    if failed is None or not failed.source:
        raise CellNotFoundError("no cell has failed in this session", hint="put the code below %%fix")
    return Target(failed.source, failed.cell_id, position=notebook.index(failed.cell_id))
