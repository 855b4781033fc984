"""Rules of other packages: found by entry point, named when they fail, left out when they never end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

SAMPLE = Path(__file__).parent / "sample_package"
ASK = """
import json
from nbcopilot.checks import registry
from nbcopilot.checks.rule import Subject
found = [list(registry.detect(Subject("print(1)"), "static")) for _ in range(2)]
print(json.dumps([[registry.line(d) for d in some] for some in found]))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sample package installed by pip, as a user would."""
    folder = tmp_path_factory.mktemp("site")
    quiet = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "install", *quiet, "--target", str(folder), str(SAMPLE)]
    subprocess.run(command, check=True, cwd=folder)
    return folder


def run(folder: Path, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH", "")]))
    return subprocess.run(
        [sys.executable, *words], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=120
    )


def test_a_package_adds_rules_that_are_explained_like_our_own(installed: Path) -> None:
    done = run(installed, ["-m", "nbcopilot", "rule", "tm101"])
    assert done.returncode == 0 and done.stdout.startswith("# TM101 no-print\n"), done
    listed = run(installed, ["-m", "nbcopilot", "rule", "--all", "--json"])
    answer = json.loads(listed.stdout.splitlines()[-1])
    assert {"NB101", "TM101", "TM102"} <= {rule["code"] for rule in answer["rules"]}
    assert "team_rules_that_is_not_there" in answer["broken"]["missing"]


def test_a_rule_that_raises_is_named_and_one_that_loops_is_left_out(installed: Path) -> None:
    done = run(installed, ["-c", ASK])
    assert done.returncode == 0, done.stderr
    first, second = json.loads(done.stdout)
    raised = "NB001: Rule TM102 failed and was skipped: LookupError: no line 7"
    assert first == [
        "TM101: The team logs and does not print (line 1)",
        raised,
        "NB002: Rule TM103 did not finish in 2 s and is left out from now on",
    ]
    assert second == first[:2]


def test_an_unknown_code_is_answered_with_the_nearest() -> None:
    done = run(SAMPLE, ["-m", "nbcopilot", "rule", "undefined-nmae"])
    assert done.returncode == 2 and "Did you mean NB101?" in done.stderr
