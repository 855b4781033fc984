"""What every caller has used, by UTC day, in the key file: it outlives restarts and is shared by several processes.

A day is what the clock says. When the clock goes back over midnight, the count of that day is found again, so that
nobody gets a day's tokens twice.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from nbcopilot.serve import keys_file

DAY_SECONDS = 86_400


@dataclass(frozen=True)
class Used:
    """What one caller used on one day (`2026-11-29`). `cached_tokens` are part of `prompt_tokens`."""

    caller: str
    day: str
    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0

    @property
    def tokens(self) -> int:
        """What counts against the tokens of a day."""
        return self.prompt_tokens + self.completion_tokens


def today() -> str:
    """The UTC day."""
    return time.strftime("%Y-%m-%d", time.gmtime())


def seconds_to_midnight() -> int:
    """Seconds to the next UTC day, 1 to 86,400."""
    return DAY_SECONDS - int(time.time()) % DAY_SECONDS


class Ledger:
    """The counts in a file. Thread-safe: every call opens it anew."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or keys_file.path()

    def used(self, caller: str) -> int:
        """Tokens that `caller` has used today."""
        with keys_file.opened(self._path) as file:
            if file is None:
                return 0
            query = "SELECT prompt_tokens + completion_tokens FROM usage WHERE caller = ? AND day = ?"
            row = file.execute(query, (caller, today())).fetchone()
        return int(row[0]) if row else 0

    def note(self, used: Sequence[Used]) -> None:
        """Add `used` to the counts of their days, all of it or nothing."""
        with keys_file.opened(self._path, write=True) as file:
            assert file is not None
            file.executemany(
                "INSERT INTO usage VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (caller, day) DO UPDATE SET "
                "requests = requests + excluded.requests, prompt_tokens = prompt_tokens + excluded.prompt_tokens, "
                "completion_tokens = completion_tokens + excluded.completion_tokens, "
                "cached_tokens = cached_tokens + excluded.cached_tokens",
                [astuple(one) for one in used],
            )

    def days(self) -> list[Used]:
        """What was used, by day and caller."""
        with keys_file.opened(self._path) as file:
            rows = file.execute("SELECT * FROM usage ORDER BY day, caller").fetchall() if file else []
        return [Used(*row) for row in rows]
