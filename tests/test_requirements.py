"""What is installed: every import is declared, floors exclude known holes, the lock has all of it with hashes."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements" / "lock.txt"
EXTRAS = ("demo", "test", "browser", "batch", "hub")
# Distributions that are imported by another name, and modules that come with one that is declared or are looked for.
NAMES = {
    "IPython": "ipython",
    "_pytest": "pytest",
    "distributed": "dask",
    "jupyter_ydoc": "jupyter-collaboration",
    "markdown_it": "markdown-it-py",
    "pycrdt": "jupyter-collaboration",
    "stdnum": "python-stdnum",
}
LOOKED_FOR = {"dask_gateway", "llama_cpp"}
# (package, the last version with the hole, what it is)
HOLES = [
    ("torch", "2.5.1", "CVE-2025-32434: torch.load(weights_only=True) runs code"),
    ("torch", "2.7.1", "CVE-2025-3730"),
    ("jinja2", "3.1.5", "CVE-2025-27516: attr leaves the sandbox"),
    ("starlette", "0.49.0", "CVE-2025-62727: quadratic Range"),
    ("transformers", "4.52.4", "CVE-2025-5197 and others: quadratic patterns"),
    ("jupyter_server", "2.14.0", "CVE-2024-35178"),
    ("jupyterlab", "4.4.7", "CVE-2025-59842, CVE-2024-43805"),
    ("h11", "0.15.0", "CVE-2025-43859: request smuggling"),
    ("tornado", "6.5.2", "CVE-2025-67724, -67725, -67726"),
    ("filelock", "3.20.2", "CVE-2025-68146, CVE-2026-22701"),
    ("pip", "25.3", "CVE-2026-1703"),
    ("nbconvert", "7.16.6", "CVE-2025-53000"),
    ("cryptography", "46.0.4", "CVE-2026-26007"),
    ("aiohttp", "3.13.2", "CVE-2025-69223"),
]


def project() -> dict[str, Any]:
    return dict(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"])


def declared(*extras: str) -> list[Requirement]:
    optional = project()["optional-dependencies"]
    return [Requirement(line) for line in [*project()["dependencies"], *(line for e in extras for line in optional[e])]]


def locked() -> list[tuple[Requirement, int]]:
    """(pin, number of hashes) of each entry."""
    entries = re.split(r"\n(?=\S)", LOCK.read_text(encoding="utf-8"))
    return [
        (Requirement(entry.split(" \\\n")[0]), entry.count("--hash=sha256:"))
        for entry in entries
        if not entry.startswith("#")
    ]


def test_every_import_is_declared() -> None:
    names = {canonicalize_name(r.name) for r in declared(*EXTRAS)}
    wrong = set()
    for path in (ROOT / "nbcopilot").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                modules = [node.module or ""]
            for module in (m.split(".")[0] for m in modules):
                if module in sys.stdlib_module_names or module in LOOKED_FOR | {"nbcopilot", "tomllib"}:
                    continue
                if canonicalize_name(NAMES.get(module, module)) not in names:
                    wrong.add(f"{path.relative_to(ROOT)} imports {module}")
    assert not wrong, "\n".join(sorted(wrong))


@pytest.mark.parametrize(("name", "version", "hole"), HOLES, ids=[f"{n} {v}" for n, v, _ in HOLES])
def test_no_floor_lets_in_a_known_hole(name: str, version: str, hole: str) -> None:
    found = [r for r in declared(*EXTRAS) if canonicalize_name(r.name) == canonicalize_name(name)]
    assert found, f"{name} is not declared"
    assert not any(r.specifier.contains(version) for r in found), f"{found[0]} takes {version}: {hole}"


def test_every_dependency_has_a_floor() -> None:
    bare = [str(r) for r in declared(*EXTRAS, "release", "bench") if not any(s.operator == ">=" for s in r.specifier)]
    assert not bare


def test_the_lock_pins_and_hashes_all_that_pyproject_needs() -> None:
    pins = locked()
    unpinned = [str(pin) for pin, hashes in pins if hashes == 0 or [s.operator for s in pin.specifier] != ["=="]]
    assert not unpinned
    for python in ("3.10", "3.11", "3.12", "3.13", "3.14"):
        place = {"python_version": python, "python_full_version": f"{python}.1", "sys_platform": "linux", "extra": ""}
        here = [pin for pin, _ in pins if pin.marker is None or pin.marker.evaluate(place)]
        versions = {canonicalize_name(pin.name): next(iter(pin.specifier)).version for pin in here}
        assert len(versions) == len(here), "a package is pinned twice for one Python"
        for need in declared(*EXTRAS):
            if need.name == "torch" or (need.marker and not need.marker.evaluate(place)):
                continue
            version = versions.get(canonicalize_name(need.name))
            assert version, f"{need.name} is not in the lock for Python {python}: `make lock`"
            assert need.specifier.contains(Version(version), prereleases=True), f"{need} and {version}: `make lock`"


def test_the_lock_leaves_torch_to_the_makefile_and_names_no_server() -> None:
    text = LOCK.read_text(encoding="utf-8")
    names = {canonicalize_name(pin.name) for pin, _ in locked()}
    assert "torch" not in names and not any(name.startswith("nvidia-") for name in names)
    assert "://" not in text and not re.search(r"^-", text, re.MULTILINE)
    torch = re.search(r"^TORCH *\?= *torch==(\S+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert torch and next(r for r in declared() if r.name == "torch").specifier.contains(torch[1])
    assert f'TORCH = "torch=={torch[1]}"' in (ROOT / "scripts" / "lock.py").read_text()


def test_the_bill_of_materials_lists_what_is_installed(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "scripts" / "sbom.py"), "--output", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    bom = json.loads((tmp_path / "sbom.cdx.json").read_text())
    assert (bom["bomFormat"], bom["specVersion"]) == ("CycloneDX", "1.6"), done.stderr
    components = {component["name"]: component for component in bom["components"]}
    assert {"torch", "jinja2", "transformers", "markupsafe"} <= set(components)
    assert all(component["version"] and component["purl"].startswith("pkg:pypi/") for component in components.values())
    assert sum("licenses" in component for component in components.values()) > 0.9 * len(components)
    refs = {component["bom-ref"] for component in components.values()} | {bom["metadata"]["component"]["bom-ref"]}
    assert {ref for entry in bom["dependencies"] for ref in (entry["ref"], *entry["dependsOn"])} <= refs
    table = (tmp_path / "licences.md").read_text()
    assert "| jinja2 |" in table and "BSD" in table


def test_an_audit_that_could_look_nothing_up_is_no_success() -> None:
    files = [ROOT / "Makefile", *(ROOT / ".github" / "workflows").glob("*.yml")]
    calls = [line for file in files for line in file.read_text().splitlines() if "-m pip_audit" in line]
    assert len(calls) >= 3
    assert all("--strict" in call for call in calls)
