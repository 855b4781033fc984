"""The messages between the notebook page and the server: JSON <-> nouns. Twin of labextension/src/wire/server.ts.

Both are tested against tests/data/wire. Nothing here does work; a message that cannot be read is a UsageError.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

from nbcopilot import config as settings
from nbcopilot.checks.registry import as_json
from nbcopilot.checks.wording import evidence_json
from nbcopilot.confidence import Confidence
from nbcopilot.config import Config
from nbcopilot.conversation.reading import read_turns
from nbcopilot.conversation.talk import Mode
from nbcopilot.errors import InternalError, NbcopilotError, UsageError, sentence
from nbcopilot.events import (
    CandidateReady,
    CheckDone,
    ContextReady,
    Done,
    EditReady,
    Event,
    Meant,
    Notice,
    PromptReady,
    Token,
)
from nbcopilot.notebook.profile.transfer import from_json
from nbcopilot.serve.complete import Gap
from nbcopilot.task import make_task
from nbcopilot.turns import Turn
from nbcopilot.types import (
    Cell,
    CellEdit,
    CellKind,
    ErrorInfo,
    Notebook,
    Output,
    Snippet,
    Target,
    Task,
    TaskKind,
    Variable,
)
from nbcopilot.write.wire import edit_message

SCHEMA = 1
# Turns that a page sends with a request; fewer of them reach the model.
MOST_TURNS = 10
# What a page may set for one request; where text goes and which engine runs is the user's own configuration.
OPTIONS = frozenset(
    """model temperature top_p top_k min_p repetition_penalty beams candidates max_tokens answer_seconds seed few_shot think
    context_tokens check repairs label""".split()  # noqa: SIM905
)
# What a page knows of an error; it runs no tests.
ERROR_FIELDS = ("name", "message", "traceback", "cell_id", "source")
Json = dict[str, Any]


def read_request(message: Any, config: Config) -> tuple[Task, Notebook, Config]:
    """Task, Notebook and the settings of one request. Raises UsageError, ConfigError."""
    _check_schema(message)
    try:
        task, notebook = message["task"], read_notebook(message["notebook"])
        kind, options = task["kind"], dict(task.get("options") or {})
        instruction, target = str(task["instruction"]), read_target(task["target"])
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise _unreadable(exc) from exc
    if kind not in get_args(TaskKind) or kind == "complete":
        raise UsageError(f"unknown task `{kind}`", hint="generate, explain, testgen, fix and document are known")
    if not_allowed := sorted(set(options) - OPTIONS):
        raise UsageError(f"a page cannot set `{not_allowed[0]}`", hint="set it in nbcopilot.toml")
    changed = settings.with_changes(config, **options)
    return make_task(kind, changed, instruction, target), notebook, changed


def read_conversation(message: Mapping[str, Any]) -> tuple[tuple[Turn, ...], Mode] | None:
    """The turns before a request and what kind of answer is wanted; None for a request outside a conversation."""
    if "turns" not in message:
        return None
    mode: Mode = next((one for one in get_args(Mode) if one == message.get("mode")), "auto")
    return read_turns(message["turns"], MOST_TURNS), mode


def read_target(data: Mapping[str, Any]) -> Target:
    """What the request is about."""
    return Target(str(data["source"]), data["cell_id"], tuple(map(str, data["names"])), _index(data["position"]))


def read_notebook(data: Mapping[str, Any]) -> Notebook:
    """The notebook as the page sees it."""
    variables, error = data["variables"], data["error"]
    return Notebook(
        cells=tuple(map(_cell, data["cells"])),
        cursor=_index(data["cursor"]),
        language=str(data["language"]).lower() or "python",
        path=Path(data["path"]) if data["path"] else None,
        namespace=None if variables is None else tuple(map(_variable, variables)),
        state=from_json(data.get("state")),
        names=frozenset(map(str, data["names"])),
        error=None if error is None else ErrorInfo(**{key: error[key] for key in ERROR_FIELDS}),
    )


def write_event(event: Event, *, attempt: int = 0, index: int | None = None) -> Json:
    """One line of the answer stream. `index` overrides the candidate's (for the parts of a longer answer)."""
    match event:
        case Notice():
            return {"type": "notice", **asdict(event)}
        case ContextReady(context):
            return {
                "type": "context",
                "snippets": [_snippet(s) for s in context.snippets],
                "dropped": [_snippet(s) for s in context.dropped],
                "redacted": context.redacted,
                "tokens": context.tokens,
                "budget": context.budget,
            }
        case PromptReady():
            return {"type": "prompt", "attempt": event.attempt}
        case Token(text, number, attempt):
            return {"type": "token", "text": text, "index": number if index is None else index, "attempt": attempt}
        case CandidateReady(candidate):
            return {
                "type": "candidate",
                "index": candidate.index if index is None else index,
                "attempt": attempt,
                "text": candidate.text,
                "answer": candidate.answer,
                "prose": candidate.prose,
                "complete": candidate.complete,
            }
        case CheckDone(candidate, verdict):
            return {
                "type": "check",
                "index": candidate.index if index is None else index,
                "attempt": attempt,
                "text": candidate.text,
                "ok": verdict.ok,
                "findings": [as_json(diagnostic) for diagnostic in verdict.diagnostics],
                "checks": plain(verdict.checks),
                "level": verdict.level,
                "evidence": plain(evidence_json(verdict.evidence)),
                "preview": None if verdict.preview is None else plain(asdict(verdict.preview)),
            }
        case EditReady(edit, candidate):
            return write_edit(edit, candidate.index if index is None else index, attempt, best=True)
        case Meant():
            return {"type": "meant", "intent": event.intent, "turn": event.turn}
        case Done(finish, usage):
            return {"type": "done", "finish": finish, "usage": asdict(usage)}
    raise InternalError(f"no message for {type(event).__name__}")


