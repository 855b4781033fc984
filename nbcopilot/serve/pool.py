"""Which models are in memory: loads on first use, one load however many ask, drops the idle one when room is short.

`limit` engines at most (a big one for cells, a small one for typing). A request for a further model, or one that
finds no memory, first drops the one that has been idle longest; what is running is never dropped.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from nbcopilot.engine.protocol import Engine
from nbcopilot.errors import EngineUnavailableError, OutOfMemoryError
from nbcopilot.inference import ModelInfo

# How a client says that it takes what is there.
ANY = ("", "default")


@dataclass(eq=False)
class Loaded:
    """An engine in memory under its one name; `running` requests hold it."""

    name: str
    engine: Engine
    info: ModelInfo
    seconds: float
    running: int = 0
    used: float = field(default_factory=time.monotonic)


class Pool:
    """The engines of one process. Thread-safe.

    load: makes the engine of a name, called once a name however many wait for it.
    identify: the one name of what may be called by several ("auto", an alias, a path).
    default: the name that is meant when a request has none and nothing is in memory.
    """

    def __init__(
        self,
        load: Callable[[str], Engine],
        *,
        identify: Callable[[str], str] = str,
        default: str = "auto",
        limit: int = 2,
    ) -> None:
        self.loads = 0
        self.default = default
        self._load = load
        self._identify = identify
        self._limit = limit
        self._names: dict[str, str] = {}
        self._loaded: dict[str, Loaded] = {}
        self._lock = threading.Lock()
        self._loading: dict[str, threading.Lock] = {}
        self._closed = False

    @contextmanager
    def use(self, name: str) -> Iterator[Loaded]:
        """The engine for `name`, kept in memory as long as the block runs.

        Raises UnknownModelError, ModelNotFoundError, OutOfMemoryError and what else loading raises.
        """
        found = self._take(name)
        try:
            yield found
        finally:
            with self._lock:
                found.running -= 1
                found.used = time.monotonic()

    def find(self, name: str) -> Loaded | None:
        """What is in memory for `name`, or None. Loads nothing."""
        with self._lock:
            if name in ANY:
                return self._loaded.get(self._names.get(self.default, "")) or next(iter(self._loaded.values()), None)
            return self._loaded.get(self._names.get(name, name))

    def loaded(self) -> list[Loaded]:
        """What is in memory, the default first."""
        with self._lock:
            default = self._names.get(self.default)
            return sorted(self._loaded.values(), key=lambda one: one.name != default)

    def close(self) -> None:
        """Close all engines; running requests end as cancelled."""
        with self._lock:
            self._closed = True
            engines = [one.engine for one in self._loaded.values()]
            self._loaded.clear()
        for engine in engines:
            engine.close()

    def _take(self, name: str) -> Loaded:
        found = self.find(name)
        if found is None or not self._hold(found):
            name = self.default if name in ANY else name
            # What "auto" means is decided once: a model in memory must not change the choice.
            key = self._names.get(name) or self._identify(name)
            self._names[name] = self._names[key] = key
            with self._lock:
                loading = self._loading.setdefault(key, threading.Lock())
            with loading:
                found = self.find(key)
                if found is None or not self._hold(found):
                    found = self._add(key)
        return found

    def _hold(self, found: Loaded) -> bool:
        """Keep `found` in memory, unless it has just been dropped."""
        with self._lock:
            if self._loaded.get(found.name) is not found:
                return False
            found.running += 1
            return True

    def _add(self, name: str) -> Loaded:
        if self._closed:
            raise EngineUnavailableError("the engine is stopping", hint="run it again")
        started = time.monotonic()
        while len(self._loaded) >= self._limit and self._drop_idle():
            pass
        try:
            engine = self._load(name)
        except OutOfMemoryError:
            if not self._drop_idle():
                raise
            engine = self._load(name)
        loaded = Loaded(name, engine, engine.describe(), time.monotonic() - started, running=1)
        with self._lock:
            if self._closed:
                engine.close()
                raise EngineUnavailableError("the engine is stopping", hint="run it again")
            self.loads += 1
            self._loaded[name] = loaded
        return loaded

    def _drop_idle(self) -> bool:
        """Close the engine that has been idle longest; False when all are at work."""
        with self._lock:
            idle = [one for one in self._loaded.values() if one.running == 0]
            if not idle:
                return False
            oldest = min(idle, key=lambda one: one.used)
            del self._loaded[oldest.name]
        oldest.engine.close()
        return True
