"""Two hundred damaged model files: each is refused in one sentence, or computed; none crashes, hangs or shows a traceback.

With the kernels under AddressSanitizer where gcc has it. scripts/fuzz_model_files.py runs thousands.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from nbcopilot.engine import device

from .sanitizing import ROOT, runtime

COUNT, SECONDS = 200, 400


def test_no_damage_of_a_model_file_crashes_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    if device.kernels()[0] is None:
        pytest.skip("no kernels here: what they would be given is tested in test_layout.py")
    command = [sys.executable, str(ROOT / "scripts" / "fuzz_model_files.py"), "--count", str(COUNT)]
    command += ["--seconds", str(SECONDS), *(["--sanitize"] if runtime() else [])]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS + 150, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    said = json.loads(done.stdout.splitlines()[-1])
    assert (said["traceback"], said["crash"], said["hang"]) == (0, 0, 0)
    assert said["cases"] == COUNT or said["seconds"] >= SECONDS
    assert said["refused"] > 10 and said["computed"] > 3  # the damage is neither none nor all
