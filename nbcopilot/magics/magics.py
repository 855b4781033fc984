"""The cell and line magics. Each parses what was typed into a Task and hands it to `run`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class

from nbcopilot import session
from nbcopilot.errors import CellNotFoundError, EmptyPromptError
from nbcopilot.magics import admin, options, targets
from nbcopilot.magics.interpolate import interpolate
from nbcopilot.magics.request import Request
from nbcopilot.notebook import live
from nbcopilot.pipeline import make_task
from nbcopilot.types import Notebook, Target, TaskKind
from nbcopilot.write.comm import running_cell

CELL_MAGICS = ("generate", "explain", "testgen", "fix", "document")
LINE_MAGICS = (*CELL_MAGICS, "nbcopilot")


@magics_class
class CopilotMagics(Magics):
    """`%%generate %%explain %%testgen %%fix %%document` and `%nbcopilot`."""

    shell: InteractiveShell

    @line_cell_magic
    def generate(self, line: str, cell: str | None = None) -> None:
        """%%generate [options]: the text below says what the next cell should do."""
        opts = self._options(line, "%%generate")
        if opts is None:
            return
        text = interpolate("\n".join(part for part in (opts.text, cell) if part and part.strip()), self.shell.user_ns)
        notebook = self._notebook(text)
        target = Target(cell_id=running_cell(self.shell), position=notebook.cursor)
        self._run("generate", opts, notebook, target, text)

    @line_cell_magic
    def explain(self, line: str, cell: str | None = None) -> None:
        """%%explain [options]: a markdown cell that explains the code below, which is not run. %explain NAME | CELL."""
        self._about_code("explain", line, cell)

    @line_cell_magic
    def document(self, line: str, cell: str | None = None) -> None:
        """%%document [options]: a short text for the code below, which is not run. %document NAME | CELL."""
        self._about_code("document", line, cell)

    @line_cell_magic
    def testgen(self, line: str, cell: str | None = None) -> None:
        """%%testgen [options] [names]: runs the cell, then writes tests for its functions. %testgen NAME."""
        opts = self._options(line, "%%testgen")
        if opts is None:
            return
        if cell is None:
            notebook = self._notebook("")
            self._run("testgen", opts, notebook, targets.find(opts.text, notebook))
            return
        if "no_run" not in opts.flags:
            shell: Any = self.shell
            shell.run_cell(cell, silent=False, store_history=False).raise_error()
        notebook = self._notebook(cell)
        names = tuple(opts.text.replace(",", " ").split())
        target = Target(source=cell, cell_id=running_cell(self.shell), names=names, position=notebook.cursor)
        self._run("testgen", opts, notebook, target)

    @line_cell_magic
    def fix(self, line: str, cell: str | None = None) -> None:
        """%%fix [options] [hint]: mends the code below; %fix mends the cell that failed last."""
        opts = self._options(line, "%%fix")
        if opts is None:
            return
        notebook = self._notebook(cell or "")
        hint = interpolate(opts.text, self.shell.user_ns)
        if cell is not None and cell.strip():
            target = Target(source=cell, cell_id=running_cell(self.shell), position=notebook.cursor)
        elif notebook.error is not None and notebook.error.source:
            failed = notebook.error
            target = Target(failed.source, failed.cell_id, position=notebook.index(failed.cell_id))
        else:
            raise CellNotFoundError("no cell has failed in this session", hint="put the code below %%fix")
        self._run("fix", opts, notebook, target, hint)

    @line_magic
    def nbcopilot(self, line: str) -> Any:
        """%nbcopilot status|config|context|undo|accept|reject|models|panel."""
        return admin.run(line, self.shell)

    def _about_code(self, kind: TaskKind, line: str, cell: str | None) -> None:
        opts = self._options(line, f"%%{kind}")
        if opts is None:
            return
        notebook = self._notebook(cell or "")
        if cell is None:
            self._run(kind, opts, notebook, targets.find(opts.text, notebook))
            return
        if not cell.strip():
            raise EmptyPromptError(f"there is no code below %%{kind}", hint=f"put the code there, or use %{kind} NAME")
        target = Target(source=cell, cell_id=running_cell(self.shell), position=notebook.cursor)
        self._run(kind, opts, notebook, target, interpolate(opts.text, self.shell.user_ns))

    def _options(self, line: str, magic: str) -> options.Options | None:
        parsed = options.parse(line, magic)
        if "help" in parsed.flags:
            print(options.help_text(magic))
            return None
        return parsed

    def _notebook(self, source: str) -> Notebook:
        return live.snapshot(self.shell, source, running_cell(self.shell), session.current().config)

    def _run(
        self, kind: TaskKind, opts: options.Options, notebook: Notebook, target: Target, instruction: str = ""
    ) -> None:
        config = opts.config(session.current().config)
        task = make_task(kind, config, instruction, target)
        if kind == "testgen" and "no_run" in opts.flags:
            task = replace(task, check=False)
        Request(self.shell, task, notebook, config, opts.flags).run()
