"""How far from the machine's limits: bytes of weights per token against memory bandwidth; growth with the context; a soak.

Figures of our engine alone, beside the comparison in `figures`.
"""

from __future__ import annotations

import math
import os
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import numpy as np
import psutil

from nbcopilot.engine.bench.prompts import FREE, Notes
from nbcopilot.engine.local import LocalEngine
from nbcopilot.errors import ContextOverflowError
from nbcopilot.inference import Prompt, Sampling, Usage

BANDWIDTH_BYTES = 1 << 28
# Prefixes that a soak keeps: few enough to be full soon, so that what grows afterwards is a leak.
SOAK_CACHE_MB = 64
# Of every cell: short prompts, so that some hundred requests take minutes.
SOAK_CHARACTERS = 40


def bandwidth(threads: int) -> float:
    """Bytes per second that `threads` threads read from memory; the best of five."""
    data = np.ones(BANDWIDTH_BYTES // 8, np.int64)
    parts = np.array_split(data, threads)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(np.sum, parts))
        best = math.inf
        for _ in range(5):
            began = time.perf_counter()
            list(pool.map(np.sum, parts))
            best = min(best, time.perf_counter() - began)
    return BANDWIDTH_BYTES / best


def timed(engine: LocalEngine, text: str, count: int) -> Usage:
    """What one answer of up to `count` tokens took."""
    *_, last = engine.generate(Prompt(text=text), Sampling(max_tokens=count))
    assert last.usage is not None
    return last.usage


def token_seconds(usage: Usage) -> float:
    """Seconds for each token after the first."""
    return (usage.seconds - usage.first_token_seconds) / max(1, usage.completion_tokens - 1)


def limit(engine: LocalEngine, threads: int) -> dict[str, float]:
    """Bytes read per token times tokens per second, as a share of what memory gives. `engine` must not draft."""
    read, speed = engine.read_bytes(), bandwidth(threads)
    rate = 1 / median(token_seconds(timed(engine, FREE.format(mark=n), 96)) for n in range(5))
    return {
        "bandwidth_bytes_per_second": round(speed),
        "bytes_per_token": read,
        "tokens_per_second": round(rate, 2),
        "share_of_bandwidth": round(read * rate / speed, 3),
    }


def growth(engine: LocalEngine, notes: Notes, lengths: Sequence[int] = (512, 2048, 8192, 16384)) -> dict[str, Any]:
    """Seconds of prefill and per decoded token at growing contexts, and the exponent fitted to each.

    `engine` must not draft.
    """
    rows = []
    filler = notes.ask("") * 64
    for length in lengths:
        text = filler[: int(length * len(filler) / engine.count(filler))]
        try:
            usage = timed(engine, f"{length} {text}", 32)
        except ContextOverflowError:
            break
        rows.append(
            {
                "tokens": usage.prompt_tokens,
                "prefill_seconds": round(usage.first_token_seconds, 3),
                "token_seconds": round(token_seconds(usage), 5),
            }
        )
    exponents = {}
    if len(rows) > 1:
        x = np.log([row["tokens"] for row in rows])
        for key in ("prefill_seconds", "token_seconds"):
            y = np.log([max(row[key], 1e-9) for row in rows])
            exponents[key] = round(float(np.polyfit(x, y, 1)[0]), 3)
    return {"rows": rows, "exponents": exponents}


@dataclass(frozen=True)
class Held:
    """Bytes that a process holds after so many requests, and those of them that the prefix cache keeps.

    file_bytes: pages of mapped files, the weights above all: shared with other processes, read as they are needed and
    given back under pressure. Linux tells them apart; elsewhere all is anonymous.
    """

    requests: int
    anonymous_bytes: int
    file_bytes: int
    cache_bytes: int

    @property
    def own_bytes(self) -> int:
        """What has no bound of its own: the place of a leak."""
        return self.anonymous_bytes - self.cache_bytes


def held(engine: LocalEngine, requests: int) -> Held:
    """What this process holds now."""
    memory = psutil.Process(os.getpid()).memory_info()
    mapped = int(getattr(memory, "shared", 0))
    return Held(requests, memory.rss - mapped, mapped, int(engine.describe().detail["cache_bytes"]))


def soak(engine: LocalEngine, notes: Notes, requests: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Mixed requests one after the other and together, some cancelled; memory over them.

    `engine` keeps SOAK_CACHE_MB. Flat is: own bytes have no slope in the second half.
    """
    chance = random.Random(0)
    notes = Notes(tuple(cell[:SOAK_CHARACTERS] for cell in notes.cells))
    found: list[Held] = []
    for number in range(requests):
        _ask(engine, notes, number, chance)
        found.append(held(engine, number + 1))
        if (number + 1) % max(1, requests // 10) == 0:
            parts = (found[-1].own_bytes, found[-1].cache_bytes, found[-1].file_bytes)
            own, cache, file = (f"{part / 1e6:.0f} MB" for part in parts)
            say(f"soak: {number + 1} of {requests} requests, {own} own, {cache} cache, {file} of files")
    return over_time(found, SOAK_CACHE_MB * 1_000_000)


def _ask(engine: LocalEngine, notes: Notes, number: int, chance: random.Random) -> None:
    """One of the requests of a soak: a batch, an answer that is given up, a gap, or a question."""
    text = notes.marked(str(chance.randrange(20))).ask(f"Question {number}: what does cell {chance.randrange(8)} do?")
    sampling = Sampling(max_tokens=chance.randrange(1, 24), temperature=chance.choice([0.0, 0.8]), seed=number)
    if number % 10 == 0:
        several = [Prompt(text=text[: chance.randrange(200, len(text))]) for _ in range(4)]
        list(engine.generate_batch(several, sampling))
    elif number % 7 == 0:
        stream = engine.generate(Prompt(text=text), sampling, candidates=2)
        next(stream)
        stream.close()
    elif number % 5 == 0:
        list(engine.generate(Prompt(text=text[:500], suffix=text[600:900]), sampling))
    else:
        list(engine.generate(Prompt(text=text), sampling))


def over_time(found: Sequence[Held], limit_bytes: int) -> dict[str, Any]:
    """What was held at the first request, when the cache was full (at 95 % of `limit_bytes`), halfway and at the end.

    Slopes are those of the second half, or from the full cache on where that is later: before that, the heap's holes
    come to the size that evicting leaves between kept blocks.
    """
    half = len(found) // 2
    full = next((n for n, one in enumerate(found) if one.cache_bytes >= 0.95 * limit_bytes), half)
    later = found[max(full, half) :]
    slopes = {
        part: round(float(np.polyfit(range(len(later)), [getattr(one, part) for one in later], 1)[0]))
        for part in ("own_bytes", "file_bytes")
        if len(later) > 1
    }
    points = {"first": found[0], "cache_full": found[full], "half": found[half], "last": found[-1]}
    return {
        "requests": len(found),
        "cache_limit_bytes": limit_bytes,
        "points": {name: asdict(one) | {"own_bytes": one.own_bytes} for name, one in points.items()},
        "peak_bytes": max(one.anonymous_bytes + one.file_bytes for one in found),
        "slopes_bytes_per_request": slopes,
    }
