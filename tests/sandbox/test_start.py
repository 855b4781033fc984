"""What a run reports, at every level that this machine has."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import ANY

import pytest

from nbcopilot.checks import wording
from nbcopilot.errors import SandboxUnavailableError
from nbcopilot.execution import Job, Limits, RunReport, Shown
from nbcopilot.policy import LEVELS
from nbcopilot.sandbox import bubblewrap, child
from nbcopilot.sandbox.mounts import Surroundings
from nbcopilot.sandbox.start import Sandbox, describe_level, waited
from nbcopilot.sandbox.worker import landlock

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork and no sandbox")
HERE = [*(["bubblewrap"] if bubblewrap.program() else []), *(["landlock"] if landlock.version() else []), "rlimits"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("notebook")
    (path / "small.csv").write_text("a,b\n1,2\n")
    (path / "inputs").mkdir()
    (path / "inputs" / "deep.txt").write_text("deep")
    (path / "helpers_here.py").write_text("VALUE = 7\n")
    (path / "large.bin").write_bytes(bytes(1_500_000))
    return path


@pytest.fixture(scope="module", params=HERE)
def box(request: pytest.FixtureRequest, folder: Path) -> Iterator[Sandbox]:
    with Sandbox(level=request.param, data_dir=folder) as made:
        yield made


def run(box: Sandbox, code: str, *setup: str, **limits: float) -> RunReport:
    return box.run(Job(codes=(code,), setup=setup, limits=Limits(**limits)))[0]  # type: ignore[arg-type]


def test_an_interpreter_in_a_hidden_folder_beside_the_notebook_is_shown(tmp_path: Path) -> None:
    python = tmp_path / ".venv"
    python.mkdir()
    place = Surroundings((str(python),), (), str(tmp_path), str(tmp_path / "elsewhere"), ())
    line = bubblewrap.command(place, 64)
    folder = [at for at, path in enumerate(line) if path == str(tmp_path)]
    shown = max(at for at, path in enumerate(line) if path == str(python))
    assert line[shown - 2] == "--ro-bind-try"
    assert line[folder[0] - 1] == "--tmpfs" and line[folder[-1] - 1] == "--remount-ro"
    assert folder[0] < shown < folder[-1]


@pytest.mark.parametrize("level", HERE)
def test_a_package_is_the_one_that_this_process_would_import(
    level: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("attr", "json"):  # an installed package, and one of the standard library's, which the sandbox rests on
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("VALUE = 7\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with Sandbox(level=level) as box:
        box.warm(["attr"])
        assert run(box, "import attr\nattr.VALUE").result == Shown("int", "7", digest=ANY)


def test_a_clean_run(box: Sandbox) -> None:
    report = run(box, "import math\nprint('hi')\nx = [1, 2]\nx + [math.floor(3.5)]")
    assert report.ok and report.ran and report.intact and report.level == box.level
    assert report.stdout == "hi\n"
    assert report.result is not None and (report.result.repr, report.result.type) == ("[1, 2, 3]", "list")
    assert list(report.created) == ["x"] and report.imported == ("math",)


def test_what_it_does_to_the_variables(box: Sandbox) -> None:
    setup = "a = [1]\nb = {'k': 1}\nc = 3\nd = 'text'\nimport json"
    report = run(box, "a.append(2)\nb = {'k': 1}\ndel c\ne = 5\n_private = 6", setup)
    assert list(report.changed) == ["a"]  # b is another object with the same contents
    assert report.deleted == ("c",)
    assert list(report.created) == ["e"]


def test_reserved_names_count_as_changed(box: Sandbox) -> None:
    (report,) = box.run(Job(codes=("df = 1\nnew = 2",), reserved=frozenset({"df"})))
    assert list(report.changed) == ["df"] and list(report.created) == ["new"]


def test_a_module_imported_again_is_no_change(box: Sandbox) -> None:
    (report,) = box.run(Job(codes=("import math as m\nnew = m.pi",), reserved=frozenset({"m"})))
    assert report.changed == {} and list(report.created) == ["new"]


def test_an_error_has_its_line_and_only_the_author_s_frames(box: Sandbox) -> None:
    report = run(box, "def f(x):\n    return 1 / x\n\nf(0)")
    assert not report.ok and report.error is not None
    assert (report.error.name, report.error.message, report.error.line) == ("ZeroDivisionError", "division by zero", 2)
    assert "nbcopilot" not in report.error.traceback and "return 1 / x" in report.error.traceback


def test_an_attribute_error_says_what_was_meant(box: Sandbox) -> None:
    report = run(box, "'abc'.uper()")
    assert report.error is not None and report.error.suggested("name") == ("upper",)


def test_endless_code_ends_with_its_line_and_output(box: Sandbox) -> None:
    report = run(box, "print('before')\nwhile True:\n    pass", seconds=0.5)
    assert report.timed_out and not report.ok and report.stdout == "before\n"
    assert report.error is not None and report.error.message == "did not finish in 0.5 s"


def test_code_that_cannot_be_stopped_is_killed(box: Sandbox) -> None:
    report = run(
        box, "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))\nwhile True: pass", seconds=0.5
    )
    assert report.timed_out and not report.ok


def test_memory_has_a_limit(box: Sandbox) -> None:
    report = run(box, "x = bytearray(900_000_000)", memory_mb=256)
    assert report.memory_exceeded and not report.ok


def test_output_has_a_limit(box: Sandbox) -> None:
    report = run(box, "print('x' * 1_000_000)")
    assert len(report.stdout) < 21_000 and "more characters" in report.stdout


def test_the_notebook_s_folder_is_there_to_read(box: Sandbox) -> None:
    code = "import os, helpers_here\nopen('small.csv').read(), open('inputs/deep.txt').read(), len(open('large.bin', 'rb').read()), helpers_here.VALUE"
    report = run(box, code)
    assert report.result is not None and report.result.repr == "('a,b\\n1,2\\n', 'deep', 1500000, 7)", report


def test_files_are_written_to_a_copy_and_listed(box: Sandbox, folder: Path) -> None:
    report = run(
        box,
        "open('new.txt', 'w').write('x')\nopen('small.csv', 'a').write('3,4')\nopen('inputs/deep.txt', 'w').write('y')",
    )
    assert report.ok
    assert {(f.path, f.new) for f in report.files} == {
        ("new.txt", True),
        ("small.csv", False),
        ("inputs/deep.txt", False),
    }
    assert (folder / "inputs" / "deep.txt").read_text() == "deep"
    assert not (folder / "new.txt").exists() and (folder / "small.csv").read_text() == "a,b\n1,2\n"
    assert run(box, "import os\nos.path.exists('new.txt')").result.repr == "False"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import urllib.request\nurllib.request.urlopen('http://example.org')", "needs the network"),
        ("import os\nos.environ['API_KEY']", "needs the environment variable API_KEY"),
        ("input('name? ')", "waits for keyboard input"),
        ("import sys\nsys.stdin.read()", "waits for keyboard input"),
        ("get_ipython().run_line_magic('pip', 'install x')", "installs packages"),
        ("get_ipython().run_line_magic('unknown', '')", "uses the magic %unknown"),
        ("raise RuntimeError('Found no NVIDIA driver on your system')", "needs a GPU"),
    ],
)
def test_what_only_the_user_s_own_session_can_do_is_said(box: Sandbox, code: str, why: str) -> None:
    report = run(box, code)
    assert not report.ok and report.needs is not None and wording.why(report.needs).startswith(why), report


def test_overwriting_large_data_is_not_held_against_the_code(box: Sandbox, folder: Path) -> None:
    report = run(box, "open('large.bin', 'wb').write(b'x')")
    assert not report.ok and report.needs, report
    assert (folder / "large.bin").stat().st_size == 1_500_000


def test_await_runs_at_the_top_level_and_asyncio_run_fails_as_in_a_kernel(box: Sandbox) -> None:
    assert run(box, "import asyncio\nawait asyncio.sleep(0)\n5").result.repr == "5"  # type: ignore[union-attr]
    report = run(box, "import asyncio\nasyncio.run(asyncio.sleep(0))")
    assert report.error is not None and "running event loop" in report.error.message


def test_warnings_are_collected(box: Sandbox) -> None:
    report = run(box, "import warnings\nwarnings.warn('old', FutureWarning)")
    assert report.ok and report.warnings == ("FutureWarning: old (line 2)",)


def test_plots_are_headless_and_counted(box: Sandbox) -> None:
    report = run(box, "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()", seconds=30)
    assert report.ok and report.plots == 1 and not report.warnings


def test_several_cells_run_on_copies_of_one_state(box: Sandbox) -> None:
    reports = box.run(Job(codes=("x.append(1)\nlen(x)", "x.append(1)\nlen(x)", "1 / 0"), setup=("x = []",)))
    assert [r.result.repr if r.result else None for r in reports] == ["1", "1", None]
    assert [r.ok for r in reports] == [True, True, False]


def test_a_replay_that_fails_is_not_the_code_s_fault(box: Sandbox) -> None:
    report = run(box, "x", "x = 1", "undefined_name")
    assert not report.ran and report.error is None
    assert report.setup_error is not None and report.setup_error.name == "NameError"


def test_examples_are_judged_apart(box: Sandbox) -> None:
    code = "made = []\ndef f(x):\n    made.append(x)\n    if x == 9:\n        while True: pass\n    return len(made)"
    examples = (
        {"kind": "equal", "call": "f(1)", "expected": "1"},
        {"kind": "equal", "call": "f(2)", "expected": "1"},
        {"kind": "equal", "call": "f(3)", "expected": "2"},
        {"kind": "assert", "source": "assert f(4) == 7"},
        {"kind": "equal", "call": "f(9)", "expected": "1"},
        {"kind": "raises", "call": "f()", "expected": "TypeError"},
        {"kind": "doctest", "call": "print(f(5))", "expected": "1"},
    )
    (report,) = box.run(Job(codes=(code,), examples=(examples,), limits=Limits(example_seconds=0.5)))
    assert [o.ok for o in report.outcomes] == [True, True, False, False, False, True, True]
    assert report.outcomes[2].got == "1" and report.outcomes[3].got == "1"
    assert report.outcomes[4].error == "did not finish in 0.5 s"


def test_a_run_that_ends_its_process_is_a_report(box: Sandbox) -> None:
    report = run(box, "import os\nos._exit(3)")
    assert not report.ok and report.error is not None and "exit code 3" in report.error.message
    assert run(box, "1").ok


def test_a_child_that_was_killed_is_replaced(box: Sandbox) -> None:
    assert run(box, "1").ok
    process = box._child
    assert process is not None
    process._process.kill()
    process._process.wait()
    assert run(box, "2").ok


def test_runs_from_several_threads_take_turns(box: Sandbox) -> None:
    seen: list[str] = []

    def work(number: int) -> None:
        report = run(box, f"{number} * 2")
        seen.append(report.result.repr if report.result else "")

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen, key=int) == ["0", "2", "4", "6", "8", "10"]


def test_what_a_thread_waits_for_others_is_counted_apart(box: Sandbox) -> None:
    before, done = waited(), threading.Event()

    def work() -> None:
        while not done.is_set():
            run(box, "import time\ntime.sleep(0.2)")

    other = threading.Thread(target=work)
    other.start()
    try:
        while waited() < before + 0.05:
            run(box, "1")
    finally:
        done.set()
        other.join()


def test_a_level_that_is_not_known_is_one_sentence() -> None:
    with pytest.raises(SandboxUnavailableError, match="no sandbox level 'docker'"):
        Sandbox(level="docker")


def test_a_level_that_is_not_here_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bubblewrap, "program", lambda: None)
    with (
        pytest.raises(SandboxUnavailableError, match="Bubblewrap is not installed"),
        Sandbox(level="bubblewrap") as made,
    ):
        made.warm()


def test_without_bubblewrap_the_next_level_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bubblewrap, "program", lambda: None)
    with Sandbox() as made:
        assert made.level == HERE[HERE.index("bubblewrap") + 1 if "bubblewrap" in HERE else 0]


def test_the_level_is_described_with_what_it_means() -> None:
    found = describe_level()
    assert found["level"] in LEVELS and found["detail"]


def test_a_data_folder_that_holds_the_home_folder_is_not_shared(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = tmp_path / "users" / "me"
    home.mkdir(parents=True)
    (tmp_path / "users" / "x.txt").write_text("x")
    monkeypatch.setenv("HOME", str(home))
    with Sandbox(level=HERE[0], data_dir=tmp_path / "users") as made:
        assert run(made, "import os\nos.listdir('.')").result.repr == "[]"  # type: ignore[union-attr]


def test_nothing_is_left_when_it_is_closed(tmp_path: Path) -> None:
    made = Sandbox(level=HERE[0], data_dir=tmp_path)
    made.warm()
    process = made._child
    assert process is not None
    made.close()
    assert process._process.poll() is not None
    assert process not in child.alive


def test_the_scratch_folder_goes_with_its_owner_and_not_with_a_forked_copy(tmp_path: Path) -> None:
    code = """
import os, sys
from nbcopilot.sandbox.start import Sandbox
made = Sandbox(level="rlimits")
made.warm()
folder = made._child._folder
if os.fork() == 0:
    sys.exit(0)  # as multiprocessing ends: exit hooks run
os.wait()
print(os.path.isdir(folder))
print(folder)
"""
    command = [sys.executable, "-W", "error", "-X", "dev", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    there, folder = done.stdout.split()[:2]
    assert there == "True" and not os.path.exists(folder), done
    assert "Warning" not in done.stderr and done.returncode == 0, done.stderr


def test_cells_may_together_take_longer_than_the_setup_may() -> None:
    limits = Limits(seconds=20, setup_seconds=1)
    with Sandbox() as sandbox:
        reports = sandbox.run(Job(codes=("import time; time.sleep(0.8)",) * 3, setup=("pass",), limits=limits))
    assert all(report.ok for report in reports), reports
