"""Telling code from prose in text without fences, and answers from the chat around them.

Used by extract. English phrases only; text in other languages is told apart by what parses as code.
"""

from __future__ import annotations

import ast
import re

from nbcopilot.notebook import syntax

_LEAD_IN = re.compile(
    r"\A\s*(?:(?:sure|certainly|of course|absolutely|okay|ok|great|yes|no problem|alright)\b[^\n]{0,20}?[!.,:]\s*)?"
    r"(?:(?:(?:here(?:'s| is| are)|below (?:is|are)|the following|this is|i(?:'ve| have|'ll| will)|let(?:'s| us| me))\b[^\n]*?[:.!]\s*(?:\n|\Z))|\s*\n)",
    re.IGNORECASE,
)
_GREETING = re.compile(
    r"\A\s*(?:sure|certainly|of course|absolutely|okay|great)\b[^\n]{0,60}?[!.:](?:\s+|\Z)", re.IGNORECASE
)
_SIGN_OFF = re.compile(
    r"\n+\s*(?:let me know|i hope|hope this|feel free|if you (?:have|need)|please let me know|would you like)\b[^\n]*\s*\Z",
    re.IGNORECASE,
)
_CODE_START = re.compile(
    r"^(?:@\w|import\s+\w|from\s+[\w.]+\s+import\b|(?:async\s+)?def\s+\w+|class\s+\w+\s*[:(]|(?:if|for|while|with|try|elif|else|except|finally|match)\b.*:\s*(?:#.*)?$"
    r"|[\w.\[\]'\", ()*]+\s*(?:[-+*/%&|^@]|//|\*\*|<<|>>)?=(?!=)\s*\S|[\w.]+\(.*|[\w.]+\[|assert\s|return\b|raise\b|del\s|print\b|pass$|await\s|global\s|%{1,2}\w|!\S|#\s?\S|\"\"\"|'''|\[|\{|lambda\b|[A-Za-z_]\w*(?:\.\w+)+$|[A-Za-z]\w*_\w+$)"
)
_WORDS = re.compile(r"[A-Za-zÀ-ÿ’']{2,}")
_YES_NO = frozenset({"sure", "yes", "no", "ok", "okay", "certainly", "absolutely", "none", "sorry", "thanks", "hello"})
_TRIES = 300  # parses at most; answers are short, and a longer search has never found more


def strip_chatter(text: str) -> str:
    """The text without "Sure! Here is ..." before and "Let me know ..." after it."""
    text = _SIGN_OFF.sub("", text)
    lead = _LEAD_IN.match(text) or _GREETING.match(text)
    if lead and text[lead.end() :].strip():
        text = text[lead.end() :]
    return text.strip("\n").rstrip()


def whole_sentences(text: str) -> str:
    """The text without the sentence, or the list item, that was cut at its end; all of it when that is all there is."""
    last = text[text.rfind("\n") + 1 :]
    if re.search(r"[.!?:;)`~|>][\"'”»*_]*\Z|\A\s*#", last):
        return text
    ends = [match.end() for match in re.finditer(r"[.!?][\"'”»)*_`]*(?=\s)", text)]
    # An item of a list or a line of its own goes whole, the end of a paragraph from its last full stop on.
    start = text.rfind("\n") if re.match(r"\s*(?:[-*+]|\d+[.)])\s", last) else -1
    end = max([start, *ends])
    return text[:end].rstrip() if end > 0 else text


def salvage(text: str) -> tuple[str, str]:
    """(code, prose) of text that has no fences. Code is "" when nothing in it reads as Python.

    Runs of lines that parse are kept in order. When none does but most lines look like code, the lines between
    the first and the last of those come back, so that the syntax error can be shown.
    """
    if _reads_as_code(text):
        return text.strip("\n").rstrip(), ""
    lines = text.split("\n")
    kept: list[str] = []
    prose: list[str] = []
    budget = _TRIES
    at = 0
    while at < len(lines):
        end = None
        if _starts_code(lines, at):
            end, budget = _longest(lines, at, budget)
        if end is None:
            prose.append(lines[at])
            at += 1
        else:
            kept.append("\n".join(lines[at:end]).strip("\n").rstrip())
            at = end
    real = [part for part in kept if not _only_comments(part)]
    lost = any(_CODE_START.match(line.strip()) and not _is_prose(line) and _WORDS.search(line) for line in prose)
    if real and not lost:
        return "\n\n".join(real), "\n".join(prose).strip()
    return _unreadable(lines)


