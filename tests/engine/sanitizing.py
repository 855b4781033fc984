"""A Python process in which AddressSanitizer watches the kernels: what it needs, and whether this machine has it."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

from nbcopilot.engine.native import build

ROOT = Path(__file__).resolve().parents[2]


@cache
def runtime() -> Path | None:
    """The compiler's libasan.so, or None (no gcc, no sanitizer packages, not Linux)."""
    command = build.compiler()
    if command is None or sys.platform != "linux":
        return None
    done = subprocess.run([*command, "-print-file-name=libasan.so"], capture_output=True, text=True, check=False)
    found = Path(done.stdout.strip())
    return found.resolve() if found.is_absolute() and found.is_file() else None


def watched(library: Path) -> dict[str, str]:
    """The environment of a process with the sanitizer's runtime; leaks are Python's own affair."""
    options = "detect_leaks=0:allocator_may_return_null=1:handle_segv=1:exitcode=99"
    return {
        **os.environ,
        "LD_PRELOAD": str(library),
        "ASAN_OPTIONS": options,
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
    }
