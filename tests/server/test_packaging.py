"""What an install gives: one version, a lock without addresses, the extension in wheel and sdist, no node for either."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import nbcopilot

ROOT = Path(__file__).resolve().parents[2]
EXTENSION = ROOT / "labextension"
BUILT = ROOT / "nbcopilot" / "labextension"
LIMIT_BYTES = 60_000  # compressed, as a server sends them


def need(there: bool, reason: str) -> None:
    if not there and os.environ.get("CI"):
        pytest.fail(f"in CI nothing may skip: {reason}")
    if not there:
        pytest.skip(reason)


def test_python_and_typescript_have_one_version() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'dynamic = ["version"]' in project and 'path = "nbcopilot/_version.py"' in project
    package = json.loads((EXTENSION / "package.json").read_text(encoding="utf-8"))
    lock = json.loads((EXTENSION / "package-lock.json").read_text(encoding="utf-8"))
    source = (EXTENSION / "src" / "version.ts").read_text(encoding="utf-8")
    versions = {package["version"], lock["version"], lock["packages"][""]["version"]}
    assert versions == {nbcopilot.__version__}
    assert re.search(r"VERSION = '(.+)'", source)[1] == nbcopilot.__version__  # type: ignore[index]


def test_the_lock_names_no_registry_and_fits_the_package() -> None:
    package = json.loads((EXTENSION / "package.json").read_text(encoding="utf-8"))
    lock = json.loads((EXTENSION / "package-lock.json").read_text(encoding="utf-8"))
    assert not [name for name, entry in lock["packages"].items() if "resolved" in entry]
    for kind in ("devDependencies", "peerDependencies"):
        assert lock["packages"][""][kind] == package[kind], "run npm install in labextension/"


def test_every_setting_is_titled_described_and_has_a_default() -> None:
    schema = json.loads((EXTENSION / "schema" / "plugin.json").read_text(encoding="utf-8"))
    for name, setting in schema["properties"].items():
        assert {"title", "description", "default", "type"} <= set(setting), name


def test_the_style_uses_only_the_variables_of_jupyterlab() -> None:
    style = (EXTENSION / "style" / "base.css").read_text(encoding="utf-8")
    assert not re.findall(r"#[0-9a-fA-F]{3,8}\b|rgba?\(", style)
    assert not [name for name in re.findall(r"var\((--[\w-]+)", style) if not name.startswith("--jp-")]


def test_the_bundle_is_small() -> None:
    need((BUILT / "package.json").is_file(), "the extension is not built (make install, with Node.js)")
    size = sum(len(gzip.compress(path.read_bytes())) for path in (BUILT / "static").glob("*.js"))
    assert size <= LIMIT_BYTES, f"{size} bytes"


def test_wheel_and_sdist_carry_the_extension_and_need_no_node(distribution: Path, tmp_path: Path) -> None:
    wheel = zipfile.ZipFile(next(distribution.glob("*.whl"))).namelist()
    share = f"nbcopilot-{nbcopilot.__version__}.data/data/share/jupyter/labextensions/nbcopilot"
    assert f"{share}/package.json" in wheel
    assert f"{share}/install.json" in wheel
    assert any(name.startswith(f"{share}/static/remoteEntry") for name in wheel)
    config = f"nbcopilot-{nbcopilot.__version__}.data/data/etc/jupyter/jupyter_server_config.d/nbcopilot.json"
    assert config in wheel
    with tarfile.open(next(distribution.glob("*.tar.gz"))) as sdist:
        names = [name.partition("/")[2] for name in sdist.getnames()]
        assert "nbcopilot/labextension/package.json" in names
        assert "labextension/src/index.ts" in names
        assert not [name for name in names if "node_modules" in name]
        sdist.extractall(tmp_path / "unpacked", filter="data")
    folder = next((tmp_path / "unpacked").iterdir())
    environ = {**os.environ, "PATH": str(Path(sys.executable).parent)}  # no npm there
    again = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "again")]
    done = subprocess.run(again, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    rebuilt = zipfile.ZipFile(next((tmp_path / "again").glob("*.whl"))).namelist()
    assert sorted(rebuilt) == sorted(wheel)
