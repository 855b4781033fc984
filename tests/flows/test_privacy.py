"""With a local engine nothing leaves the machine: the flows run with every connection but our own refused and noted.

Each Python process, also the resident engine and the kernel, loads the guard below before anything else.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from driver import FrontEnd, text_of

GUARD = """
import os, sys

def _watch(event, args):
    if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo"):
        address = args[0] if event == "socket.getaddrinfo" else args[1]
        host = address[0] if isinstance(address, tuple) else address
        own = isinstance(address, (bytes, str)) and event != "socket.getaddrinfo"  # a socket file
        if not own and host not in ("127.0.0.1", "::1", "localhost"):
            with open(os.environ["REFUSED"], "a") as log:
                print(event, address, sys.argv, file=log)
            raise PermissionError(f"no connection leaves this test: {address}")

sys.addaudithook(_watch)
"""


@pytest.fixture
def environ(tmp_path: Path) -> Iterator[dict[str, str]]:
    (tmp_path / "guard").mkdir()
    (tmp_path / "guard" / "sitecustomize.py").write_text(GUARD)
    refused = tmp_path / "refused.txt"
    refused.touch()
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "guard"), "REFUSED": str(refused), "NBCOPILOT_MODEL": "fake"}
    yield env
    assert refused.read_text() == "", "something tried to leave the machine"


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "book.ipynb"
    cells = [nbformat.v4.new_code_cell(f"def f{i}(x):\n    y = x + {i}\n    return y") for i in range(2)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def nbcopilot(env: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "nbcopilot", *words], env=env, capture_output=True, text=True, timeout=300, check=False
    )


def test_the_guard_refuses_what_would_leave(tmp_path: Path, environ: dict[str, str]) -> None:
    elsewhere = {**environ, "REFUSED": str(tmp_path / "tried.txt")}
    code = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=5)"
    done = subprocess.run([sys.executable, "-c", code], env=elsewhere, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "192.0.2.1" in (tmp_path / "tried.txt").read_text()


@pytest.mark.parametrize(
    "words",
    [
        ("generate", "add two numbers", "--notebook", "{book}", "--write"),
        ("testgen", "{book}::f1"),
        ("document", "{book}", "--in-place"),
        ("doctor",),
        ("models", "list"),
    ],
    ids=lambda words: words[0],
)
def test_commands_connect_to_nothing(environ: dict[str, str], book: Path, words: tuple[str, ...]) -> None:
    done = nbcopilot(environ, *(word.replace("{book}", str(book)) for word in words))
    assert done.returncode == 0, done.stderr


@pytest.mark.kernel
def test_magics_connect_to_nothing(environ: dict[str, str], tmp_path: Path) -> None:
    with FrontEnd(nbformat.v4.new_notebook(), cwd=tmp_path, env=environ) as front:
        front.run("%load_ext nbcopilot")
        for source in (
            "%%generate\nadd numbers",
            "%%explain\nx = 1",
            "%%testgen\ndef f(x):\n    return x",
            "1/0",
            "%fix",
        ):
            shown = text_of(front.run(source))
            assert "no connection leaves" not in shown, shown
