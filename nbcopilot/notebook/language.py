"""Which language a notebook and each of its cells are written in, by lower-case name ("python", "r", "c++").

Reads what the file says, believes the code over a kernelspec that plainly lies, and knows the cell magics that
switch languages. Never runs or imports a kernel.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

DEFAULT = "python"

_ALIASES = {
    "python3": "python", "python2": "python", "ipython": "python", "ipython3": "python", "ir": "r", "sh": "bash",
    "shell": "bash", "zsh": "bash", "ijavascript": "javascript", "js": "javascript", "node": "javascript",
    "ts": "typescript", "gophernotes": "go", "pwsh": "powershell", "csharp": "c#", "fsharp": "f#", "cpp": "c++",
    "iqsharp": "q#", "qsharp": "q#", "ihaskell": "haskell", "calysto_scheme": "scheme",
}  # fmt: skip

# Cell magics whose body is another language; "python" means that the body runs in the notebook's own namespace.
_CELL_MAGICS = {
    "bash": "bash", "sh": "bash", "script": "bash", "!": "bash", "sx": "bash", "system": "bash", "r": "r",
    "javascript": "javascript", "js": "javascript", "html": "html", "svg": "html", "latex": "latex",
    "markdown": "markdown", "perl": "perl", "ruby": "ruby", "cython": "cython", "julia": "julia", "sql": "sql",
    "bigquery": "sql", "sparksql": "sql", "cmd": "batch", "powershell": "powershell", "pypy": "python2",
    "python2": "python2", "fortran": "fortran", "octave": "octave", "matlab": "matlab", "cpp": "c++", "cuda": "cuda",
    "writefile": "text", "file": "text",
    # nbcopilot's own prompt cells: text, unless they carry code
    "generate": "text",
    "chat": "text",
}  # fmt: skip
_MAGIC = re.compile(r"\s*%%(\w+|!)(.*)")
# Databricks: a line magic at the top that says what the rest of the cell is; nothing else may follow a bare one.
_DATABRICKS_LANGUAGES = {
    "sql": "sql", "md": "markdown", "scala": "scala", "r": "r", "sh": "bash", "fs": "bash", "python": "python",
}  # fmt: skip
_DATABRICKS = re.compile(r"\s*(?:# MAGIC %(sql|md|scala|r|sh|fs|python)\b|%(sql|md|scala|r|sh|fs)[ \t]*\n)")
_POLYGLOT = re.compile(r"\s*#!([\w#+-]+)\s*$", re.MULTILINE)

# Lines that another language needs and Python cannot have. Two kinds of evidence, or no Python at all, must agree.
_EVIDENCE = {
    "javascript": r"^\s*(?:const|let|var)\s+[\w{\[].*=|=>\s*[{(\w]|\bconsole\.log\(|^\s*function\b.*\{|===",
    "r": r"<-\s*\S|^\s*library\(|%>%|\bfunction\s*\([^)]*\)\s*\{|\$\w+\s*<-",
    "julia": r"^\s*(?:using|function)\s+\w|^\s*end\s*$|\bprintln\(",
    "c++": r"^\s*#include\s*[<\"]|\bstd::|;\s*$",
    "bash": r"^\s*(?:echo|ls|cd|sudo|export|for\s+\w+\s+in\s.*;\s*do)\b|\$\{?\w+|^\s*fi\s*$",
    "scala": r"^\s*(?:val|object|case class|trait)\s+\w",
    "sql": r"(?i)^\s*(?:select\s.+\sfrom|insert\s+into|create\s+table)\b",
}


def canonical(name: str) -> str:
    """The lower-case name of a language or kernel: "R" and "ir" are "r", "C++17" is "c++", "python3" is "python"."""
    name = name.strip().lower().removeprefix(".net-")
    if re.fullmatch(r"(?:x?cpp|c\+\+)\d*", name):
        return "c++"
    if re.fullmatch(r"(?:scala|julia|ruby|python|java)[-\d.]+", name):
        name = re.match(r"[a-z]+", name)[0]  # type: ignore[index]
    return _ALIASES.get(name, name)


def notebook_language(metadata: Any, sources: Sequence[str] = ()) -> str:
    """The language of the kernel: what the metadata says, or what the code plainly is when it says Python in vain."""
    said = _said(metadata)
    if said in ("", DEFAULT):
        return _plainly_other(sources) or DEFAULT
    return said


def _said(metadata: Any) -> str:
    if not isinstance(metadata, Mapping):
        return ""
    info, spec = metadata.get("language_info"), metadata.get("kernelspec")
    places = [(info, "name"), (spec, "language"), (metadata, "language"), (spec, "name")]
    for place, key in places:
        value = place.get(key) if isinstance(place, Mapping) else None
        if isinstance(value, str) and value.strip():
            return canonical(value)
    return ""


def _plainly_other(sources: Sequence[str]) -> str:
    """Another language when no cell can be Python (2 or 3) and the code has that language's own signs; else ""."""
    from nbcopilot.notebook.syntax import parses

    code = [s for s in sources if s.strip() and not _MAGIC.match(s)][:50]
    if not code or any(_can_be_python(source, parses(source)) for source in code):
        return ""
    scores = {name: len(re.findall(pattern, "\n".join(code), re.MULTILINE)) for name, pattern in _EVIDENCE.items()}
    best = max(scores, key=lambda name: scores[name])
    return best if scores[best] > 0 else ""


def _can_be_python(source: str, parses: bool) -> bool:
    # `x <- 1` parses as a comparison that nobody writes.
    if parses and not re.search(r"^[A-Za-z.][\w.]*\s<-\s", source, re.M):
        return True
    python2 = r"^\s*(?:print\s+[\"'\w]|except\s+\w+\s*,|exec\s+\w|(?:def|class|import|from)\s+\w)"
    return bool(re.search(python2, source, re.M))


def cell_language(source: str, default: str = DEFAULT, metadata: Any = None) -> str:
    """The language of one code cell: its cell magic, its polyglot marker or its own metadata, else `default`."""
    magic = _MAGIC.match(source)
    if magic:
        name = magic[1].lower()
        if name in ("script", "!") and magic[2].split():
            return canonical(magic[2].split()[0].rpartition("/")[2])
        return _CELL_MAGICS.get(name, default)
    if switch := _DATABRICKS.match(source):
        return _DATABRICKS_LANGUAGES[switch[1] or switch[2]]
    marker = _POLYGLOT.match(source)
    if marker:
        return canonical(marker[1])
    if isinstance(metadata, Mapping):
        for key in ("dotnet_interactive", "polyglot_notebook"):
            place = metadata.get(key)
            value = place.get("language") or place.get("kernelName") if isinstance(place, Mapping) else None
            if isinstance(value, str):
                return canonical(value)
        place = metadata.get("vscode")
        value = place.get("languageId") if isinstance(place, Mapping) else None
        if isinstance(value, str) and value:
            return canonical(value)
        kernel = metadata.get("kernel")  # SoS
        if isinstance(kernel, str) and kernel:
            return canonical(kernel)
    return default
