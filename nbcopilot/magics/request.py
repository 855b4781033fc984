"""One request of a magic: consume the events, show them, write the cells."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Callable, Generator
from contextlib import closing
from typing import Any, cast

from IPython.core.interactiveshell import InteractiveShell

from nbcopilot import session
from nbcopilot.config import Config
from nbcopilot.events import CheckDone, ContextReady, Done, EditReady, Event, Notice, PromptReady, Token
from nbcopilot.judge import Judge
from nbcopilot.magics import context_view
from nbcopilot.magics.display import Stream, summary
from nbcopilot.types import CellEdit, Notebook, Task, Usage
from nbcopilot.write import choose, copy, diff
from nbcopilot.write.comm import running_cell
from nbcopilot.write.wire import Answer, Refused


def deliver(edit: CellEdit, shell: InteractiveShell, config: Config, *, overwrite: bool = False) -> str:
    """Write `edit` by the best way and remember it for undo; the sentence says which way and what it lost."""
    delivery = choose.deliver(
        edit, shell, config, on_answer=lambda answer: _answered(edit, answer), overwrite=overwrite
    )
    session.current().history.append(session.Write(edit, delivery.route))
    return delivery.sentence


def _answered(edit: CellEdit, answer: Answer) -> None:
    """The front end's word: said only when it wrote nothing; the text is then there to copy."""
    if isinstance(answer, Refused):
        print(f"nbcopilot: {choose.explain(answer)}")
        copy.send(edit)


class Stopped(KeyboardInterrupt):
    """The user interrupted: the queue stops as for any interrupt, without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return ["nbcopilot: stopped; what had come so far is kept above, nothing was written"]


class Request:
    """Runs one Task from a magic. `flags` are those of options.Options."""

    def __init__(
        self, shell: InteractiveShell, task: Task, notebook: Notebook, config: Config, flags: frozenset[str]
    ) -> None:
        self.shell, self.task, self.notebook, self.config, self.flags = shell, task, notebook, config, flags
        self.session = session.current()
        self.stream = Stream(rich=getattr(shell, "kernel", None) is not None)
        self.notices: list[Notice] = []
        self.edit: EditReady | None = None
        self.usage = Usage()

    def run(self) -> None:
        """Answer, show, write. Raises NbcopilotError, and Stopped on interrupt."""
        self.session.ask = ask_for(self.shell)
        self.stream.status("starting the model …")
        try:
            copilot = self.session.copilot(self.config)
            self._say_once()
            self.stream.status(f"{copilot.engine.describe().id} is reading …")
            judge = Judge(self.config, namespace=self.shell.user_ns)
            events = cast("Generator[Event]", copilot.stream(self.task, self.notebook, judge=judge))
            with closing(events):
                for event in events:
                    if self._take(event):
                        return
        except KeyboardInterrupt:
            self.stream.finish(f"{self.stream.text}\n[stopped]", _kept(self.stream.text))
            raise Stopped from None
        except BaseException:
            self.stream.finish("", "")
            raise
        self._finish(copilot.engine.describe().id)

    def _take(self, event: Event) -> bool:
        """Show one event; True when the request ends here (--show-context)."""
        if isinstance(event, ContextReady):
            self.session.last_context = event.context
        elif isinstance(event, PromptReady):
            if "show_context" in self.flags:
                self.stream.finish(*context_view.render(self.session.last_context, event.prompt))
                return True
            if event.attempt:
                self.stream.restart(f"the checks found a problem; repairing ({event.attempt} of {self.task.repairs}) …")
        elif isinstance(event, Token):
            if event.index == 0:  # the others are decoded beside it and come up when they are chosen
                self.stream.token(event.text)
        elif isinstance(event, CheckDone):
            self.stream.status("checked" if event.verdict.ok else "checked: not right yet")
        elif isinstance(event, Notice):
            self.notices.append(event)
        elif isinstance(event, EditReady):
            self.edit = event
        elif isinstance(event, Done):
            self.usage = event.usage
        return False

    def _finish(self, model: str) -> None:
        wrote, code, verdict = "", "", None
        if self.edit is not None:
            code, verdict = self.edit.candidate.text, self.edit.verdict
            if "dry_run" in self.flags:
                self.session.pending = self.edit.edit
                wrote = "Not written: %nbcopilot accept writes it, %nbcopilot reject drops it."
                code = diff.diff(self.edit.edit, self.notebook) or code
            else:
                wrote = deliver(
                    self._placed(self.edit.edit), self.shell, self.config, overwrite="replace" in self.flags
                )
        plain, rich = summary(
            verdict=verdict,
            notices=self.notices,
            usage=self.usage,
            model=model,
            wrote=wrote,
            code=code,
            language=self.notebook.language,
        )
        self.stream.finish(plain, rich)

    def _placed(self, edit: CellEdit) -> CellEdit:
        """`edit`, in place of the cell that asked when --replace was given."""
        running = running_cell(self.shell)
        return dataclasses.replace(edit, replaces=(running,)) if "replace" in self.flags and running else edit

    def _say_once(self) -> None:
        self.notices += [Notice(text) for text in self.session.notices]
        self.session.notices.clear()


def ask_for(shell: InteractiveShell) -> Callable[[str], bool] | None:
    """A yes/no question where somebody can answer (a terminal, a front end with stdin), else None."""
    kernel: Any = getattr(shell, "kernel", None)
    if kernel is not None and not getattr(kernel, "_allow_stdin", False):
        return None

    def ask(question: str) -> bool:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")

    return ask


def _kept(text: str) -> str:
    return (
        f"<pre style='white-space:pre-wrap'>{html.escape(text)}</pre><div>stopped</div>"
        if text
        else "<div>stopped</div>"
    )
