"""Files wherever they are: a local path, or a URL of any store that fsspec knows (s3://, gs://, abfs://, https://,
memory://, zip://…::…). Bytes in, bytes out, whole or not at all.

Local files are notebook/document.py's and write/files.py's work. Calls of a remote store that fail are tried again.
Knows nothing of notebooks.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from nbcopilot import paths
from nbcopilot.errors import EditConflictError, NotebookNotFoundError, NotebookWriteError, UsageError
from nbcopilot.notebook import document
from nbcopilot.write import files

# A call is tried so often, after waits that double: 3 s in all. A store that fails every tenth call at random
# then fails one call in a million.
TRIES = 6
FIRST_WAIT_SECONDS = 0.1
# Stores in which an object appears whole when its upload ends, and not before. Elsewhere: another name, then a rename.
_WHOLE = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "oci", "oss", "memory"})
_READ_ONLY = frozenset({"http", "https", "zip", "tar", "github", "gist", "git", "libarchive", "data", "jar"})
_PERMANENT = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError, NotImplementedError)
_DRIVERS = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "abfs": "adlfs", "abfss": "adlfs", "az": "adlfs", "http": "aiohttp", "https": "aiohttp"}  # fmt: skip
T = TypeVar("T")


def is_url(text: str) -> bool:
    """Whether `text` names something in a store rather than a local path."""
    return "://" in text and not text.startswith("file://")


def local(text: str) -> str:
    """`text` without file:// in front."""
    return text.removeprefix("file://")


def join(folder: str, name: str) -> str:
    """`name` below `folder`."""
    return f"{folder.rstrip('/')}/{name}" if is_url(folder) else str(Path(folder, name))


def identity(where: str) -> str:
    """The same text for the same file."""
    return where if is_url(where) else os.path.realpath(where)


def digest(data: bytes | None) -> str:
    """The hex sha256 of `data`; "" for None."""
    return "" if data is None else hashlib.sha256(data).hexdigest()


def read(where: str, within: str = "") -> bytes:
    """The bytes at `where`. within: the folder that it must really lie in, "" for any.

    Raises NotebookNotFoundError, UnsafePathError.
    """
    if not is_url(where):
        if within:
            return _read_within(where, within)
        try:
            return Path(where).read_bytes()
        except (OSError, ValueError):
            return document.read(where).raw  # says what is wrong
    fs, path = _open(where)
    try:
        return bytes(_patiently(lambda: fs.cat_file(path)))
    except FileNotFoundError as exc:
        raise NotebookNotFoundError(f"no notebook at {where}", hint="check the URL") from exc
    except Exception as exc:
        raise NotebookNotFoundError(
            f"{where} cannot be read: {_said(exc)}", hint="check the URL and the credentials of the store"
        ) from exc


def _read_within(where: str, within: str) -> bytes:
    try:
        return paths.read(within, where)[0]
    except OSError as exc:
        reason = (exc.strerror or str(exc)).lower()
        raise NotebookNotFoundError(f"{where} cannot be read: {reason}", hint="check the path") from exc


def present(where: str, within: str = "") -> bytes | None:
    """The bytes at `where`, or None when nothing is there or it cannot be read. Raises UnsafePathError; see `read`."""
    try:
        if not is_url(where) and not os.path.isfile(where):
            return None
        return read(where, within)
    except NotebookNotFoundError:
        return None


def write(where: str, data: bytes, *, base: bytes | None = None, within: str = "") -> None:
    """Make `data` the whole content of `where`. base: what must still be there (None: anything).

    A reader never sees a part of it. within: the folder that it must really lie in, "" for any.
    Raises EditConflictError, NotebookWriteError and UnsafePathError; what was there stays.
    """
    if not is_url(where):
        files.write(where, data, base=base, within=within or None)
        return
    fs, path = _open(where)
    if base is not None and (found := present(where)) != base:
        what = "changed since it was read" if found else "was removed since it was read"
        raise EditConflictError(f"{where} {what}; nothing was overwritten", hint="run it again")
    try:
        if protocol(where) in _WHOLE:
            _patiently(lambda: fs.pipe_file(path, data))
        else:
            _by_rename(fs, path, data)
        size = _patiently(lambda: _size(fs, path))
    except Exception as exc:
        full = isinstance(exc, OSError) and is_full(exc)
        hint = "free some space and run it again" if full else "check the permissions and the credentials of the store"
        reason = "the disk is full" if full else _said(exc)
        raise NotebookWriteError(f"{where} could not be written: {reason}", hint=hint) from exc
    if size is not None and size != len(data):
        raise NotebookWriteError(f"{where} holds {size} of {len(data)} bytes after writing", hint="run it again")


