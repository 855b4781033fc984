"""The figures of one server in Prometheus's text format. Callers appear by id; no text of a request is in them."""

from __future__ import annotations

from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from nbcopilot.serve.entry import Entry
from nbcopilot.serve.fair_queue import PRIORITIES, FairQueue

CONTENT_TYPE = CONTENT_TYPE_LATEST
# From a cached suggestion to the longest answer of a small machine.
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 60, 180, 600)


class Metrics:
    """What was counted since the server started. Thread-safe."""

    def __init__(self, queue: FairQueue) -> None:
        self._registry = here = CollectorRegistry()
        self._requests = Counter(
            "nbcopilot_requests", "Requests by key id, page and HTTP status", ("key", "page", "status"), registry=here
        )
        tokens = "Tokens of prompts and answers; cached ones are part of the prompt"
        self._tokens = Counter("nbcopilot_tokens", tokens, ("key", "kind"), registry=here)
        self._hits = Counter("nbcopilot_cache_hits", "Requests that began from a kept prefix", ("key",), registry=here)

        def seconds(name: str, what: str) -> Histogram:
            return Histogram(f"nbcopilot_{name}_seconds", what, ("page",), buckets=_SECONDS, registry=here)

        self._seconds = seconds("request", "Seconds from arrival to the end")
        self._first = seconds("first_token", "Seconds from arrival to the first text")
        self._waited = seconds("queue", "Seconds from arrival to the turn")
        running = Gauge("nbcopilot_running", "Requests that have their turn", registry=here)
        running.set_function(lambda: queue.running)
        waiting = Gauge("nbcopilot_queue_length", "Requests that wait for their turn", ("priority",), registry=here)
        for name in PRIORITIES:
            waiting.labels(name).set_function(partial(_waiting, queue, name))

    def note(self, entry: Entry) -> None:
        """Count one request that has ended."""
        key = entry.caller.id or "owner"
        self._requests.labels(key, entry.page, str(entry.status)).inc()
        kinds = {"prompt": entry.prompt_tokens, "completion": entry.completion_tokens, "cached": entry.cached_tokens}
        for kind, count in kinds.items():
            if count:
                self._tokens.labels(key, kind).inc(count)
        if entry.cached_tokens:
            self._hits.labels(key).inc()
        self._seconds.labels(entry.page).observe(entry.seconds)
        for histogram, seconds in ((self._first, entry.first_token_seconds), (self._waited, entry.queue_seconds)):
            if seconds is not None:
                histogram.labels(entry.page).observe(seconds)

    def text(self) -> bytes:
        """All figures in the text format, with `CONTENT_TYPE`."""
        return generate_latest(self._registry)


def _waiting(queue: FairQueue, priority: str) -> int:
    return queue.waiting()[priority]
