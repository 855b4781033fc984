"""What a batch run has finished, one JSON line a notebook, so that --resume does nothing twice.

Stands beside the output (`.nbcopilot/journal.jsonl`) while a run is not wholly done. An entry counts only for the
same options and the same bytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

FOLDER = ".nbcopilot"


@dataclass
class Journal:
    """Entries by name: (sha256 of what was read, sha256 of what was written). `problem` is a sentence or ""."""

    path: Path
    options: str
    entries: dict[str, tuple[str, str]] = field(default_factory=dict)
    problem: str = ""
    _out: IO[str] | None = None

    @classmethod
    def open(cls, folder: Path, options: str, *, resume: bool) -> Journal:
        """The journal in `folder`; with `resume` holding what an earlier run with the same options did."""
        journal = cls(folder / FOLDER / "journal.jsonl", hashlib.sha256(options.encode()).hexdigest()[:16])
        if resume:
            journal._load()
        try:
            journal.path.parent.mkdir(parents=True, exist_ok=True)
            journal._out = journal.path.open("w", encoding="utf-8")
        except OSError as exc:
            journal.problem = (
                f"no journal can be kept in {journal.path.parent} ({exc.strerror}): --resume will not work"
            )
            return journal
        journal._write({"schema": 1, "options": journal.options})
        for name, (read, written) in journal.entries.items():
            journal._write({"name": name, "read": read, "written": written})
        return journal

    def is_done(self, name: str, present: Path, written: Path) -> bool:
        """Whether `name` needs no work: what is there to read and what was written are as the entry says."""
        entry = self.entries.get(name)
        if entry is None:
            return False
        read, result = entry
        return _digest(written) == result and (present == written or _digest(present) == read)

    def done(self, name: str, read: str, place: Path) -> None:
        """Note at once that `name`, read with the hash `read`, is finished and stands at `place`."""
        self.entries[name] = (read, _digest(place))
        self._write({"name": name, "read": read, "written": self.entries[name][1]})

    def close(self, *, complete: bool) -> None:
        """End the run; a complete one leaves no journal behind."""
        if self._out is not None:
            self._out.close()
        if complete:
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)
                self.path.parent.rmdir()

    def _write(self, row: dict[str, object]) -> None:
        if self._out is not None:
            self._out.write(json.dumps(row) + "\n")
            self._out.flush()

    def _load(self) -> None:
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            self.problem = "there is no run to resume here; starting from the beginning"
            return
        except (OSError, ValueError):
            lines = []
        rows = []
        for line in lines:
            with contextlib.suppress(ValueError):  # a kill may leave half a line at the end
                rows.append(json.loads(line))
        if not rows or rows[0].get("options") != self.options or rows[0].get("schema") != 1:
            self.problem = "the journal is of a run with other options; starting from the beginning"
            return
        self.entries = {row["name"]: (row["read"], row["written"]) for row in rows[1:] if "written" in row}


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
