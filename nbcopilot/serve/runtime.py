"""Where the resident engine and its clients meet: a private folder with a lock, a socket and a note of who is there.

Standard library only, because every start of a kernel comes through here. Starts nothing and speaks no HTTP.

    engine.lock    held (flock) by the running engine as long as it lives; the kernel frees it after kill -9
    engine.json    who is there: process id, version, environment, address
    engine.token   0600: the key where there are no Unix-domain sockets
    engine.log     with rotation; engine.err holds what a crash leaves
"""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import stat
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from nbcopilot import places
from nbcopilot.errors import EngineUnavailableError

# sun_path holds 104 bytes on macOS, 108 on Linux.
SOCKET_PATH_BYTES = 100


@dataclass(frozen=True)
class Record:
    """Who is there. `socket` "" means loopback TCP at `url` with the key in engine.token."""

    pid: int
    version: str
    prefix: str
    url: str
    socket: str
    started: float
    foreground: bool = False


def folder() -> Path:
    """The private runtime folder, made when it is not there (NBCOPILOT_RUNTIME_DIR overrides it).

    Raises EngineUnavailableError when it belongs to somebody else or others can enter it.
    """
    path = _place()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
    except OSError as exc:
        raise EngineUnavailableError(
            f"the runtime folder {path} cannot be made: {exc.strerror}",
            hint="set NBCOPILOT_RUNTIME_DIR to a folder of yours",
        ) from exc
    if not stat.S_ISDIR(found.st_mode):
        raise EngineUnavailableError(f"{path} is not a folder", hint="move it away, or set NBCOPILOT_RUNTIME_DIR")
    if os.name == "posix":
        if found.st_uid != os.getuid():
            raise EngineUnavailableError(
                f"the runtime folder {path} belongs to another user",
                hint="set NBCOPILOT_RUNTIME_DIR to a folder of yours",
            )
        if found.st_mode & 0o077:
            raise EngineUnavailableError(
                f"the runtime folder {path} is open to others (mode {stat.S_IMODE(found.st_mode):o})",
                hint=f"chmod 700 {path}",
            )
    return path


def _place() -> Path:
    override = os.environ.get("NBCOPILOT_RUNTIME_DIR")
    if override:
        return Path(override)
    session = os.environ.get("XDG_RUNTIME_DIR")
    user = os.getuid() if hasattr(os, "getuid") else getpass.getuser()
    if not session and Path(f"/run/user/{user}").is_dir():
        session = f"/run/user/{user}"  # a cron job and a login shell must meet
    # On macOS and Windows the folder for temporary files is the user's own; elsewhere the checks above protect us.
    return Path(session) / "nbcopilot" if session else places.temporary_folder() / f"nbcopilot-{user}"


# --------------------------------------------------------------------------- who is there


def read(place: Path) -> Record | None:
    """The note of the engine that is, or was, there; None when there is none that can be read."""
    try:
        return _record((place / "engine.json").read_text(encoding="utf-8"))
    except OSError:
        return None


def is_there(place: Path, record: Record) -> bool:
    """Whether clients can find `record`: False when its note is gone or another's; a look that fails says nothing."""
    try:
        return _record((place / "engine.json").read_text(encoding="utf-8")) == record
    except FileNotFoundError:
        return False
    except OSError:  # no handle is left, the disk hangs
        return True


def _record(text: str) -> Record | None:
    """The note as a Record; None when it is damaged. An engine of another version may say more or less."""
    try:
        found = json.loads(text)
        values = {name: found[name] for name in Record.__dataclass_fields__ if name in found}
        record = Record(**values)
    except (ValueError, TypeError, RecursionError):
        return None
    numbers = isinstance(record.pid, int) and isinstance(record.started, (int, float)) and record.pid > 0
    words = all(isinstance(word, str) for word in (record.version, record.prefix, record.url, record.socket))
    return record if numbers and words and not isinstance(record.pid, bool) else None


def write(place: Path, record: Record) -> None:
    """Leave the note, whole or not at all."""
    _write_private(place / "engine.json", json.dumps(asdict(record)))


def write_token(place: Path, token: str) -> None:
    """Leave the key of the loopback engine, readable by its owner only."""
    _write_private(place / "engine.token", token)


def read_token(place: Path) -> str:
    """The key of the loopback engine; "" when there is none."""
    try:
        return (place / "engine.token").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def forget(place: Path, record: Record) -> None:
    """Take the note and the socket of `record` away, unless another engine has taken over."""
    if read(place) == record:
        for name in ("engine.json", "engine.token"):
            (place / name).unlink(missing_ok=True)
    if record.socket:
        Path(record.socket).unlink(missing_ok=True)


def socket_path(place: Path) -> Path | None:
    """Where this process can put its socket; None when the system has none or the path would be too long."""
    path = place / f"engine-{os.getpid()}.sock"
    if not hasattr(__import__("socket"), "AF_UNIX") or len(os.fsencode(path)) > SOCKET_PATH_BYTES:
        return None
    return path


def sweep(place: Path) -> None:
    """Remove sockets that a killed engine left. Only for who holds the lock."""
    for path in place.glob("engine-*.sock"):
        path.unlink(missing_ok=True)


def last_words(place: Path, limit: int = 300) -> str:
    """The last line that a failed start left, for the one sentence to the user."""
    for name in ("engine.err", "engine.log"):
        with contextlib.suppress(OSError):
            lines = [line.strip() for line in (place / name).read_text("utf-8", "replace").splitlines() if line.strip()]
            if lines:
                return lines[-1][-limit:]
    return ""


def _write_private(path: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".engine-")  # made with mode 0600
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(name, path)


# --------------------------------------------------------------------------- one at a time


class Lock:
    """The lock of the running engine. The system lets go of it when the process ends, however it ends."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def release(self) -> None:
        """Let the next one in."""
        self._file.close()


def acquire(place: Path, *, wait_seconds: float = 0.0) -> Lock | None:
    """The lock, or None when another process holds it for longer than `wait_seconds`."""
    file = open(place / "engine.lock", "ab")  # noqa: SIM115 - held as long as the lock
    end = time.monotonic() + wait_seconds
    while True:
        try:
            _lock_now(file)
            return Lock(file)
        except OSError:
            if time.monotonic() >= end:
                file.close()
                return None
            time.sleep(0.02)


if sys.platform == "win32":
    import msvcrt

    def _lock_now(file: IO[bytes]) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock_now(file: IO[bytes]) -> None:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
