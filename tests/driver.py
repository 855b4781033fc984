"""A notebook front end without a browser: runs a notebook against a real kernel over the Jupyter protocol.

Applies what the kernel sends as JupyterLab does: `set_next_input` payloads insert one code cell below
(packages/notebook/src/cellexecutor.ts), and, when `comm` is on, messages on our comm target insert typed cells
with metadata, as labextension/src does. Used by the tests and by scripts/build_demos.py.
"""

from __future__ import annotations

import queue
import time
import uuid
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.manager import KernelManager

from nbcopilot import __version__
from nbcopilot.hashing import text_hash
from nbcopilot.write.provenance import is_edited

TARGET = "nbcopilot:cells"


class FrontEnd:
    """An open notebook with its kernel."""

    def __init__(
        self, notebook: Any, *, comm: bool = False, cwd: Path | None = None, env: dict[str, str] | None = None
    ) -> None:
        self.nb = notebook
        self.comm = comm
        self.inserted: list[str] = []
        self._manager = KernelManager(kernel_name="python3")
        self._manager.start_kernel(cwd=str(cwd or Path.cwd()), env=env)
        self.client = self._manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=120)

    def __enter__(self) -> FrontEnd:
        return self

    def __exit__(self, *exc: object) -> None:
        self.client.stop_channels()
        self._manager.shutdown_kernel(now=True)

    def interrupt(self) -> None:
        """What the Stop button does."""
        self._manager.interrupt_kernel()

    def restart(self) -> None:
        """What Restart Kernel does."""
        self._manager.restart_kernel(now=True)
        self.client.wait_for_ready(timeout=120)

    def add(self, source: str, *, after: int | None = None) -> int:
        """Insert a code cell (default: at the end) and return its index."""
        index = len(self.nb.cells) if after is None else after + 1
        self.nb.cells.insert(index, nbformat.v4.new_code_cell(source))
        return index

    def run(self, source: str, *, timeout: float = 600) -> Any:
        """Add a cell at the end, run it, and return it."""
        return self.execute(self.add(source), timeout=timeout)

    def run_all(self, *, follow: bool = False, timeout: float = 900) -> None:
        """Run every code cell in order; cells that are inserted meanwhile run too when `follow`."""
        queued = [cell.id for cell in self.nb.cells]
        while queued:
            index = next((i for i, cell in enumerate(self.nb.cells) if cell.id == queued[0]), None)
            queued.pop(0)
            if index is None or self.nb.cells[index].cell_type != "code" or not self.nb.cells[index].source.strip():
                continue
            before = {cell.id for cell in self.nb.cells}
            self.execute(index, timeout=timeout)
            if follow:
                queued = [cell.id for cell in self.nb.cells if cell.id not in before] + queued

    def execute(self, index: int, *, timeout: float = 600, on_output: Any = None, wait: bool = True) -> Any:
        """Run the cell at `index`, store its outputs, apply what the kernel asks for, and return it.

        wait: also until the requests that go on beside the cells have ended.
        """
        cell = self.nb.cells[index]
        cell.outputs, cell.execution_count = [], None
        message = self.client.session.msg(
            "execute_request",
            {
                "code": cell.source,
                "silent": False,
                "store_history": True,
                "user_expressions": {},
                "allow_stdin": False,
                "stop_on_error": True,
            },
            metadata={"cellId": cell.id, "trusted": True},
        )
        self.client.shell_channel.send(message)
        msg_id = message["header"]["msg_id"]
        displays: dict[str, Any] = {}
        calls: set[str] = set()  # comms of requests that go on when the cell has ended
        ended = False
        deadline = time.monotonic() + timeout
        while True:
            try:
                msg = self.client.get_iopub_msg(timeout=max(0.1, min(5.0, deadline - time.monotonic())))
            except queue.Empty:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"cell {index} took more than {timeout} s:\n{cell.source}") from None
                continue
            kind, content = msg["msg_type"], msg["content"]
            if kind == "comm_close":
                calls.discard(content["comm_id"])
            elif kind != "update_display_data" and msg["parent_header"].get("msg_id") != msg_id:
                continue
            elif kind == "status" and content["execution_state"] == "idle":
                ended = True
            if ended and (not wait or not calls):
                break
            self._collect(cell, kind, content, displays)
            if on_output is not None:
                on_output(cell)
            if kind == "comm_open" and content["target_name"] == TARGET:
                if not self.comm:
                    self._comm_close(content["comm_id"])
                elif content["data"]["type"] == "begin":
                    calls.add(content["comm_id"])
                    if "asks" in content["data"]:
                        self._comm_message(cell, content)
                else:
                    self._comm_message(cell, content)
            elif kind == "comm_msg" and content["comm_id"] in calls:
                self._comm_message(cell, content)
        reply = self.client.get_shell_msg(timeout=60)
        while reply["parent_header"].get("msg_id") != msg_id:
            reply = self.client.get_shell_msg(timeout=60)
        cell.execution_count = reply["content"].get("execution_count")
        if reply["content"]["status"] == "ok":  # as JupyterLab: payloads of failed cells are dropped
            self._payload(index, reply["content"].get("payload", []))
        return cell

    def _collect(self, cell: Any, kind: str, content: Any, displays: dict[str, Any]) -> None:
        if kind == "stream":
            if cell.outputs and cell.outputs[-1].output_type == "stream" and cell.outputs[-1].name == content["name"]:
                cell.outputs[-1].text += content["text"]
            else:
                cell.outputs.append(nbformat.v4.new_output("stream", name=content["name"], text=content["text"]))
        elif kind in ("display_data", "execute_result"):
            output = nbformat.v4.new_output(kind, data=content["data"], metadata=content.get("metadata", {}))
            if kind == "execute_result":
                output.execution_count = content["execution_count"]
            cell.outputs.append(output)
            display_id = content.get("transient", {}).get("display_id")
            if display_id:
                displays[display_id] = output
        elif kind == "update_display_data":
            output = displays.get(content.get("transient", {}).get("display_id"))
            if output is not None:
                output.data = content["data"]
        elif kind == "error":
            cell.outputs.append(
                nbformat.v4.new_output(
                    "error", ename=content["ename"], evalue=content["evalue"], traceback=content["traceback"]
                )
            )

    def _payload(self, index: int, payloads: list[Any]) -> None:
        found = [p for p in payloads if p.get("source") == "set_next_input"][:1]  # Lab takes the first
        for payload in found:
            if payload.get("replace"):
                self.nb.cells[index].source = payload["text"]
            else:
                self.nb.cells.insert(index + 1, nbformat.v4.new_code_cell(payload["text"], metadata={}))

    def _comm_message(self, cell: Any, content: Any) -> None:
        """Answer as labextension/src/cells.ts does; tests/data/wire holds the messages."""
        data, comm_id = content["data"], content["comm_id"]
        if data["type"] == "hello":
            answer = {"schema": 1, "type": "ready", "frontend": "driver", "version": __version__}
        elif data["type"] == "begin":
            answer = self._known(data)
        elif data["type"] == "edit":
            answer = self._edit(cell, data)
        else:
            gone = [c.id for c in self.nb.cells if c.metadata.get("nbcopilot", {}).get("group") == data["group"]]
            self.nb.cells[:] = [c for c in self.nb.cells if c.id not in gone]
            answer = {"schema": 1, "type": "applied", "group": data["group"], "cells": [], "replaced": gone}
        self.client.shell_channel.send(self.client.session.msg("comm_msg", {"comm_id": comm_id, "data": answer}))

    def _known(self, begin: Any) -> dict[str, Any]:
        """What the notebook holds of the answer, as labextension/src/edits.ts finds it."""
        asks, state = begin["asks"], "none"
        for cell in self.nb.cells:
            record = cell.metadata.get("nbcopilot", {})
            here = asks["source_cell"] in (None, record.get("source_cell")) and record.get("role") == asks["role"]
            if here and record.get("request_hash") == asks["request_hash"] and state != "edited":
                state = "untouched" if record["cell_hash"] == text_hash(cell.source) else "edited"
        return {"schema": 1, "type": "known", "group": begin["group"], "state": state, "cells": []}

    def _edit(self, cell: Any, edit: Any) -> dict[str, Any]:
        """Insert typed cells in place of `replaces`, else below `after`, else below the cell that asked."""
        previous = edit.get("previous")
        gone = set(edit["replaces"])
        if previous:
            for other in self.nb.cells:
                record = other.metadata.get("nbcopilot", {})
                if record.get("source_cell") == previous["source_cell"] and record.get("role") in previous["roles"]:
                    gone.add(other.id)
        kept = [c for c in self.nb.cells if c.id in gone and is_edited(c.metadata, c.source)]
        if kept and not edit["overwrite"]:
            refusal = {"schema": 1, "type": "refused", "group": edit["group"], "reason": "edited", "detail": ""}
            return {**refusal, "cells": [c.id for c in kept], "sources": [c.source for c in kept]}
        ids = [c.id for c in self.nb.cells]
        first = next((i for i, known in enumerate(ids) if known in gone), None)
        after = edit["after"] if edit["after"] in ids else cell.id
        index = ids.index(after) + 1 if first is None else first
        self.nb.cells[:] = [c for c in self.nb.cells if c.id not in gone]
        made = []
        for new in edit["cells"]:
            build = nbformat.v4.new_markdown_cell if new["kind"] == "markdown" else nbformat.v4.new_code_cell
            made.append(build(new["source"], metadata=new["metadata"], id=uuid.uuid4().hex[:8]))
        self.nb.cells[index:index] = made
        self.inserted += [c.id for c in made]
        cells, replaced = [c.id for c in made], sorted(gone)
        return {"schema": 1, "type": "applied", "group": edit["group"], "cells": cells, "replaced": replaced}

    def _comm_close(self, comm_id: str) -> None:
        """A front end without the target answers every comm_open with a close (JupyterLab kernel/default.ts)."""
        self.client.shell_channel.send(self.client.session.msg("comm_close", {"comm_id": comm_id, "data": {}}))


def text_of(cell: Any) -> str:
    """All the text of a cell's outputs, plain."""
    parts = []
    for output in cell.outputs:
        if output.output_type == "stream":
            parts.append(output.text)
        elif output.output_type == "error":
            parts.append("\n".join(output.traceback))
        else:
            parts.append(output.data.get("text/plain", ""))
    return "\n".join(parts)
