"""How a request looks in a cell's output: tokens as they come, then one quiet summary.

In a notebook one display is updated in place; in a terminal the tokens are printed. The model's text is
always escaped: it is shown, never executed.
"""

from __future__ import annotations

import html
import sys
import time
from typing import Any

from nbcopilot.checks import registry
from nbcopilot.confidence import Confidence
from nbcopilot.errors import NbcopilotError, sentence, sentences
from nbcopilot.events import Notice
from nbcopilot.inference import Usage
from nbcopilot.printable import printable
from nbcopilot.verdict import Diagnostic, Verdict
from nbcopilot.write import showing

# Updates a second: a notebook server handles far more, a slow browser tab does not.
REFRESH_SECONDS = 0.1

_MONO = "font-family:var(--jp-code-font-family,monospace);font-size:var(--jp-code-font-size,13px);white-space:pre-wrap;margin:4px 0"
_QUIET = "color:var(--jp-ui-font-color2,#666);font-size:90%"
_COLOR = {
    "ok": "var(--jp-success-color1,#2e7d32)",
    "bad": "var(--jp-error-color1,#c62828)",
    "none": "var(--jp-border-color1,#bbb)",
}


class Stream:
    """The live output of one request. `rich` is False in a terminal."""

    def __init__(self, *, rich: bool) -> None:
        self.text = ""
        self.shown: dict[str, str] = {}
        self.rich = rich
        self._handle: Any = None
        self._shown = 0.0
        self._status = ""

    def status(self, text: str) -> None:
        """One line about what is going on before and between answers; replaced by the next."""
        self._status = text
        self._refresh(force=True)

    def token(self, text: str) -> None:
        """Append generated text."""
        self.text += text
        self._status = ""
        if self.rich:
            self._refresh()
        else:
            sys.stdout.write(printable(text))
            sys.stdout.flush()

    def restart(self, reason: str) -> None:
        """Begin a new answer (a repair)."""
        if not self.rich and self.text:
            sys.stdout.write(printable(f"\n--- {reason}\n"))
        self.text = ""
        self.status(reason)

    def finish(self, plain: str, rich: str) -> None:
        """Replace the running text by the summary, given as plain text and as HTML."""
        if self.rich:
            self._publish({"text/plain": plain, "text/html": rich})
        else:
            sys.stdout.write(printable(("\n" if self.text else "") + plain + "\n"))

    def _refresh(self, *, force: bool = False) -> None:
        now = time.monotonic()
        if not self.rich or (not force and now - self._shown < REFRESH_SECONDS):
            return
        self._shown = now
        status = f"<div style='{_QUIET}'>{html.escape(self._status)}</div>" if self._status else ""
        body = f"<pre style='{_MONO}'>{html.escape(self.text)}</pre>" if self.text else ""
        self._publish({"text/plain": self.text or self._status, "text/html": body + status})

    def _publish(self, data: dict[str, str]) -> None:
        from IPython import display

        self.shown = data
        if self._handle is None:
            publish: Any = display.display
            self._handle = publish(data, raw=True, display_id=True)
        else:
            self._handle.update(data, raw=True)


def summary(
    *,
    verdict: Verdict | None,
    notices: list[Notice],
    usage: Usage,
    model: str,
    wrote: str,
    code: str,
    language: str,
    confidence: Confidence | None = None,
) -> tuple[str, str]:
    """The end of a request as (plain text, HTML)."""
    speed = f"{usage.completion_tokens} tokens in {usage.seconds:.1f} s" if usage.seconds else ""
    by_rule = verdict is not None and bool(verdict.evidence.mended) and not usage.completion_tokens
    sandbox = f"sandbox: {verdict.level}" if verdict and verdict.level else ""
    foot = " · ".join(
        part for part in ("no model was asked" if by_rule else model, "" if by_rule else speed, sandbox) if part
    )
    told = showing.truth(verdict, confidence) if verdict else ""
    findings = [f for f in verdict.diagnostics if f.severity != "info"] if verdict else []
    seen = verdict.preview if verdict else None
    plain = [text for text in (wrote, told, showing.plain(seen) if seen else "") if text]
    plain += [*map(_finding_line, findings), *map(_notice_line, notices), foot]

    rows = [f"<div>{html.escape(text)}</div>" for text in (wrote, told) if text]
    rows += [showing.rich(seen)] if seen else []
    rows += [
        f"<div style='color:{_COLOR['bad'] if f.severity == 'error' else 'inherit'}'>{html.escape(_finding_line(f))}</div>"
        for f in findings
    ]
    rows += [f"<div style='{_QUIET}'>{html.escape(_notice_line(n))}</div>" for n in notices]
    if code:
        is_diff = code.startswith("--- ")
        plain += [code.rstrip("\n")] if is_diff else []
        rows.append(
            f"<details{' open' if is_diff else ''}><summary style='{_QUIET}'>{'the edit' if is_diff else 'the answer as text'}</summary><pre style='{_MONO}'>{html.escape(code)}</pre></details>"
        )
    rows.append(f"<div style='{_QUIET}'>{html.escape(foot)}</div>")
    return "\n".join(plain), "".join(rows)


def words(text: str, told: tuple[str, str]) -> tuple[str, str]:
    """An answer in words above what is known of it, as (plain text, HTML)."""
    plain, rich = told
    return f"{text}\n\n{plain}", f"<div style='white-space:pre-wrap'>{html.escape(text)}</div>{rich}"


def answered_already(state: str) -> tuple[str, str]:
    """What stands below a request that has its answer, as (plain text, HTML); `state` is "untouched" or "edited"."""
    text = "Answered below (`--again` asks anew)"
    if state == "edited":
        text = "Answered below, and edited since: your text is kept (`--again` asks anew and shows the difference)"
    return text, f"<div style='{_QUIET}'>{html.escape(text)}</div>"


def problem(error: NbcopilotError) -> tuple[str, str]:
    """Why there is no answer as (plain text, HTML): for a request whose cell has ended."""
    hint = f"<div style='{_QUIET}'>{html.escape(sentence(error.hint))}</div>" if error.hint else ""
    box = f"border-left:3px solid {_COLOR['bad']};padding-left:8px"
    return f"nbcopilot: {error}", f"<div style='{box}'>nbcopilot: {html.escape(sentence(error.message))}{hint}</div>"


def _finding_line(diagnostic: Diagnostic) -> str:
    return f"{diagnostic.severity}: {registry.line(diagnostic)}"


def _notice_line(notice: Notice) -> str:
    return sentences(notice.message, notice.hint)
