"""The ways into an open notebook: wire messages, comm, payload, copy, and which one is taken."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cell_builders import provenance

from nbcopilot import __version__
from nbcopilot.config import Config
from nbcopilot.errors import InternalError
from nbcopilot.types import CellEdit, NewCell
from nbcopilot.write import clipboard, comm, delivery, payload, wire
from nbcopilot.write.provenance import cell_metadata

WIRE = Path(__file__).parent.parent / "data" / "wire"
CODE = NewCell("code", "x = 1", cell_metadata("code", provenance(), source_cell="asking"))
TEXT = NewCell("markdown", "About `x` <b>.", cell_metadata("explanation", provenance(), source_cell="asking"))


def message(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((WIRE / f"{name}.json").read_text(encoding="utf-8"))
    return found


class Shell:
    """What the routes use of an IPython shell; `kernel` only where there is one."""

    def __init__(self, *, kernel: bool = True, cell_id: str | None = "asking") -> None:
        self.inputs: list[tuple[str, bool]] = []
        if kernel:
            parent = {"metadata": {"cellId": cell_id} if cell_id else {}}
            self.kernel = SimpleNamespace(get_parent=lambda: parent)

    def set_next_input(self, text: str, replace: bool = False) -> None:
        self.inputs.append((text, replace))


def answer(link: comm.Link, data: dict[str, Any]) -> None:
    """What the kernel's comm manager does when the front end sends `data` on the newest comm."""
    link._comms[-1].handle_msg({"content": {"data": data}})


def connected() -> tuple[Shell, comm.Link]:
    shell = Shell()
    link = comm.connect(shell)
    assert link is not None
    answer(link, wire.ready("JupyterLab", __version__))
    return shell, link


# --------------------------------------------------------------------------- wire


@pytest.mark.parametrize("name", ["edit", "edit_replacing"])
def test_edit_message_is_the_one_in_the_shared_file(name: str) -> None:
    data = message(name)
    edit = CellEdit(
        data["group"],
        tuple(NewCell(c["kind"], c["source"], c["metadata"]) for c in data["cells"]),
        data["after"],
        tuple(data["replaces"]),
        data["expected"],
    )
    assert wire.edit_message(edit, cell_id=data["cell_id"], overwrite=data["overwrite"]) == data


def test_an_edit_for_a_page_that_was_loaded_since_names_it() -> None:
    data = message("edit_addressed")
    cells = tuple(NewCell(c["kind"], c["source"], c["metadata"]) for c in data["cells"])
    edit = CellEdit(data["group"], cells, data["after"])
    assert wire.edit_message(edit, cell_id=data["cell_id"], client=data["client"]) == data


def test_messages_around_an_edit_are_those_in_the_shared_files() -> None:
    assert wire.hello() == message("hello")
    begin, output = message("begin"), message("output")
    assert wire.begin_message(begin["group"], begin["cell_id"]) == begin
    asking = message("begin_asking")
    assert wire.begin_message(asking["group"], asking["cell_id"], wire.Asks(**asking["asks"])) == asking
    found, kept = wire.read_answer(message("known")), wire.read_answer(message("refused_edited"))
    assert isinstance(found, wire.Known) and wire.known(found.group, found.state, found.cells) == message("known")
    assert isinstance(kept, wire.Refused) and kept.sources == ("mine = True",)
    assert wire.refused(kept.group, kept.reason, kept.cells, kept.detail, kept.sources) == message("refused_edited")
    assert wire.output_message(output["client"], output["cell_id"], output["data"]) == output
    assert wire.stop(message("stop")["group"]) == message("stop")
    assert isinstance(wire.read_answer(message("stop")), wire.Stop)
    again = wire.read_answer(message("ready_again"))
    assert isinstance(again, wire.Ready) and wire.ready(again.frontend, again.version, again.client) == message(
        "ready_again"
    )
    assert wire.undo_message(message("undo")["group"]) == message("undo")
    applied, refused, ready = (wire.read_answer(message(name)) for name in ("applied", "refused", "ready"))
    assert isinstance(applied, wire.Applied) and wire.applied(
        applied.group, applied.cells, applied.replaced
    ) == message("applied")
    assert isinstance(refused, wire.Refused)
    assert wire.refused(refused.group, refused.reason, refused.cells, refused.detail) == message("refused")
    assert isinstance(ready, wire.Ready) and ready.frontend == "JupyterLab"


@pytest.mark.parametrize("data", [{"schema": 2, "type": "ready"}, {"schema": 1, "type": "dance"}, {}])
def test_an_unknown_message_is_refused_with_a_hint(data: dict[str, Any]) -> None:
    with pytest.raises(InternalError, match="reload the page"):
        wire.read_answer(data)


