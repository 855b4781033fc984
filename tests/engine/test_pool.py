"""The thread pool of the compiled kernels: a late thread never takes a piece of a newer job (it once did, and crashed)."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from nbcopilot.engine import native

SOURCES = Path(native.__file__).parent
STRESS = Path(__file__).parent.parent / "data" / "pool_stress.c"


def test_every_piece_runs_once_and_for_its_own_job(tmp_path: Path) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no C compiler: the kernels are not used here either")
    program = tmp_path / "stress"
    sources = [str(STRESS), str(SOURCES / "pool.c")]
    subprocess.run([compiler, "-O2", f"-I{SOURCES}", *sources, "-lpthread", "-o", str(program)], check=True)
    done = subprocess.run([str(program), "100000"], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout) == (0, "ok\n"), done.stdout
