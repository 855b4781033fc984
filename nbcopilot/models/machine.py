"""What this process may use of the machine: memory and processors, container limits included.

Reads only what the operating system shows; knows nothing of models or torch.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

# cgroup v1 says "no limit" with a number near 2**63.
_NO_LIMIT = 1 << 60


@dataclass(frozen=True)
class Memory:
    """Bytes in all and free for us; `limit` names what sets them: "machine" or "container"."""

    total: int
    free: int
    limit: str = "machine"


@dataclass(frozen=True)
class Processors:
    """Logical processors of the machine, those this process may run on, and the container's share (None: no quota)."""

    logical: int
    allowed: int
    quota: float | None = None

    @property
    def usable(self) -> int:
        """How many threads can truly run at once; at least 1."""
        return max(1, min(self.allowed, int(self.quota) if self.quota is not None else self.allowed))


def memory(root: Path = Path("/")) -> Memory:
    """Free memory as the tightest of the machine and every enclosing cgroup (v1 and v2) sees it.

    Page cache that the kernel would give back counts as free, as psutil's `available` has it.
    `root` is the file system's root: tests give one of their own.
    """
    machine = psutil.virtual_memory()
    best = Memory(machine.total, machine.available)
    for folder, version in _cgroups(root, "memory"):
        names = ("memory.max", "memory.current") if version == 2 else ("memory.limit_in_bytes", "memory.usage_in_bytes")
        limit, used = _number(folder / names[0]), _number(folder / names[1])
        if limit is None or used is None or limit >= _NO_LIMIT:
            continue
        cache = _stat(folder / "memory.stat", "inactive_file" if version == 2 else "total_inactive_file")
        free = max(0, limit - max(0, used - cache))
        if free < best.free:
            best = Memory(min(limit, machine.total), free, "container")
    return best


def processors(root: Path = Path("/")) -> Processors:
    """Processors of the machine, of this process's affinity mask, and of the tightest cgroup quota."""
    logical = os.cpu_count() or 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else logical
    quotas = []
    for folder, version in _cgroups(root, "cpu"):
        if version == 2:
            limit, _, period = _text(folder / "cpu.max").partition(" ")
        else:
            limit, period = _text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us")
        if limit.isdigit() and period.isdigit() and int(period) > 0:
            quotas.append(int(limit) / int(period))
    return Processors(logical, allowed, min(quotas) if quotas else None)


def _cgroups(root: Path, controller: str) -> Iterator[tuple[Path, int]]:
    """(folder, version) of our cgroup and all around it. Inside a container the outer path may not be mounted."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers == "":
            base, version = root / "sys/fs/cgroup", 2
        elif controller in controllers.split(","):
            base, version = root / "sys/fs/cgroup" / controllers, 1
            if not base.is_dir():
                base = root / "sys/fs/cgroup" / controller
        else:
            continue
        here = base / path.strip("/")
        for folder in (here, *here.parents):
            if folder.is_dir():
                yield folder, version
            if folder == base:
                break


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def _number(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text.isdigit() else None


def _stat(path: Path, key: str) -> int:
    for line in _text(path).splitlines():
        name, _, value = line.partition(" ")
        if name == key and value.isdigit():
            return int(value)
    return 0
