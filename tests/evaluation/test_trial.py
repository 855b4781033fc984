"""The trial says passed only for a script that ran to its end, and nothing that a script does outlives it."""

from __future__ import annotations

import psutil
import pytest
from serving import eventually

from nbcopilot.evaluation.trial import run_script


def test_a_script_that_ends_passes_and_its_output_is_kept() -> None:
    trial = run_script("print('hello')")
    assert trial.ok
    assert trial.output == "hello\n"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("assert 1 == 2, 'one is not two'", "AssertionError: one is not two"),
        ("def f(:", "SyntaxError: invalid syntax"),
        ("exit()", "left before its tests had run"),
        ("import os\nos._exit(0)", "left before its tests had run"),
        ("input()", "EOFError: EOF when reading a line"),
        ("x = bytearray(8 << 30)", "MemoryError"),
    ],
)
def test_a_script_that_does_not_reach_its_end_fails_with_the_reason(source: str, reason: str) -> None:
    trial = run_script(source)
    assert not trial.ok
    assert trial.reason == reason


@pytest.mark.parametrize("source", ["while True: pass", "import time\ntime.sleep(60)"])
def test_a_script_that_does_not_end_is_a_timeout(source: str) -> None:
    assert run_script(source, seconds=1).reason == "timeout"


def test_a_script_cannot_pass_by_writing_the_verdict_itself() -> None:
    assert not run_script("open('verdict', 'w').write('yes')\nimport os\nos._exit(0)").ok


def test_children_of_a_script_are_gone_afterwards() -> None:
    source = "import subprocess\nprint(subprocess.Popen(['sleep', '60']).pid)"
    pid = int(run_script(source).output)

    def is_gone() -> bool:
        try:
            return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE  # dead, and nobody in this container reaps
        except psutil.NoSuchProcess:
            return True

    assert eventually(is_gone), f"process {pid} is still there"


def test_files_are_given_and_one_can_be_kept() -> None:
    trial = run_script(
        "open('out.txt', 'w').write(open('in.txt').read().upper())", files={"in.txt": "abc"}, keep="out.txt"
    )
    assert trial.ok
    assert trial.kept == "ABC"
