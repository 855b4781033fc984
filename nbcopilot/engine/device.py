"""Where the model runs, in which precision, on how many threads, and whether it fits. Loads torch only to ask for a GPU.

The one place of the engine that asks the machine what is there. Knows nothing of requests.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from nbcopilot.config import Config
from nbcopilot.engine.native import build
from nbcopilot.engine.native.binding import Library
from nbcopilot.errors import ConfigError, OutOfMemoryError
from nbcopilot.models import machine
from nbcopilot.models.catalog import human_bytes
from nbcopilot.models.store import cache_folder

# Beside the weights: activations of one prefill piece, tokenizer, Python and its modules.
OVERHEAD_BYTES = 300_000_000
# How often the load of the machine is looked at, in seconds.
LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class Placement:
    """`device` is "cpu", "cuda" or "mps"; `precision` that of the weights."""

    device: str
    precision: str


def place(config: Config) -> Placement:
    """Device and precision for these settings. Raises ConfigError for what this machine lacks."""
    device = _device(config.device)
    precision = config.precision
    if precision == "auto":
        precision = _cuda_precision() if device == "cuda" else {"mps": "float16", "cpu": "int8"}[device]
    if precision == "int8" and device != "cpu":
        raise ConfigError(f"int8 weights run on the CPU, not on {device}", hint='set `precision = "auto"`')
    return Placement(device, precision)


def _device(name: str) -> str:
    if name == "cpu" or (name == "auto" and not _may_have_gpu()):
        return "cpu"
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return next(candidate for candidate, is_there in there.items() if is_there)
    if not there[name]:
        raise ConfigError(f"there is no {name} device here", hint='set `device = "auto"`')
    return name


def _may_have_gpu() -> bool:
    """Whether torch is worth asking: importing it costs more than loading a small model."""
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    nodes = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
    return any(Path(node).exists() for node in nodes) or shutil.which("nvidia-smi") is not None


def _cuda_precision() -> str:
    import torch

    return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"


def free_threads() -> int:
    """Threads that can run at once here: cores, not hyper-threads, within affinity and container quota."""
    usable = machine.processors().usable
    return max(1, min(usable, psutil.cpu_count(logical=False) or usable))


def follow_load(most: int, clock: Callable[[], float] = time.monotonic) -> Callable[[], int]:
    """A function that says how many threads to use now: `most`, less the cores that other programs keep busy.

    A core that is shared slows both sides down, and the other side is usually the user's own kernel.
    """
    process = psutil.Process()
    logical = psutil.cpu_count() or 1
    last, busy, own, threads = clock(), _busy_seconds(), sum(process.cpu_times()[:2]), most

    def now() -> int:
        nonlocal last, busy, own, threads
        passed = clock() - last
        if passed < LOOK_SECONDS or most == 1:
            return threads
        new_busy, new_own = _busy_seconds(), sum(process.cpu_times()[:2])
        others = max(0.0, (new_busy - busy) - (new_own - own)) / passed
        last, busy, own = last + passed, new_busy, new_own
        threads = max(1, min(most, int(logical - others + 0.5)))
        return threads

    return now


def _busy_seconds() -> float:
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    # guest time is part of user time already
    return float(sum(times) - idle - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0))


def require_memory(needed_bytes: int, what: str, device: str) -> None:
    """Nothing, or OutOfMemoryError before anything was loaded."""
    free = machine.memory().free
    if device == "cuda":
        import torch

        free = int(torch.cuda.mem_get_info()[0])
    if device != "mps" and needed_bytes > free:
        raise OutOfMemoryError(
            f"{what} needs {human_bytes(needed_bytes)} of memory, {human_bytes(free)} is free",
            hint="close other programs, or set `model` to qwen2.5-coder-0.5b",
        )


def kernels() -> tuple[Path | None, str]:
    """The compiled kernels (built when they are not there yet), or None and the reason why not.

    $NBCOPILOT_KERNELS leaves them out ("off"), or uses no more of the processor than it says ("avx2").
    """
    level = os.environ.get("NBCOPILOT_KERNELS", "")
    if level == "off":
        return None, "NBCOPILOT_KERNELS=off"
    try:
        return build.library(cache_folder(), level), ""
    except build.BuildError as exc:
        return None, str(exc)


def describe() -> dict[str, Any]:
    """What an engine would find here: for `nbcopilot doctor`. Loads torch only where there may be a GPU."""
    processors = machine.processors()
    place = _device("auto")
    library, reason = kernels() if place == "cpu" else (None, "")
    return {
        "device": place,
        "computes": f"native {Library(library).isa}" if library else f"torch ({reason})" if reason else "torch",
        "threads": free_threads(),
        "processors": processors.allowed,
        "quota": processors.quota,
        "free_bytes": machine.memory().free,
    }
