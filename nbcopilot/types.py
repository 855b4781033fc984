"""The nouns of nbcopilot: frozen values that travel between the stages.

Task + Notebook -> Context -> Prompt -> Completion -> Candidate -> Verdict -> CellEdit (docs/architecture.md).
Nothing here does work.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from nbcopilot.live_state import Grounding, LiveState
from nbcopilot.verdict import Verdict

TaskKind = Literal["generate", "explain", "testgen", "fix", "document", "complete"]
CellKind = Literal["code", "markdown", "raw"]
Role = Literal["code", "explanation", "tests", "summary", "fix"]
AnswerFormat = Literal["code", "markdown", "text"]


def text_hash(text: str) -> str:
    """`sha256:` and the hex digest of `text` in UTF-8; lone surrogates are kept apart, not refused."""
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


# --------------------------------------------------------------------------- what is asked


@dataclass(frozen=True)
class Sampling:
    """How the next token is picked. Temperature 0 is greedy; `top_k` 0, `top_p` 1 and `min_p` 0 are off.

    `beams` > 1 is beam search (greedy scores; temperature is not used). `seed` None draws a new one.
    `logprobs` asks for `Chunk.scores` with so many alternatives each (None: no scores); an engine that gives
    them says so in `ModelInfo.detail["logprobs"]`.
    `echo` begins the answer with the prompt itself, so that its tokens are scored; `detail["echo"]` says who can.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    beams: int = 1
    seed: int | None = None
    max_tokens: int = 1024
    logprobs: int | None = None
    echo: bool = False


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
    """One request, parsed and checked by a surface before anything runs."""

    kind: TaskKind
    instruction: str = ""
    target: Target = Target()
    sampling: Sampling = Sampling()
    candidates: int = 1
    repairs: int = 1
    retry_samples: int = 0
    consensus_samples: int = 0
    few_shot: int = 0
    think: bool = False
    check: bool = True
    grounding: Grounding = field(default_factory=Grounding)


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

    `kind` orders the prompt: "project", "markdown", "request", "cell", "variable", "passage", "error", "target".
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
    """What the model sees for one task: redacted snippets within the budget, and those left out."""

    task: Task
    language: str = "python"
    snippets: tuple[Snippet, ...] = ()
    dropped: tuple[Snippet, ...] = ()
    redacted: int = 0
    budget: int = 0
    grounding: Grounding = field(default_factory=Grounding)

    @property
    def tokens(self) -> int:
        """Tokens of the snippets kept."""
        return sum(snippet.tokens for snippet in self.snippets)


@dataclass(frozen=True)
class Message:
    """One chat turn; `role` is "system", "user" or "assistant"."""

    role: str
    content: str


@dataclass(frozen=True)
class Prompt:
    """What the engine gets. Either `messages` (chat) or `text` (raw, fill-in-the-middle).

    `prefill` is the start of the answer that the model continues (it is not part of the completion's text);
    `stop` ends the answer when it appears in the text (and is left out of it). `language` is the fence's.
    """

    messages: tuple[Message, ...] = ()
    text: str | None = None
    suffix: str | None = None
    prefill: str = ""
    stop: tuple[str, ...] = ()
    answer: AnswerFormat = "code"
    language: str = "python"

    @property
    def hash(self) -> str:
        """Hash of all that the model sees; goes into the provenance in place of the text."""
        parts = [f"{m.role}\x00{m.content}" for m in self.messages]
        parts += [self.text or "", self.suffix or "", self.prefill]
        return text_hash("\x01".join(parts))


# --------------------------------------------------------------------------- what comes back


@dataclass(frozen=True)
class Usage:
    """Tokens and seconds of one generation. `cached_tokens` of the prompt needed no prefill."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    first_token_seconds: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True)
class TokenScore:
    """One token of an answer with its natural-log probability, and the likeliest alternatives."""

    text: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Chunk:
    """A piece of streamed text of candidate `index`; the last one of each has `finish` and `usage`.

    `finish` is "stop" (end of turn or stop string), "length" (max_tokens) or "cancelled".
    `scores` are those of the tokens of `text`, when `Sampling.logprobs` asked for them.
    """

    text: str
    index: int = 0
    finish: str | None = None
    usage: Usage | None = None
    scores: tuple[TokenScore, ...] = ()


@dataclass(frozen=True)
class Completion:
    """A whole answer, as generated."""

    text: str
    index: int = 0
    finish: str = "stop"
    usage: Usage = Usage()
    logprobs: tuple[float, ...] = ()


@dataclass(frozen=True)
class ModelInfo:
    """Which model answers, and how. `sha256` is of the source weights, "" when it has no single file."""

    id: str
    sha256: str = ""
    engine: str = "local"
    context_tokens: int = 32768
    device: str = "cpu"
    precision: str = "float32"
    detail: Mapping[str, Any] = field(default_factory=dict)


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
