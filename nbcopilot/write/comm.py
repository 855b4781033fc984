"""Route 1 into an open notebook: a comm to our JupyterLab extension, target `nbcopilot:cells`.

Carries several typed cells with metadata, one undo step. The kernel side only: wire.py has the messages, the
extension in labextension/ writes the cells. Each edit travels in the `comm_open` of a comm of its own: the target
is registered on the kernel connection, so that works after a page reload too, where an old comm would be dead.

A plain cell gets the front end's answer only after it has ended, so nothing here waits: `Link.send` gives back
nothing, and the answer comes to its `on_answer`. A request that runs in a thread has a `Call`: one comm from its
beginning to the front end's answer.
"""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable, Mapping
from contextvars import copy_context
from typing import Any

from nbcopilot._version import __version__
from nbcopilot.errors import InternalError
from nbcopilot.types import CellEdit
from nbcopilot.write.wire import (
    TARGET,
    Answer,
    Asks,
    Known,
    Ready,
    Refused,
    Stop,
    begin_message,
    edit_message,
    hello,
    output_message,
    read_answer,
    undo_message,
)

_ATTRIBUTE = "nbcopilot_link"
FRONTEND_VARIABLE = "NBCOPILOT_FRONTEND"
# How long the page that asked may keep silent before the cells go to one that was loaded since.
PATIENCE_SECONDS = 5.0
# How long a page may take to say whether the answer is there; it looks through its cells, and that is all.
KNOWN_SECONDS = 2.0
NO_EXTENSION = "this front end has no nbcopilot extension"


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

    def send(
        self,
        edit: CellEdit,
        on_answer: Callable[[Answer], None],
        *,
        overwrite: bool = False,
        on_silence: Callable[[], None] = lambda: None,
    ) -> None:
        """Ask the front end to write `edit`; what it says comes to `on_answer`, once.

        on_silence: called, in a thread with the caller's context, when nothing was said within PATIENCE_SECONDS.
        """
        heard = threading.Event()

        def answered(answer: Answer) -> None:
            heard.set()
            on_answer(answer)

        context = copy_context()
        timer = threading.Timer(PATIENCE_SECONDS, lambda: None if heard.is_set() else context.run(on_silence))
        timer.daemon = True
        timer.start()
        self._open(edit_message(edit, cell_id=running_cell(self.shell), overwrite=overwrite), answered)

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
            answer = _read(message, group)
            if group and isinstance(answer, Ready):
                return  # it asks the user; its word is still to come
            comm.close()
            finish(answer)

        def closed(_: dict[str, Any]) -> None:
            # A front end without our target closes what it does not know.
            finish(Refused(group, "failed", detail=NO_EXTENSION) if group else None)
            if not group:
                self.lose()

        comm.on_msg(received)
        comm.on_close(closed)

    def lose(self) -> None:
        """The front end has said that it does not know us."""
        self.frontend, self._absent = None, True


