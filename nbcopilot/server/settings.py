"""The settings as traits of the Jupyter server, made from the fields of Config: `c.Nbcopilot.model = "..."`.

Each is declared once, in nbcopilot/config.py. A trait that is set wins over files and environment, as a call does.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from traitlets import Any as AnyTrait
from traitlets import Dict
from traitlets.config import Config as TraitConfig
from traitlets.config import Configurable

from nbcopilot import config as settings
from nbcopilot import locks
from nbcopilot.config import RENAMED, Config, Effective


def _traits() -> dict[str, Any]:
    made = {}
    for field in dataclasses.fields(Config):
        help = f"{field.metadata['help']} (default: {field.default!r})"
        made[field.name] = AnyTrait(None, allow_none=True, help=help).tag(config=True)
    for former, name in RENAMED.items():
        made[former] = AnyTrait(None, allow_none=True, help=f"The former name of `{name}`.").tag(config=True)
    return made


HELP = "Settings that nobody may change, as the tables of policy.toml: {'settings': {'redact': True}, 'allow': {…}}."


# The values are checked where all settings are, so that the sentence about a wrong one is the same everywhere.
Nbcopilot = type(
    "Nbcopilot",
    (Configurable,),
    {"__doc__": "Settings of nbcopilot.", **_traits(), "locked": Dict(help=HELP).tag(config=True)},
)


def lock(traits: TraitConfig) -> None:
    """Lock what `c.Nbcopilot.locked` says, here and in the kernels of this server. Raises ConfigError."""
    if tables := Nbcopilot(config=traits).locked:
        locks.lock(tables)


def effective(traits: TraitConfig, folder: Path) -> Effective:
    """What counts for a server that was started with `traits` in `folder`. Raises ConfigError."""
    configured = Nbcopilot(config=traits)
    overrides = {name: getattr(configured, name) for name in configured.trait_names(config=True) if name != "locked"}
    return settings.effective(overrides, folder=folder)
