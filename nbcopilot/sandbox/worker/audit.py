"""An audit hook: records what code tried to reach and, at the weakest level, refuses it.

At the better levels the kernel refuses; the record tells why a run failed ("needs the network"). At the weakest
level the hook is the barrier for sockets, processes, signals, writing outside the scratch folder and reading hidden
files (`reach`). It sees what goes through the interpreter only: native code and code that tampers
with the interpreter's own objects get past it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from nbcopilot.sandbox.worker.reach import Reach

_NETWORK = frozenset({
    "socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.bind", "socket.sendto",
    "socket.sendmsg", "urllib.Request", "http.client.connect", "ftplib.connect", "smtplib.connect", "imaplib.open", "poplib.connect",
})  # fmt: skip
_PROCESS = frozenset(
    {
        "subprocess.Popen",
        "os.system",
        "os.exec",
        "os.fork",
        "os.forkpty",
        "os.posix_spawn",
        "os.spawn",
        "pty.spawn",
        "os.startfile",
    }
)
_SIGNAL = frozenset({"os.kill", "os.killpg", "signal.pthread_kill"})
_CHANGES = {
    "os.remove": 1, "os.rmdir": 1, "os.mkdir": 1, "os.rename": 2, "os.link": 2, "os.symlink": 2, "os.chmod": 1, "os.chown": 1,
    "os.truncate": 1, "os.utime": 1, "os.setxattr": 1, "os.removexattr": 1, "shutil.rmtree": 1, "os.chflags": 1,
}  # fmt: skip
# Where an event has the open folders that its paths are relative to; -1 is none.
_FOLDERS = {
    "os.remove": (1,), "os.rmdir": (1,), "os.mkdir": (2,), "os.rename": (2, 3), "os.link": (2, 3), "os.symlink": (2,),
    "os.chmod": (2,), "os.chown": (3,), "os.utime": (3,),
}  # fmt: skip
_NATIVE = frozenset(
    {"ctypes.dlopen", "ctypes.dlsym", "ctypes.dlsym/handle", "ctypes.cdata", "ctypes.call_function", "ctypes.string_at"}
)
_NATIVE_MODULES = frozenset({"cffi", "_cffi_backend", "_ctypes"})
_LIMITS = frozenset({"resource.setrlimit", "resource.prlimit"})


PAUSED: list[int] = []  # not empty while our own code forks or ends a child, which alone it lets pass
_OURS = frozenset({"os.fork", "os.kill"})


class Watch:
    """What the hook saw: `network`, `processes` and `refused` hold short sentences, first ones first."""

    def __init__(self) -> None:
        self.network: list[str] = []
        self.processes: list[str] = []
        self.refused: list[str] = []
        self.opened: list[str] = []

    def clear(self) -> None:
        """Forget what was seen."""
        for seen in (self.network, self.processes, self.refused, self.opened):
            seen.clear()


def watch(reach: Reach, *, refuse: bool) -> Watch:
    """Install the hook and return its record. refuse: raise PermissionError instead of only recording."""
    seen = Watch()

    def note(kept: list[str], text: str) -> None:
        if len(kept) < 20 and text not in kept:
            kept.append(text)

    def deny(text: str) -> None:
        note(seen.refused, text)
        if refuse:
            raise PermissionError(f"the sandbox does not allow this: {text}")

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if PAUSED and event in _OURS:
            return
        if event == "open":
            _opened(args, seen, deny, note, reach)
        elif event in _NETWORK:
            note(seen.network, _target(args))
            if refuse:
                deny(f"the network ({_target(args)})")
        elif event == "socket.__new__":
            if refuse and len(args) > 1 and args[1] != 1:  # AF_UNIX is 1 everywhere
                note(seen.network, "a socket")
                deny("a socket")
        elif not refuse:
            if event in _PROCESS and event != "os.fork":
                note(seen.processes, _target(args))
        elif event in _PROCESS:
            deny(f"another process ({event})")
        elif event in _SIGNAL:
            if not (args and args[0] == os.getpid()):
                deny("signals to other processes")
        elif event == "import":
            if args and args[0] in _CLOSED:
                deny(f"another process (import {args[0]})")
            elif args and args[0] in _NATIVE_MODULES and _asked_by_the_code():
                deny("native code")
        elif event == "sqlite3.connect":
            if args and not reach.may_hold_a_database(args[0]):
                deny(f"the database {_text(args[0])}")
        elif event in _CHANGES:
            if any(len(args) > at and args[at] not in (-1, None) for at in _FOLDERS.get(event, ())):
                deny("a change by an open folder")
            for path in args[: _CHANGES[event]]:
                if not reach.may_write(path):
                    deny(f"a change of {_text(path)}")
        elif event in _LIMITS:
            deny("new resource limits")
        elif event in _NATIVE and _asked_by_the_code():
            deny("native code")
        elif event in ("os.listdir", "os.scandir") and args and not reach.may_read(args[0]):
            deny(f"reading {_text(args[0])}")

    if refuse:
        _close_what_raises_no_event(deny)
    sys.addaudithook(hook)
    return seen


_CLOSED = frozenset({"_posixsubprocess", "posix"})  # loaded once and changed below; a second copy would be as it was


def _close_what_raises_no_event(deny: Callable[[str], None]) -> None:
    """Refuse what the interpreter does without telling a hook: starting programs by hand, opening by a folder's handle."""
    import _posixsubprocess
    import posix
    import shutil
    import subprocess

    def fork_exec(*args: object) -> int:
        deny("another process (_posixsubprocess.fork_exec)")
        raise PermissionError

    plain_open = posix.open

    def open_(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if dir_fd is not None:
            deny(f"opening {_text(path)} by an open folder")
        return plain_open(path, flags, mode)

    vars(_posixsubprocess)["fork_exec"] = fork_exec
    vars(subprocess)["_fork_exec"] = fork_exec
    vars(posix)["open"] = vars(os)["open"] = open_
    vars(shutil)["_use_fd_functions"] = False


def _opened(
    args: tuple[Any, ...], seen: Watch, deny: Callable[[str], None], note: Callable[[list[str], str], None],
    reach: Reach,
) -> None:  # fmt: skip
    path, mode, flags = (*args, None, None, 0)[:3]
    if isinstance(path, int) or path is None:
        return
    writes = (isinstance(mode, str) and bool(set(mode) & set("wax+"))) or (
        isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC))
    )
    if writes:
        if not reach.may_write(path):
            deny(f"writing {_text(path)}")
    else:
        if isinstance(path, (str, bytes)) and not _text(path).endswith((".py", ".pyc", ".so")):
            note(seen.opened, _text(path))
        if not reach.may_read(path):
            deny(f"reading {_text(path)}")


def _asked_by_the_code() -> bool:
    """Whether the nearest caller outside ctypes is neither the standard library nor an installed package."""
    frame = sys._getframe(2)
    while frame is not None:
        name = frame.f_code.co_filename
        if "ctypes" not in name and not name.endswith("audit.py"):
            return not ("site-packages" in name or "dist-packages" in name or "/lib/python" in name or "frozen" in name)
        frame = frame.f_back  # type: ignore[assignment]  # the loop ends on None
    return True


def _target(args: tuple[Any, ...]) -> str:
    for value in args:
        if isinstance(value, tuple) and value and isinstance(value[0], (str, bytes)):
            return _text(value[0])
        if isinstance(value, (str, bytes)):
            return _text(value)
    return "unknown"


def _text(value: Any) -> str:
    try:
        return os.fsdecode(value)[:120]
    except (TypeError, ValueError):
        return str(type(value).__name__)
