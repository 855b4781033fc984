"""A notebook that is open in a shared session is changed through it, or not at all: a real server, a real websocket."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_servers import TOKEN, serving
from peers import Peer

from nbcopilot.cli.main import main
from nbcopilot.errors import EditConflictError
from nbcopilot.notebook import document
from nbcopilot.types import CellEdit, NewCell
from nbcopilot.write import cells, files, rooms

pytestmark = pytest.mark.server
SHARING = ("nbcopilot", "jupyter_server_ydoc", "jupyter_server_fileid")
CODE = "def add(a, b):\n    return a + b\n"
OURS = {"nbcopilot": {"schema": 1, "role": "summary", "group": "g0", "cell_hash": ""}}


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with serving(tmp_path_factory.mktemp("shared"), extensions=SHARING) as found:
        yield found


@pytest.fixture
def book(jupyter: Any, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A notebook of three cells in the server's folder."""
    made = [nbformat.v4.new_code_cell(source, id=f"c{at}") for at, source in enumerate(("x = 1", CODE, "add(x, 2)"))]
    path = Path(jupyter.folder, f"{request.node.name}.ipynb".replace("[", "-").replace("]", ""))
    nbformat.write(nbformat.v4.new_notebook(cells=made), path)
    monkeypatch.chdir(jupyter.folder)
    monkeypatch.setenv("NBCOPILOT_MODEL", "fake")
    return path


@pytest.fixture
def peer(jupyter: Any, book: Path) -> Iterator[Peer]:
    """Somebody who has it open."""
    with Peer(jupyter.url, TOKEN, book.name) as found:
        yield found


def shown(peer: Peer, want: Callable[[list[str]], bool]) -> list[str]:
    """What the peer sees once `want` holds of it."""
    deadline = time.monotonic() + 30
    while not want(found := peer.sources()):
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    return found


def saved(book: Path) -> list[str]:
    try:
        return [cell["source"] for cell in nbformat.read(book, 4).cells]
    except nbformat.reader.NotJSONError:  # Jupyter writes it in place
        return []


