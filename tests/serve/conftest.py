"""A runtime folder of the test's own, whose resident processes do not outlive it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import daemons


@pytest.fixture
def place() -> Iterator[Path]:
    """The test's own runtime folder; what was started in it is killed at the end."""
    folder = Path(os.environ["NBCOPILOT_RUNTIME_DIR"])
    yield folder
    for process in daemons(folder):
        process.send_signal(signal.SIGKILL)
        process.wait(60)
