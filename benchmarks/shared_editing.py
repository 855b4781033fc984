"""Rounds in which somebody edits a shared notebook while nbcopilot writes to it: what was lost or doubled (0 is right).

    python benchmarks/shared_editing.py [--rounds 200] [--seed 0]

A real Jupyter server with jupyter-collaboration, two people on its websocket, and `files.write` as every command calls
it. In each round a person types a mark into a cell, or puts in a cell of their own, at the moment of the write; the write
puts in a cell or changes one. It may be refused: then nothing of it may be there. At the end every mark and every cell
must be there once, in both people's notebooks and in the file.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from jupyter_servers import TOKEN, serving  # noqa: E402
from peers import Peer  # noqa: E402

from nbcopilot.errors import EditConflictError  # noqa: E402
from nbcopilot.notebook import document  # noqa: E402
from nbcopilot.types import CellEdit, NewCell  # noqa: E402
from nbcopilot.write import cells, files  # noqa: E402

SHARING = ("nbcopilot", "jupyter_server_ydoc", "jupyter_server_fileid")


def main() -> int:
    """Run the rounds and print what became of them; exit 1 where something is lost or doubled."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder).resolve(), extensions=SHARING) as server:
        found = edit(server.url, Path(folder).resolve() / "shared.ipynb", args.rounds, random.Random(args.seed))
    print(json.dumps(found))
    return 1 if found["lost"] or found["doubled"] else 0


def edit(url: str, path: Path, rounds: int, chance: random.Random) -> dict[str, object]:
    """Counts of the rounds, and the names of marks and cells that are lost or doubled."""
    made = [nbformat.v4.new_code_cell(f"start_{at} = {at}\n", id=f"s{at}") for at in range(4)]
    nbformat.write(nbformat.v4.new_notebook(cells=made), path)
    wanted = {f"start_{at} =" for at in range(4)}
    refused = 0
    with Peer(url, TOKEN, path.name) as one, Peer(url, TOKEN, path.name) as two:
        for number in range(rounds):
            base = whole(path)
            typing = threading.Thread(
                target=type_mark, args=(chance.choice((one, two)), number, chance.random(), chance.random())
            )
            typing.start()
            wanted.add(f"#mark{number};")
            time.sleep(chance.choice((0, 0, 0.01, 0.05)))
            book = document.loads(base, path)
            target = chance.choice(book.cells)
            try:
                if chance.random() < 0.5:
                    new = NewCell("code", f"#ours{number};\n", {})
                    data = cells.edited(book, [CellEdit(f"g{number}", (new,), after=target["id"])])
                else:
                    node = json.loads(base)
                    cell = next(c for c in node["cells"] if c["id"] == target["id"])
                    cell["source"] = document.source_text(cell) + f"#ours{number};\n"
                    data = json.dumps(node).encode()
                files.write(path, data, base=base)
                wanted.add(f"#ours{number};")
            except EditConflictError:
                refused += 1
            typing.join()
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            texts = [
                one.sources(),
                two.sources(),
                [document.source_text(cell) for cell in document.loads(whole(path)).cells],
            ]
            if texts[0] == texts[1] == texts[2]:
                break
            time.sleep(0.2)
        counts = [
            Counter(mark for text in view for mark in text.replace(";", ";\n").split("\n") if mark.startswith("#"))
            for view in texts
        ]
        starts = [
            Counter(word for word in wanted if word.startswith("start") for text in view if word in text)
            for view in texts
        ]
    seen = [count + start for count, start in zip(counts, starts, strict=True)]
    lost = sorted({name for view in seen for name in wanted if view[name] == 0})
    doubled = sorted({name for view in seen for name, count in view.items() if count > 1 or name not in wanted})
    return {
        "rounds": rounds,
        "refused": refused,
        "same": texts[0] == texts[1] == texts[2],
        "cells": len(texts[0]),
        "lost": lost,
        "doubled": doubled,
    }


def type_mark(peer: Peer, number: int, where: float, kind: float) -> None:
    """Type a mark into a cell, or put in a cell with it."""

    def act(book: object) -> None:
        ycells = book.ycells  # type: ignore[attr-defined]
        at = int(where * len(ycells))
        if kind < 0.6:
            ycells[at]["source"].insert(0, f"#mark{number};\n")
        else:
            ycells.insert(
                at,
                book.create_ycell(
                    {
                        "cell_type": "code",
                        "source": f"#mark{number};\n",
                        "metadata": {},
                        "outputs": [],
                        "execution_count": None,
                    }
                ),
            )  # type: ignore[attr-defined]

    peer.do(act)


def whole(path: Path) -> bytes:
    """The bytes of the file, which Jupyter writes in place, when they are whole."""
    while True:
        data = path.read_bytes()
        try:
            json.loads(data)
            return data
        except ValueError:
            time.sleep(0.01)


if __name__ == "__main__":
    sys.exit(main())
