"""The limits that a job puts on itself before the code that is checked runs; they hold for all its children.

bubblewrap  namespaces around us already; rlimits, seccomp, a record of what was tried
landlock    rlimits, Landlock for files, seccomp for the network, signals and the rest, the same record
rlimits     rlimits and an audit hook that refuses, on Linux seccomp, too; a determined author gets past it
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
from collections.abc import Mapping
from typing import Any

from nbcopilot.sandbox.worker import audit, landlock, libraries, own_end, seccomp
from nbcopilot.sandbox.worker.reach import Reach, real_paths

_SYSTEM = ("/usr", "/lib", "/lib64", "/lib32", "/bin", "/opt", "/nix/store", "/etc/ld.so.cache", "/etc/ld.so.conf",
           "/etc/ld.so.conf.d", "/etc/alternatives", "/etc/localtime", "/etc/timezone", "/etc/fonts", "/etc/mime.types",
           "/etc/ssl/certs", "/proc/meminfo", "/proc/cpuinfo", "/proc/stat", "/proc/loadavg", "/dev/urandom", "/dev/random",
           "/dev/zero", "/sys/devices/system/cpu")  # fmt: skip
# Of the job's own process; forks of it have another number, and nothing can be allowed later.
_OWN = ("/proc/self/cgroup", "/proc/self/maps", "/proc/self/stat", "/proc/self/statm", "/proc/self/status")


def apply(place: Mapping[str, Any], limits: Mapping[str, Any]) -> tuple[audit.Watch, str]:
    """Limit this process; returns the record of the hook and the level that is truly in force.

    place: "level", "scratch", "write" and "read" (more folders), "shown" (`Surroundings.shown`), "home", "trusted".
    limits: as `report.Limits`. Raises OSError when the level asked for cannot be put in force.
    """
    _set_limits(limits)
    level = str(place["level"])
    writable = [str(path) for path in (place["scratch"], *place.get("write", ()))]
    if level == "bubblewrap":
        seccomp.install()
    elif level == "landlock":
        _drop_capabilities()
        read = [*_SYSTEM, *_OWN, *_limits_of_containers(), *place["read"]]
        shown = place["shown"]
        if not landlock.restrict(read, [*writable, "/dev/null", "/dev/full"], shown["list"], shown["files"]):
            raise OSError("Landlock could not be put in force")
        alone = os.getpid() if landlock.version() < 6 else None
        if not seccomp.install(signals_to=alone, freeze_modes=True, keep_session=True):
            raise OSError("seccomp could not be put in force")
        if alone is not None:
            own_end.signals_are_refused()
        libraries.offer_maps()
    else:
        seccomp.install(freeze_modes=True, keep_session=True)
    reach = Reach(
        write=real_paths(writable),
        free=real_paths(place.get("trusted", ())),
        private=real_paths([place.get("home"), place.get("data"), *place.get("local", ())]),
    )
    watch = audit.watch(reach, refuse=level == "rlimits")
    return watch, level


def _set_limits(limits: Mapping[str, Any]) -> None:
    mega = 1024 * 1024
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, int(limits["file_mb"]) * mega)
    _lower(resource.RLIMIT_NOFILE, 256)
    if hasattr(resource, "RLIMIT_AS") and sys.platform == "linux":
        _lower(resource.RLIMIT_AS, _address_space() + int(limits["memory_mb"]) * mega)
    if hasattr(resource, "RLIMIT_MEMLOCK"):
        _lower(resource.RLIMIT_MEMLOCK, 16 * mega)
    if hasattr(resource, "RLIMIT_MSGQUEUE"):
        _lower(resource.RLIMIT_MSGQUEUE, 0)
    if hasattr(resource, "RLIMIT_NPROC"):
        used = _threads_of_user() if sys.platform == "linux" else 256
        _lower(resource.RLIMIT_NPROC, used + int(limits["processes"]))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a file that grows too large is an OSError, not a death
    os.nice(5)


def limit_cpu(seconds: float) -> None:
    """Let this process use at most `seconds` more of CPU time on each processor; it is killed when it does not stop."""
    seconds *= os.cpu_count() or 1
    used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    _lower(resource.RLIMIT_CPU, int(used + seconds) + 2)


def _lower(which: int, value: int) -> None:
    _, hard = resource.getrlimit(which)
    limit = value if hard == resource.RLIM_INFINITY else min(value, hard)
    with contextlib.suppress(ValueError, OSError):  # macOS refuses some; the monitor of the supervisor stands behind
        resource.setrlimit(which, (limit, limit))


def _address_space() -> int:
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[0]) * resource.getpagesize()
    except (OSError, ValueError):
        return 1 << 30


def _threads_of_user() -> int:
    """Threads that this user has running, as far as /proc shows them: RLIMIT_NPROC counts them all."""
    total, uid = 0, os.getuid()
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                if os.stat(f"/proc/{entry}").st_uid == uid:
                    total += len(os.listdir(f"/proc/{entry}/task"))
            except OSError:
                continue
    return total


def _limits_of_containers() -> list[str]:
    """The files that say how many processors and how much memory this process's container may use."""
    files = ("cpu.max", "memory.max", "memory.high", "cpu.cfs_quota_us", "cpu.cfs_period_us", "memory.limit_in_bytes")
    with contextlib.suppress(OSError, ValueError), open("/proc/self/cgroup", encoding="utf-8") as lines:
        own = [line.rstrip("\n").split(":", 2)[1:] for line in lines]
        roots = [os.path.join("/sys/fs/cgroup", group) for group, _ in own] + ["/sys/fs/cgroup/cpu"]
        folders = {*roots, *(root + path.rstrip("/") for root, (_, path) in zip(roots, own, strict=False))}
        return [os.path.join(folder, name) for folder in sorted(folders) for name in files]
    return []


def _drop_capabilities() -> None:
    """Give up root's powers when started as root; without any this does nothing."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    for capability in range(64):
        libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    libc.capset(header, (ctypes.c_uint32 * 6)())
