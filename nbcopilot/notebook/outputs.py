"""Cell outputs as short text that a model can read: no base64, no markup, no escape codes, no megabytes.

JSON output -> Output. Whatever stands in an output is data: nothing here is run, rendered or fetched.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

from nbcopilot.types import Output

LIMIT = 2000
# Longest text that is cleaned: what lies between its two ends would be cut out anyway.
_CLEANED = 20
_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]{0,4000}(?:\x07|\x1b\\)?|\x1b[@-_]?")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_FRAME = re.compile(
    r"^(?:(?:Cell |Input )?In ?\[|Cell In|File |  File \"|<ipython-input|[~/][^\n:]*\.pyx? in |[A-Za-z]:\\)",
    re.MULTILINE,
)
_PLACEHOLDER = re.compile(
    r"<(?:IPython\.core\.display\.\w+ object|[\w.]+ at 0x[0-9a-fA-F]+|[\w.]+ object at 0x\w+)>\s*\Z"
)
_HTML_LIMIT = 200_000


def short(output: Mapping[str, Any], limit: int = LIMIT) -> Output:
    """The Output for one JSON output of a cell, at most about `limit` characters; never raises on odd JSON.

    Text is preferred over markup; images, widgets and plots are named with their size; progress bars keep their
    last state; of a long traceback the first and the last frames and the message are kept.
    """
    kind = output.get("output_type")
    if kind == "stream":
        return _limited("stream", terminal_text(_text(output.get("text")), limit), limit)
    if kind in ("error", "pyerr"):
        return _error(output, limit)
    data = output.get("data")
    text = _bundle(data if isinstance(data, dict) else {}, limit)
    return _limited("result" if kind in ("execute_result", "pyout") else "display", text, limit)


def strip_ansi(text: str) -> str:
    """`text` without colour codes, cursor movements and other control characters; tabs and line ends stay."""
    return _CONTROL.sub("", _ANSI.sub("", text))


def terminal_text(text: str, limit: int = LIMIT) -> str:
    """What a terminal would show in the end: carriage returns and backspaces applied, colours dropped.

    A text longer than 20 limits is first cut in its middle, so that cleaning stays cheap.
    """
    if len(text) > 2 * _CLEANED * limit:
        text = f"{text[: _CLEANED * limit]}\n… {len(text) - 2 * _CLEANED * limit} characters left out …\n{text[-_CLEANED * limit :]}"
    text = _ANSI.sub("", text.replace("\r\n", "\n"))
    lines = []
    for line in text.split("\n"):
        if "\r" in line:
            line = next((part for part in reversed(line.split("\r")) if part.strip()), "")
        while "\b" in line:
            shorter = re.sub(r"[^\b]\x08", "", line)
            if shorter == line:
                break
            line = shorter
        lines.append(line)
    return _CONTROL.sub("", "\n".join(lines))


def cut(text: str, limit: int) -> tuple[str, int]:
    """`text` within about `limit` characters, and the count left out: two thirds of it from the start, the rest from the end."""
    if len(text) <= limit:
        return text, 0
    head, tail = limit * 2 // 3, limit - limit * 2 // 3
    left_out = len(text) - head - tail
    return f"{text[:head]}\n… {left_out:,} characters left out …\n{text[len(text) - tail :]}", left_out


def _limited(kind: str, text: str, limit: int) -> Output:
    text = text.strip("\n").rstrip()
    return Output(kind, *cut(text, limit))


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(part for part in value if isinstance(part, str))
    return ""


# --------------------------------------------------------------------------- errors


def _error(output: Mapping[str, Any], limit: int) -> Output:
    name, message = strip_ansi(str(output.get("ename") or "Error")), strip_ansi(str(output.get("evalue") or ""))
    lines = output.get("traceback")
    trace = "\n".join(line for line in lines if isinstance(line, str)) if isinstance(lines, list) else ""
    text, left_out = short_traceback(trace, f"{name}: {message}" if message else name, limit)
    return Output("error", text, left_out)


def short_traceback(trace: str, last_line: str, limit: int = LIMIT) -> tuple[str, int]:
    """A traceback as plain text and the characters left out: the first frame, the last two, and the message.

    `last_line` ("ValueError: bad") always ends the text, itself cut when it alone passes the limit.
    """
    last_line, lost = cut(last_line, max(limit // 2, 40))
    trace = strip_ansi(trace[: _CLEANED * limit] + trace[_CLEANED * limit :][-_CLEANED * limit :])
    frames = [match.start() for match in _FRAME.finditer(trace)]
    body = trace
    if len(frames) > 3:
        middle = trace[frames[1] : frames[-2]]
        body = f"{trace[: frames[1]].rstrip()}\n… {len(frames) - 3} frames left out …\n{trace[frames[-2] :]}"
        lost += len(middle)
    body = re.sub(r"^-{20,}\n", "", body).strip("\n").rstrip()
    if body.endswith(last_line):
        body = body[: -len(last_line)].rstrip()
    room = max(limit - len(last_line), 0)
    if len(body) > room:
        body, more = cut(body, room)
        lost += more
    return (f"{body}\n{last_line}" if body.strip() else last_line), lost


# --------------------------------------------------------------------------- results and displays


def _bundle(data: Mapping[str, Any], limit: int) -> str:
    plain = terminal_text(_text(data.get("text/plain")), limit).strip("\n")
    parts = []
    if plain and not _PLACEHOLDER.match(plain):
        parts.append(plain)
    else:
        for kind in ("text/markdown", "text/latex"):
            if not parts and _text(data.get(kind)).strip():
                parts.append(terminal_text(_text(data[kind]), limit))
        if not parts and _text(data.get("text/html")).strip():
            parts.append(html_text(_text(data["text/html"])))
        if not parts and "application/json" in data:
            parts.append(_json(data["application/json"]))
        parts = [part for part in parts if part.strip()]
    parts += [_named(kind, value) for kind, value in data.items() if not kind.startswith("text/") and _is_named(kind)]
    return "\n".join(parts) or plain or ", ".join(f"[{kind}]" for kind in data)


def _is_named(kind: str) -> bool:
    """Media worth naming: pictures, sound, plots; widget state and JSON are said by their text."""
    return kind != "application/json" and not kind.startswith("application/vnd.jupyter")


def _named(kind: str, value: Any) -> str:
    text = _text(value)
    size = _png_size(text) if kind == "image/png" else ""
    if not size:
        length = (
            len(text) * 3 // 4 if kind.startswith(("image/", "audio/", "video/")) and "svg" not in kind else len(text)
        )
        size = f", {max(length // 1024, 1)} kB" if text else ""
    return f"[{kind}{size}]"


def _png_size(text: str) -> str:
    try:
        head = base64.b64decode(text[:64].replace("\n", "")[:40], validate=False)
    except (binascii.Error, ValueError):
        return ""
    if head[:8] != b"\x89PNG\r\n\x1a\n" or len(head) < 24:
        return ""
    return f" {int.from_bytes(head[16:20], 'big')}x{int.from_bytes(head[20:24], 'big')}"


def _json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)[: LIMIT * 2]
    except (TypeError, ValueError, RecursionError):
        return "[application/json]"


def html_text(html: str) -> str:
    """The text of a piece of HTML; table rows become lines with ` | ` between the cells, scripts and styles vanish."""
    reader = _Text()
    try:
        reader.feed(html[:_HTML_LIMIT])
        reader.close()
    except (AssertionError, ValueError):  # html.parser on malformed declarations
        return re.sub(r"<[^>]*>", " ", html[:_HTML_LIMIT])
    lines = (re.sub(r"[ \t\xa0]+", " ", line).strip(" |") for line in "".join(reader.parts).split("\n"))
    return strip_ansi("\n".join(line for line in lines if line))


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "style"):
            self._hidden += 1
        elif tag in ("tr", "p", "div", "br", "li", "table", "h1", "h2", "h3", "pre"):
            self.parts.append("\n")
        elif tag in ("td", "th"):
            self.parts.append(" | ")
        elif tag == "img":
            self.parts.append("[image]")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._hidden = max(self._hidden - 1, 0)

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            # Line ends inside cells are layout of the markup, not of the table.
            self.parts.append(re.sub(r"\s+", " ", data))
