"""What a batch run has done, notebook by notebook, in SQLite: for --resume, and for the report. One run at a time.

Stands beside the output (`.nbcopilot/journal.sqlite`, for an output in a store in the user's state folder) while a run
is not wholly done. Write-ahead log: a kill at any moment leaves what was committed. A line counts only for the same
conditions and the same bytes.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import socket
import sqlite3
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from nbcopilot import places
from nbcopilot._version import __version__
from nbcopilot.batch import stores
from nbcopilot.batch.job import Outcome, Part
from nbcopilot.batch.texts import Text
from nbcopilot.errors import DiskFullError, NotebookWriteError, UsageError
from nbcopilot.inference import Usage

FOLDER = ".nbcopilot"
SCHEMA = 2
# A diff is for reading: 16 KiB are some 300 lines.
DIFF_CHARS = 16_384
_TABLES = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS parts (name TEXT, read TEXT, groups TEXT, part TEXT, PRIMARY KEY (name, read, groups));
CREATE TABLE IF NOT EXISTS units (
  name TEXT PRIMARY KEY, path TEXT, place TEXT, state TEXT, read TEXT, written TEXT, cells INTEGER, prompt_tokens INTEGER,
  completion_tokens INTEGER, seconds REAL, cpu_seconds REAL, worker TEXT, code TEXT, error TEXT, detail TEXT, diff BLOB);
"""


@dataclass(frozen=True)
class Row:
    """What the journal says of one notebook. `detail` holds notes, lacks and checks; `code` the kind of error."""

    name: str
    path: str
    place: str
    state: str
    read: str
    written: str
    cells: int
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    cpu_seconds: float
    worker: str
    code: str
    error: str
    detail: Mapping[str, Any]
    diff: str


_COLUMNS = [column.name for column in fields(Row)]


