"""The messages, against the files that the TypeScript side is tested against too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nbcopilot.config import Config
from nbcopilot.errors import ConfigError, UsageError
from nbcopilot.events import CandidateReady, CheckDone, ContextReady, Done, EditReady, Meant, Notice, PromptReady, Token
from nbcopilot.hashing import text_hash
from nbcopilot.inference import Completion, Prompt, Usage
from nbcopilot.preview import Change, FigureView, Preview, TableView, ValueView
from nbcopilot.server import wire as messages
from nbcopilot.types import Candidate, CellEdit, Context, NewCell, Snippet, Task
from nbcopilot.verdict import Diagnostic, Evidence, Verdict

Read = Callable[[str], Any]


def test_a_request_is_read_whole(wire: Read) -> None:
    task, notebook, config = messages.read_request(wire("stream_request"), Config())
    assert (task.kind, task.target.source, task.target.cell_id, task.target.position) == ("fix", "prnt(1)", "b", 1)
    assert [cell.kind for cell in notebook.cells] == ["markdown", "code"]
    assert notebook.cells[1].outputs[0].text == "NameError: name 'prnt' is not defined"
    assert notebook.namespace is not None
    assert notebook.namespace[0].summary.startswith("3 rows")
    assert notebook.names == {"df", "np"}
    assert notebook.error is not None
    assert notebook.error.name == "NameError"
    assert str(notebook.path) == "folder/a.ipynb"
    assert config.candidates == 1


def test_options_hold_for_one_request_and_are_checked(wire: Read) -> None:
    message = wire("stream_request")
    message["task"]["options"] = {"candidates": 3, "temperature": 0.7}
    task, _, _ = messages.read_request(message, Config())
    assert (task.candidates, task.sampling.temperature) == (3, 0.7)
    message["task"]["options"] = {"candidates": 99}
    with pytest.raises(ConfigError, match="99"):
        messages.read_request(message, Config())


@pytest.mark.parametrize("name", ["engine", "api_key", "policy", "no_such_setting"])
def test_a_page_cannot_say_where_text_goes(wire: Read, name: str) -> None:
    message = wire("stream_request")
    message["task"]["options"] = {name: "http://elsewhere"}
    with pytest.raises(UsageError, match=name):
        messages.read_request(message, Config())


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2},
        {"schema": None},
        {"task": None},
        {"task": {"kind": "generate"}},
        {"notebook": {"cells": "x"}},
        {"notebook": None},
    ],
)
def test_an_unreadable_request_is_one_sentence(wire: Read, change: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        messages.read_request({**wire("stream_request"), **change}, Config())


def test_an_unknown_task_is_refused(wire: Read) -> None:
    message = wire("stream_request")
    message["task"]["kind"] = "delete"
    with pytest.raises(UsageError, match="delete"):
        messages.read_request(message, Config())
    with pytest.raises(UsageError):
        messages.read_request([], Config())


def test_events_are_written_as_the_file_says(wire: Read) -> None:
    candidate = Candidate("print(1)")
    finding = Diagnostic("NB303", "info", {"warning": "ran in a sandbox"})
    checks = {"syntax": "ok", "names": "ok", "run": "passed"}
    changed = Change("orders", "changed", "DataFrame", "DataFrame", "rows", (200, 200), 3, ("month",))
    table = TableView(("n",), ("0",), (("1",),), 1, 1, (True,))
    seen = Preview(ValueView("DataFrame", "", table), (FigureView("iVBORw0KGgo=", "1 line"),), (changed,), group="1f")
    verdict = Verdict(True, (finding,), checks, "fork", Evidence(seconds=0.1), seen)
    snippet = Snippet("cell", "cell 2", "prnt(1)", "the cell that failed", 1.0, 4)
    cell = NewCell("code", "# nbcopilot: fake\nprint(1)")
    edit = CellEdit("0b1f6c3e-6a54-4a7e-9c55-3d6f6f3f9a01", (cell,), after="b", expected={"b": text_hash("prnt(1)")})
    events = [
        Meant("code", Task("fix")),
        Notice("1 secret(s) were replaced before anything was sent to the model"),
        ContextReady(Context(Task("fix"), snippets=(snippet,), redacted=1, budget=3072)),
        PromptReady(Prompt(), 0),
        Token("print", 0, 0),
        Token("(1)", 0, 0),
        CandidateReady(candidate, Completion("print(1)")),
        CheckDone(candidate, verdict),
        EditReady(edit, candidate, verdict),
        Done("ok", Usage(120, 4, 100, 0.2, 0.4)),
    ]
    written = [messages.write_event(event) for event in events]
    assert written == [line for line in wire("events") if line["type"] not in ("started", "parts", "progress", "error")]


def test_the_turns_of_a_conversation_are_read_and_a_request_outside_one_has_none(wire: Read) -> None:
    message = wire("stream_request")
    assert messages.read_conversation(message) is None
    turns = [{"id": "t1", "asked": "mean by customer", "text": "x", "state": "taken", "cells": ["c"]}, {"id": 3}]
    found = messages.read_conversation({**message, "turns": turns, "mode": "words"})
    assert found is not None and found[1] == "words"
    assert [(turn.asked, turn.state, turn.cells) for turn in found[0]] == [("mean by customer", "taken", ("c",))]
    assert messages.read_conversation({**message, "turns": "x", "mode": "odd"}) == ((), "auto")


def test_a_place_for_ghost_text_is_read_and_bounded(wire: Read) -> None:
    gap = messages.read_completion(wire("complete_request"))
    assert (gap.prefix, gap.before, gap.client) == ("def double(x):\n    ", ("import math",), "cell-7")
    wild = {**wire("complete_request"), "max_tokens": 10**9, "budget_seconds": 10**9}
    gap = messages.read_completion(wild)
    assert (gap.max_tokens, gap.budget_seconds) == (512, 120.0)
    with pytest.raises(UsageError):
        messages.read_completion({**wild, "prefix": None, "max_tokens": "many"})
