"""Route 1 into an open notebook: a comm to our JupyterLab extension, target `nbcopilot:cells`.

Carries several typed cells with metadata, one undo step. The kernel side only: wire.py has the messages, the
extension in labextension/ writes the cells. Each edit travels in the `comm_open` of a comm of its own: the target
is registered on the kernel connection, so that works after a page reload too, where an old comm would be dead.

A plain cell gets the front end's answer only after it has ended, so nothing here waits: `Link.send` gives back a
`Delivery` at once, and the answer comes to its `on_answer`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from nbcopilot import __version__
from nbcopilot.errors import InternalError
from nbcopilot.types import CellEdit
from nbcopilot.write.wire import TARGET, Answer, Ready, Refused, edit_message, hello, read_answer, undo_message

_ATTRIBUTE = "nbcopilot_link"
FRONTEND_VARIABLE = "NBCOPILOT_FRONTEND"


class Link:
    """The kernel's end of the comm route for one shell.

    `frontend` is None until a front end has answered; `mismatch` holds a sentence when it speaks another version.
    """

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self.frontend: Ready | None = None
        self.mismatch = ""
        self._absent = False
        self._comms: list[Any] = []
        self._open(hello(), self._on_hello)

    @property
    def ready(self) -> bool:
        """True when a front end has said that it can write cells, or is known to be one that can.

        With "Run All" the cells are queued before the answer to `hello` can come; but a kernel of a server with
        our extension knows from its environment (server/routes.py), and a notebook page names its cells.
        """
        if self.frontend is not None:
            return True
        return not self._absent and FRONTEND_VARIABLE in os.environ and running_cell(self.shell) is not None

    def send(self, edit: CellEdit, on_answer: Callable[[Answer], None], *, overwrite: bool = False) -> None:
        """Ask the front end to write `edit`; what it says comes to `on_answer`, once."""
        self._open(edit_message(edit, cell_id=running_cell(self.shell), overwrite=overwrite), on_answer)

    def undo(self, group: str, on_answer: Callable[[Answer], None], *, force: bool = False) -> None:
        """Ask the front end to take back the cells of `group`; what it says comes to `on_answer`, once."""
        self._open(undo_message(group, force=force), on_answer)

    def _on_hello(self, answer: Answer) -> None:
        if isinstance(answer, Ready):
            self.frontend = answer
            if answer.version and answer.version != __version__:
                self.mismatch = (
                    f"the JupyterLab extension is {answer.version}, the package {__version__}: reload the page"
                )

    def _open(self, data: dict[str, Any], on_answer: Callable[[Answer], None]) -> None:
        from comm import create_comm

        comm = create_comm(target_name=TARGET, data=data)
        self._comms.append(comm)  # a comm that is garbage collected closes itself
        group = str(data.get("group", ""))

        def finish(answer: Answer | None) -> None:
            if comm in self._comms:
                self._comms.remove(comm)
                if answer is not None:
                    on_answer(answer)

        def received(message: dict[str, Any]) -> None:
            try:
                answer = read_answer(message["content"]["data"])
            except InternalError as exc:
                answer = Refused(group, "schema", detail=str(exc))
            if not isinstance(answer, Ready):
                comm.close()
            finish(answer)

        def closed(_: dict[str, Any]) -> None:
            # A front end without our target closes what it does not know.
            no_target = Refused(group, "failed", detail="this front end has no nbcopilot extension")
            finish(no_target if group else None)
            if not group:
                self.frontend, self._absent = None, True

        comm.on_msg(received)
        comm.on_close(closed)


def connect(shell: Any) -> Link | None:
    """The Link of this shell, made (and the front end asked) on first use; None outside a kernel."""
    if getattr(shell, "kernel", None) is None:
        return None
    link = getattr(shell, _ATTRIBUTE, None)
    if link is None:
        link = Link(shell)
        setattr(shell, _ATTRIBUTE, link)
    return link if isinstance(link, Link) else None


def disconnect(shell: Any) -> None:
    """Forget the Link of this shell."""
    if hasattr(shell, _ATTRIBUTE):
        delattr(shell, _ATTRIBUTE)


def running_cell(shell: Any) -> str | None:
    """Id of the cell that runs, as JupyterLab tells it; None elsewhere (nbclient, papermill and a terminal do not)."""
    kernel = getattr(shell, "kernel", None)
    try:
        parent = kernel.get_parent() if kernel is not None else {}
    except (AttributeError, LookupError, RuntimeError):
        return None
    cell_id = (parent or {}).get("metadata", {}).get("cellId")
    return cell_id if isinstance(cell_id, str) else None
