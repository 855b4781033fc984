"""Many mutants judged in few processes: one fork for a batch, and a new one when a mutant takes its process down."""

from __future__ import annotations

import mmap
import struct
import time
from collections.abc import Callable, Sequence

from nbcopilot.sandbox.worker.forks import ChildDied, in_child

BATCH = 20
_PLACE = struct.Struct("=ii")


def in_batches(
    mutants: Sequence[str], judge: Callable[[str, Callable[[int], None]], list[int]], seconds: float
) -> list[list[int]]:
    """What `judge(source, mark)` gives for each mutant; [-1] for those that there was no time for.

    `judge` calls `mark(place)` before each trial: a mutant that hangs or crashes beyond our reach is told by the
    trial that it was at.
    """
    place = mmap.mmap(-1, _PLACE.size)
    deadline = time.monotonic() + seconds
    answers: dict[int, list[int]] = {}
    waiting = list(range(len(mutants)))
    while waiting and time.monotonic() < deadline:
        batch = waiting[:BATCH]

        def whole(batch: Sequence[int] = batch) -> list[list[int]]:
            found: list[list[int]] = []
            for number in batch:
                if time.monotonic() > deadline:
                    break
                found.append(judge(mutants[number], lambda at, number=number: mark(place, number, at)))  # type: ignore[misc]
            return found

        place[:] = _PLACE.pack(batch[0], 0)
        try:
            done = in_child(whole, max(1.0, deadline - time.monotonic()) + 2)
        except ChildDied:
            deadly, trial = _PLACE.unpack(place[:])
            answers[deadly] = [trial]  # the others of the batch are tried again
        else:
            answers.update(zip(batch, done, strict=False))
        waiting = [number for number in waiting if number not in answers]
    return [answers.get(number, [-1]) for number in range(len(mutants))]


def mark(place: mmap.mmap, number: int, at: int) -> None:
    """Note that mutant `number` is at trial `at`."""
    place[:] = _PLACE.pack(number, at)
