"""An engine that is suspended takes connections and answers nobody: everybody notices it soon, and can end it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from serving import pid_of

from nbcopilot.config import Config
from nbcopilot.errors import EngineUnavailableError
from nbcopilot.serve import client

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="processes cannot be suspended here"),
]


@pytest.fixture
def suspended(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    client.connect(Config(model="fake")).close()
    os.kill(pid_of(place), signal.SIGSTOP)
    monkeypatch.setattr(client, "LOOK_SECONDS", 0.5)
    return place


@pytest.mark.parametrize(
    "look",
    [
        lambda place: client.status(place),
        lambda place: client.stop(place),
        lambda place: client.connect(Config(model="fake")),
    ],
    ids=["status", "stop", "connect"],
)
def test_it_is_named_with_the_line_that_ends_it(suspended: Path, look: Callable[[Path], object]) -> None:
    with pytest.raises(EngineUnavailableError) as error:
        look(suspended)
    assert str(pid_of(suspended)) in error.value.message and "stop --now" in error.value.hint


def test_it_is_ended_when_that_is_asked_for_and_the_next_request_starts_another(suspended: Path) -> None:
    before = pid_of(suspended)
    assert client.stop(suspended, now=True) == (True, 0)
    client.connect(Config(model="fake")).close()
    assert pid_of(suspended) != before


def test_another_program_with_the_recorded_number_is_left_alone(place: Path) -> None:
    record = client.runtime.Record(os.getpid(), "1", "", "http://localhost", "", time.time() - 10**6)
    assert not client._killed(record)