COMMANDS = {
    "document": (["document", "BOOK", "--in-place"], lambda now: len(now) > 3),
    "generate": (["generate", "add two numbers", "--notebook", "BOOK", "--write"], lambda now: len(now) > 3),
    "finish": (["finish", "BOOK", "--in-place"], lambda now: now[0].startswith("# %%generate")),
    "strip": (["strip", "BOOK", "--in-place"], lambda now: len(now) == 3),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_what_a_command_writes_reaches_those_who_have_it_open_beside_what_they_type(
    command: str, book: Path, jupyter: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    line, want = COMMANDS[command]
    node = nbformat.read(book, 4)
    if command == "finish":
        node.cells.insert(0, nbformat.v4.new_code_cell("%%generate\nsay hello", id="ask"))
    if command == "strip":
        node.cells.insert(0, nbformat.v4.new_markdown_cell("Old words", metadata=OURS, id="ours"))
    nbformat.write(node, book)
    with Peer(jupyter.url, TOKEN, book.name) as peer:
        last = len(peer.sources()) - 1
        peer.type(last, "# mine\n")  # not saved yet: a second has not passed
        code = main([word.replace("BOOK", str(book)) for word in line])
        assert code == 0, capsys.readouterr().err
        now = shown(peer, want)
        assert now[-1] == "# mine\nadd(x, 2)" or now.count("# mine\nadd(x, 2)") == 1
        deadline = time.monotonic() + 20
        while saved(book) != now and time.monotonic() < deadline:
            time.sleep(0.1)
        assert saved(book) == now


def test_a_cell_that_is_mended_keeps_what_somebody_types_at_that_moment(book: Path, peer: Peer) -> None:
    base = book.read_bytes()
    node = nbformat.reads(base, 4)
    node.cells[1].source = "def add(a, b):\n    return a + b + 0\n"
    node.cells[1].outputs = []
    files.write(book, nbformat.writes(node).encode(), base=base)
    peer.type(1, "# mine\n")  # made before the change has come
    now = shown(peer, lambda now: "b + 0" in now[1] and "# mine" in now[1])
    assert now == ["x = 1", "# mine\n" + node.cells[1].source, "add(x, 2)"]


def test_nothing_is_written_where_somebody_has_edited_what_would_be_changed(book: Path, peer: Peer) -> None:
    base = book.read_bytes()
    peer.type(1, "# mine\n")
    seen = peer.sources()
    node = nbformat.reads(base, 4)
    node.cells[1].source, node.cells[0].source = "pass", "y = 1"
    for bad in (node, nbformat.v4.new_notebook(cells=[node.cells[0], node.cells[2]])):
        with pytest.raises(EditConflictError, match="edited in the open notebook meanwhile; nothing was written"):
            files.write(book, nbformat.writes(bad).encode(), base=base)
    peer.do(lambda book: book.ycells.pop(1))
    with pytest.raises(EditConflictError, match="deleted in the open notebook"):
        files.write(book, nbformat.writes(node).encode(), base=base)
    assert peer.sources() == [seen[0], seen[2]]


def test_metadata_outputs_and_another_type_of_cell_arrive_as_they_are_written(book: Path, peer: Peer) -> None:
    base = book.read_bytes()
    node = nbformat.reads(base, 4)
    node.cells[0].metadata = {"tags": ["a"], "deep": {"n": 1}}
    node.cells[1].outputs = [nbformat.v4.new_output("stream", text="hi\n"), nbformat.v4.new_output("error", ename="E")]
    node.cells[2] = nbformat.v4.new_markdown_cell("# Title", id="c2")
    node.metadata["title"] = "T"
    files.write(book, nbformat.writes(node).encode(), base=base)
    shown(peer, lambda now: now[2] == "# Title")
    found = peer.do(lambda book: book.get())
    for cell in found["cells"]:
        cell["metadata"].pop("trusted", None)  # of the server
    assert [cell["metadata"] for cell in found["cells"]] == [{"tags": ["a"], "deep": {"n": 1}}, {}, {}]
    assert found["cells"][1]["outputs"] == [dict(output) for output in node.cells[1].outputs]
    assert found["metadata"]["title"] == "T" and found["cells"][2]["cell_type"] == "markdown"


def test_the_same_change_twice_is_made_once(book: Path, peer: Peer, jupyter: Any) -> None:
    base = document.read(book)
    edit = CellEdit("g", (NewCell("code", "new = 1"),), after="c0")
    data = cells.edited(base, [edit])
    for _ in range(2):
        files.write(book, data, base=base.raw)
    assert shown(peer, lambda now: len(now) == 4)[1] == "new = 1"


def test_what_is_open_and_cannot_be_changed_through_the_session_is_refused(book: Path, peer: Peer) -> None:
    before = book.read_bytes()
    alias = book.with_name("alias.ipynb")
    alias.symlink_to(book.name)
    for place in (book, alias):
        with pytest.raises(EditConflictError, match=r"is open in the shared session at http.*; nothing was written"):
            files.write(place, b"{}")
    node = nbformat.read(book, 4)
    node.nbformat_minor = 4
    for cell in node.cells:
        del cell["id"]
    with pytest.raises(EditConflictError, match="no ids of their own"):
        files.write(book, nbformat.writes(node).encode(), base=nbformat.writes(node).encode())
    assert book.read_bytes() == before


def test_a_notebook_that_nobody_has_open_is_written_as_ever(book: Path) -> None:
    assert rooms.holding(book) is None
    files.write(book, b"{}", base=book.read_bytes())
    assert book.read_bytes() == b"{}"


@pytest.mark.parametrize(
    ("extensions", "token", "why"),
    [
        (("jupyter_server_ydoc", "jupyter_server_fileid"), None, "nbcopilot is not installed there"),
        (SHARING, "wrong", "it needs a password"),
        (("nbcopilot",), "wrong", ""),
    ],
)
def test_only_a_server_that_shares_and_cannot_be_asked_is_a_reason_to_refuse(
    extensions: tuple[str, ...],
    token: str | None,
    why: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serving(tmp_path, extensions=extensions) as jupyter:
        path = tmp_path / "a.ipynb"
        path.write_bytes(b"{}")
        real = rooms.servers
        if token is not None:
            monkeypatch.setattr(rooms, "servers", lambda: [rooms.Server(s.url, token, s.root) for s in real()])
        assert [server.url for server in rooms.servers()] == [jupyter.url]
        if why:
            with pytest.raises(EditConflictError, match=why):
                files.write(path, b"[]")
            assert path.read_bytes() == b"{}"
        else:
            files.write(path, b"[]")
        files.write(tmp_path.parent / "outside.ipynb", b"[]")
