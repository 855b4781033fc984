"""The server that the tests of a module share, and messages of the wire."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_servers import Jupyter, serving

WIRE = Path(__file__).parents[1] / "data" / "wire"


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    with serving(tmp_path_factory.mktemp("jupyter")) as found:
        yield found


@pytest.fixture
def wire() -> Callable[[str], Any]:
    """A message of tests/data/wire by its name."""
    return lambda name: json.loads((WIRE / f"{name}.json").read_text(encoding="utf-8"))
