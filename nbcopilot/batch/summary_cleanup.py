"""A model's answer -> the prose of a summary: no chatter, no fences, no headings, no HTML, bounded.

Form only. Whether it is true is the work of write/grounding.py; whether anything is left, of document.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from nbcopilot.write.grounding import code_words
from nbcopilot.write.markdown import blocks, joined, sentences

MAX_SENTENCES = 3
MAX_CHARS = 700
MAX_TITLE_WORDS = 10
MAX_TITLE_CHARS = 72

_SPAN = re.compile(r"(`+)(?:.+?)\1", re.S)
_FENCE = re.compile(r"^\s*(`{3,}|~{3,})[^\n]*\n.*?(?:^\s*\1\s*$|\Z)", re.M | re.S)
_WHOLE_FENCE = re.compile(r"\A\s*```(?:markdown|md|text)?[ \t]*\n(.*?)\n?```\s*\Z", re.S)
_CONTROL = re.compile(r"<\|[^|>\n]{0,40}\|>|</?s>|\[/?INST\]|<<?/?SYS>>?|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffd]")
_LINK = re.compile(r"!?\[([^\]\n]*)\]\((?:[^()\n]|\([^()\n]*\))*\)")
_CHATTER = re.compile(
    r"^(?:sure|certainly|of course|okay|ok|absolutely|great|hello|hi)\b[^.!\n]*[.!:,]\s*"
    r"|^(?:here(?:'s| is| are)|below is|the following is)\b[^.:\n]*:\s*"
    r"|^(?:summary|description|explanation|answer|overview|documentation|purpose)\s*:\s*",
    re.I,
)
_TALK = re.compile(
    r"\b(?:let me know|feel free|hope this helps|i hope|as an ai|language model|i can(?:not|'t)|i'm sorry|"
    r"if you have any|please (?:note|provide|let)|you asked|your request|happy to)\b|\bI\b(?! ?[/.])",
    re.I,
)
# "This code cell imports" -> "Imports": the reader sees that it is a cell.
_SUBJECT = re.compile(
    r"^(?:(?:this|the|that) (?:following |given |provided |above |below |first |second |next |last |same |whole )?"
    r"(?:(?:python|r|julia|scala|c\+\+|javascript|bash|sql|kotlin|rust|go|java|jupyter|ipython|notebook|code|short|simple|small) )*"
    r"(?:code|cell|cells|snippet|script|block|program|section|notebook|notebook cell|command|line|lines|part)"
    r"(?: of (?:the )?(?:python |r )?code)?(?: in (?:the|this) (?:jupyter )?notebook)?,?"
    r"|it|(?:it )?(?:then|also)|this)\s+"
    r"(?:also |then |first |simply |just |basically |essentially |is (?:used|designed|intended|written|meant) to |"
    r"aims to |is responsible for |serves to |will |can be used to |"
    r"is an? (?:(?:python|r|jupyter|simple|short) )*(?:notebook|script|program|function|example|cell) (?:that|which) )*(?=[a-z`]+)",
    re.I,
)
# One word in two alphabets ("\u05e1erie"); Chinese, Japanese and Korean write Latin words without blanks.
_MIXED_SCRIPT = re.compile(r"[a-zA-Z][\u0370-\u0e7f]|[\u0370-\u0e7f][a-zA-Z]")


def prose(answer: str) -> list[str]:
    """The sentences of an answer that may be about the code, in order; [] when none is."""
    found: list[str] = []
    for sentence in _sentences(_plain(answer)):
        sentence = _tidy(sentence)
        if sentence and len(sentence) <= MAX_CHARS and not repeats(sentence, found):
            found.append(sentence)
    return found


def bounded(sentences: Sequence[str], limit: int = MAX_SENTENCES) -> str:
    """The first sentences together, at most `limit` and MAX_CHARS; never none of them."""
    kept = list(sentences[:limit])
    while len(kept) > 1 and sum(map(len, kept)) > MAX_CHARS:
        kept.pop()
    # Chinese and Japanese have no blank after a full stop.
    return "".join(s if s.endswith(("。", "！", "？")) else f"{s} " for s in kept).rstrip()


def heading(answer: str) -> str:
    """A title of a few words from an answer, without mark-up; "" when there is none."""
    line = next((line for line in _plain(answer, keep_headings=True).split("\n") if line.strip(" #*-")), "")
    line = re.sub(r"\*\*|__|[\"“”]", "", re.sub(r"^[#\s*>_-]+", "", line))
    line = re.sub(r"^[^:]*\b(?:title|titel|heading)\b[^:]*:\s*", "", line, flags=re.I)
    line = re.sub(r"^(?:\d+(?:\.\d+)*[.):]?|cell \d+:)\s+", "", line.strip(" #*_.:-"), flags=re.I)
    line = re.sub(r"^(?:(?:a|the|jupyter|python) )*notebook(?: for| on| about| to|:)\s+", "", line, flags=re.I)
    line = re.sub(
        r"(?:,? (?:in|with|using))?(?: (?:a|the))?(?: (?:jupyter|python|r|ipython))* notebook$", "", line, flags=re.I
    )
    line = re.sub(r"^(?:the |an? )?(?:[\w+#.]+ )?notebook\s*[:-]\s*", "", line.strip(" #*_.:-"), flags=re.I).strip(
        " #*_.:-"
    )
    words = line.split()
    if (
        not 1 <= len(words) <= MAX_TITLE_WORDS
        or len(line) > MAX_TITLE_CHARS
        or _TALK.search(line)
        or _SUBJECT.match(line)
    ):
        return ""
    return escaped(line[0].upper() + line[1:])


def escaped(text: str) -> str:
    """`text` with everything outside backticks that markdown would take for HTML, mathematics or a link made plain."""
    pieces, start = [], 0
    for match in _SPAN.finditer(text):
        pieces += [_escape(text[start : match.start()]), match.group()]
        start = match.end()
    return "".join([*pieces, _escape(text[start:])])


def in_backticks(text: str, names: Iterable[str]) -> str:
    """`text` with words that can only be meant as code put in backticks, where they occur among `names`."""
    known = set(names)
    for start, end in reversed(code_words(text)):
        word = text[start:end]
        if all(part in known for part in re.findall(r"[^\W\d]\w*", word)):
            text = f"{text[:start]}`{word}`{text[end:]}"
    return text


def _plain(answer: str, *, keep_headings: bool = False) -> str:
    """The answer without fences, control tokens, tags, links and (but for a title) headings."""
    text = answer.replace("\r\n", "\n")
    if whole := _WHOLE_FENCE.match(text):
        text = whole[1]
    text = _CONTROL.sub(" ", text)
    text = re.sub("`{3,}", "`", _FENCE.sub("\n", text))
    text = re.sub(r"<!--.*?(?:-->|\Z)|<(script|style|iframe|svg)\b.*?(?:</\1>|\Z)", " ", text, flags=re.S | re.I)
    text = _LINK.sub(r"\1", text)
    kept = [block for block in blocks(text) if keep_headings or block.kind not in ("heading", "rule", "table")]
    return joined(kept)


def _sentences(text: str) -> list[str]:
    found: list[str] = []
    for block in blocks(text):
        if block.kind in ("paragraph", "item"):
            # Never a half sentence, but a list item needs no full stop.
            pieces = sentences(re.sub(r"\s+", " ", block.text))
            found += [piece for piece in pieces if block.kind == "item" or _is_whole(piece)]
    return found


def _is_whole(sentence: str) -> bool:
    return bool(re.search(r"[.!?…。！？؟][\"'”’)\]*_`]*$", sentence))


def _tidy(sentence: str) -> str:
    """One sentence without chatter, emphasis and the empty subject; "" when it talks to the reader or says too little."""
    text = sentence.strip().strip("*_ ")
    text = re.sub(r"\*\*([^*]+)\*\*|__([^_]+)__", lambda m: m[1] or m[2], text)
    for _ in range(2):
        text = _CHATTER.sub("", text).lstrip("*_: ")
    if _TALK.search(_SPAN.sub("`", text)) or text.endswith(":"):
        return ""
    text = _SUBJECT.sub("", text, count=1)
    text = text.rstrip(".")
    if _MIXED_SCRIPT.search(_SPAN.sub("`", text)):
        return ""  # a small model that stumbles in a language it hardly knows
    if text.count("`") % 2:
        text = text.replace("`", "")
    if len(re.findall(r"\w+", text)) < (2 if "`" in text else 3) and not re.search(
        r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]{4}", text
    ):
        return ""
    text = text if re.search(r"[!?…。！？؟]$", text) else f"{text}."
    return escaped(text[0].upper() + text[1:])


def repeats(sentence: str, earlier: Sequence[str], share: float = 0.9) -> bool:
    """Whether this share of the words of `sentence` stands in one earlier text."""
    words = set(re.findall(r"\w+", sentence.lower()))
    return any(len(words & set(re.findall(r"\w+", other.lower()))) >= share * len(words) for other in earlier)


def _escape(text: str) -> str:
    text = re.sub(r"&(?=#|\w+;)", "&amp;", text)
    text = text.replace("<", "&lt;")
    text = re.sub(r"(?<!\\)\$", r"\\$", text)
    return re.sub(r"(?<!\\)([\[\]])", r"\\\1", text)
