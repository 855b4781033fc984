"""Text from anywhere, made fit for a terminal: nothing in it moves the cursor, talks to the terminal or reorders a line."""

from __future__ import annotations

import re

# C0 but tab and line feed, DEL, C1; line separators; bidirectional marks, embeddings, overrides and isolates; characters
# without width that hide text or spell it invisibly (zero-width space, byte order mark, tags).
_UNSAFE = re.compile(
    "\r\n|[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
# Colours and weights, as pytest prints them; neither hidden nor reversed text, no other command.
_COLOUR = re.compile(r"\x1b\[(?:(?:0?[0-4]|22|39|49|3[1-7]|9[0-7])(?:;|(?=m)))*m")


def printable(text: str) -> str:
    """`text` with every such character as its escape (`\\x1b`, `\\u202e`), readable in Python and, from 7f on, in JSON.

    Idempotent; a line break of two characters becomes one.
    """
    return _UNSAFE.sub(_escape, text)


def printable_with_colours(text: str) -> str:
    """As `printable`, but commands that only colour text stay."""
    parts, at = [], 0
    for match in _COLOUR.finditer(text):
        parts += [printable(text[at : match.start()]), match[0]]
        at = match.end()
    return "".join([*parts, printable(text[at:])])


def _escape(match: re.Match[str]) -> str:
    if match[0] == "\r\n":
        return "\n"
    code = ord(match[0])
    if code < 0x7F:
        return f"\\x{code:02x}"
    if code > 0xFFFF:
        return f"\\u{0xD800 + (code - 0x10000 >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
    return f"\\u{code:04x}"
