"""Free memory and processors, with the limits of containers."""

from __future__ import annotations

from pathlib import Path

import psutil

from nbcopilot.models.machine import Processors, memory, processors

MB = 1 << 20


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text + "\n")
    return root


def test_this_machine_answers() -> None:
    found = memory()
    assert 0 < found.free <= found.total <= psutil.virtual_memory().total
    assert 1 <= processors().usable <= processors().logical


def test_without_cgroups_the_machine_decides(tmp_path: Path) -> None:
    assert memory(tmp_path).limit == "machine"
    assert processors(tmp_path).quota is None


def test_cgroup_v2_limit_counts_cache_as_free(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "proc/self/cgroup": "0::/job",
            "sys/fs/cgroup/job/memory.max": str(100 * MB),
            "sys/fs/cgroup/job/memory.current": str(70 * MB),
            "sys/fs/cgroup/job/memory.stat": f"anon 1\ninactive_file {20 * MB}",
            "sys/fs/cgroup/job/cpu.max": "150000 100000",
        },
    )
    found = memory(root)
    assert (found.total, found.free, found.limit) == (100 * MB, 50 * MB, "container")
    assert processors(root).quota == 1.5


def test_tightest_enclosing_group_wins(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "proc/self/cgroup": "0::/outer/inner",
            "sys/fs/cgroup/outer/memory.max": str(40 * MB),
            "sys/fs/cgroup/outer/memory.current": str(10 * MB),
            "sys/fs/cgroup/outer/inner/memory.max": "max",
            "sys/fs/cgroup/outer/inner/memory.current": str(10 * MB),
            "sys/fs/cgroup/outer/cpu.max": "max 100000",
        },
    )
    assert memory(root).free == 30 * MB
    assert processors(root).quota is None


def test_cgroup_v1_inside_a_container_whose_outer_path_is_not_mounted(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "proc/self/cgroup": "4:memory:/docker/abc\n1:cpu,cpuacct:/docker/abc",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": str(64 * MB),
            "sys/fs/cgroup/memory/memory.usage_in_bytes": str(60 * MB),
            "sys/fs/cgroup/memory/memory.stat": f"total_inactive_file {6 * MB}",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "200000",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
        },
    )
    assert memory(root).free == 10 * MB
    assert processors(root).quota == 2.0


def test_no_limit_of_cgroup_v1_is_no_limit(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "proc/self/cgroup": "4:memory:/",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": "1",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
        },
    )
    assert memory(root).limit == "machine"
    assert processors(root).quota is None


def test_usable_processors_are_never_none() -> None:
    assert Processors(8, 8, 0.5).usable == 1
    assert Processors(8, 4, None).usable == 4
    assert Processors(8, 8, 2.5).usable == 2
