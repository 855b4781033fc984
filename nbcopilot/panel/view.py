"""What the panel looks like, and what its buttons do: ipywidgets, escaped text, no script.

work.py does the asking; here events become what is seen. Every change of a widget may come from a thread.
"""

from __future__ import annotations

import html
import time
from dataclasses import replace
from functools import partial
from typing import Any

import ipywidgets as widgets
from IPython.core.getipython import get_ipython

from nbcopilot import config as settings
from nbcopilot import session as sessions
from nbcopilot.batch.open_notebook import Documented, Part, Progress
from nbcopilot.checks import registry
from nbcopilot.confidence import Confidence
from nbcopilot.errors import NbcopilotError, UsageError, sentence, sentences
from nbcopilot.events import CheckDone, ContextReady, Done, EditReady, Notice, PromptReady, Token
from nbcopilot.panel.work import Heard, Request, read
from nbcopilot.session import Write
from nbcopilot.types import CellEdit, Context, Judged, TaskKind
from nbcopilot.urls import is_url
from nbcopilot.verdict import Verdict
from nbcopilot.write import clipboard, comm, delivery, showing
from nbcopilot.write.wire import Refused

# Updates a second: far below what a browser tab takes, far above what an eye needs.
REFRESH_SECONDS = 0.1
ACTIONS: dict[TaskKind, tuple[str, str]] = {
    "generate": ("Generate", "write a cell that does what the box says"),
    "explain": ("Explain", "say in words what the code does"),
    "testgen": ("Test", "write tests for the code, and run them"),
    "fix": ("Fix", "mend the last cell that failed"),
    "document": ("Document", "write title, overview and texts for the notebook, or a text for what About names"),
}
_PRE = (
    "white-space:pre-wrap;margin:4px 0;line-height:1.4;max-height:360px;overflow:auto;"
    "font-family:var(--jp-code-font-family,monospace);font-size:var(--jp-code-font-size,13px)"
)
_QUIET = "color:var(--jp-ui-font-color2,#616161);font-size:90%"
_BAD = "var(--jp-error-color1,#d32f2f)"


