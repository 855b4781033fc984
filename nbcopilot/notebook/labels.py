"""The label of a cell that we wrote, as text: where the line stands in code and markdown of any language, and how it comes off.

What a label says is `write.provenance`; that models and comparisons do not see it is why it is known here.
"""

from __future__ import annotations

import re

from nbcopilot.notebook.marks import directives
from nbcopilot.types import CellKind

SIGN = "nbcopilot · "

# (start, end) of a comment on a line of its own, by language; "#" for every other language.
_COMMENTS = {
    "//": "c c++ c# cpp csharp d dart fsharp go groovy java javascript js kotlin objectivec php qsharp rust scala "
    "solidity stata swift ts typescript f# q# node deno",
    "--": "ada applescript elm haskell lua postgresql sql sqlite tsql vhdl",
    ";": "clojure common-lisp emacs-lisp gdl hy idl lisp racket scheme calysto_scheme",
    "%": "erlang matlab octave prolog tex latex",
    "!": "fortran lfortran",
    '"': "vim",
}
_PAIRS = {
    "css": ("/*", "*/"),
    "sas": ("/*", "*/"),
    "ocaml": ("(*", "*)"),
    "html": ("<!--", "-->"),
    "svg": ("<!--", "-->"),
    "markdown": ("<!--", "-->"),
    "mathematica": ("(*", "*)"),
    "wolfram": ("(*", "*)"),
}
_STARTS = {name: start for start, names in _COMMENTS.items() for name in names.split()}
# The language of the lines below a cell magic; None is not the notebook's: no comment goes in there.
_MAGICS = {
    "bash": "bash", "sh": "bash", "script": None, "html": "html", "javascript": "javascript", "js": "javascript",
    "latex": "latex", "markdown": "markdown", "perl": "perl", "r": "r", "ruby": "ruby", "sql": "sql", "svg": "svg",
    "python": "python", "python3": "python", "python2": "python", "pypy": "python", "cython": "python",
    "time": "python", "timeit": None, "capture": "python", "prun": "python", "memit": None, "writefile": None,
    "file": None,
}  # fmt: skip
_MARKDOWN_LABEL = re.compile(r"\s*^<sub>nbcopilot · [^\n]*</sub>\s*\Z", re.M)


def labelled(kind: CellKind, source: str, line: str, language: str = "python") -> str:
    """`source` with the label at its edge: above code (below a cell magic), below markdown.

    Code under a cell magic whose body is not a program (`%%writefile`) stays as it is.
    """
    if kind == "markdown":
        return f"{source.rstrip()}\n\n{line}"
    magic = re.match(r"%%(\w+)[^\n]*", source)
    if not magic:
        head, rest = directives(source)  # what must be the first lines stays so
        return f"{head}{line}\n{rest}"
    inner = _MAGICS.get(magic[1].lower(), language)
    if inner is None:
        return source
    text = line[line.index(SIGN) :]
    start, end = comment(inner)
    old_end = comment(language)[1]
    text = text.removesuffix(old_end).rstrip() if old_end else text
    head, rest = directives(source[magic.end() :].removeprefix("\n"))
    made = f"{magic[0]}\n{head}{start} {text} {end}".rstrip()
    return f"{made}\n{rest}" if source[magic.end() :] else made


def unlabelled(kind: CellKind, source: str) -> str:
    """`source` without our label; unchanged when there is none."""
    if kind == "markdown":
        return _MARKDOWN_LABEL.sub("", source)
    lines = source.split("\n")
    at = 1 if lines[0].startswith("%%") else 0
    at += directives("\n".join(lines[at:]))[0].count("\n")
    if at < len(lines) and is_label(lines[at]):
        del lines[at]
    return "\n".join(lines)


def is_label(line: str) -> bool:
    """True when the line is a comment with our sign."""
    head, sign, _ = line.partition(SIGN)
    return bool(sign) and head.strip() in {"#", *_COMMENTS, *(start for start, _ in _PAIRS.values())}


def comment(language: str) -> tuple[str, str]:
    """What opens and closes a comment on a line of its own in this language."""
    name = language.strip().lower()
    return _PAIRS.get(name) or (_STARTS.get(name, "#"), "")
