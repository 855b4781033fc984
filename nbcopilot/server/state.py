"""What the server knows between requests: one Session, and the state of model and engine as the page shows it.

Everything here may block (it starts engines, reads disks): it runs in worker threads only.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from nbcopilot import features, trust, urls
from nbcopilot._version import __version__
from nbcopilot.config import Config, Effective
from nbcopilot.config_schema import FEATURES, LOCKED
from nbcopilot.engine.protocol import Engine
from nbcopilot.errors import EngineError, NbcopilotError, UsageError
from nbcopilot.inference import Usage
from nbcopilot.models.catalog import ModelRef, entries
from nbcopilot.models.store import Store
from nbcopilot.pipeline import Copilot
from nbcopilot.serve.complete import Completer
from nbcopilot.server.wire import Json, write_error
from nbcopilot.session import Session
from nbcopilot.types import Notebook

# What the first-run guide offers; the rest of the catalog is a line in the settings away.
OFFERED = ("qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b")


class PullStopped(Exception):
    """The user stopped a pull; what came so far is kept for the next one."""


class State:
    """The Session of one server. `effective` gives the settings anew for every request, so that a changed file counts."""

    def __init__(self, effective: Callable[[], Effective], root: Path | None = None) -> None:
        self.effective = effective
        self.root = root
        self.running = 0
        self.completer = Completer()
        self.tokens_per_second: float | None = None
        self._session: Session | None = None
        self._lock = threading.Lock()

    def load(self) -> Config:
        """The settings as they are now. Raises ConfigError."""
        return self.effective().config

    def below_root(self, notebook: Notebook) -> Notebook:
        """The notebook with its path as a file below the server's folder. Raises UsageError for any other place.

        Links in that folder are the user's own, and followed as the server's file browser follows them.
        """
        if notebook.path is None or self.root is None:
            return notebook
        root, path = os.path.abspath(self.root), str(notebook.path)
        whole = os.path.normpath(os.path.join(root, path))
        if "\0" in path or len(path) > 4096 or os.path.commonpath([root, whole]) != root:
            raise UsageError(
                "the notebook lies outside the folder of this server", hint="open it below the folder it serves"
            )
        return replace(notebook, path=Path(whole))

    # ------------------------------------------------------------------ the engine

    def copilot(self, config: Config) -> Copilot:
        """A Copilot on the one engine. Raises EngineError, ConfigError."""
        with self._lock:
            if self._session is None:
                self._session = Session(config, notices=list(self.effective().notices))
            return self._session.copilot(config)

    def notices(self) -> list[str]:
        """What the session has to say once: where text goes, why an engine is not the resident one."""
        if self._session is None:
            return []
        said, self._session.notices[:] = list(self._session.notices), []
        return said

    def measure(self, usage: Usage) -> None:
        """Remember the pace of an answer; short ones say nothing about it."""
        decoding = usage.seconds - usage.first_token_seconds
        if usage.completion_tokens >= 8 and decoding > 0:
            self.tokens_per_second = round(usage.completion_tokens / decoding, 1)

    def close(self) -> None:
        """Let the engine go."""
        with self._lock:
            if self._session is not None:
                self._session.close()
            self._session = None

    # ------------------------------------------------------------------ what the page shows

    def status(self) -> Json:
        """State of model and engine; starts nothing and never raises through."""
        found: Json = {
            "version": __version__,
            "model": {"id": "", "ready": False, "bytes": 0, "licence": "", "note": ""},
            "engine": {"kind": "", "state": "stopped", "where": "", "queue": self.running},
            "local": True,
            "tokens_per_second": self.tokens_per_second,
            "problem": None,
            "untrusted": None,
            "locked": [],
            "off": [],
        }
        try:
            effective = self.effective()
            if effective.untrusted is not None:
                message = " ".join(f"{notice}." for notice in effective.notices)
                found["untrusted"] = {"folder": str(effective.untrusted), "message": message}
            config = effective.config
            found["locked"] = [
                {
                    "name": one.name,
                    "value": "" if one.name == "api_key" else one.value,
                    "by": one.origin.removesuffix(LOCKED),
                }
                for one in effective.settings
                if one.is_locked
            ]
            found["off"] = [name for name in FEATURES if not features.is_on(config, name)]
            found["engine"]["kind"] = config.engine
            if urls.is_url(config.engine):
                self._remote(found, config)
            else:
                self._local(found, config)
        except NbcopilotError as exc:
            found["problem"] = write_error(exc)
        if self.engine is not None:
            found["engine"]["state"] = "ready"
        return found

    def _remote(self, found: Json, config: Config) -> None:
        found["local"] = urls.is_local(config.engine)
        found["engine"]["where"] = urls.split(config.engine).hostname
        found["model"] |= {"id": config.model if config.model != "auto" else "", "ready": True}

    def _local(self, found: Json, config: Config) -> None:
        if config.model.partition(":")[0] == "fake":
            found["model"] |= {"id": "fake", "ready": True, "note": "scripted answers, no model"}
            return
        store = Store()
        found["model"] |= _describe(store, store.ref(config.model))

    @property
    def engine(self) -> Engine | None:
        """The engine that is open, without opening one."""
        return self._session._engine if self._session is not None else None

    def models(self) -> Json:
        """The models that the guide offers: the one that is set, else those to choose from, one recommended."""
        store, wanted = Store(), self.load().model
        recommended = store.ref("auto" if wanted.partition(":")[0] == "fake" else wanted)
        ids = OFFERED if wanted in ("", "auto", "fake") else ()
        offered = {ref.id: ref for ref in [*(entries()[id] for id in ids if id in entries()), recommended]}
        return {
            "models": [{**_describe(store, ref), "recommended": ref.id == recommended.id} for ref in offered.values()]
        }

    def trust(self, folder: str) -> None:
        """Trust the folder that `status` asked about, and no other. Raises UsageError, ConfigError."""
        waiting = self.effective().untrusted
        if waiting is None or str(waiting) != folder:
            raise UsageError(f"{folder} is not waiting for your trust", hint="reload the page")
        trust.add(folder)
        self.close()

    # ------------------------------------------------------------------ pull

    def pull(self, name: str, stopped: threading.Event) -> Iterator[Json]:
        """Lines of progress, then `ready`. Raises EngineError; stopping keeps what has come."""
        if not name:
            raise UsageError("no model was named")
        updates: queue.SimpleQueue[Json | None] = queue.SimpleQueue()
        problem: list[BaseException] = []

        def report(done: int, total: int, what: str) -> None:
            if stopped.is_set():
                raise PullStopped
            updates.put({"type": "progress", "done": done, "total": total, "what": what})

        def work() -> None:
            try:
                Store().pull(name, progress=report, carrier=self.load().download_from)
            except BaseException as exc:  # raised again below, in the thread that reads
                problem.append(exc)
            updates.put(None)

        thread = threading.Thread(target=work, name="nbcopilot-pull", daemon=True)
        thread.start()
        while (update := updates.get()) is not None:
            yield update
        if problem and not isinstance(problem[0], PullStopped):
            raise (
                problem[0] if isinstance(problem[0], NbcopilotError) else EngineError(f"the pull failed: {problem[0]}")
            )
        if not problem:
            yield {"type": "ready", "model": name}


def _describe(store: Store, ref: ModelRef) -> Json:
    return {
        "id": ref.id,
        "ready": ref.kind == "fake" or store.source(ref) is not None,
        "bytes": ref.bytes or 0,
        "licence": ref.license,
        "note": ref.purpose,
    }
