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
from nbcopilot.checks.wording import why
from nbcopilot.confidence import Confidence
from nbcopilot.errors import NbcopilotError, sentence, sentences
from nbcopilot.events import Notice
from nbcopilot.inference import Usage
from nbcopilot.printable import printable
from nbcopilot.verdict import Diagnostic, Verdict
from nbcopilot.write.provenance import marks

# Updates a second: a notebook server handles far more, a slow browser tab does not.
REFRESH_SECONDS = 0.1

_MONO = "font-family:var(--jp-code-font-family,monospace);font-size:var(--jp-code-font-size,13px);white-space:pre-wrap;margin:4px 0"
_QUIET = "color:var(--jp-ui-font-color2,#666);font-size:90%"
_CHIP = (
    "display:inline-block;border:1px solid {color};border-radius:9px;padding:0 8px;margin:2px 4px 2px 0;font-size:90%"
)
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


def chips(verdict: Verdict) -> list[tuple[str, str]]:
    """(text, "ok" | "bad" | "none") for what was checked: the words of the cell's label, then what was left untouched."""
    found = [(mark.text, mark.state) for mark in marks(verdict)]
    if verdict.checks.get("run") == "passed" and not verdict.evidence.changes:
        found.append(("changes nothing else", "ok"))
    if verdict.evidence.not_run is not None:
        found.append((f"not run: {why(verdict.evidence.not_run)}", "none"))
    if verdict.level:
        found.append((f"sandbox: {verdict.level}", "none"))
    return found


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
    foot = "no model was asked" if by_rule else " · ".join(part for part in (model, speed) if part)
    told = chips(verdict) if verdict else []
    if confidence is not None:
        told.insert(0, (confidence.words, confidence.state))
    findings = [f for f in verdict.diagnostics if f.severity != "info"] if verdict else []

    plain = [wrote] if wrote else []
    if told:
        plain.append(" · ".join(text for text, _ in told))
    plain += [_finding_line(f) for f in findings]
    plain += [_notice_line(n) for n in notices]
    plain.append(foot)

    rows = [f"<div>{html.escape(wrote)}</div>"] if wrote else []
    if told:
        rows.append(
            "<div>"
            + "".join(
                f"<span style='{_CHIP.format(color=_COLOR[state])}'>{html.escape(text)}</span>" for text, state in told
            )
            + "</div>"
        )
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
