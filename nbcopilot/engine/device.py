"""Where the model runs, in which number type, on how many threads, and whether it fits.

The one place that asks torch and the machine what is there. Knows nothing of requests.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psutil
import torch

from nbcopilot.config import Config
from nbcopilot.engine.quantize import has_vnni
from nbcopilot.errors import ConfigError, OutOfMemoryError
from nbcopilot.models import machine
from nbcopilot.models.catalog import human_bytes

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16, "int8": torch.float32}
# Beside the weights: activations of one prefill chunk, tokenizer, Python and torch themselves.
OVERHEAD_BYTES = 400_000_000


@dataclass(frozen=True)
class Placement:
    """`precision` of the weights, `dtype` of what is computed with them."""

    device: torch.device
    precision: str
    dtype: torch.dtype
    threads: int


def place(config: Config) -> Placement:
    """Device, precision and thread count for these settings. Raises ConfigError for what this machine lacks."""
    device = _device(config.device)
    precision = config.precision
    if precision == "auto":
        precision = {"cuda": "bfloat16" if _cuda_bf16() else "float16", "mps": "float16"}.get(device.type, "int8")
    if precision == "int8" and device.type != "cpu":
        raise ConfigError(f"int8 weights run on the CPU, not on {device.type}", hint='set `precision = "auto"`')
    return Placement(device, precision, PRECISIONS[precision], config.threads or free_threads())


def _device(name: str) -> torch.device:
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(candidate for candidate, is_there in there.items() if is_there)
    elif not there[name]:
        raise ConfigError(f"there is no {name} device here", hint='set `device = "auto"`')
    return torch.device(name)


def _cuda_bf16() -> bool:
    return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)


def free_threads() -> int:
    """Threads that can run at once here: cores, not hyper-threads, within affinity and container quota."""
    usable = machine.processors().usable
    return max(1, min(usable, psutil.cpu_count(logical=False) or usable))


def require_memory(needed_bytes: int, what: str, device: torch.device) -> None:
    """Nothing, or OutOfMemoryError before anything was loaded."""
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else machine.memory().free
    if device.type != "mps" and needed_bytes > free:
        raise OutOfMemoryError(
            f"{what} needs {human_bytes(needed_bytes)} of memory, {human_bytes(free)} is free",
            hint="close other programs, or set `model` to qwen2.5-coder-0.5b",
        )


def describe() -> dict[str, Any]:
    """What an engine would find here: for `nbcopilot doctor`."""
    processors = machine.processors()
    return {
        "torch": torch.__version__,
        "device": _device("auto").type,
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "vnni": has_vnni(),
        "bf16": bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()),
        "threads": free_threads(),
        "processors": processors.allowed,
        "quota": processors.quota,
        "free_bytes": machine.memory().free,
    }
