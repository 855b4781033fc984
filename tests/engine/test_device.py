from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from nbcopilot.config import Config
from nbcopilot.engine import device
from nbcopilot.engine.native import build
from nbcopilot.errors import ConfigError, OutOfMemoryError
from nbcopilot.models import machine


class Load:
    """A machine whose other programs use `cores`, seen by a clock that jumps a second at a time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, logical: int) -> None:
        self.seconds = self.busy = 0.0
        monkeypatch.setattr(psutil, "cpu_count", lambda logical=True: logical_count)
        logical_count = logical
        monkeypatch.setattr(device, "_busy_seconds", lambda: self.busy)
        monkeypatch.setattr(psutil.Process, "cpu_times", lambda self: (0.0, 0.0))

    def pass_second(self, cores: float) -> None:
        self.seconds += 1
        self.busy += cores


def test_threads_follow_what_other_programs_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    load = Load(monkeypatch, 4)
    threads = device.follow_load(4, lambda: load.seconds)
    assert threads() == 4
    for cores, wanted in ((0.0, 4), (1.0, 3), (3.9, 1), (4.0, 1), (0.2, 4)):
        load.pass_second(cores)
        assert threads() == wanted


def test_threads_are_never_more_than_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    load = Load(monkeypatch, 64)
    threads = device.follow_load(2, lambda: load.seconds)
    load.pass_second(1.0)
    assert threads() == 2


def test_the_container_limits_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "cpu_count", lambda logical=True: 64)
    monkeypatch.setattr(machine, "processors", lambda: machine.Processors(64, 64, 1.5))
    assert device.free_threads() == 1


def test_int8_is_for_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_device", lambda name: "cuda")
    with pytest.raises(ConfigError, match="int8 weights run on the CPU"):
        device.place(Config(precision="int8"))


def test_the_cpu_gets_int8_unless_told_otherwise() -> None:
    assert device.place(Config(device="cpu")) == device.Placement("cpu", "int8")
    assert device.place(Config(device="cpu", precision="bfloat16")).precision == "bfloat16"


def test_memory_is_checked_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "memory", lambda: machine.Memory(8_000_000_000, 1_000_000_000))
    device.require_memory(900_000_000, "m", "cpu")
    with pytest.raises(OutOfMemoryError, match=r"M needs 2\.0 GB of memory, 1\.0 GB is free"):
        device.require_memory(2_000_000_000, "m", "cpu")


def test_describe_says_what_would_compute(monkeypatch: pytest.MonkeyPatch) -> None:
    found = device.describe()
    assert found["device"] in ("cpu", "cuda", "mps") and found["threads"] >= 1
    monkeypatch.setattr(device, "_device", lambda name: "cpu")
    assert device.describe()["computes"].startswith(("native avx", "torch (no kernels for"))
    monkeypatch.setenv("NBCOPILOT_KERNELS", "off")
    assert device.describe()["computes"] == "torch (NBCOPILOT_KERNELS=off)"
    monkeypatch.delenv("NBCOPILOT_KERNELS")
    monkeypatch.setattr(build, "library", refuse)
    assert device.describe()["computes"] == "torch (no C compiler here)"


def refuse(cache: Path, level: str) -> Path:
    raise build.BuildError("no C compiler here")
