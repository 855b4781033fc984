"""The tests of the kernels once more, with AddressSanitizer and UndefinedBehaviorSanitizer watching each access."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nbcopilot.engine.native import build

from .sanitizing import ROOT, runtime, watched
from .test_native import HERE, SANITIZED

needs_sanitizer = pytest.mark.skipif(
    runtime() is None or not HERE, reason="no gcc with libasan here, or a processor that the kernels are not for"
)
OVERFLOW = """
import ctypes, sys
import numpy as np
lib = ctypes.CDLL(sys.argv[1])
class Bytes(ctypes.Structure):
    _fields_ = [("values", ctypes.c_void_p), ("scales", ctypes.c_void_p), ("sums", ctypes.c_void_p), ("k", ctypes.c_int), ("group", ctypes.c_int)]
x, values, scales, sums = np.ones(128, np.float32), np.zeros(64, np.int8), np.zeros(4, np.float32), np.zeros(4, np.int32)
lib.quantize_row(ctypes.c_void_p(x.ctypes.data), ctypes.byref(Bytes(values.ctypes.data, scales.ctypes.data, sums.ctypes.data, 128, 32)), 0)
"""


@needs_sanitizer
def test_the_kernels_stay_inside_their_memory_and_inside_the_language() -> None:
    environment = watched(runtime()) | {SANITIZED: "1"}  # type: ignore[arg-type]
    chosen = [
        "tests/engine/test_native.py",
        "-k",
        "library or linear or saturate or numbers or logits or company or blocks",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *chosen],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=550, check=False,
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    assert "passed" in done.stdout


@needs_sanitizer
def test_a_write_beyond_a_buffer_is_seen(tmp_path: Path) -> None:
    """The watch itself: a buffer of half the size ends the process with a report."""
    library = tmp_path / "sanitized.so"
    sources = [str(build.HERE / name) for name in build.SOURCES]
    flags = [*build.FLAGS, *build.LEVELS["sanitized"]]
    subprocess.run([*(build.compiler() or []), *flags, "-o", str(library), *sources, "-lm"], check=True)
    command = [sys.executable, "-c", OVERFLOW, str(library)]
    environment = watched(runtime())  # type: ignore[arg-type]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 99 and "heap-buffer-overflow" in done.stderr, done.stderr[-2000:]


def test_sanitized_kernels_are_not_loaded_without_the_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LD_PRELOAD", raising=False)
    with pytest.raises(build.BuildError, match="needs LD_PRELOAD"):
        build.library(tmp_path, "sanitized")
