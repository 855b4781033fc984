"""The nouns of nbcopilot: frozen values that travel between the stages.

Task + Notebook -> Context -> Prompt -> Completion -> Candidate -> Verdict -> CellEdit (docs/architecture.md).
Nothing here does work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from nbcopilot.hashing import text_hash
from nbcopilot.inference import AnswerFormat, Sampling
from nbcopilot.live_state import Grounding, LiveState
from nbcopilot.turns import Turn
from nbcopilot.verdict import Verdict

TaskKind = Literal["generate", "explain", "testgen", "fix", "document", "complete"]
CellKind = Literal["code", "markdown", "raw"]
Role = Literal["code", "explanation", "tests", "summary", "fix"]


# --------------------------------------------------------------------------- what is asked


@dataclass(frozen=True)
class Target:
    """What the request is about: a piece of source, and where it comes from.

    `cell_id` is the cell that holds it (None for text without a cell), `names` the functions and
    classes meant (empty: all of them), `position` the index in `Notebook.cells` that new cells follow.
    """

    source: str = ""
    cell_id: str | None = None
    names: tuple[str, ...] = ()
    position: int | None = None


@dataclass(frozen=True)
class Task:
    """One request, parsed and checked by a surface before anything runs. `turns`: what was asked and answered before it."""

    kind: TaskKind
    instruction: str = ""
    target: Target = Target()
    sampling: Sampling = field(default_factory=Sampling)
    candidates: int = 1
    repairs: int = 1
    retry_samples: int = 0
    consensus_samples: int = 0
    few_shot: int = 0
    think: bool = False
    check: bool = True
    grounding: Grounding = field(default_factory=Grounding)
    turns: tuple[Turn, ...] = ()


# --------------------------------------------------------------------------- what is there


@dataclass(frozen=True)
class Output:
    """One cell output as short text: no base64, no markup, at most a few thousand characters.

    `kind` is "stream", "result", "display" or "error"; `truncated` is the count of characters left out.
    """

    kind: str
    text: str
    truncated: int = 0


@dataclass(frozen=True)
class ErrorInfo:
    """The last exception: its class name, its message, the traceback as plain text, and the cell that raised it.

    `beside` holds tests that passed when this one failed: a fix must leave them so.
    """

    name: str
    message: str
    traceback: str = ""
    cell_id: str | None = None
    source: str = ""
    beside: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cell:
    """A cell as it was read. `executed` is its place in the order of execution (None: not run)."""

    id: str
    kind: CellKind
    source: str
    outputs: tuple[Output, ...] = ()
    executed: int | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def hash(self) -> str:
        """`text_hash` of the source: what an edit is checked against."""
        return text_hash(self.source)


@dataclass(frozen=True)
class Variable:
    """A bounded summary of one live variable.

    `kind` is "frame", "series", "array", "function", "class", "module", "scalar", "container" or "object";
    `summary` is one or a few short lines (schema, shape, signature), never more than `live.MAX_SUMMARY` characters.
    """

    name: str
    type: str
    kind: str
    summary: str


@dataclass(frozen=True)
class Notebook:
    """A frozen notebook: cells in document order, the cursor, and what is known of the live namespace.

    `namespace` is None when no kernel was looked at; `names` are all names that are defined there
    (also those without a `Variable`), `history` the sources that were executed, in order;
    `state` holds the measured facts of what is there (tables, keys, files, the last result).
    """

    cells: tuple[Cell, ...] = ()
    cursor: int | None = None
    language: str = "python"
    path: Path | None = None
    namespace: tuple[Variable, ...] | None = None
    names: frozenset[str] = frozenset()
    history: tuple[str, ...] = ()
    error: ErrorInfo | None = None
    state: LiveState | None = None

    def cell(self, cell_id: str | None) -> Cell | None:
        """The cell with this id, or None."""
        return next((cell for cell in self.cells if cell.id == cell_id), None)

    def index(self, cell_id: str | None) -> int | None:
        """The position of the cell with this id, or None."""
        return next((i for i, cell in enumerate(self.cells) if cell.id == cell_id), None)


# --------------------------------------------------------------------------- what is sent


@dataclass(frozen=True)
class Snippet:
    """A piece of context: what it is, where it comes from, why it was picked, and what it costs.

    `kind` orders the prompt: "project", "markdown", "request", "cell", "variable", "passage", "error", "turn", "target".
    `priority` decides what goes first when the budget is short (higher stays).
    """

    kind: str
    source: str
    text: str
    reason: str
    priority: float = 0.0
    tokens: int = 0


@dataclass(frozen=True)
class Context:
    """What the model sees for one task: redacted snippets within the budget, and those left out.

    turns: those of the conversation that had room, each with its text as the notebook has it now.
    """

    task: Task
    language: str = "python"
    snippets: tuple[Snippet, ...] = ()
    dropped: tuple[Snippet, ...] = ()
    redacted: int = 0
    budget: int = 0
    grounding: Grounding = field(default_factory=Grounding)
    turns: tuple[Turn, ...] = ()

    @property
    def tokens(self) -> int:
        """Tokens of the snippets kept."""
        return sum(snippet.tokens for snippet in self.snippets)


# --------------------------------------------------------------------------- what comes back


@dataclass(frozen=True)
class Candidate:
    """What was taken out of a completion: the code or markdown for the cell, and the prose around it.

    `complete` is False when the answer was cut (length, unclosed fence): shown, and said.
    `notes` says in sentences what was done to the text on the way (a cut tail left out, an import added).
    `answer_sha256` is `text_hash` of the completion as it was generated ("" when it is not known).
    """

    text: str
    answer: AnswerFormat = "code"
    prose: str = ""
    index: int = 0
    complete: bool = True
    notes: tuple[str, ...] = ()
    answer_sha256: str = field(default="", compare=False)


Judged = tuple[Candidate, Verdict]


# --------------------------------------------------------------------------- what is written


@dataclass(frozen=True)
class NewCell:
    """A cell to write. `metadata` is the whole cell metadata ({"nbcopilot": {...}})."""

    kind: CellKind
    source: str
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CellEdit:
    """Where new cells go, and what must still be true when they do.

    The cells go below the cell `after` (its id; None: the top); cells named in `replaces` (ids written by an
    earlier run of the same request) are replaced in place. `expected` maps cell ids to the hash their source
    had when it was read; a mismatch is an EditConflictError and nothing is written.
    `group` is the uuid of the request. `keeps`: cells that are replaced keep their outputs, whoever wrote them.
    """

    group: str
    cells: tuple[NewCell, ...]
    after: str | None = None
    replaces: tuple[str, ...] = ()
    expected: Mapping[str, str] = field(default_factory=dict)
    keeps: bool = False
