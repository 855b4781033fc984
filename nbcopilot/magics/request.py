"""One request of a magic: consume the events, show them, write the cells; here or in a thread beside the cells."""

from __future__ import annotations

import dataclasses
import html
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from typing import Any, cast

from IPython.core.interactiveshell import InteractiveShell

from nbcopilot import session
from nbcopilot.config import Config
from nbcopilot.errors import InternalError, ModelNotFoundError, NbcopilotError
from nbcopilot.events import (
    Accepted,
    CandidateReady,
    CheckDone,
    ContextReady,
    Done,
    EditReady,
    Event,
    Meant,
    Notice,
    PromptReady,
    Token,
)
from nbcopilot.inference import Usage
from nbcopilot.judge import Judge
from nbcopilot.magics import background, context_view
from nbcopilot.magics.delivering import deliver
from nbcopilot.magics.display import Stream, answered_already, problem, summary, words
from nbcopilot.magics.talk import Talk
from nbcopilot.pipeline import Copilot
from nbcopilot.task import aim
from nbcopilot.types import CellEdit, Notebook, Task
from nbcopilot.write import clipboard, comm, diff
from nbcopilot.write.answered import Answered, look_up
from nbcopilot.write.plan import ROLES, request_hash
from nbcopilot.write.wire import Asks

# Options with which a request is put to the model though its answer is there.
ASKS_ANEW = frozenset({"again", "dry_run", "show_context"})
NOT_WRITTEN = {
    "rejected": "Not written, because the checks found a problem: %nbcopilot accept writes it all the same",
    "ungrounded": "Not written, because nothing in it is borne out by the notebook: %nbcopilot accept writes it all the same",
}


