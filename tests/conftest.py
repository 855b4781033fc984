"""What every test gets: its own settings, its own engine socket, and tiers that skip only when their need cannot be had."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # tests/driver.py
# A shell starts what runs in the background with Ctrl-C ignored, and children inherit that: tests of Ctrl-C need it.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def clean_settings(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No settings of the machine reach a test, and no test reaches the user's resident engine."""
    for name in list(os.environ):
        if name.startswith("NBCOPILOT_") and name != "NBCOPILOT_CACHE_DIR":
            monkeypatch.delenv(name)
    monkeypatch.setenv("NBCOPILOT_CONFIG_DIR", str(tmp_path_factory.mktemp("config")))
    folder = tmp_path_factory.mktemp("run")
    folder.chmod(0o700)
    monkeypatch.setenv("NBCOPILOT_RUNTIME_DIR", str(folder))
    if "JUPYTER_RUNTIME_DIR" not in os.environ:  # else servers of the user would be asked whether they have a file open
        monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(folder / "jupyter"))
    yield
    module = sys.modules.get("nbcopilot.session")
    if module is not None:
        module.reset()
    _stop_engine(folder)


def _stop_engine(folder: Path) -> None:
    """End the resident engine that a test has started: it would stay for half an hour, with its model."""
    if (folder / "engine.json").exists():
        from nbcopilot.serve import client

        client.stop(folder, now=True)


def evals() -> Path:
    """The folder of real benchmark splits and notebooks beside the checkout, when it is there."""
    return Path(__file__).resolve().parent.parent.parent / "shared" / "evals"


@pytest.fixture
def evals_folder() -> Path:
    """`evals()`; skips where it is absent, which in CI is a failure."""
    folder = evals()
    if not folder.is_dir():
        need(False, f"the benchmark splits are not beside the checkout ({folder.name}/)")
    return folder


def need(there: bool, reason: str) -> None:
    """Skip with `reason` when a need cannot be had; in CI that is a failure."""
    if there:
        return
    if os.environ.get("CI"):
        pytest.fail(f"in CI nothing may skip: {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def distribution(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the wheel and the sdist of the checkout, built as a user without Node.js would build them."""
    root = Path(__file__).resolve().parent.parent
    built = (root / "nbcopilot" / "labextension" / "package.json").is_file()
    need(built, "the JupyterLab extension is not built (make install, with Node.js)")
    environ = {**os.environ, "PATH": str(Path(sys.executable).parent)}  # no npm there
    assert shutil.which("npm", path=environ["PATH"]) is None
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    done = subprocess.run(build, cwd=root, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


@pytest.fixture
def chromium() -> str:
    """Path of a browser."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome") or ""
    need(bool(found), "no Chromium could be had")
    return found


# The comparison with other people's server needs what takes ten minutes to build: it is run by who asks for it.
collect_ignore = [] if importlib.util.find_spec("llama_cpp") else ["engine/test_remote_llama.py"]


def pytest_report_header() -> str:
    """Say what is not collected, and how it would be."""
    return "" if not collect_ignore else "not collected: engine/test_remote_llama.py (pip install nbcopilot[bench])"
