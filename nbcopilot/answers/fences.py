"""Pieces of a model's answer: fenced blocks with the prose before them, and prompts of interactive sessions.

Used by extract; knows the shape of text only, not which piece is wanted.
"""

from __future__ import annotations

import io
import re
import tokenize
from dataclasses import dataclass

_OPEN = re.compile(
    r"^(?P<indent>[ \t>]*(?:(?:[-*+•]|\d+[.)])[ \t]+)?)(?P<fence>`{3,}|~{3,})[ \t]*(?P<info>[^`]*?)[ \t]*$"
)
_INLINE = re.compile(r"^[ \t]*```[ \t]*(?P<tag>[A-Za-z][\w+#.-]*(?=\s))?(?P<code>[^`]+)```[ \t]*$")
_IN_PROMPT = re.compile(r"^\s*(?:In\s?\[\s*\d*\s*\]:|>>>)(?: |$)")
_MORE_PROMPT = re.compile(r"^\s*(?:\.\.\.(?::|)|\s+\.\.\.:)(?: |$)")
_OUT_PROMPT = re.compile(r"^\s*Out\s?\[\s*\d*\s*\]:")


@dataclass(frozen=True)
class Block:
    """One fenced block: its text, the fence's language in lower case, the prose since the block before, closed or not."""

    text: str
    language: str = ""
    lead: str = ""
    closed: bool = True


def split(text: str) -> tuple[list[Block], str]:
    """(blocks in order, prose after the last one). Fences inside a Python docstring belong to the code."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    blocks: list[Block] = []
    lead: list[str] = []
    at = 0
    while at < len(lines):
        inline = _INLINE.match(lines[at])
        opened = None if inline else _OPEN.match(lines[at])
        if inline:
            blocks.append(Block(inline["code"].strip(), (inline["tag"] or "").lower(), "\n".join(lead)))
            lead = []
            at += 1
        elif opened:
            block, at = _read(lines, at, opened, "\n".join(lead))
            if block.text.strip():
                blocks.append(block)
                lead = []
        else:
            lead.append(lines[at])
            at += 1
    return blocks, "\n".join(lead)


def _read(lines: list[str], at: int, opened: re.Match[str], lead: str) -> tuple[Block, int]:
    """The block that starts at line `at`, and the index of the line after it."""
    indent, fence, language = len(opened["indent"]), opened["fence"], _language(opened["info"])
    body: list[str] = []
    for i in range(at + 1, len(lines)):
        line = lines[i]
        if _closes(line, fence, indent):
            if _inside_string(body) and any(_closes(later, fence, indent) for later in lines[i + 1 :]):
                body.append(_dedent(line, indent))
                continue
            return Block("\n".join(body), language, lead), i + 1
        again = _OPEN.match(line)
        if again and again["info"] and again["fence"][0] == fence[0] and len(again["fence"]) == len(fence):
            if _inside_string(body):
                body.append(_dedent(line, indent))
                continue
            return Block("\n".join(body), language, lead), i
        tail = line.rstrip()
        if (
            fence[0] == "`"
            and tail.endswith(fence)
            and tail.count("```") == 1
            and not _inside_string([*body, tail[:-3]])
        ):
            body.append(_dedent(tail[: -len(fence)], indent))
            return Block("\n".join(body), language, lead), i + 1
        body.append(_dedent(line, indent))
    return Block("\n".join(body), language, lead, closed=False), len(lines)


def _language(info: str) -> str:
    found = re.match(r"\{?\s*\.?([\w+#-]+)", info)
    tag = found[1].lower() if found else ""
    if tag in ("code-cell", "code-block", "code", "cell"):  # ```{code-cell} ipython3
        rest = re.search(r"\}?\s+([\w+#-]+)", info)
        return rest[1].lower() if rest else ""
    return tag


def _closes(line: str, fence: str, indent: int) -> bool:
    bare = line.strip().lstrip("> ")
    deep = len(line) - len(line.lstrip())
    return len(bare) >= len(fence) and set(bare) == {fence[0]} and deep < indent + 4


def _dedent(line: str, indent: int) -> str:
    head = line[:indent]
    return line[indent:] if not head.strip(" \t>") else line.lstrip(" \t")


def _inside_string(lines: list[str]) -> bool:
    """Whether the lines, read as Python, end inside a triple-quoted string."""
    text = "\n".join(lines)
    if '"""' not in text and "'''" not in text:
        return False
    try:
        for _ in tokenize.generate_tokens(io.StringIO(text + "\n").readline):
            pass
    except tokenize.TokenError as exc:
        return "multi-line string" in str(exc) or "triple-quoted" in str(exc)
    except (SyntaxError, ValueError):
        return False
    return False


def strip_prompts(text: str) -> str:
    """The input lines of a `>>>` or `In [1]:` session, prompts and outputs dropped; other text comes back as it is."""
    lines = text.split("\n")
    first = next((line for line in lines if line.strip()), "")
    if not _IN_PROMPT.match(first):
        return text
    kept: list[str] = []
    inside = False  # after an IPython prompt a cell goes on without any prompt
    style_ipython = not first.lstrip().startswith(">>>")
    for line in lines:
        start, more = _IN_PROMPT.match(line), _MORE_PROMPT.match(line)
        if start:
            kept.append(line[start.end() :])
            inside = True
        elif more and kept:
            kept.append(line[more.end() :])
        elif _OUT_PROMPT.match(line) or (not style_ipython):
            inside = False
        elif inside and style_ipython:
            kept.append(line)
    return "\n".join(kept).strip("\n")
