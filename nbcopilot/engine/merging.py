"""Several answers that are read at the same time, as one stream of chunks. Knows nothing of servers."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Generator, Sequence
from typing import Any

from nbcopilot.inference import Chunk

BATCH_WORKERS = 32


def merged(streams: Sequence[Any]) -> Generator[tuple[int, Chunk], None, None]:
    """(position, chunk) of all streams as they come, at most BATCH_WORKERS at once; closing ends them all."""
    results: queue.Queue[tuple[int, Chunk | BaseException | None]] = queue.Queue()
    waiting, over = iter(list(enumerate(streams))), threading.Event()
    lock = threading.Lock()

    def work() -> None:
        while not over.is_set():
            with lock:
                task = next(waiting, None)
            if task is None:
                return
            at, start = task
            try:
                with contextlib.closing(start()) as chunks:
                    for chunk in chunks:
                        results.put((at, chunk))
                        if over.is_set():
                            return
                results.put((at, None))
            except BaseException as exc:
                results.put((at, exc))

    for _ in range(min(len(streams), BATCH_WORKERS)):
        threading.Thread(target=work, daemon=True).start()
    left = len(streams)
    try:
        while left:
            at, item = results.get()
            if item is None:
                left -= 1
            elif isinstance(item, BaseException):
                raise item
            else:
                yield at, item
    finally:
        over.set()