def write_edit(
    edit: CellEdit,
    index: int,
    attempt: int,
    *,
    best: bool,
    confidence: Confidence | None = None,
    outcomes: Mapping[str, int] | None = None,
) -> Json:
    """The line that offers the cells of one candidate. The whole notebook was read, so nothing is left to look up.

    confidence: how sure it is that the best one does what was asked; None where that is not said. outcomes: of the best
    one, how many answers came to each outcome.
    """
    message = {**edit_message(edit), "previous": None}
    sure = (
        None if confidence is None else {"text": confidence.words, "state": confidence.state, "label": confidence.label}
    )
    return {
        "type": "edit",
        "index": index,
        "attempt": attempt,
        "best": best,
        "edit": message,
        "confidence": sure,
        "outcomes": dict(outcomes or {}),
    }


def write_error(error: NbcopilotError) -> Json:
    """The line, or the body, that says why there is no answer."""
    return {"type": "error", "code": error.code, "message": sentence(error.message), "hint": sentence(error.hint)}


def read_completion(message: Any) -> Gap:
    """The place that ghost text is asked for. Raises UsageError."""
    _check_schema(message)
    try:
        return Gap(
            prefix=str(message["prefix"]),
            suffix=str(message["suffix"]),
            before=tuple(str(source) for source in message["before"]),
            language=str(message["language"]).lower(),
            max_tokens=max(1, min(int(message["max_tokens"]), 512)),
            budget_seconds=max(0.1, min(float(message["budget_seconds"]), 120.0)),
            client=str(message["client"]),
        )
    except (KeyError, TypeError, ValueError) as exc:
        raise _unreadable(exc) from exc


def plain(value: Any) -> Any:
    """`value` as JSON can hold it: mappings, sequences and sets opened, anything unknown as its text."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _check_schema(message: Any) -> None:
    if not isinstance(message, Mapping):
        raise UsageError("the request is not a JSON object")
    if message.get("schema") != SCHEMA:
        raise UsageError(
            f"the page speaks schema {message.get('schema')!r}, the server {SCHEMA}",
            hint="reload the page: the extension was updated",
        )


def _unreadable(exc: Exception) -> UsageError:
    return UsageError(f"the request cannot be read: {type(exc).__name__} {exc}", hint="reload the page")


def _cell(data: Mapping[str, Any]) -> Cell:
    kind: CellKind = data["kind"] if data["kind"] in get_args(CellKind) else "raw"
    outputs = tuple(Output(str(o["kind"]), str(o["text"]), int(o["truncated"])) for o in data["outputs"])
    metadata = data.get("metadata") or {}
    return Cell(str(data["id"]), kind, str(data["source"]), outputs, _index(data["executed"]), metadata)


def _variable(data: Mapping[str, Any]) -> Variable:
    return Variable(*(str(data[key]) for key in ("name", "type", "kind", "summary")))


def _snippet(snippet: Snippet) -> Json:
    return {key: getattr(snippet, key) for key in ("kind", "source", "text", "reason", "tokens")}


def _index(value: Any) -> int | None:
    return None if value is None else int(value)
