"""Files in stores: read and written whole or not at all, found, tried again, refused in one sentence."""

from __future__ import annotations

import http.server
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import fsspec
import pytest
from cell_builders import code, raw
from failing_stores import Flaky

from nbcopilot.batch import stores
from nbcopilot.batch.discover import discover
from nbcopilot.errors import EditConflictError, NbcopilotError, NotebookNotFoundError, NotebookWriteError, UsageError

BIG = "def f(x):\n    y = x + 1\n    return y"


@pytest.mark.parametrize("where", ["memory://b/n.ipynb", "flaky://b/n.ipynb", "{tmp}/n.ipynb", "file://{tmp}/n.ipynb"])
def test_what_is_written_is_read_again_and_replaced_only_when_it_is_what_was_read(where: str, tmp_path: Path) -> None:
    where = stores.local(where.format(tmp=tmp_path))
    stores.write(where, b"one")
    assert stores.read(where) == stores.present(where) == b"one"
    stores.write(where, b"two", base=b"one")
    with pytest.raises(EditConflictError, match="nothing was overwritten"):
        stores.write(where, b"three", base=b"one")
    assert stores.read(where) == b"two" and stores.present(where + ".gone") is None


def test_a_store_that_fails_every_tenth_call_loses_nothing_and_shows_no_half_object() -> None:
    before = Flaky.failures
    for i in range(100):
        stores.write(f"flaky://b/n{i}.ipynb", b"x" * 100)
    assert [len(stores.read(f"flaky://b/n{i}.ipynb")) for i in range(100)] == [100] * 100
    assert Flaky.failures - before > 10, "the store did fail"
    assert not [name for name in Flaky.store if ".tmp" in name]


def test_a_store_that_fails_every_time_is_one_sentence_and_what_was_there_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stores.write("flaky://b/n.ipynb", b"before")
    monkeypatch.setattr(Flaky.dice, "random", lambda: 0.0)
    with pytest.raises(NotebookWriteError, match="could not be written: 503 Slow Down"):
        stores.write("flaky://b/n.ipynb", b"after")
    with pytest.raises(NotebookNotFoundError, match="cannot be read: 503 Slow Down"):
        stores.read("flaky://b/n.ipynb")
    monkeypatch.undo()
    assert stores.read("flaky://b/n.ipynb") == b"before"


def test_an_output_that_takes_nothing_is_refused_before_anything_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    stores.require_writable("flaky://b/out")
    assert not any("probe" in name for name in Flaky.store)
    monkeypatch.setattr(Flaky.dice, "random", lambda: 0.0)
    with pytest.raises(NotebookWriteError, match="Nothing can be written to flaky://b/out: 503 Slow Down"):
        stores.require_writable("flaky://b/out")


def test_a_full_store_is_known_as_one() -> None:
    with pytest.raises(NotebookWriteError, match="the disk is full") as caught:
        stores.write("full://b/n.ipynb", b"x")
    assert stores.is_full(caught.value)


def test_folders_and_globs_of_a_store_are_searched_like_local_ones() -> None:
    fs = fsspec.filesystem("memory")
    for name in ("b/a.ipynb", "b/sub/c.ipynb", "b/.ipynb_checkpoints/a.ipynb", "b/notes.txt"):
        fs.pipe_file(f"/{name}", b"{}")
    units, base = discover(["memory://b"])
    assert [unit.name for unit in units] == ["a.ipynb", "sub/c.ipynb"] and base == "memory://b"
    assert [unit.name for unit in discover(["memory://b/**/*.ipynb"])[0]] == ["a.ipynb", "sub/c.ipynb"]
    assert [unit.name for unit in discover(["memory://b/a.ipynb"])[0]] == ["a.ipynb"]
    with pytest.raises(NotebookNotFoundError, match="No notebook at memory://nothing"):
        discover(["memory://nothing"])


def test_a_zip_is_searched_like_a_folder(tmp_path: Path) -> None:
    path = tmp_path / "nb.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/a.ipynb", raw(code(BIG)))
        archive.writestr("x/y/b.ipynb", raw(code(BIG)))
        archive.writestr("readme.md", "no")
    units, _ = discover([str(path)])
    assert [unit.name for unit in units] == ["x/a.ipynb", "x/y/b.ipynb"]
    assert stores.read(units[1].path) == raw(code(BIG))


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """A web server with a notebook."""
    (tmp_path / "n.ipynb").write_bytes(raw(code(BIG)))

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()


def test_a_notebook_comes_from_the_web_and_does_not_go_there(web: str) -> None:
    units, base = discover([f"{web}/n.ipynb"])
    assert stores.read(units[0].path) == raw(code(BIG)) and units[0].name == "n.ipynb"
    with pytest.raises(UsageError, match="http:// can only be read"):
        stores.require_writable(base)
    with pytest.raises(NotebookNotFoundError, match="No notebook at"):
        stores.read(f"{web}/gone.ipynb")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3://bucket/n.ipynb", "s3:// needs s3fs. pip install s3fs"),
        ("nosuch://x/n.ipynb", "is not a URL that can be opened"),
        ("zip://n.ipynb::/no/such.zip", "is not there"),
    ],
)
def test_a_store_that_nobody_can_open_is_one_sentence(url: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(NbcopilotError, match=said):
        stores.read(url)


def test_local_paths_and_urls_cannot_be_mixed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be mixed"):
        discover([str(tmp_path), "memory://b"])
