"""The C files -> a shared library for this very processor, built once and kept in the cache folder.

Any C compiler will do: $CC, cc, gcc, clang, or the one in the `ziglang` package. No Python or torch headers.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from filelock import FileLock

HERE = Path(__file__).parent
SOURCES = ("pool.c", "linear.c", "attention.c", "forward.c")
HEADERS = ("nbc.h", "simd.h")
# Contraction off: a fused multiply-add chosen by the compiler would make results depend on how code is inlined.
FLAGS = ("-std=gnu11", "-O3", "-march=native", "-ffp-contract=off", "-fPIC", "-shared", "-pthread")
# For trying what a lesser processor would do: $NBCOPILOT_KERNELS -> further flags.
# "sanitized" is for tests: every access to memory is checked, and what C leaves undefined ends the process.
LEVELS = {
    "": (),
    "avx2": ("-mno-avx512f", "-DNBC_PLAIN_AVX2"),
    "sanitized": ("-O1", "-g", "-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
}
BUILD_SECONDS = 120


class BuildError(Exception):
    """The library cannot be had here; the reason is the message. Never leaves the engine."""


def library(cache: Path, level: str = "") -> Path:
    """The built library below `cache`, made when it is not there. Raises BuildError with a short reason.

    level: one of LEVELS; "" takes all that this processor has.
    """
    if level not in LEVELS:
        raise BuildError(f"NBCOPILOT_KERNELS is `{level}`, it takes off and {', '.join(filter(None, LEVELS))}")
    if platform.machine().lower() not in ("x86_64", "amd64"):
        raise BuildError(f"no kernels for {platform.machine()} processors")
    if level == "sanitized" and "libasan" not in os.environ.get("LD_PRELOAD", ""):
        raise BuildError("NBCOPILOT_KERNELS=sanitized needs LD_PRELOAD=libasan.so, else the process would be ended")
    flags = (*FLAGS, *LEVELS[level])
    target = cache / "native" / f"{_key(flags)}.so"
    if target.is_file():
        return target
    command = compiler()
    if command is None:
        raise BuildError("no C compiler here: cc, gcc, clang, or the package ziglang")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(str(target.with_suffix(".lock"))):
            if not target.is_file():
                _compile([*command, *flags], target)
    except OSError as exc:
        raise BuildError(f"{target.parent} cannot be written: {exc.strerror}") from exc
    return target


def compiler() -> list[str] | None:
    """The command of a C compiler, or None."""
    if os.environ.get("CC"):
        return shlex.split(os.environ["CC"])
    for name in ("cc", "gcc", "clang"):
        if path := shutil.which(name):
            return [path]
    return [sys.executable, "-m", "ziglang", "cc"] if importlib.util.find_spec("ziglang") else None


def _compile(command: list[str], target: Path) -> None:
    """Build with the compiler and the flags in `command`."""
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        built = Path(folder) / "built.so"
        line = [*command, "-o", str(built), *(str(HERE / name) for name in SOURCES), "-lm"]
        try:
            done = subprocess.run(line, capture_output=True, text=True, timeout=BUILD_SECONDS)
        except (OSError, subprocess.TimeoutExpired) as exc:
            raise BuildError(f"{command[0]} did not run: {exc}") from exc
        if done.returncode:
            errors = [row for row in done.stderr.splitlines() if "error" in row] or done.stderr.splitlines() or ["?"]
            raise BuildError(f"{command[0]} failed: {errors[0]}")
        os.replace(built, target)


def _key(flags: tuple[str, ...]) -> str:
    """Names one build: the sources, the flags, and the processor, since caches are shared between machines."""
    parts = [(HERE / name).read_bytes() for name in (*SOURCES, *HEADERS)]
    parts += [" ".join(flags).encode(), platform.system().encode(), _processor().encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def _processor() -> str:
    """What the processor can do, as the system says it."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("flags"):
                return line
    return platform.processor()
