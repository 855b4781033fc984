"""A Jupyter server in the test's own process, with the extension enabled and the fake engine."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest_plugins = ["pytest_jupyter.jupyter_server"]
WIRE = Path(__file__).parents[1] / "data" / "wire"


@pytest.fixture
def jp_server_config() -> dict[str, Any]:
    return {"ServerApp": {"jpserver_extensions": {"nbcopilot": True}}, "Nbcopilot": {"model": "fake"}}


@pytest.fixture
def wire() -> Callable[[str], Any]:
    """A message of tests/data/wire by its name."""
    return lambda name: json.loads((WIRE / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture
def lines() -> Callable[[Any], list[dict[str, Any]]]:
    """The lines of a streamed body."""
    return lambda response: [json.loads(line) for line in response.body.decode().splitlines()]
