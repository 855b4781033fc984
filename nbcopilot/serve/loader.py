"""From a model's name to an Engine, in the process that serves it.

A name may end in `::precision` ("qwen2.5-coder-0.5b::float32"); without one the configured precision holds.
"""

from __future__ import annotations

import logging
import time

import psutil

from nbcopilot import config as settings
from nbcopilot.config import Config
from nbcopilot.engine.protocol import Engine
from nbcopilot.models import catalog, machine
from nbcopilot.models.store import Store
from nbcopilot.serve.pool import Pool

log = logging.getLogger("nbcopilot.serve")


def pool(config: Config) -> Pool:
    """The Pool whose engines are loaded with `config`; nothing is loaded yet."""
    return Pool(lambda name: load(name, config), identify=identify, default=config.model)


def identify(name: str) -> str:
    """The one name of a model that may be called by several. Raises UnknownModelError.

    `auto` is chosen by the memory that is free beside what this process could let go of.
    """
    model, mark, precision = name.partition("::")
    if model.partition(":")[0] != catalog.FAKE:
        if model == catalog.AUTO:
            free = machine.memory().free + psutil.Process().memory_info().rss
            model = catalog.default_model(free, Store().pulled()).id
        else:
            model = catalog.resolve(model).id
    return f"{model}{mark}{precision}"


def load(name: str, config: Config) -> Engine:
    """The engine for `name`. Raises ModelNotFoundError, OutOfMemoryError, ConfigError and what loading raises."""
    model, _, precision = name.partition("::")
    changed = settings.with_changes(config, model=model, precision=precision or None)
    started = time.monotonic()
    engine = _engine(model, changed)
    log.info("loaded %s in %.2f s", engine.describe().id, time.monotonic() - started)
    return engine


def _engine(model: str, config: Config) -> Engine:
    if model.partition(":")[0] == catalog.FAKE:
        from nbcopilot.engine.fake import FakeEngine

        return FakeEngine.from_id(model)
    from nbcopilot.engine import local

    return local.load(model, config)
