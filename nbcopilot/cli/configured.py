"""The settings of a command, and, once a process, what a project's file asked for that was not taken."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from nbcopilot import config as settings
from nbcopilot.config import Config, Effective

_said: set[str] = set()


def load(overrides: Mapping[str, Any]) -> Config:
    """The effective Config for the working directory. Raises ConfigError."""
    return effective(overrides).config


def effective(overrides: Mapping[str, Any]) -> Effective:
    """The same with where each setting came from. Raises ConfigError."""
    found = settings.effective(overrides)
    for notice in found.notices:
        if notice not in _said:
            _said.add(notice)
            print(f"nbcopilot: {notice}", file=sys.stderr)
    return found
