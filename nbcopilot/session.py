"""One user's session: the engine that answers, the settings, and what was written (for undo).

The only module state is `current()`: one Session a process, made on first use.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from nbcopilot import config as settings
from nbcopilot import urls
from nbcopilot.config import Config
from nbcopilot.engine.protocol import Engine
from nbcopilot.errors import EngineUnavailableError
from nbcopilot.pipeline import Copilot
from nbcopilot.types import CellEdit, Context
from nbcopilot.write import kept


@dataclass(frozen=True)
class Write:
    """A write that %nbcopilot undo can take back: the edit and the way it took (write/delivery.py).

    confirmed: the front end has said that the cells are there; False where it never says so.
    """

    edit: CellEdit
    route: str
    confirmed: bool = False


@dataclass
class Session:
    """Holds the engine between requests. `ask(question) -> bool` lets a missing model be pulled at once."""

    config: Config = field(default_factory=settings.load)
    ask: Callable[[str], bool] | None = None
    progress: Callable[[int, int, str], None] | None = None
    history: list[Write] = field(default_factory=list)
    pending: CellEdit | None = None
    pending_overwrites: bool = False  # what waits would replace cells that the user has edited
    last_context: Context | None = None
    notices: list[str] = field(default_factory=list)
    _engine: Engine | None = None
    _key: tuple[Any, ...] = ()
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def prepare(self, config: Config | None = None) -> None:
        """Find out now, while somebody can be asked, whether the model of `config` is there; opens nothing.

        Raises UnknownModelError, ModelNotFoundError.
        """
        config = config or self.config
        if (self._engine is None or _key(config) != self._key) and _is_local(config):
            self._ensure_model(config)

    def engine(self, config: Config | None = None) -> Engine:
        """The engine for `config` (default: the session's); kept until a setting that matters to it changes.

        Raises UnknownModelError, ModelNotFoundError, OutOfMemoryError, EngineUnavailableError.
        """
        config = config or self.config
        with self._lock:
            if self._engine is None or _key(config) != self._key:
                self.close()
                self._engine, self._key = self._open(config), _key(config)
            return self._engine

    def copilot(self, config: Config | None = None) -> Copilot:
        """A Copilot on the session's engine with `config` (default: the session's)."""
        config = config or self.config
        return Copilot(self.engine(config), config, keep=kept.keeper(config))

    def close(self) -> None:
        """Let the engine go; the next request makes a new one."""
        if self._engine is not None:
            self._engine.close()
        self._engine = None

    def _open(self, config: Config) -> Engine:
        if config.model.partition(":")[0] == "fake":
            from nbcopilot.engine.fake import FakeEngine

            return FakeEngine.from_id(config.model)
        if urls.is_url(config.engine):
            from nbcopilot.engine.outgoing import engine_at

            near = urls.is_local(config.engine)
            where = "this machine" if near else urls.origin(config.engine)
            first = "; secrets are redacted first" if config.redact or not near else ""
            self.notices.append(f"text of your notebook goes to {where}{first}")
            return engine_at(
                config.engine,
                model=config.model,
                api_key=config.api_key,
                on=config.redact,
                personal=config.redact_personal,
            )
        self._ensure_model(config)
        if config.engine == "auto":
            from nbcopilot.serve.client import connect

            try:
                return connect(config)
            except EngineUnavailableError as exc:
                self.notices.append(
                    f"the resident engine is not available ({exc.message}); the model runs in this process"
                )
        from nbcopilot.engine.local import load

        return load(config.model, config)

    def _ensure_model(self, config: Config) -> None:
        """Fail (or pull, after a yes) before anything is started."""
        from nbcopilot.models.store import Store

        Store().ensure(config.model, ask=self.ask, progress=self.progress, carrier=config.download_from)


def _key(config: Config) -> tuple[Any, ...]:
    """The settings that an engine is opened with."""
    exit_ = (config.api_key, config.redact, config.redact_personal)
    return (config.model, config.engine, config.device, config.precision, config.threads, *exit_)


def _is_local(config: Config) -> bool:
    """Whether the model's weights must be on this machine."""
    return config.model.partition(":")[0] != "fake" and not urls.is_url(config.engine)


_current: Session | None = None


def current() -> Session:
    """The Session of this process."""
    global _current
    if _current is None:
        found = settings.effective()
        _current = Session(found.config, notices=list(found.notices))
    return _current


def reset() -> None:
    """Forget the Session of this process and close its engine."""
    global _current
    if _current is not None:
        _current.close()
    _current = None