def test_an_edit_without_a_source_cell_looks_for_no_earlier_cells() -> None:
    edit = CellEdit("g", (NewCell("code", "x", cell_metadata("code", provenance())),))
    assert wire.edit_message(edit)["previous"] is None


# --------------------------------------------------------------------------- comm


def test_link_is_ready_once_a_front_end_has_answered_and_is_kept_for_the_shell() -> None:
    shell = Shell()
    link = comm.connect(shell)
    assert link is not None and not link.ready
    answer(link, wire.ready("JupyterLab", __version__))
    assert link.ready and link.frontend == wire.Ready("JupyterLab", __version__)
    assert comm.connect(shell) is link
    comm.disconnect(shell)
    assert comm.connect(shell) is not link


def test_link_is_not_ready_when_the_front_end_closes_what_it_does_not_know() -> None:
    link = comm.connect(Shell())
    assert link is not None
    link._comms[-1].handle_close({})
    assert not link.ready


def test_there_is_no_link_without_a_kernel() -> None:
    assert comm.connect(Shell(kernel=False)) is None


def test_running_cell_is_known_only_where_the_front_end_tells_it() -> None:
    assert comm.running_cell(Shell()) == "asking"
    assert comm.running_cell(Shell(cell_id=None)) is None
    assert comm.running_cell(Shell(kernel=False)) is None


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (wire.applied("g", ["n1", "n2"]), "written below (2 cells), as one undo step"),
        (wire.applied("g", ["n1"], ["old"]), "written in place of the earlier answer (1 cell), as one undo step"),
        (wire.refused("g", "conflict", ["a"]), "a cell changed while the answer was made; nothing was overwritten"),
        ({"schema": 9}, "the JupyterLab extension is of another version; nothing was added"),
    ],
)
def test_answer_to_an_edit_comes_once_and_is_one_sentence(data: dict[str, Any], said: str) -> None:
    shell, link = connected()
    answers: list[wire.Answer] = []
    assert delivery.deliver(CellEdit("g", (CODE, TEXT)), shell, Config(), on_answer=answers.append).route == "comm"
    sent = link._comms[-1]
    answer(link, data)
    sent.handle_close({})
    assert len(answers) == 1 and delivery.explain(answers[0]).startswith(said)


def test_an_edit_whose_comm_is_closed_unanswered_counts_as_refused() -> None:
    shell, link = connected()
    answers: list[wire.Answer] = []
    delivery.deliver(CellEdit("g", (CODE,)), shell, Config(), on_answer=answers.append)
    link._comms[-1].handle_close({})
    assert isinstance(answers[0], wire.Refused)


def test_another_version_of_the_extension_is_said() -> None:
    shell = Shell()
    link = comm.connect(shell)
    assert link is not None
    answer(link, wire.ready("JupyterLab", "0.0.9"))
    assert "reload the page" in delivery.deliver(CellEdit("g", (CODE,)), shell, Config()).sentence


# --------------------------------------------------------------------------- a request that runs in a thread


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """A Call on a comm that keeps what is sent, with a page that answers; patience is over at once."""
    monkeypatch.setattr(comm, "PATIENCE_SECONDS", 0.0)
    _, link = connected()
    made = SimpleNamespace(answers=[], sent=[], stopped=0, said=threading.Event())
    made.call = comm.Call(link, lambda: setattr(made, "stopped", made.stopped + 1), lambda: {"text/plain": "shown"})
    channel = made.call._comm
    monkeypatch.setattr(channel, "send", lambda data: (made.sent.append(data), made.said.set()))
    made.hear = lambda data: channel.handle_msg({"content": {"data": data}})
    made.leave = lambda: channel.handle_close({})
    yield made
    made.call.close()


EDIT = CellEdit("g", (CODE,))


def test_the_page_that_asked_gets_the_cells_and_answers_once(called: SimpleNamespace) -> None:
    called.call.send(EDIT, called.answers.append)
    assert called.sent[0]["type"] == "edit" and "client" not in called.sent[0]
    called.hear(wire.applied("g", ["n1"]))
    called.hear(wire.applied("g", ["n1"]))
    assert called.answers == [wire.Applied("g", ("n1",))]


def test_stop_on_the_page_reaches_the_request(called: SimpleNamespace) -> None:
    called.hear(wire.stop("any"))
    assert called.stopped == 1


def test_a_page_loaded_since_gets_the_cells_when_the_first_is_silent(called: SimpleNamespace) -> None:
    called.hear(wire.ready("JupyterLab", __version__, "page-2"))
    called.said.clear()
    called.call.send(EDIT, called.answers.append)
    called.call._timer.join(30)
    assert [data["type"] for data in called.sent] == ["begin", "edit", "edit"]
    assert called.sent[2]["client"] == "page-2"
    called.hear(wire.applied("g", ["n1"]))
    assert called.sent[3]["type"] == "output" and called.sent[3]["data"] == {"text/plain": "shown"}