class Journal:
    """The journal of one run. `problem` is a sentence for the user or ""; `created` the time of the run's beginning."""

    def __init__(self, folder: Path | None = None) -> None:
        """A journal in `folder`; None: one that is gone when the process ends, for runs that write nothing."""
        self.folder, self.problem = folder, ""
        self._lock: FileLock | None = None
        self._database: sqlite3.Connection | None = None
        if folder is None:
            self._connect("")  # SQLite keeps it in a temporary file of its own

    @property
    def path(self) -> Path:
        """The file."""
        return (self.folder or Path()) / "journal.sqlite"

    @classmethod
    def open(cls, folder: Path, conditions: Mapping[str, Any], *, resume: bool, created: str = "") -> Journal:
        """The journal in `folder`; with `resume` holding what an earlier run under the same conditions did.

        Raises UsageError when another run has it, or when the run to resume was another one or of another version.
        """
        journal = cls.__new__(cls)
        journal.folder, journal.problem, journal._lock, journal._database = folder, "", None, None
        try:
            journal._require_no_links()
            with contextlib.suppress(FileNotFoundError):  # a neighbour that ends may just take the folder above away
                folder.mkdir(parents=True, exist_ok=True)
            folder.mkdir(parents=True, exist_ok=True)
            journal._take_lock()
            before = journal.path.exists()
            if before and not resume:
                journal._remove_files()
            journal._connect(str(journal.path))
        except (OSError, sqlite3.Error) as exc:
            journal._release()
            if stores.is_full(exc):
                raise DiskFullError(f"{folder} has no room for the journal", hint="free some space first") from exc
            reason = getattr(exc, "strerror", None) or exc
            journal.problem = f"no journal can be kept in {folder} ({reason}): --resume will not work"
            journal._connect("")
            return journal
        if resume and before:
            journal._require(conditions)
        else:
            journal.problem = "there is no run to resume here; starting from the beginning" if resume else ""
            journal._note(schema=SCHEMA, version=__version__, conditions=dict(conditions), created=created)
        journal._note(holder={"pid": os.getpid(), "host": socket.gethostname()})
        return journal

    # ------------------------------------------------------------------ what was done

    def is_done(self, name: str, read: str | None, written: str) -> bool:
        """Whether `name` needs no work: the hashes of what is there to read (None: it was written over) and of what
        was written are as noted."""
        row = self._one("SELECT read, written FROM units WHERE name = ? AND state = 'ok'", name)
        return row is not None and row[1] == written and read in (None, row[0])

    def done(self, outcome: Outcome, place: str = "", written: str = "", *, diff: bool = False) -> None:
        """Note at once what became of a notebook; `written` is the hash of what stands at `place`."""
        error = outcome.error
        detail = {"notes": outcome.notes, "lacks": outcome.lacks, "checks": dict(outcome.checks)}
        self._write(
            "INSERT OR REPLACE INTO units VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            outcome.unit.name,
            outcome.unit.path,
            place,
            outcome.state,
            outcome.read,
            written,
            outcome.cells_written,
            outcome.usage.prompt_tokens,
            outcome.usage.completion_tokens,
            round(outcome.seconds, 3),
            round(outcome.cpu_seconds, 3),
            outcome.worker,
            error.code if error is not None else "",
            str(error) if error is not None else "",
            json.dumps({key: value for key, value in detail.items() if value}, default=str),
            zlib.compress(outcome.diff[:DIFF_CHARS].encode("utf-8", "replace")) if diff and outcome.diff else None,
        )

    def keep_only(self, names: Sequence[str]) -> None:
        """Forget notebooks that are not of this run: they were moved or deleted since an earlier one."""
        self._write(
            "DELETE FROM units WHERE name NOT IN (SELECT value FROM json_each(?))",
            json.dumps([_plain(one) for one in names]),
        )

    def part_done(self, name: str, read: str, part: Part) -> None:
        """Keep a finished part of a huge notebook."""
        groups = json.dumps(part.groups)
        self._write("INSERT OR REPLACE INTO parts VALUES (?,?,?,?)", name, read, groups, json.dumps(asdict(part)))

    def parts(self, name: str, read: str) -> dict[tuple[int, ...], Part]:
        """The finished parts of the notebook that was read with this hash, by their groups."""
        rows = self._connection().execute("SELECT part FROM parts WHERE name = ? AND read = ?", (_plain(name), read))
        found = [_part(json.loads(text)) for (text,) in rows]
        return {part.groups: part for part in found}

    def causes(self) -> list[tuple[str, int]]:
        """Kinds of errors with how many notebooks failed by each, the commonest first."""
        query = "SELECT code, count(*) FROM units WHERE state = 'failed' GROUP BY code ORDER BY 2 DESC, 1"
        return [(str(code), int(count)) for code, count in self._connection().execute(query)]

    def rows(self, order: str = "name", where: str = "1", *values: Any) -> Iterator[Row]:
        """The notebooks of which `where` is true; both are SQL expressions of this package."""
        for row in self._connection().execute(f"SELECT * FROM units WHERE {where} ORDER BY {order}", values):
            found: dict[str, Any] = dict(zip(_COLUMNS, row, strict=True))
            found["detail"] = json.loads(found["detail"])
            found["diff"] = zlib.decompress(found["diff"]).decode() if found["diff"] else ""
            yield Row(**found)

    def model(self, found: tuple[str, str] | None = None) -> tuple[str, str] | None:
        """(id, sha256) of the model that the run is by; the first one that is told is kept."""
        if found is not None and self._meta("model") is None:
            self._note(model=list(found))
        known = self._meta("model")
        return (known[0], known[1]) if known else None

    @property
    def created(self) -> str:
        """The time that goes into what is written: of the first of the runs that were resumed."""
        return str(self._meta("created") or "")

    def close(self, *, complete: bool) -> None:
        """End the run; a complete one leaves no journal behind."""
        if self._database is not None:
            with contextlib.suppress(sqlite3.Error):
                self._database.close()
        self._database = None
        if complete and self.folder is not None and self._lock is not None:
            self._remove_files()
        self._release()

    # ------------------------------------------------------------------ inside

    def _take_lock(self) -> None:
        self._lock = FileLock(self._file("lock"))
        try:
            self._lock.acquire(blocking=False)
        except Timeout as exc:
            self._lock = None
            with contextlib.suppress(sqlite3.Error):
                self._connect(str(self.path))
            holder = self._meta("holder") or {}
            who = f"process {holder['pid']} on {holder['host']}" if holder else "another process"
            raise UsageError(
                f"a run on this output is under way ({who})", hint="wait for it or stop it, or choose another -o DIR"
            ) from exc

    def _require(self, conditions: Mapping[str, Any]) -> None:
        version, schema, before = self._meta("version"), self._meta("schema"), self._meta("conditions")
        hint = "omit --resume to start again; what is already written is found and kept"
        problem = ""
        if schema != SCHEMA or version != __version__ or not isinstance(before, dict):
            problem = f"the journal in {self.folder} is of nbcopilot {version or 'unknown'}, this is {__version__}"
        elif before != dict(conditions):
            names = [name for name in {**before, **conditions} if before.get(name) != conditions.get(name)]
            told = ", ".join(f"{name} was {before.get(name)}, is {conditions.get(name)}" for name in sorted(names))
            problem = f"the run to resume in {self.folder} was another one: {told}"
        if problem:
            self.close(complete=False)
            raise UsageError(problem, hint=hint)

    def _connect(self, where: str) -> None:
        database = sqlite3.connect(where, isolation_level=None, check_same_thread=False, timeout=30)
        self._database = database
        try:
            # NORMAL: a power cut may cost the last lines, never the file; their notebooks are then found complete.
            database.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; {_TABLES}")
        except sqlite3.DatabaseError as exc:
            if not where or "not a database" not in str(exc):
                raise
            database.close()
            self._release()
            raise UsageError(f"{where} is not a journal", hint="delete it and run again without --resume") from exc

    def _connection(self) -> sqlite3.Connection:
        assert self._database is not None, "the journal is closed"
        return self._database

    def _one(self, query: str, *values: Any) -> Any:
        return self._connection().execute(query, [_plain(value) for value in values]).fetchone()

    def _write(self, query: str, *values: Any) -> None:
        try:
            self._connection().execute(query, [_plain(value) for value in values])
        except sqlite3.OperationalError as exc:
            if "full" in str(exc):
                raise DiskFullError(f"no room left for {self.path}", hint="free some space, then --resume") from exc
            raise NotebookWriteError(f"{self.path} could not be written: {exc}", hint="check the disk") from exc

    def _meta(self, key: str) -> Any:
        if self._database is None:
            return None
        row = self._one("SELECT value FROM meta WHERE key = ?", key)
        return json.loads(row[0]) if row is not None else None

    def _note(self, **values: Any) -> None:
        for key, value in values.items():
            self._write("INSERT OR REPLACE INTO meta VALUES (?,?)", key, json.dumps(value))

    def _file(self, name: str) -> Path:
        return (self.folder or Path()) / name

    def _require_no_links(self) -> None:
        """A tree of notebooks may bring a folder of this name: nothing is written where its links lead."""
        assert self.folder is not None
        names = ("journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm", "journal.sqlite-journal", "lock")
        folders = [self.folder, self.folder.parent] if self.folder.parent.name == FOLDER else [self.folder]
        for path in (*folders, *map(self._file, names)):
            if path.is_symlink():
                raise OSError(errno.ELOOP, f"{path} is a link")

    def _remove_files(self) -> None:
        for name in ("journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm"):
            with contextlib.suppress(OSError):
                self._file(name).unlink(missing_ok=True)

    def _release(self) -> None:
        lock, self._lock = self._lock, None
        if lock is None:
            return
        # The lock goes only with a journal that is gone: nobody else can have taken it before it is unlinked.
        if not self.path.exists():
            with contextlib.suppress(OSError):
                self._file("lock").unlink(missing_ok=True)
        lock.release()
        for folder in (self.folder, self.folder.parent if self.folder is not None else None):
            if folder is not None and FOLDER in folder.parts[-2:]:
                with contextlib.suppress(OSError):
                    folder.rmdir()


def _plain(value: Any) -> Any:
    """`value` as SQLite takes it: the name of a file may hold bytes that are no UTF-8."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def _part(found: Mapping[str, Any]) -> Part:
    texts = {
        int(group): Text(**{key: _as_tuples(value) for key, value in text.items()})
        for group, text in found["texts"].items()
    }
    return Part(tuple(found["groups"]), texts, tuple(found["notes"]), Usage(**found["usage"]))


def _as_tuples(value: Any) -> Any:
    """`value` with its lists as the tuples that JSON made lists of."""
    return tuple(_as_tuples(item) for item in value) if isinstance(value, list) else value


def folder_for(output: str, names: list[str]) -> Path:
    """Where the journal of a run on `output` stands. A run on a single notebook has its own, beside those of others."""
    if stores.is_url(output):
        return Path(places.state_folder(), "batch", hashlib.sha256(_plain(output).encode()).hexdigest()[:16])
    folder = Path(output, FOLDER)
    return folder / hashlib.sha256(_plain(names[0]).encode()).hexdigest()[:12] if len(names) == 1 else folder
