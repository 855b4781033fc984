"""What a fork does where its parent may send it no signal, as under Landlock before Linux 6.12."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from nbcopilot.sandbox.worker import landlock

STUBBORN = """
import os, signal
from nbcopilot.sandbox.worker import forks, own_end, seccomp
assert seccomp.install(signals_to=os.getpid(), freeze_modes=True, keep_session=True)
own_end.signals_are_refused()
def work():
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))
    while True: signal.sigtimedwait([], 1)
try:
    forks.in_child(work, 0.5)
except forks.ChildDied as died:
    print("late" if died.late else "early", died.signal)
"""


@pytest.mark.skipif(not landlock.version(), reason="this kernel has no Landlock")
def test_a_fork_that_blocks_all_signals_ends_where_its_parent_may_send_none() -> None:
    started = subprocess.run(
        [sys.executable, "-c", STUBBORN], capture_output=True, text=True, timeout=60, cwd=os.getcwd()
    )
    assert started.stdout.strip() == "late 9", started.stderr
