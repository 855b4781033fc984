"""What the benchmark asks: questions about one notebook, as the magics ask them, written out in ChatML.

Both programs get the very same text. A `mark` at the start makes a prompt new to every prefix cache.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nbcopilot.errors import NotebookNotFoundError

# About 1,300 tokens of code, the size 3.7 characters a token.
CONTEXT_CHARACTERS = 4800
CELLS = 8


@dataclass(frozen=True)
class Notes:
    """The cells of a notebook that the questions are about, and the mark in front of them."""

    cells: tuple[str, ...]
    mark: str = ""

    def marked(self, mark: str) -> Notes:
        """The same cells, new to a prefix cache."""
        return replace(self, mark=mark)

    def edited(self, mark: str) -> Notes:
        """The same notebook after the cell in the middle was edited."""
        middle = len(self.cells) // 2
        changed = f"# edited {mark}\n{self.cells[middle]}"
        return replace(self, cells=(*self.cells[:middle], changed, *self.cells[middle + 1 :]))

    def ask(self, question: str) -> str:
        """The whole prompt for one question about the cells."""
        shown = "\n\n".join(f"```python\n# Cell {n}\n{cell}\n```" for n, cell in enumerate(self.cells, 1))
        return (
            "<|im_start|>system\nYou are a copilot in a Jupyter notebook.<|im_end|>\n"
            f"<|im_start|>user\n{self.mark}\n{shown}\n\n{question}<|im_end|>\n<|im_start|>assistant\n"
        )


FREE = (
    "<|im_start|>system\nYou are a helpful teacher.<|im_end|>\n<|im_start|>user\n{mark} Write a long essay on the "
    "history of computing and its people, without code.<|im_end|>\n<|im_start|>assistant\n"
)
SHORT = "<|im_start|>user\nSay hello.<|im_end|>\n<|im_start|>assistant\n"
SUMMARY = "In one sentence: what does this notebook do?"
EXPLAIN = "Explain in three sentences what cell {number} does."


def grounded(notes: Notes) -> list[str]:
    """Questions whose answers repeat much of the prompt: an edit, tests, documentation."""
    longest = max(range(len(notes.cells)), key=lambda n: len(notes.cells[n])) + 1
    return [
        notes.ask(f"Write out cell {longest} again, whole, with a docstring or comment for every step."),
        notes.ask(f"Write pytest tests for the code in cell {longest}. Begin with a copy of that code."),
        notes.ask("Write documentation in markdown for every cell, quoting the important lines of code."),
    ]


def read_cells(paths: Sequence[Path]) -> Notes:
    """CELLS code cells in a row of the notebooks, about 1,300 tokens. Raises NotebookNotFoundError."""
    cells: list[str] = []
    for path in paths:
        try:
            found = json.loads(path.read_text(encoding="utf-8"))["cells"]
            sources = ["".join(cell["source"]) for cell in found if cell["cell_type"] == "code"]
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise NotebookNotFoundError(f"{path} is not a notebook: {exc}", hint="name .ipynb files") from exc
        cells += [source.strip() for source in sources if len(source.strip()) > 40]
    return Notes(_fitted(cells))


def own_cells() -> Notes:
    """Cells for a machine without notebooks: functions of this package."""
    folder = Path(__file__).parent.parent
    parts: list[str] = []
    for name in ("sampling.py", "drafting.py", "stopping.py", "prefix.py"):
        parts += (folder / name).read_text(encoding="utf-8").split("\n\n\n")[1:]
    return Notes(_fitted(parts))


def _fitted(cells: Sequence[str]) -> tuple[str, ...]:
    """CELLS cells in a row that fill CONTEXT_CHARACTERS together, each cut at a line: the first such row, else the longest."""
    each = 2 * CONTEXT_CHARACTERS // CELLS
    short = [_cut(cell, each) for cell in cells]
    rows = [short[start : start + CELLS] for start in range(max(1, len(short) - CELLS + 1))]
    sizes = [sum(map(len, row)) for row in rows]
    row = next(
        (row for row, size in zip(rows, sizes, strict=True) if size >= CONTEXT_CHARACTERS),
        rows[sizes.index(max(sizes))],
    )
    chosen: list[str] = []
    left = CONTEXT_CHARACTERS
    for cell in row:
        if left >= 100:
            chosen.append(_cut(cell, left))
            left -= len(chosen[-1])
    return tuple(chosen)


def _cut(cell: str, most: int) -> str:
    """At most `most` characters of a cell, in whole lines where one fits."""
    return cell if len(cell) <= most else cell[: cell.rfind("\n", 0, most) + 1 or most].rstrip()
