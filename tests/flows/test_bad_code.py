"""Code that no sane check should survive, checked in a real kernel: one sentence each, nothing lost, the kernel untouched."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from driver import FrontEnd, text_of

pytestmark = pytest.mark.kernel

SETUP = """
import json, os, threading
import numpy as np
from nbcopilot.checks.registry import message
from nbcopilot.checks.wording import evidence_json
from nbcopilot.config import Config
from nbcopilot.judge import Judge
from nbcopilot.types import Candidate, Notebook, Target, Task
from pathlib import Path

kept = [1, 2, 3]
lock = threading.Lock()
numbers = (n for n in range(3))
handle = open("data.txt")
double = lambda x: 2 * x
huge = np.zeros(5 * 2**30 // 8)  # five gigabytes that nobody has touched yet
HERE = Notebook(path=Path("n.ipynb").resolve())

def verdict(code):
    # the checks as a magic runs them, on this kernel's variables
    seconds = 1.5 if code == "while True: pass" else 60.0  # a busy machine must not be what ends the others
    judge = Judge(Config(check_seconds=seconds, check_memory_mb=512), namespace=get_ipython().user_ns)
    _, found = judge.check(Candidate(code), Task("generate", "do it"), HERE)
    said = evidence_json(found.evidence).get("not_run") or next(map(message, found.errors), "")
    print(json.dumps({"ok": found.ok, "run": found.checks.get("run"), "said": said, "evidence": {k: v for k, v in evidence_json(found.evidence).items() if k in ("changes", "files", "creates")}}))

def tests_for(code):
    judge = Judge(Config(check_total_seconds=100.0), namespace=get_ipython().user_ns)
    candidate, found = judge.check(Candidate("def test_it():\\n    assert True"), Task("testgen", target=Target(code)), HERE)
    notes = [message(f) for f in found.diagnostics]
    print(json.dumps({"ok": found.ok, "said": notes, "text": candidate.text, "tests": evidence_json(found.evidence).get("tests", 0)}))
"""
UNTOUCHED = "[kept, lock.locked(), next(iter([1])), handle.closed, huge.nbytes, os.getcwd(), sorted(os.listdir('.'))]"

RUNS = [
    ("loops for ever", "while True: pass", "not-run", "it did not finish in 1.5 s"),
    ("allocates for ever", "x = []\nwhile True: x.append(bytearray(10_000_000))", "not-run", "it needs more memory than a check may use"),
    ("forks", "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass", "failed", "started more than 32 processes"),
    ("writes ten gigabytes", "f = open('big', 'wb')\nwhile True: f.write(bytes(50_000_000))", "failed", "OSError"),
    ("prints a gigabyte", "for _ in range(1000): print('x' * 1_000_000)", "", ""),
    ("deletes its folder", "import os, shutil\nshutil.rmtree(os.getcwd())", "", ""),
    ("deletes the data", "import os\nos.remove('data.txt')", "passed", ""),
    ("kills its parent", "import os\nos.kill(os.getppid(), 9)", "", ""),
    ("needs stdin", "name = input('name? ')", "not-run", "waits for keyboard input"),
    ("changes the working directory", "import os\nos.chdir('/')\nwhere = os.getcwd()", "passed", ""),
    ("imports what writes a file", "import side_effect", "passed", ""),
    ("is not Python", "SELECT * FROM kept;", "not-run", "invalid syntax"),
    ("awaits at the top level", "import asyncio\nawait asyncio.sleep(0)\ndone = 1", "passed", ""),
    ("magics", "%cd /\n!touch gone.txt\n%timeit -n1 -r1 1 + 1", "", ""),
    ("what cannot be pickled", "next(numbers), lock.acquire(), handle.read()", "not-run", "could not be copied"),
    ("a lambda", "four = double(2)", "not-run", "needs `double`, which could not be copied"),
    ("five gigabytes", "total = huge.sum()", "not-run", "which could not be copied (5.4 GB)"),
    ("changes a variable", "kept.append(4)", "passed", ""),
]  # fmt: skip


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontEnd]:
    folder = tmp_path_factory.mktemp("work")
    (folder / "data.txt").write_text("data")
    (folder / "side_effect.py").write_text("open('written_by_import.txt', 'w').close()\n")
    with FrontEnd(nbformat.v4.new_notebook(), cwd=folder, env={**os.environ, "NBCOPILOT_MODEL": "fake"}) as opened:
        shown = text_of(opened.run(SETUP, timeout=120))
        assert "Error" not in shown, shown
        yield opened


def asked(front: FrontEnd, call: str, code: str) -> dict[str, Any]:
    shown = text_of(front.run(f"{call}({code!r})", timeout=180))
    assert "Traceback" not in shown, shown
    found: dict[str, Any] = json.loads(shown.strip().splitlines()[-1])
    return found


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("code", "run", "says"), [row[1:] for row in RUNS], ids=[row[0] for row in RUNS])
def test_the_check_says_one_sentence_and_the_kernel_is_as_it_was(
    front: FrontEnd, code: str, run: str, says: str
) -> None:
    before = text_of(front.run(UNTOUCHED))
    found = asked(front, "verdict", code)
    assert not run or found["run"] == run, found
    assert says.lower() in found["said"].lower() and "\n" not in found["said"], found
    assert found["ok"] or found["said"], "a rejection has its reason"
    assert text_of(front.run(UNTOUCHED)) == before


def test_a_change_is_listed_and_not_made(front: FrontEnd) -> None:
    assert asked(front, "verdict", "kept.append(4)\nnew = 1")["evidence"] == {"changes": ["kept"], "creates": ["new"]}
    assert asked(front, "verdict", "open('out.csv', 'w').write('x')")["evidence"]["files"] == ["out.csv"]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("x = 1", "there is no function or class to test"),
        ("def nothing():\n    pass", ""),
        ("import random\ndef roll(n: int):\n    return random.SystemRandom().random()", "differs from run to run"),
        ("import time\ndef stamp(n: int):\n    return time.time_ns()", "differs from run to run"),
        ("def ask(n: int):\n    return input('?')", "no test that passes on the code could be made"),
        ("import urllib.request\ndef fetch(url: str):\n    return urllib.request.urlopen(url).read()", ""),
        ("def hang(n: int):\n    while True: pass", "`hang` was not recorded"),
    ],
)
def test_what_cannot_be_tested_is_said_and_no_test_is_bent(front: FrontEnd, code: str, says: str) -> None:
    found = asked(front, "tests_for", code)
    assert any(says.lower() in note.lower() for note in found["said"]) or (found["ok"] and not says), found
    assert found["tests"] == 0 or found["ok"]
    assert "2" in text_of(front.run("1 + 1"))


def test_the_folder_is_as_it_was(front: FrontEnd) -> None:
    names = text_of(front.run("sorted(os.listdir('.'))"))
    assert Path("data.txt").name in names
    for name in ("big", "gone.txt", "out.csv", "written_by_import.txt"):
        assert f"'{name}'" not in names
