"""Cells that ask nbcopilot for something: they hold no state of the notebook's, but say what the code below them is for."""

from __future__ import annotations

import re

from nbcopilot.types import Cell, Notebook

_REQUEST = re.compile(
    r"\s*%%?(?:generate|explain|document|fix|chat|nbcopilot)\b|\s*%testgen\b|(?:\s*%(?:re)?load_ext\s+nbcopilot)+\s*\Z"
)


def is_request(cell: Cell) -> bool:
    """Whether the cell is a request to nbcopilot, or only loads it."""
    return _REQUEST.match(cell.source) is not None


def request_above(notebook: Notebook, place: int) -> str:
    """What the `%%generate` or `%%chat` cell right above the cell at index `place` asks for; "" when there is none."""
    first, _, rest = notebook.cells[place - 1].source.strip().partition("\n") if place > 0 else ("", "", "")
    return rest.strip() if re.match(r"%%(?:generate|chat)\b", first) else ""
