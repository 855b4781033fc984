"""Small items of every suite, in the files' own format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

DOUBLE = {
    "id": "t/double", "suite": "humaneval", "prompt": "def double(x):\n    \"\"\"x times two\"\"\"\n",
    "test": "assert double(4) == 8\n", "reference": "def double(x):\n    return 2 * x\n", "entry_point": "double",
}  # fmt: skip
SHOUT = {
    "id": "t/shout", "suite": "mbpp", "prompt": "Write a function shout(s) that gives s in capitals.",
    "test": "assert shout('a') == 'A'\n", "reference": "def shout(s):\n    return s.upper()\n",
}  # fmt: skip
FIX = {
    "id": "t/fix", "cells": ["import math", "def area(r):\n    return math.pi * r\n", "assert area(2) > 12"],
    "buggy_cell_index": 1, "failing_cell_index": 2,
    "error": {"ename": "AssertionError", "evalue": "", "traceback": [], "traceback_plain": "AssertionError: "},
    "tests": "assert round(area(1), 2) == 3.14\nassert round(area(2), 2) == 12.57\n",
    "good_cell": "def area(r):\n    return math.pi * r ** 2\n",
}  # fmt: skip
CRASH = {
    "id": "t/crash", "context_cells": ["import numpy as np", "a = np.zeros(3)"], "buggy_cell": "b = a.reshape(2, 2)\nb.sum()",
    "error": {"ename": "ValueError", "evalue": "cannot reshape", "traceback_plain": "ValueError: cannot reshape"},
    "fixed_context_cells": ["import numpy as np", "a = np.zeros(4)"], "fixed_cell": "b = a.reshape(2, 2)\nb.sum()",
    "fix_in_target_cell": False,
}  # fmt: skip
TESTGEN = {
    "id": "t/clamp", "suite": "quixbugs", "entry_points": ["clamp"],
    "good": "def clamp(x, low, high):\n    if x < low:\n        return low\n    return min(x, high)\n",
    "buggy": [
        "def clamp(x, low, high):\n    if x < low:\n        return high\n    return min(x, high)\n",
        "def clamp(x, low, high):\n    if x < low:\n        return low\n    return x\n",
        "def clamp(x, low, high):\n    while x < low:\n        pass\n    return min(x, high)\n",
    ],
}  # fmt: skip
COMPLETE = {
    "id": "t/gap", "kind": "line", "prefix": "def double(x):\n", "suffix": "    return y\n", "reference": "    y = 2 * x\n",
    "test": "assert double(2) == 4\n",
}  # fmt: skip
SESSION = {
    "id": "t/session",
    "steps": [
        {"setup": "import pandas as pd\nkeep = [1, 2]"},
        {"question": "Read `inputs/shop.csv` into df.", "reference": "df = pd.read_csv('inputs/shop.csv')", "validator": {"namespace_check": {"df": None}}},
        {"question": "How many rows are there?", "reference": "len(df)"},
        {"question": "Which column names are there?", "reference": "df.columns", "validator": {"result": {"value_only": True}}},
        {"question": "Double the prices in place.", "reference": "df['price'] = df['price'] * 2", "validator": {"namespace_check": {"df": None}}},
        {"question": "Print the total.", "reference": "print(df['price'].sum())", "validator": {"stream": None}},
        {"question": "Drop the column price.", "reference": "df.pop('price')", "validator": {"template": "intact", "namespace_check": {"df": None}}},
    ],
}  # fmt: skip


def write(path: Path, *items: dict[str, Any]) -> Path:
    """A JSON-lines file of `items`."""
    path.write_text("".join(json.dumps(item) + "\n" for item in items), encoding="utf-8")
    return path


def session_file(folder: Path, *sessions: dict[str, Any]) -> Path:
    """A stateful file with its inputs folder."""
    (folder / "inputs").mkdir()
    (folder / "inputs" / "shop.csv").write_text("item,price\ntea,2\ncake,3\n")
    return write(folder / "sessions.jsonl", *(sessions or (SESSION,)))