def is_full(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, is a full disk."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        error = error.__cause__
    return False


def protocol(where: str) -> str:
    """The store of a URL: "s3", "memory", "zip" …"""
    return where.partition("://")[0]


def inner(where: str) -> str:
    """The path of a URL in its own store: of zip://a/b.ipynb::s3://bucket/c.zip it is a/b.ipynb."""
    return where.partition("::")[0].partition("://")[2].strip("/")


def title_path(where: str) -> Path:
    """A path whose last part is the name of the file, also in an archive."""
    return Path(inner(where)) if is_url(where) else Path(where)


def find(url: str) -> list[str]:
    """The URLs of all files below `url`, or that match it when it has wildcards; [] when there is nothing."""
    fs, path = _open(url)
    inside = url.partition("::")
    try:
        if any(sign in path for sign in "*?["):
            found = _patiently(lambda: fs.glob(path))
        elif inside[0].endswith("://") or not _patiently(lambda: fs.isfile(path)):
            found = _patiently(lambda: fs.find(path))
        else:
            return [url]
    except FileNotFoundError:
        return []
    except Exception as exc:
        raise NotebookNotFoundError(f"{url} cannot be searched: {_said(exc)}", hint="check the URL") from exc
    return sorted(str(fs.unstrip_protocol(one)) + "".join(inside[1:]) for one in found)


def require_writable(folder: str) -> None:
    """Refuse an output that can never be written, before anything is done. Raises UsageError, NotebookWriteError."""
    if is_url(folder):
        fs, path = _open(folder)
        if protocol(folder) in _READ_ONLY:
            raise UsageError(f"{protocol(folder)}:// can only be read", hint="write to a folder or a bucket with -o")
        probe = f"{path.rstrip('/')}/.nbcopilot-probe"
        try:
            _patiently(lambda: fs.pipe_file(probe, b""))
            _patiently(lambda: fs.rm_file(probe))
        except Exception as exc:
            raise NotebookWriteError(
                f"nothing can be written to {folder}: {_said(exc)}",
                hint="check the URL and the credentials of the store",
            ) from exc
        return
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise NotebookWriteError(
            f"{folder} cannot be made: {(exc.strerror or str(exc)).lower()}", hint="choose another folder with -o"
        ) from exc
    if not os.access(folder, os.W_OK):
        raise NotebookWriteError(f"no permission to write in {folder}", hint="choose another folder with -o")


def _open(url: str) -> tuple[Any, str]:
    """(the store, the path in it). Raises UsageError when nobody can speak to it."""
    try:
        import fsspec
    except ImportError as exc:
        raise UsageError(f"{url} needs fsspec", hint="pip install 'nbcopilot[batch]'") from exc
    try:
        fs, path = fsspec.url_to_fs(url)
    except ImportError as exc:
        driver = _DRIVERS.get(protocol(url), "its driver")
        raise UsageError(f"{protocol(url)}:// needs {driver}", hint=f"pip install {driver}") from exc
    except FileNotFoundError as exc:
        raise NotebookNotFoundError(f"{url} is not there", hint="check the URL") from exc
    except Exception as exc:
        raise UsageError(
            f"{url} is not a URL that can be opened: {_said(exc)}", hint="such as s3://bucket/folder"
        ) from exc
    return fs, str(path)


def _patiently(call: Callable[[], T]) -> T:
    """The result of `call`, tried again while the store fails for no lasting reason."""
    for attempt in range(TRIES):
        try:
            return call()
        except Exception as exc:
            if isinstance(exc, _PERMANENT) or is_full(exc) or attempt == TRIES - 1:
                raise
            time.sleep(FIRST_WAIT_SECONDS * 2**attempt)
    raise AssertionError("unreachable")


def _by_rename(fs: Any, path: str, data: bytes) -> None:
    folder, _, name = path.rpartition("/")
    temporary = f"{folder}/.nbcopilot-{secrets.token_hex(8)}-{name}.tmp"
    try:
        _patiently(lambda: fs.makedirs(folder, exist_ok=True))
        _patiently(lambda: fs.pipe_file(temporary, data))
        _patiently(lambda: fs.mv(temporary, path))
    except BaseException:
        with contextlib.suppress(Exception):
            fs.rm_file(temporary)
        raise


def _size(fs: Any, path: str) -> int | None:
    fs.invalidate_cache()
    size = fs.info(path).get("size")
    return size if isinstance(size, int) else None


def _said(exc: BaseException) -> str:
    """One line of what a store's own error says."""
    text = " ".join((getattr(exc, "strerror", None) or str(exc) or type(exc).__name__).split())
    return text[:160]