class Stopped(KeyboardInterrupt):
    """The user interrupted: the queue stops as for any interrupt, without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return ["nbcopilot: stopped; what had come so far is kept above, nothing was written"]


class Request:
    """Runs one Task from a magic. `flags` are those of options.Options."""

    def __init__(
        self,
        shell: InteractiveShell,
        task: Task,
        notebook: Notebook,
        config: Config,
        flags: frozenset[str],
        talk: Talk | None = None,
    ) -> None:
        self.talk = talk
        self.shell, self.task, self.notebook, self.config, self.flags = shell, task, notebook, config, flags
        self.session = session.current()
        self.stream = Stream(rich=getattr(shell, "kernel", None) is not None)
        self.notices: list[Notice] = []
        self.edit: EditReady | None = None
        self.usage = Usage()
        self.cell_id, self.execution = comm.running_cell(shell), comm.execution(shell)
        self._stopped = threading.Event()
        self._begun = False
        self._call: comm.Call | None = None
        self._sent = False  # the call is then closed by the front end's answer
        self._namespace: Mapping[str, Any] = shell.user_ns
        asking = notebook.cells[notebook.cursor] if notebook.cursor is not None and notebook.cells else None
        self._running = asking.source if asking is not None else ""

    def run(self) -> None:
        """Answer, show, write; in a thread, and back at once, where a page takes the cells whenever they come.

        Raises NbcopilotError, and Stopped on interrupt.
        """
        link = self._link()
        # A thread has nobody to ask: there a model that lacks is said.
        self.session.ask = ask_for(self.shell) if link is None else None
        try:
            if link is None:
                return self._answer()
        except KeyboardInterrupt:
            self._show_stopped()
            raise Stopped from None
        except BaseException:
            self.stream.finish("", "")
            raise
        # The user goes on changing the names; what they stand for now is what was asked about.
        self._namespace = dict(self.shell.user_ns)
        self._call = comm.Call(link, self.stop, lambda: self.stream.shown, self._asks())
        requests = background.line(self.shell)
        if before := len(requests.jobs):
            self.stream.status(f"waiting for {before} request{'s' if before > 1 else ''} before this one …")
        requests.add(self)

    @property
    def stopped(self) -> bool:
        """Whether it was told to stop; it may still be ending."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """Cancel a request that runs in a thread at the next token, or at once while it waits for its turn."""
        self._stopped.set()
        if not self._begun and self._call is not None:
            self._show_stopped()
            self._call.close()

    def answer(self) -> None:
        """The thread's part of `run`: never raises, what goes wrong is said in the cell's output."""
        assert self._call is not None
        self._begun = True
        try:
            self._answer()
        except ModelNotFoundError as exc:  # a thread cannot ask; the sidebar of the page can
            hint = f"download it in the nbcopilot sidebar, then run this cell again; or type {exc.hint}"
            self.stream.finish(*problem(ModelNotFoundError(exc.message, hint=hint)))
        except NbcopilotError as exc:
            self.stream.finish(*problem(exc))
        except Exception as exc:  # a thread has nobody to raise to
            self.stream.finish(*problem(InternalError(f"{type(exc).__name__}: {exc}", hint="please report it")))
        finally:
            self._namespace = {}
            if not self._sent:
                self._call.close()

    def _asks(self) -> Asks | None:
        """By what the page finds the answer, if it is there already; None where it is asked anew in any case."""
        if self.flags & ASKS_ANEW:
            return None
        task = aim(self.task, self.notebook)[0]
        subject = self.notebook.cell(task.target.cell_id)
        return Asks(request_hash(task), task.target.cell_id, subject.hash if subject else "", ROLES[task.kind])

    def _there(self) -> Answered:
        """What the notebook holds of the answer: as its page says, else as far as it is known here."""
        if self.flags & ASKS_ANEW:
            return Answered()
        known = self._call.known() if self._call is not None else None
        if known is not None:
            return Answered(known.state, known.cells)
        return look_up(aim(self.task, self.notebook)[0], self.notebook, self.shell.user_ns, self._running)

    def _link(self) -> comm.Link | None:
        """The way to a page that takes cells at any time; None where the cell must wait for its answer."""
        if (
            self.flags & {"wait", "show_context"}
            or self.config.insert_via not in ("auto", "comm")
            or self.cell_id is None
        ):
            return None
        link = comm.connect(self.shell)
        return link if link is not None and link.ready else None

    def _answer(self) -> None:
        if self._stopped.is_set():
            return self._show_stopped()
        there = self._there()
        if there.state != "none":
            return self.stream.finish(*answered_already(there.state))
        self.stream.status("starting the model …")
        copilot = self.session.copilot(self.config)
        self._say_once()
        model = copilot.engine.describe().id
        self.stream.status(f"{model} is reading …")
        judge = Judge(self.config, namespace=self._namespace)
        events = cast("Generator[Event]", self._events(copilot, judge))
        with closing(events):
            for event in events:
                if self._take(event):
                    return
                if self._stopped.is_set():
                    return self._show_stopped()
        self._finish(model)

    def _events(self, copilot: Copilot, judge: Judge) -> Iterator[Event]:
        if self.talk is not None:
            return self.talk.reply(copilot, self.task, self.notebook, judge)
        return copilot.stream(self.task, self.notebook, judge=judge)

    def _take(self, event: Event) -> bool:
        """Show one event; True when the request ends here (--show-context, and "undo that")."""
        if isinstance(event, Meant):
            self.task = event.task
            if event.intent == "undo" and self.talk is not None:
                self.stream.finish(*self.talk.undo(event.turn))
                return True
        elif isinstance(event, ContextReady):
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
        elif isinstance(event, CandidateReady):
            self.stream.status("checking …")
        elif isinstance(event, CheckDone):
            self.stream.status("checked" if event.verdict.ok else "checked: not right yet")
        elif isinstance(event, Accepted):
            until = f", until {event.until:g} s at most" if event.until else ""
            self.stream.status(f"passed its checks after {event.seconds:.1f} s; comparing with other answers{until}")
        elif isinstance(event, Notice):
            self.notices.append(event)
        elif isinstance(event, EditReady):
            self.edit = event
        elif isinstance(event, Done):
            self.usage = event.usage
        return False

    def _finish(self, model: str) -> None:
        if self.edit is None:
            return self.stream.finish(*self._summary(model, ""))
        if not self.edit.candidate.complete:
            self.notices.append(self._cut())
        if self.talk is not None:
            self.notices += self.talk.keep(self.task, self.edit)
            if self.edit.candidate.answer == "markdown":
                self.session.pending = self.edit.edit
                return self.stream.finish(*words(self.edit.candidate.text, self._summary(model, "")))
        if "dry_run" in self.flags:
            self.session.pending = self.edit.edit
            text = "Not written: %nbcopilot accept writes it, %nbcopilot reject drops it."
            code = diff.diff(self.edit.edit, self.notebook)
            return self.stream.finish(*self._summary(model, text, code))

        held_back = self.edit.held_back if self.task.check else ""
        if held_back:
            self.session.pending = self.edit.edit
            plain, rich = self._summary(model, NOT_WRITTEN[held_back])
            shown = clipboard.bundle(self.edit.edit)
            return self.stream.finish(f"{plain}\n{shown['text/plain']}", rich + shown["text/html"])

        def say(wrote: str, more: Mapping[str, str]) -> None:
            plain, rich = self._summary(model, wrote)
            plain, rich = (old + more.get(kind, "") for old, kind in ((plain, "text/plain"), (rich, "text/html")))
            self.stream.finish(plain, rich)

        if self._call is not None:
            say("writing …", {})
            self._sent = True
        overwrite = "replace" in self.flags
        sentence = deliver(
            self._placed(self.edit.edit),
            self.shell,
            self.config,
            say,
            overwrite=overwrite,
            call=self._call,
        )
        if self._call is None:
            # Where no page confirms, the code stays in the output, whatever reads it.
            say(sentence, {"text/plain": f"\n\n{self.edit.candidate.text}"} if self.stream.rich else {})

    def _cut(self) -> Notice:
        """What ended the answer before its end: its tokens, or the time of the request."""
        limit = self.task.sampling.max_tokens
        if self.usage.completion_tokens >= limit or not self.config.answer_seconds:
            return Notice(f"the answer was cut at its limit of {limit} tokens", "--max-tokens allows more", "warning")
        seconds = f"the answer was cut: {self.config.answer_seconds:g} s were over"
        return Notice(seconds, "--think-longer gives it more time", "warning")

    def _mended(self, ready: EditReady) -> str:
        """The edit of a fix as a diff against the cell at fault; "" for every other request."""
        if self.task.kind != "fix":
            return ""
        record = ready.edit.cells[0].metadata.get("nbcopilot", {}) if ready.edit.cells else {}
        fault = self.notebook.cell(record.get("source_cell"))
        own = fault is None or fault.id == self.task.target.cell_id
        before = self.task.target.source if own or fault is None else fault.source
        return diff.cell_diff(before.rstrip("\n"), ready.candidate.text, "the cell at fault", "mended")

    def _summary(self, model: str, wrote: str, code: str = "") -> tuple[str, str]:
        """What stands below the cell in the end, as (plain text, HTML)."""
        return summary(
            verdict=self.edit.verdict if self.edit else None,
            notices=self.notices,
            usage=self.usage,
            model=model,
            wrote=wrote,
            code=code or (self._mended(self.edit) or self.edit.candidate.text if self.edit else ""),
            language=self.notebook.language,
            confidence=self.edit.confidence.told(self.task.kind, self.edit.verdict) if self.edit else None,
        )

    def _placed(self, edit: CellEdit) -> CellEdit:
        """`edit`, in place of the cell that asked when --replace was given."""
        here = self.cell_id
        return dataclasses.replace(edit, replaces=(here,)) if "replace" in self.flags and here else edit

    def _show_stopped(self) -> None:
        text = self.stream.text
        kept = f"<pre style='white-space:pre-wrap'>{html.escape(text)}</pre>" if text else ""
        self.stream.finish(f"{text}\n[stopped]", f"{kept}<div>stopped; nothing was written</div>")

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