def test_a_notebook_opened_again_after_the_answer_gets_it_then(called: SimpleNamespace) -> None:
    called.call.send(EDIT, called.answers.append)
    called.call._timer.join(30)
    assert len(called.sent) == 1
    called.hear(wire.ready("JupyterLab", __version__, "page-2"))
    assert [data["type"] for data in called.sent] == ["edit", "begin", "edit"]


def test_a_page_that_asks_its_user_is_not_passed_over(called: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comm, "PATIENCE_SECONDS", 600.0)
    called.call.send(EDIT, called.answers.append)
    called.hear(wire.ready("JupyterLab", __version__))
    assert called.call._timer.finished.is_set(), "still waiting to pass the cells on"
    called.hear(wire.ready("JupyterLab", __version__, "page-2"))
    assert [data["type"] for data in called.sent] == ["edit", "begin"]


def test_a_front_end_without_the_extension_refuses(called: SimpleNamespace) -> None:
    called.leave()
    called.call.send(EDIT, called.answers.append)
    assert isinstance(called.answers[0], wire.Refused) and "no nbcopilot extension" in delivery.explain(
        called.answers[0]
    )


def test_a_page_that_keeps_silent_has_confirmed_nothing(called: SimpleNamespace) -> None:
    silent = threading.Event()
    called.call.send(EDIT, called.answers.append, on_silence=silent.set)
    assert silent.wait(30) and called.answers == []
    called.hear(wire.applied("g", ["n1"]))
    assert called.answers == [wire.Applied("g", ("n1",))]


@pytest.mark.parametrize("route", ["comm", "payload", "copy"])
def test_no_way_claims_a_write_before_it_was_confirmed(route: str) -> None:
    for in_place in (False, True):
        assert "written" not in delivery.Delivery(route, in_place=in_place).sentence  # type: ignore[arg-type]


def test_silence_of_a_page_is_told_where_the_cell_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comm, "PATIENCE_SECONDS", 0.0)
    shell, _ = connected()
    silent = threading.Event()
    delivery.deliver(EDIT, shell, Config(), on_silence=silent.set)
    assert silent.wait(30)


# --------------------------------------------------------------------------- payload and copy


def test_payload_carries_the_code_and_says_what_was_lost() -> None:
    shell = Shell()
    lost = payload.send(CellEdit("g", (TEXT, CODE, CODE), replaces=("old",)), shell, running_cell="asking")
    assert shell.inputs == [("x = 1\n\nx = 1", False)]
    said = " ".join(lost)
    assert "no provenance metadata" in said and "2 code cells came as one" in said
    assert "1 markdown cell could not be added" in said and "cannot replace" in said


def test_payload_overwrites_the_running_cell_only_when_that_is_the_edit() -> None:
    shell = Shell()
    payload.send(CellEdit("g", (CODE,), replaces=("asking",)), shell, running_cell="asking")
    assert shell.inputs == [("x = 1", True)]


def test_copied_text_is_escaped_and_never_trusted() -> None:
    evil = NewCell("code", "</pre><script>alert(1)</script>")
    shown = clipboard.bundle(CellEdit("g", (evil, TEXT)))
    assert "<script>" not in shown["text/html"] and "&lt;script&gt;" in shown["text/html"]
    assert shown["text/html"].count("<button") == 2
    assert shown["text/plain"] == "</pre><script>alert(1)</script>\n\nAbout `x` <b>."


@pytest.mark.parametrize(
    ("cells", "config", "kernel", "route"),
    [
        ((CODE,), "auto", True, "payload"),
        ((CODE,), "auto", False, "payload"),
        ((TEXT,), "auto", True, "payload"),
        ((CODE,), "copy", True, "copy"),
        ((CODE,), "comm", True, "payload"),
        ((), "auto", True, "none"),
    ],
)
def test_first_way_that_can_is_taken_and_said(
    cells: tuple[NewCell, ...], config: str, kernel: bool, route: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = Shell(kernel=kernel)
    made = delivery.deliver(CellEdit("g", cells), shell, Config(insert_via=config))
    assert made.route == route
    assert bool(shell.inputs) == (route == "payload")
    assert made.sentence
    if config == "comm":
        assert "no front end with the nbcopilot extension" in made.sentence


def test_what_is_written_is_never_marked_trusted() -> None:
    sent = wire.edit_message(CellEdit("g", (CODE, TEXT)))
    assert all("trusted" not in cell["metadata"] for cell in sent["cells"])


def test_markdown_alone_comes_as_a_cell_that_shows_it() -> None:
    shell = Shell(kernel=True)
    made = delivery.deliver(CellEdit("g", (TEXT,)), shell, Config())
    assert shell.inputs[-1][0].startswith("%%markdown\nAbout `x`")
    assert "shows it when run" in made.sentence
