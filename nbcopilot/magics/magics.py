"""The cell and line magics, as IPython sees them. commands.py does the work and is loaded on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from nbcopilot.types import TaskKind

CELL_MAGICS = ("generate", "explain", "testgen", "fix", "document", "chat")
LINE_MAGICS = (*CELL_MAGICS, "nbcopilot")


@magics_class
class CopilotMagics(Magics):
    """`%%generate %%explain %%testgen %%fix %%document %%chat` and `%nbcopilot`."""

    shell: InteractiveShell

    @line_cell_magic
    def generate(self, line: str, cell: str | None = None) -> None:
        """%%generate [options]: the text below says what the next cell should do."""
        self._run("generate", line, cell)

    @line_cell_magic
    def explain(self, line: str, cell: str | None = None) -> None:
        """%%explain [options]: a markdown cell that explains the code below, which is not run. %explain NAME | CELL."""
        self._run("explain", line, cell)

    @line_cell_magic
    def document(self, line: str, cell: str | None = None) -> None:
        """%%document [options]: a short text for the code below, which is not run. %document NAME | CELL."""
        self._run("document", line, cell)

    @line_cell_magic
    def testgen(self, line: str, cell: str | None = None) -> None:
        """%%testgen [options] [names]: runs the cell, then writes tests for its functions. %testgen NAME."""
        self._run("testgen", line, cell)

    @line_cell_magic
    def fix(self, line: str, cell: str | None = None) -> None:
        """%%fix [options] [hint]: mends the code below; %fix mends the cell that failed last."""
        self._run("fix", line, cell)

    @line_cell_magic
    def chat(self, line: str, cell: str | None = None) -> None:
        """%%chat [options]: the next turn of the conversation about this notebook: code, or words. %chat TEXT."""
        from nbcopilot.magics import commands

        commands.chat(self.shell, line, cell)

    @line_magic
    def nbcopilot(self, line: str) -> Any:
        """%nbcopilot ask|status|config|trust|context|stop|undo|accept|reject|models|panel."""
        from nbcopilot.magics import admin

        return admin.run(line, self.shell)

    def _run(self, kind: TaskKind, line: str, cell: str | None) -> None:
        from nbcopilot.magics import commands

        commands.run(kind, self.shell, line, cell)
