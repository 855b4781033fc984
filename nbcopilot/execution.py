"""The values around a sandboxed run: what may be used up, what is asked for, what happened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from nbcopilot.preview import Preview
from nbcopilot.verdict import NotRun


@dataclass(frozen=True)
class Limits:
    """What one run may use. Wall times in seconds; CPU time is limited to twice the wall time.

    `memory_mb` is address space beyond what the interpreter has at the start, and the resident memory of all
    processes of the run together; `file_mb` one file, `disk_mb` the scratch folder.
    """

    seconds: float = 10.0
    setup_seconds: float = 30.0
    example_seconds: float = 3.0
    memory_mb: int = 4096
    processes: int = 32
    file_mb: int = 64
    disk_mb: int = 256
    output_bytes: int = 20_000

    def as_job(self, runs: int, examples: int) -> dict[str, Any]:
        """The limits as the child reads them, with the wall time of the whole job."""
        # Each run has a grace of a second to stop by itself; looking at the namespace around it takes ten at most, and
        # drawing its figures 63.
        total = self.setup_seconds + runs * (self.seconds + 74.0) + examples * self.example_seconds + 5.0
        return {**asdict(self), "total_seconds": total}


@dataclass(frozen=True)
class Suggestion:
    """What the author of code that failed may have meant.

    kind "name": another name; "columns": the column names of the frame `owner`; "files": paths that the folder has.
    """

    kind: Literal["name", "columns", "files"]
    names: tuple[str, ...]
    owner: str = ""


@dataclass(frozen=True)
class RunError:
    """An exception of the code that ran: class name, message, line in the code (None: elsewhere), plain traceback."""

    name: str
    message: str
    line: int | None = None
    traceback: str = ""
    suggestions: tuple[Suggestion, ...] = ()

    def suggested(self, kind: str) -> tuple[str, ...]:
        """The names of all suggestions of a kind, in order."""
        return tuple(name for one in self.suggestions if one.kind == kind for name in one.names)

    def __str__(self) -> str:
        where = f" in line {self.line}" if self.line else ""
        return f"{self.name}: {self.message}{where}" if self.message else f"{self.name}{where}"


@dataclass(frozen=True)
class Shown:
    """A value as a report shows it: type, bounded repr, shape if it has one, and a digest that tells equal ones."""

    type: str
    repr: str
    shape: tuple[int, ...] | None = None
    digest: str = ""
    all_nan: bool = False  # a table or array of nothing but NaN
    header_is_data: tuple[str, ...] = ()  # names of columns that are numbers of the first row
    epoch_nanoseconds: tuple[int, int] | None = (
        None  # of times in the first minute of 1970: the smallest and largest number
    )


@dataclass(frozen=True)
class Outcome:
    """What became of one example: `got` is the repr of the value, `error` the exception in one line, `at` the statement.

    end: "time" when it did not finish, "died" when it ended the process, "skipped" when it was not tried; `error` then
    says so in words.
    """

    ok: bool
    got: str = ""
    error: str = ""
    digest: str = ""
    at: str = ""
    end: str = ""


@dataclass(frozen=True)
class Elsewhere:
    """Where a text that code looks for is found: in a column of `frame`, or in its index (`column` None). Reprs both."""

    frame: str
    text: str
    column: str | None = None


@dataclass(frozen=True)
class FileWrite:
    """A file that the run left in its scratch folder. `new` is False for one that the notebook's folder had."""

    path: str
    bytes: int
    new: bool = True


@dataclass(frozen=True)
class DataStep:
    """A join, conversion or filter of a table during the run, in counts of rows or values.

    kind: "join" (before: rows of the left table; after: of the result; hit: left rows with a partner), "conversion"
    (before: values that are not blank; after: those that are still there) or "filter" (rows before and after).
    how: of a join. repeats: whether matching keys occur several times on both sides. examples: texts that a conversion
    lost. line: of the cell.
    """

    kind: str
    line: int
    before: int
    after: int
    hit: int = 0
    how: str = ""
    repeats: bool = False
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunReport:
    """What happened when code ran in the sandbox. Failing code is a report, not an exception.

    ok: it ran to its end. ran: it was started at all. needs: why it could not be judged here; then `ok` is False
    and the code is not to blame. setup_error: the replay of the notebook's
    state failed, the code did not start. skipped: variables that could not be brought along.
    created, changed: names of variables, as shown afterwards. preview: the outcome as it is shown to the user (None: not
    asked for, or the run failed). level: the sandbox that ran it. elsewhere: of an
    empty table, where the texts that the code looks for can be found.
    """

    ok: bool
    level: str = ""
    ran: bool = True
    error: RunError | None = None
    needs: NotRun | None = None
    stdout: str = ""
    result: Shown | None = None
    created: Mapping[str, Shown] = field(default_factory=dict)
    changed: Mapping[str, Shown] = field(default_factory=dict)
    deleted: tuple[str, ...] = ()
    imported: tuple[str, ...] = ()
    files: tuple[FileWrite, ...] = ()
    plots: int = 0
    seconds: float = 0.0
    setup_seconds: float = 0.0
    warnings: tuple[str, ...] = ()
    timed_out: bool = False
    memory_exceeded: bool = False
    setup_error: RunError | None = None
    skipped: tuple[str, ...] = ()
    elsewhere: tuple[Elsewhere, ...] = ()
    steps: tuple[DataStep, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    preview: Preview | None = None

    def left(self) -> Iterator[tuple[str, Shown]]:
        """What the run leaves, by name: the variables that it makes and changes, and its result ("")."""
        yield from {**self.created, **self.changed}.items()
        if self.result is not None:
            yield "", self.result

    @property
    def intact(self) -> bool:
        """Whether every variable that was there is as it was."""
        return not (self.changed or self.deleted)


@dataclass(frozen=True)
class Job:
    """What a sandbox is asked to do: cells to run one by one in copies of the same state, each with its examples.

    setup: sources that rebuild the state, in order. namespace: pickled values put over it; modules: names bound to
    modules. reserved: names that exist in the notebook but do not travel (making them counts as a change).
    preload: modules worth keeping loaded between jobs. previews: whether reports say what a user sees of the outcome.
    """

    codes: tuple[str, ...]
    setup: tuple[str, ...] = ()
    namespace: Mapping[str, bytes] = field(default_factory=dict)
    modules: Mapping[str, str] = field(default_factory=dict)
    reserved: frozenset[str] = frozenset()
    examples: tuple[tuple[Mapping[str, Any], ...], ...] = ()
    limits: Limits = field(default_factory=Limits)
    preload: tuple[str, ...] = ()
    previews: bool = False
    data_dir: Path | None = None