def _longest(lines: list[str], start: int, budget: int) -> tuple[int | None, int]:
    """(end of the longest run from `start` that reads as code, parses left)."""
    ends = [
        e for e in range(len(lines), start, -1) if e == len(lines) or not lines[e].strip() or not lines[e][0].isspace()
    ]
    for end in ends:
        if budget <= 0:
            return None, 0
        part = lines[start:end]
        if _is_prose(part[-1]) and _indent(part[-1]) == 0:
            continue
        budget -= 1
        if _reads_as_code("\n".join(part)):
            while end > start + 1 and not lines[end - 1].strip():
                end -= 1
            return end, budget
    return None, budget


def _starts_code(lines: list[str], at: int) -> bool:
    line = lines[at]
    if not line.strip() or line[0].isspace():
        return False
    return bool(_CODE_START.match(line)) and not _is_prose(line)


def _reads_as_code(text: str) -> bool:
    """Whether the text parses and is not a sentence that happens to (one word, a question that IPython would take)."""
    if not text.strip():
        return False
    plain = "\n".join(line for line in text.split("\n") if not re.match(r"^\s*[%!]", line))
    if any(line.rstrip().endswith("?") and " " in line.strip() and _is_prose(line) for line in plain.split("\n")):
        return False
    if syntax.foreign_magic(text) is not None:
        return True
    tree = syntax.tree(text)
    if tree is None or not tree.body:
        return False
    return not all(_is_word(s) for s in tree.body)


def _is_word(statement: ast.stmt) -> bool:
    """A lone `Sure`, or a tuple of words: "Yes, certainly"."""
    if not isinstance(statement, ast.Expr):
        return False
    value = statement.value
    items = value.elts if isinstance(value, ast.Tuple) else [value]
    return any(isinstance(item, ast.Name) and item.id.lower() in _YES_NO for item in items)


def _is_prose(line: str) -> bool:
    """Whether a line reads as a sentence: words in a row that are not code."""
    bare = line.strip()
    if not bare or bare.startswith(("#", '"""', "'''", "@", "%", "!")):
        return bool(re.match(r"#{1,6}\s+\*\*|#{2,6}\s", bare))  # a markdown heading is no comment worth keeping
    if re.match(r"(?:[-*+•]|\d+[.)])\s+\S", bare) and syntax.plain_tree(bare) is None:
        return True
    if syntax.plain_tree(bare) or syntax.plain_tree(bare + "\n    pass"):
        return False
    words = _WORDS.findall(re.sub(r"`[^`]*`|\"[^\"]*\"|'[^']*'", " ", bare))
    in_a_row = re.search(r"(?:[A-Za-zÀ-ÿ’',]{2,}\s+){2,}[A-Za-zÀ-ÿ’']{2,}", bare)
    return len(words) >= 3 and bool(in_a_row) and not re.search(r"\)\s*:?$|[\[({=]\s*$", bare)


def _only_comments(part: str) -> bool:
    return all(not line.strip() or line.lstrip().startswith("#") for line in part.split("\n"))


def _unreadable(lines: list[str]) -> tuple[str, str]:
    looks = [bool(_CODE_START.match(line.strip())) or (line[:1].isspace() and bool(line.strip())) for line in lines]
    prose = [_is_prose(line) and not look for line, look in zip(lines, looks, strict=True)]
    strong = [i for i, look in enumerate(looks) if look and not _is_prose(lines[i])]
    if len(strong) < 2 or len(strong) < sum(prose):
        return "", "\n".join(lines).strip()
    first, last = strong[0], strong[-1]
    outside = [*lines[:first], *lines[last + 1 :]]
    return "\n".join(lines[first : last + 1]), "\n".join(outside).strip()


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