class Call:
    """The comm of one request that runs in a thread, from its beginning to the front end's answer.

    The page that asked shows a Stop button meanwhile. A page that is loaded later (the same one after a reload, or
    the notebook opened again) finds the comm in the kernel and offers itself; when the first page keeps silent, it
    gets the cells. `on_stop` is called when the user presses Stop, `output` gives what stands below the cell that
    asked, for a page that has not seen it come. Thread-safe.
    """

    def __init__(
        self,
        link: Link,
        on_stop: Callable[[], None],
        output: Callable[[], Mapping[str, str]],
        asks: Asks | None = None,
    ) -> None:
        from comm import create_comm

        self._link, self._on_stop, self._output, self._asks = link, on_stop, output, asks
        self._known: Known | None = None
        self._heard = threading.Event()
        self._group = uuid.uuid4().hex
        self._cell_id = running_cell(link.shell)
        self._lock = threading.RLock()
        self._edit: tuple[CellEdit, bool] | None = None
        self._on_answer: Callable[[Answer], None] | None = None
        self._heir, self._silent, self._closed = "", False, False
        self._timer: threading.Timer | None = None
        self._on_silence: Callable[[], None] = lambda: None
        self._comm = create_comm(target_name=TARGET, data=begin_message(self._group, self._cell_id, asks))
        self._comm.on_msg(self._received)
        self._comm.on_close(lambda _: self._left())

    def known(self) -> Known | None:
        """What the page says that the notebook holds of the answer; None when it does not say so in time."""
        if self._asks is not None and not self._closed:
            self._heard.wait(min(PATIENCE_SECONDS, KNOWN_SECONDS))
        return self._known

    def send(
        self,
        edit: CellEdit,
        on_answer: Callable[[Answer], None],
        *,
        overwrite: bool = False,
        on_silence: Callable[[], None] = lambda: None,
    ) -> None:
        """Ask for `edit` to be written; what the front end says comes to `on_answer`, once.

        on_silence: as for Link.send; an answer may still come.
        """
        context = copy_context()
        self._on_silence = lambda: context.run(on_silence)
        with self._lock:
            if not self._closed:
                self._edit, self._on_answer = (edit, overwrite), on_answer
                # A page that has kept silent when it was asked before gets less time.
                silent = self._asks is not None and not self._heard.is_set()
                patience = min(PATIENCE_SECONDS, KNOWN_SECONDS) if silent else PATIENCE_SECONDS
                self._timer = threading.Timer(patience, self._wait_no_longer)
                self._timer.daemon = True
                self._timer.start()
                self._comm.send(edit_message(edit, cell_id=self._cell_id, overwrite=overwrite))
                return
        on_answer(Refused(edit.group, "failed", detail=NO_EXTENSION))

    def close(self) -> None:
        """The request has ended, with or without cells: the Stop button goes."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            if self._heir and not self._closed:
                self._comm.send(output_message(self._heir, self._cell_id, self._output()))
            self._closed = True
            self._comm.close()

    def _received(self, message: dict[str, Any]) -> None:
        group = self._edit[0].group if self._edit else ""
        answer = _read(message, group)
        if isinstance(answer, Stop):
            self._on_stop()
        elif isinstance(answer, Known):
            self._known = answer
            self._heard.set()
        elif isinstance(answer, Ready):
            with self._lock:
                if answer.client:
                    self._heir = answer.client
                    self._comm.send(begin_message(self._group, self._cell_id))
                    self._pass_on()
                elif self._timer is not None:  # the page that asked is there, and at work
                    self._timer.cancel()
        else:
            self._finish(answer)

    def _wait_no_longer(self) -> None:
        with self._lock:
            self._silent = True
            self._pass_on()
            silent = self._on_answer is not None and not self._heir
        if silent:
            self._on_silence()

    def _pass_on(self) -> None:
        """Give the cells to the page that has offered itself, if the first one keeps silent."""
        if self._silent and self._heir and self._edit is not None and not self._closed:
            edit, overwrite = self._edit
            self._comm.send(edit_message(edit, cell_id=self._cell_id, overwrite=overwrite, client=self._heir))

    def _left(self) -> None:
        """The front end closed the comm: it does not know the target."""
        with self._lock:
            self._closed = True
            self._link.lose()
        self._heard.set()
        if self._edit is not None:
            self._finish(Refused(self._edit[0].group, "failed", detail=NO_EXTENSION))

    def _finish(self, answer: Answer) -> None:
        with self._lock:
            tell, self._on_answer = self._on_answer, None
        if tell is not None:
            tell(answer)
        self.close()


def _read(message: dict[str, Any], group: str) -> Answer:
    try:
        return read_answer(message["content"]["data"])
    except InternalError as exc:
        return Refused(group, "schema", detail=str(exc))


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
    cell_id = _parent(shell).get("metadata", {}).get("cellId")
    return cell_id if isinstance(cell_id, str) else None


def execution(shell: Any) -> str:
    """Id of the request that runs the cell: another one each time it is run; "" outside a kernel."""
    return str(_parent(shell).get("header", {}).get("msg_id", ""))


def _parent(shell: Any) -> Mapping[str, Any]:
    """The message that the kernel is working on, as this thread sees it."""
    kernel = getattr(shell, "kernel", None)
    try:
        return (kernel.get_parent() if kernel is not None else None) or {}
    except (AttributeError, LookupError, RuntimeError):
        return {}
