"""Markdown cut into blocks and sentences, and put together again: lists stay lists when a sentence goes.

A small reader for the text of cells, not a Markdown implementation: fences, headings, list items, tables, rules,
paragraphs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal["paragraph", "item", "heading", "fence", "table", "rule", "blank"]

_FENCE = re.compile(r"^\s{0,3}(`{3,}|~{3,})")
_HEADING = re.compile(r"^(\s{0,3}#{1,6}[ \t]+)(.*)$")
_ITEM = re.compile(r"^(\s*(?:[-*+]|\d{1,3}[.)])[ \t]+)(.*)$")
_RULE = re.compile(r"^\s{0,3}([-*_=])(?:\s*\1){2,}\s*$")
_END = re.compile(r"[.!?…]+[\"'”’)\]*_]*(?=\s)|[。！？]+[」』”]*")
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|vs|cf|resp|approx|incl|fig|eq|no|dr|mr|mrs|ms|st|al|ca|dept|max|min|z\.b|d\.h|u\.a)|\b[A-Za-z])\.$",
    re.I,
)


@dataclass(frozen=True)
class Block:
    """A piece of markdown: `head` is its marker ("- ", "## "), `text` the rest, with line breaks as they were."""

    kind: Kind
    text: str
    head: str = ""

    def with_sentences(self, kept: Sequence[str]) -> Block:
        """The block with only these sentences; an empty text means that the block is gone."""
        return replace(self, text=" ".join(kept))


def blocks(text: str) -> list[Block]:
    """`text` as blocks, in order; `joined(blocks(text))` reads the same."""
    found: list[Block] = []
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        line = lines[at]
        if fence := _FENCE.match(line):
            end = next((i for i in range(at + 1, len(lines)) if lines[i].strip().startswith(fence[1])), len(lines) - 1)
            found.append(Block("fence", "\n".join(lines[at : end + 1])))
            at = end
        elif not line.strip():
            found.append(Block("blank", ""))
        elif _RULE.match(line):
            found.append(Block("rule", line))
        elif heading := _HEADING.match(line):
            found.append(Block("heading", heading[2], heading[1]))
        elif item := _ITEM.match(line):
            found.append(Block("item", item[2], item[1]))
        elif line.lstrip().startswith("|"):
            _extend(found, line, "table")
        else:
            _extend(found, line, "paragraph")
        at += 1
    return found


def joined(parts: Sequence[Block]) -> str:
    """The blocks as markdown, without those that lost their text and without lead-ins whose list is gone."""
    alive = [part for part in parts if part.kind == "blank" or part.text.strip()]
    alive = _without_lone_lead_ins(list(parts), alive)
    lines: list[str] = []
    number = 0
    for part in alive:
        head = part.head
        if part.kind == "item" and (ordered := re.match(r"(\s*)\d+([.)]\s+)", head)):
            number += 1
            head = f"{ordered[1]}{number}{ordered[2]}"
        elif part.kind not in ("item", "blank"):
            number = 0
        lines.append(f"{head}{part.text}")
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")


def sentences(text: str) -> list[str]:
    """`text` cut after each sentence; spans in backticks, decimals and common abbreviations do not end one."""
    hidden = re.sub(r"(`+).+?\1", lambda m: "x" * len(m.group()), text.replace("\n", " "))
    found, start = [], 0
    for match in _END.finditer(hidden + " "):
        if match.group() == "." and _ABBREVIATION.search(hidden[start : match.end()]):
            continue
        if match.group()[0] in "!?." and match.group() != "." and re.match(r"\s+[a-z]", hidden[match.end() :]):
            continue  # 'prints "Hello!" and ends'
        found.append(text[start : match.end()].strip())
        start = match.end()
    return [sentence for sentence in [*found, text[start:].strip()] if sentence]


def prose_words(text: str) -> int:
    """How many words `text` has besides headings, images, rules, tags and bare addresses."""
    plain = re.sub(r"<!--.*?-->|!\[[^\]]*\]\([^)]*\)|<[^>\n]+>|\bhttps?://\S+", " ", text, flags=re.S)
    plain = re.sub(r"^(.+)\n[=-]{2,}\s*$", "", plain, flags=re.M)
    return sum(
        len(re.findall(r"[^\W_]+", block.text))
        # Scripts without blanks between words: four characters count as one.
        + len(re.findall(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]", block.text)) // 4
        for block in blocks(plain)
        if block.kind in ("paragraph", "item", "table")
    )


def headings(text: str) -> list[tuple[int, str]]:
    """(level, text) of the headings in `text`: `#`, underlined, and HTML h1 to h6."""
    outside = "\n".join(b.head + b.text for b in blocks(text) if b.kind != "fence")
    found = [
        (m.start(), len(m[1].strip()), m[2].strip(" #"))
        for m in re.finditer(r"^(\s{0,3}#{1,6})[ \t]+(.+)$", outside, re.M)
    ]
    for match in re.finditer(r"^(?!\s*[-*+|>])(.*\S.*)\n(=+|-{2,})[ \t]*$", outside, re.M):
        found.append((match.start(), 1 if match[2][0] == "=" else 2, match[1].strip()))
    for match in re.finditer(r"<h([1-6])\b[^>]*>(.*?)</h\1>", outside, re.I | re.S):
        found.append((match.start(), int(match[1]), re.sub(r"<[^>]+>", "", match[2]).strip()))
    return [(level, title) for _, level, title in sorted(found)]


def _extend(found: list[Block], line: str, kind: Kind) -> None:
    """Add `line` to the block before it where markdown does, else as a block of its own."""
    last = found[-1] if found else None
    if last is not None and (last.kind == kind or (kind == "paragraph" and last.kind == "item" and last.text)):
        found[-1] = replace(last, text=f"{last.text}\n{line}")
    else:
        found.append(Block(kind, line))


def _without_lone_lead_ins(before: list[Block], alive: list[Block]) -> list[Block]:
    """Drop "It does this:" and headings when what they led to is gone, though it was there before."""
    result = list(alive)
    for index in range(len(result) - 1, -1, -1):
        part = result[index]
        leads = part.kind == "heading" or (part.kind in ("paragraph", "item") and part.text.rstrip().endswith(":"))
        if leads and _leads_to_something(before, part) and not _leads_to_something(result, part):
            del result[index]
    return result


def _leads_to_something(parts: list[Block], lead: Block) -> bool:
    at = next((i for i, part in enumerate(parts) if part is lead), None)
    following = (
        next((part for part in parts[(at or 0) + 1 :] if part.kind != "blank"), None) if at is not None else None
    )
    if following is None:
        return False
    return following.kind != "heading" if lead.kind == "heading" else following.kind in ("item", "fence", "table")