class Panel(widgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """The panel of one notebook. `settings` as for `nbcopilot.panel`."""

    def __init__(self, **overrides: Any) -> None:
        shell = get_ipython()
        if shell is None:
            raise UsageError(
                "there is no kernel for a panel", hint="call it in a notebook, or use `nbcopilot generate`"
            )
        self.config = settings.with_changes(sessions.current().config, **overrides)
        self._shell = shell
        self._cell_id = comm.running_cell(shell)
        comm.connect(shell)  # asks now: by the first press on a button the front end has answered
        self._request: Request | None = None
        self._context: Context | None = None
        self._best = 0
        self._sure: Confidence | None = None
        self._text: dict[tuple[int, int], str] = {}
        self._parts: tuple[Part, ...] = ()
        self._shown = 0.0
        self._build()
        super().__init__([self._title, self._box, self._row, self._actions, self._status, self._answer, self._choice,
                          self._checks, self._decision, self._said, self._sent])  # fmt: skip
        self.add_class("nbc-panel")

    # ------------------------------------------------------------------ parts

    def _build(self) -> None:
        wide = widgets.Layout(width="100%")
        hidden = widgets.Layout(display="none")
        engine = self.config.engine
        place = f"text goes to {engine}" if is_url(engine) else "nothing leaves this machine"
        self._title = widgets.HTML(f"<b>nbcopilot</b> <span style='{_QUIET}'>{html.escape(place)}</span>")
        self._box = widgets.Textarea(
            placeholder="What should the next cell do?", layout=widgets.Layout(width="auto", height="64px")
        )
        self._box.add_class("nbc-panel-instruction")
        # Labels by `description`: the only ones that a screen reader connects with their field.
        narrow = {"description_width": "initial"}
        self._about = widgets.Text(
            description="About",
            placeholder="cell number or name; empty: the last cell (Document: all)",
            layout=wide,
            style=narrow,
        )
        self._count = widgets.BoundedIntText(
            1, description="Answers", min=1, max=8, style=narrow, layout=widgets.Layout(width="130px")
        )
        self._row = widgets.HBox([self._about, self._count])
        self._buttons = {kind: self._button(kind) for kind in ACTIONS}
        self._stop = widgets.Button(description="Stop", disabled=True, tooltip="stop at the next token")
        self._stop.layout.width = "72px"
        self._stop.on_click(lambda _: self.stop())
        self._actions = widgets.HBox([*self._buttons.values(), self._stop], layout=widgets.Layout(flex_flow="row wrap"))
        self._status, self._answer, self._checks, self._said = (widgets.HTML() for _ in range(4))
        self._choice = widgets.ToggleButtons(options=[("1", 0)], layout=hidden)
        self._choice.observe(lambda _: self._show_choice(), names="value")
        insert = widgets.Button(description="Insert", button_style="primary", tooltip="write it into the notebook")
        insert.on_click(lambda _: self._insert())
        drop = widgets.Button(description="Reject", tooltip="drop this answer")
        drop.on_click(lambda _: self._clear())
        self._decision = widgets.HBox([insert, drop], layout=widgets.Layout(display="none"))
        self._sent = widgets.Accordion(
            [widgets.HTML()], titles=("What was sent",), layout=widgets.Layout(display="none")
        )

    def _button(self, kind: TaskKind) -> widgets.Button:
        label, tip = ACTIONS[kind]
        button = widgets.Button(description=label, tooltip=tip, button_style="primary" if kind == "generate" else "")
        button.layout.width = "92px"
        button.on_click(lambda _: self.ask(kind))
        return button

    # ------------------------------------------------------------------ asking

    def ask(self, kind: TaskKind, instruction: str | None = None) -> Request | None:
        """Do what the button does (default: with the text of the box); None when the request could not begin."""
        if self._request is not None and not self._request.join(0):
            return None
        self._clear()
        words = self._box.value.strip() if instruction is None else instruction
        try:
            if kind == "generate" and not words:
                raise UsageError("there is no instruction", hint="write in the box what the cell should do")
            config = settings.with_changes(self.config, candidates=self._count.value)
            task, notebook = read(self._shell, kind, words, self._about.value, config, self._cell_id)
        except NbcopilotError as exc:
            self._fail(exc)
            return None
        self._busy(True)
        self._status.value = _quiet("starting the model …")
        names = dict(self._shell.user_ns)
        self._request = Request(sessions.current(), config, task, notebook, self._hear, names)
        self._request.start()
        return self._request

    def stop(self) -> None:
        """Cancel the running request at the next token."""
        if self._request is not None:
            self._request.stop()

    def _hear(self, event: Heard) -> None:
        """One event of the running request, in its thread."""
        if isinstance(event, NbcopilotError):
            self._fail(event)
        elif isinstance(event, ContextReady):
            self._show_sent(event.context)
        elif isinstance(event, PromptReady):
            self._status.value = _quiet("repairing …" if event.attempt else "reading …")
        elif isinstance(event, Token):
            key = (event.attempt, event.index)
            self._text[key] = self._text.get(key, "") + event.text
            self._refresh()
        elif isinstance(event, CheckDone):
            self._status.value = _quiet("checking …")
        elif isinstance(event, Notice):
            self._said.value += f"<div style='{_QUIET}'>{html.escape(sentences(event.message, event.hint))}</div>"
        elif isinstance(event, EditReady):
            self._offer(event)
        elif isinstance(event, Progress):
            self._status.value = _quiet(f"writing … {event.done} of {event.total} texts")
        elif isinstance(event, Documented):
            self._offer_parts(event)
        elif isinstance(event, Done):
            self._end(event)

    def _end(self, done: Done) -> None:
        self._refresh(force=True)
        usage = done.usage
        pace = f"{usage.completion_tokens} tokens in {usage.seconds:.1f} s" if usage.completion_tokens else ""
        words = {"ok": pace, "empty": "no usable answer came", "cancelled": "stopped; what had come is kept"}
        self._status.value = _quiet(words[done.finish])
        self._busy(False)

    # ------------------------------------------------------------------ the answer

    def _refresh(self, *, force: bool = False) -> None:
        now = time.monotonic()
        if self._decision.layout.display != "none" or (not force and now - self._shown < REFRESH_SECONDS):
            return
        self._shown = now
        latest = max(self._text, default=None, key=lambda key: (key[0], -key[1]))
        if latest is not None:
            self._answer.value = f"<pre style='{_PRE}'>{html.escape(self._text[latest])}</pre>"

    def _offer(self, ready: EditReady) -> None:
        assert self._request is not None
        judged = self._request.judged
        best = self._best = self._request.best(ready)
        self._sure = ready.confidence.told(self._request.task.kind, ready.verdict)
        self._decision.layout.display = ""
        shown = _one_of_each(judged, best)
        self._choice.layout.display = "" if len(shown) > 1 else "none"
        self._choice.options = [(_outcome_name(judged[i][1][1], number), i) for number, i in enumerate(shown, 1)]
        self._choice.value = best
        self._show_choice()

    def _offer_parts(self, found: Documented) -> None:
        self._parts = found.parts
        self._decision.layout.display = "" if found.parts else "none"
        assert self._request is not None
        self._answer.value = "".join(
            f"<div style='{_QUIET}'>above cell {self._label(part.about)}</div>"
            f"<pre style='{_PRE}'>{html.escape(cell.source)}</pre>"
            for part in found.parts
            for cell in part.edit.cells
        )
        self._said.value = "".join(f"<div style='{_QUIET}'>{html.escape(note)}</div>" for note in found.notes)

    def _label(self, cell_id: str) -> str:
        assert self._request is not None
        notebook = self._request.notebook
        cell, at = notebook.cell(cell_id), notebook.index(cell_id)
        return f"[{cell.executed}]" if cell is not None and cell.executed is not None else f"#{(at or 0) + 1}"

    def _show_choice(self) -> None:
        if self._request is None or self._choice.value is None or not self._request.judged:
            return
        candidate, verdict = self._request.judged[self._choice.value][1]
        self._answer.value = f"<pre style='{_PRE}'>{html.escape(candidate.text)}</pre>"
        self._checks.value = _verdict(verdict, self._sure if self._choice.value == self._best else None)

    def _show_sent(self, context: Context) -> None:
        rows = [
            f"<tr><td>{html.escape(s.source)}</td><td>{html.escape(reason)}</td><td style='text-align:right'>{s.tokens}</td></tr>"
            for snippets, left_out in ((context.snippets, False), (context.dropped, True))
            for s in snippets
            for reason in ["left out: no room" if left_out else s.reason]
        ]
        head = "<tr><th>What</th><th>Why</th><th>Tokens</th></tr>"
        self._sent.children[0].value = f"<table style='width:100%;font-size:90%'>{head}{''.join(rows)}</table>"
        self._sent.set_title(0, f"What was sent ({context.tokens} tokens)")
        self._sent.layout.display = ""

    def _insert(self) -> None:
        if self._request is None or (self._choice.value is None and not self._parts):
            return
        edits = [part.edit for part in self._parts] or [self._request.edit(self._choice.value)]
        link = comm.connect(self._shell)
        if link is None or not link.ready:
            # Payloads need a running cell; a button has none.
            whole = replace(edits[0], cells=tuple(cell for edit in edits for cell in edit.cells))
            return self._hand_over(whole, "this front end cannot be written to: copy the text into a cell")
        sessions.current().history.append(Write(edits[0], "comm"))
        for edit in edits:  # one group: they are taken back together
            link.send(edit, partial(self._answered, edit))

    def _answered(self, edit: CellEdit, answer: Any) -> None:
        if isinstance(answer, Refused):
            self._hand_over(edit, delivery.explain(answer))
        else:
            many = f"written in {len(self._parts)} places" if len(self._parts) > 1 else delivery.explain(answer)
            self._said.value = _quiet(many)
        self._decision.layout.display = "none"

    def _hand_over(self, edit: CellEdit, reason: str) -> None:
        self._said.value = _quiet(reason) + clipboard.bundle(edit)["text/html"]

    # ------------------------------------------------------------------ states

    def _busy(self, busy: bool) -> None:
        for button in self._buttons.values():
            button.disabled = busy
        self._stop.disabled = not busy

    def _clear(self) -> None:
        self._text.clear()
        self._parts = ()
        for part in (self._status, self._answer, self._checks, self._said):
            part.value = ""
        for hidden in (self._choice, self._decision, self._sent):
            hidden.layout.display = "none"

    def _fail(self, error: NbcopilotError) -> None:
        self._status.value = (
            f"<div style='border-left:3px solid {_BAD};padding-left:8px'>{html.escape(sentence(error.message))}"
            f"<div style='{_QUIET}'>{html.escape(sentence(error.hint))}</div></div>"
        )
        self._busy(False)


def _quiet(text: str) -> str:
    return f"<span style='{_QUIET}'>{html.escape(text)}</span>"


def _one_of_each(judged: list[tuple[int, Judged]], best: int) -> list[int]:
    """The answers to choose from, the best first: of those with the same outcome one, and none that the checks reject
    beside one that they accept."""
    shown, seen = [best], {_group(judged[best][1])}
    accepted = judged[best][1][1].ok
    for i, (_, one) in enumerate(judged):
        if i != best and (one[1].ok or not accepted) and _group(one) not in seen:
            seen.add(_group(one))
            shown.append(i)
    return shown


def _group(judged: Judged) -> str:
    candidate, verdict = judged
    return (verdict.preview.group if verdict.preview is not None else "") or candidate.text


def _outcome_name(verdict: Verdict, number: int) -> str:
    """What a choice is called: its value where that is short, else its number."""
    value = verdict.preview.value if verdict.preview is not None else None
    short = (
        value.text if value is not None and value.table is None and 0 < len(value.text) <= 16 else f"Outcome {number}"
    )
    return short if verdict.ok else f"{short} ✗"


def _verdict(verdict: Verdict, sure: Confidence | None) -> str:
    lines = "".join(
        f"<div>{html.escape(registry.line(finding))}</div>"
        for finding in verdict.diagnostics
        if finding.severity != "info"
    )
    seen = showing.rich(verdict.preview) if verdict.preview is not None else ""
    return f"<div>{html.escape(showing.truth(verdict, sure))}</div>{seen}{lines}"
