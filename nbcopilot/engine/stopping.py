"""When an answer ends: a stop string in its text, told before any part of it has been shown.

Text in, text that is surely part of the answer out.
"""

from __future__ import annotations

from collections.abc import Sequence


class StopFilter:
    """Holds back the tail of a stream while it may be the start of a stop string."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = [stop for stop in stops if stop]
        self._held = ""
        self.stopped = False

    def push(self, text: str) -> str:
        """The part of the stream that can be shown now; sets `stopped` when a stop string is complete."""
        if self.stopped:
            return ""
        self._held += text
        found = [at for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if found:
            self.stopped = True
            return self._take(min(found), drop=True)
        return self._take(len(self._held) - self._open_tail())

    def flush(self) -> str:
        """What was held back, when the stream ended otherwise."""
        return "" if self.stopped else self._take(len(self._held))

    def _open_tail(self) -> int:
        """Length of the longest end of the held text that begins a stop string."""
        longest = min(max(map(len, self._stops), default=0) - 1, len(self._held))
        for size in range(longest, 0, -1):
            tail = self._held[-size:]
            if any(stop.startswith(tail) for stop in self._stops):
                return size
        return 0

    def _take(self, count: int, *, drop: bool = False) -> str:
        shown, self._held = self._held[:count], "" if drop else self._held[count:]
        return shown
