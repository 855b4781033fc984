"""Names by patterns: for other languages than Python, and for source that is no valid syntax. Rough on purpose."""

from __future__ import annotations

import keyword
import re


def word_set(text: str) -> frozenset[str]:
    """The words of `text`."""
    return frozenset(text.split())


def rough_names(source: str, language: str) -> tuple[set[str], set[str]]:
    """The names that look assigned or declared in `source`, and the other identifiers in it."""
    text = _STRINGS.sub("''", _COMMENTS.get(language, _COMMENT).sub("", source))
    bound = {match[1] or match[2] for match in _ASSIGNED.finditer(text)}
    bound |= {match[1] for match in _DECLARED.finditer(text)}
    words = {match[0] for match in _WORD.finditer(text)}
    return bound, {word for word in words - bound if not keyword.iskeyword(word) and word not in _COMMON_WORDS}


def statements(source: str) -> list[str]:
    """Top-level statements by indentation, for source that does not parse as a whole."""
    chunks: list[list[str]] = []
    for line in source.split("\n"):
        starts = line[:1] not in (" ", "\t", "", ")", "]", "}", "#")
        joins = re.match(r"(?:else|elif|except|finally)\b", line)
        opened = bool(chunks) and chunks[-1][-1].lstrip().startswith("@")
        if not chunks or (starts and not joins and not opened):
            chunks.append([])
        chunks[-1].append(line)
    return ["\n".join(chunk) for chunk in chunks]


_COMMENT = re.compile(r"#[^\n]*")
_SLASHES = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_COMMENTS = dict.fromkeys(
    ("javascript", "typescript", "c++", "c", "c#", "java", "scala", "kotlin", "go", "rust", "swift", "q#"), _SLASHES
) | {"haskell": re.compile(r"--[^\n]*"), "sql": re.compile(r"--[^\n]*")}
_STRINGS = re.compile(r"\"\"\".*?\"\"\"|'''.*?'''|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.DOTALL)
_WORD = re.compile(r"(?<![\w.$])[A-Za-z_]\w*")
_ASSIGNED = re.compile(
    r"^[ \t]*(?:(?:const|let|var|val|mut|auto|my|local|export|static|final|double|int|float|long|bool|string|String)[ \t]+)*"
    r"(?:([A-Za-z_][\w.]*)[ \t]*(?::[^=\n]{1,40})?(?:<-|:=|=(?![=>]))|([A-Za-z_]\w*)[ \t]*::)",
    re.MULTILINE,
)
_DECLARED = re.compile(
    r"\b(?:function|def|cpdef|cdef|fn|func|fun|sub|class|struct|interface|object|trait|data|type|enum|import|library|using)"
    r"[ \t(]+([A-Za-z_]\w*)"
)
_COMMON_WORDS = word_set(
    "const let var val function end then do done fi esac echo library TRUE FALSE NULL NA true false null nil "
    "new this self void int float double bool string auto include using namespace std public private static "
    "struct enum package main func fn mut impl match where of otherwise case object trait extends print "
    "println printf"
)
