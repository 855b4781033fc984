"""The one reader of tracebacks as text: those of notebooks' outputs in every form that IPython gave them, and plain Python's."""

from __future__ import annotations

import re
from dataclasses import dataclass

# A frame, by IPython's version: 9 and 8, 8.0 to 8.4, 7 and older, ipykernel's temporary files, plain Python (pytest puts an E before it).
_FRAMES = (
    re.compile(r"^\s*(?:Cell )?In ?\[(?P<count>\d+)\],? line (?P<line>\d+)(?:, in (?P<function>[\w.]+)\()?"),
    re.compile(r"^\s*Input In \[(?P<count>\d+)\], in (?:<cell line: (?P<line>\d+)>|(?P<function>[\w.]+))\("),
    re.compile(r"^\s*<ipython-input-(?P<count>\d+)-\w+> in (?P<function>[\w.<>]+)"),
    re.compile(r"^\s*(?:File )?\S*ipykernel_\d+[/\\]\d+\.py in (?P<function>[\w.<>]+)"),
    re.compile(r'^\s*File "<ipython-input-(?P<count>\d+)-\w+>", line (?P<line>\d+), in (?P<function>[\w.<>]+)'),
    re.compile(r'^\s*(?:E\s+)?File "(?P<file>[^"]+)", line (?P<line>\d+)(?:, in (?P<function>[\w.<>]+))?'),
    re.compile(r"^\s*File (?P<file>[^\s\"].*?):(?P<line>\d+),? in (?P<function>[\w.<>]+)"),
)
# VS Code saves links: `Cell In[5], [line 1](vscode-notebook-cell:?execution_count=5&line=1)`.
_LINK = re.compile(r"\[([^\[\]\n]+)\]\((?:vscode-notebook-cell|file):[^()\n]*\)")
_ARROW = re.compile(r"^-{2,}> ?(\d+)")
_MISSING = re.compile(r"name '(\w+)' is not defined")


@dataclass(frozen=True)
class Frame:
    """A frame of a cell or a file. count: the number of the cell's execution; file: the path, "" for a cell.

    function: "" where the text does not say. None stands for a number that the text does not say.
    """

    line: int | None = None
    count: int | None = None
    function: str = ""
    file: str = ""


@dataclass(frozen=True)
class Traceback:
    """A traceback, read. frames: outermost first. name, message: of the last line. arrow: the first line pointed at."""

    frames: tuple[Frame, ...]
    name: str
    message: str
    arrow: int | None = None

    @property
    def in_cells(self) -> tuple[Frame, ...]:
        """The frames of cells, outermost first."""
        return tuple(frame for frame in self.frames if not frame.file)


def read(text: str) -> Traceback:
    """A traceback from its plain text; one without frames for text that is none. Never raises."""
    rows = _LINK.sub(r"\1", text).strip().splitlines()
    frames = [m.groupdict() for row in rows if (m := next((m for p in _FRAMES if (m := p.match(row))), None))]
    arrow = next((int(m[1]) for row in rows if (m := _ARROW.match(row))), None)
    name, _, message = rows[-1].partition(":") if rows else ("", "", "")
    return Traceback(tuple(map(_frame, frames)), name.strip().rpartition(".")[2], message.strip(), arrow)


def _frame(groups: dict[str, str | None]) -> Frame:
    line, count = groups.get("line"), groups.get("count")
    return Frame(
        int(line) if line else None,
        int(count) if count else None,
        groups.get("function") or "",
        groups.get("file") or "",
    )


def missing_name(name: str, message: str) -> str:
    """The name that a NameError says is not defined; "" for other errors."""
    found = _MISSING.match(message) if name == "NameError" else None
    return found[1] if found else ""
