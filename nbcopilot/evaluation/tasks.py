"""What a benchmark asks, and what came out: the items of each suite's file, and one Result per question.

First step of an evaluation: file -> items -> (runner) -> results -> (report). This module reads and checks the
files; it asks nothing and judges nothing. Formats: docs/measuring.md.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from nbcopilot.errors import NotebookNotFoundError, UsageError


@dataclass(frozen=True)
class GenerateItem:
    """Code from an instruction: `prompt` is what the user types; `test` is for the judge alone."""

    id: str
    suite: str
    prompt: str
    test: str
    reference: str = ""
    entry_point: str = ""


@dataclass(frozen=True)
class FixItem:
    """A notebook whose last run failed: the cell at `buggy_cell_index` is at fault, another one shows it."""

    id: str
    cells: tuple[str, ...]
    buggy_cell_index: int
    failing_cell_index: int
    error: Mapping[str, Any]
    tests: str
    good_cell: str = ""
    doc: str = ""


@dataclass(frozen=True)
class CrashItem:
    """A real crash of a real notebook. Its data is not here, so the answer is compared with the human repair."""

    id: str
    context_cells: tuple[str, ...]
    buggy_cell: str
    error: Mapping[str, Any]
    fixed_cell: str
    fix_in_target_cell: bool
    fixed_context_cells: tuple[str, ...] = ()
    root_cause: str = ""
    exception_type: str = ""


@dataclass(frozen=True)
class TestgenItem:
    """Tests for `good`: they must pass on it, and fail on as many of the `buggy` variants as possible."""

    __test__ = False  # not a pytest class

    id: str
    suite: str
    entry_points: tuple[str, ...]
    good: str
    buggy: tuple[str, ...]


@dataclass(frozen=True)
class CompleteItem:
    """Fill in between `prefix` and `suffix`; `kind` is "line" or "block"."""

    id: str
    kind: str
    prefix: str
    suffix: str
    reference: str
    test: str


@dataclass(frozen=True)
class Step:
    """One cell of a session: `setup` is run as it is; a `question` has a `reference` and perhaps a `validator`."""

    setup: str = ""
    question: str = ""
    reference: str = ""
    validator: Mapping[str, Any] = field(default_factory=dict)
    execution: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SessionItem:
    """Questions that are asked one after the other on live state. `folder` holds `inputs/`."""

    id: str
    steps: tuple[Step, ...]
    folder: Path = Path()


Item = TypeVar("Item", GenerateItem, FixItem, CrashItem, TestgenItem, CompleteItem, SessionItem)


@dataclass(frozen=True)
class Result:
    """What one system did on one question.

    `ok` is the judge's word, `score` the same as a number (testgen: share of wrong variants caught, 0 when the tests
    are not valid). `accepted` is the system's own verdict (None: it did not check). Tokens count all attempts and
    candidates; `seconds` is the wall time of asking (shared with the rest of its batch), without the judging.
    `shown_seconds` is when the first answer that passed its checks was shown (None: not measured, or there was none),
    `label` what the system said of it and `features` what that was made from.
    `excluded` holds the reason when the question cannot be judged on this machine; it then counts nowhere.
    """

    id: str
    mode: str
    ok: bool
    score: float = 0.0
    reason: str = ""
    answer: str = ""
    accepted: bool | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    generations: int = 0
    seconds: float = 0.0
    excluded: str = ""
    shown_seconds: float | None = None
    label: str = ""
    features: Mapping[str, float] = field(default_factory=dict)
    detail: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """One line of the journal."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return json.dumps({**fields, "features": dict(self.features), "detail": dict(self.detail)}, ensure_ascii=False)

    @classmethod
    def from_json(cls, line: str) -> Result:
        """The Result of a journal line. Raises ValueError, TypeError on anything else."""
        return cls(**json.loads(line))


def load(path: Path, kind: type[Item]) -> list[Item]:
    """The items of a JSON-lines file, checked against `kind`. Raises NotebookNotFoundError, UsageError."""
    if not path.is_file():
        raise NotebookNotFoundError(f"no benchmark file {path}", hint="give its path with --data")
    items = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.strip():
            items.append(_item(line, kind, f"{path.name}, line {number}", path.parent))
    if not items:
        raise UsageError(f"{path} holds no items", hint="give a JSON-lines file with one item a line")
    return items


def _item(line: str, kind: type[Item], where: str, folder: Path) -> Item:
    try:
        raw = json.loads(line)
    except ValueError as exc:
        raise UsageError(f"{where} is not JSON: {exc}", hint="give a JSON-lines file with one item a line") from exc
    fields = dataclasses.fields(kind)
    values = {f.name: _frozen(raw[f.name]) for f in fields if isinstance(raw, dict) and f.name in raw}
    missing = [f.name for f in fields if f.default is f.default_factory is dataclasses.MISSING and f.name not in values]
    if missing:
        raise UsageError(
            f"{where} is no item of this suite: it lacks {', '.join(missing)}",
            hint="is --data the file of another suite?",
        )
    if kind is SessionItem:
        values["steps"] = tuple(_step(step) for step in raw["steps"])
        values["folder"] = folder
    return kind(**values)


def _step(raw: dict[str, Any]) -> Step:
    known = {f.name for f in dataclasses.fields(Step)}
    return Step(**{key: value for key, value in raw.items() if key in known and value is not None})


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
