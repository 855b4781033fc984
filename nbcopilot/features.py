"""What can be switched off by the setting `off`, asked where it begins."""

from __future__ import annotations

from nbcopilot import locks
from nbcopilot.config_schema import Config
from nbcopilot.errors import ConfigError


def is_on(config: Config, name: str) -> bool:
    """Whether a feature (config_schema.FEATURES) is offered; what is none of them always is."""
    return name not in config.off.split(", ")


def require(config: Config, name: str) -> None:
    """Refuse what is switched off. Raises ConfigError, which says by whom."""
    if is_on(config, name):
        return
    for locked in locks.read():
        if name in str(locked.fixed.get("off", "")).split(", "):
            raise ConfigError(
                f"{name} is switched off by {locked.origin}", hint="ask the administrator of this machine"
            )
    raise ConfigError(f"{name} is switched off by the setting `off`", hint="`%nbcopilot config` shows where it is set")
