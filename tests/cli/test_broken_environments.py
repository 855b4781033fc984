"""Environments that lack a part x every command: one sentence and a right exit code each, never a traceback.

The commands come from the parser, so that a new one is tried too. Each runs in a fork of one process that stands in
the broken environment: Python and the command line start in it as they do for a user.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from nbcopilot.cli.main import parser

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs fork and POSIX permissions")

FAKE = ["--model", "fake", "--engine", "in-process"]
# Nothing is run in the sandbox, which has its own tests: the matrix is large.
QUICK = [*FAKE, "--no-check"]
# What each command is called with; NB is a notebook, PY a module. None: it would go on for ever.
CALLS: dict[str, list[list[str]] | None] = {
    "document": [["NB", "--dry-run", *FAKE], ["NB", "--in-place", "--json", *FAKE], ["NB", "--check"]],
    "strip": [["NB", "--in-place"], ["NB", "-o", "out"]],
    "finish": [["NB", "--in-place"]],
    "generate": [["add two numbers ü🚀", "--json", *QUICK], ["add", "--notebook", "NB", "--write", *QUICK]],
    "explain": [["PY", *QUICK]],
    "testgen": [["PY::double", *QUICK]],
    "fix": [["NB", "--in-place", *QUICK]],
    "test": [["NB"]],
    "replay": [["NB"]],
    "audit": [["NB", "--json"]],
    "models": [["list"], ["verify"], ["rm", "no-such-model"]],
    "doctor": [[], ["--json"]],
    "serve": None,
    "stop": [[]],
    "status": [[]],
    "eval": [["humaneval", "--data", "missing.jsonl"]],
    "bench": [["--help"]],
    "trust": [["."], ["--list"]],
    "rule": [["NB101"], ["--all"]],
    "forget": [[], ["--older-than", "1d"]],
    "config": [[], ["--json"]],
    "keys": [["add", "ada"], ["list", "--json"], ["usage"], ["revoke", "nobody"]],
}
NO_HOME = {
    "HOME": None,
    "XDG_CACHE_HOME": None,
    "XDG_CONFIG_HOME": None,
    "XDG_RUNTIME_DIR": None,
    "XDG_STATE_HOME": None,
}
OURS = dict.fromkeys(("NBCOPILOT_CACHE_DIR", "NBCOPILOT_CONFIG_DIR", "NBCOPILOT_RUNTIME_DIR", "NBCOPILOT_STATE_DIR"))
SEALED = "sealed/inside"
# Environment variables (None: unset), and what the driver does besides.
BROKEN: dict[str, tuple[dict[str, str | None], str]] = {
    "no home folder": ({**NO_HOME, **OURS}, "nobody"),
    "no home folder and a relative TMPDIR": ({**NO_HOME, **OURS, "TMPDIR": "nowhere"}, "nobody"),
    "home is no folder": ({**OURS, "HOME": "/dev/null/x", "XDG_RUNTIME_DIR": None}, ""),
    "home cannot be written": ({**OURS, "HOME": SEALED, "XDG_RUNTIME_DIR": None}, "nobody"),
    "nothing can be written": ({**OURS, "HOME": SEALED, "TMPDIR": SEALED, "XDG_RUNTIME_DIR": SEALED}, "sealed nobody"),
    "the working folder is gone": ({}, "gone"),
    "the notebook is read-only": ({}, "readonly nobody"),
    "all standard streams closed": ({}, "closed"),
    "standard output is full": ({}, "full"),
    "the reader of standard output is gone": ({}, "pipe"),
    "no locale, no UTF-8 mode": ({"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, ""),
    "cp1252": ({"PYTHONIOENCODING": "cp1252"}, ""),
    "ascii, strict": ({"PYTHONIOENCODING": "ascii:strict", "PYTHONUTF8": "0"}, ""),
    "an empty PATH": ({"PATH": ""}, ""),
    "a dumb terminal without size": ({"TERM": "dumb", "COLUMNS": "0", "LINES": "0"}, ""),
    "no TERM": ({"TERM": None, "COLUMNS": "nonsense"}, ""),
    "an optional package lacks": ({}, "missing"),
}
DRIVER = """
import json, os, sys
spec = json.loads(sys.argv[1])
words = spec["how"].split()
if "missing" in words:
    for name in ("fsspec", "distributed", "rich", "jupytext"):
        sys.modules[name] = None
import traceback
from nbcopilot.cli.main import main

def run(words):
    # What the interpreter makes of `sys.exit(main())`.
    sys.argv = ["nbcopilot", *words]
    try:
        code = main()
    except SystemExit as exc:
        code = exc.code or 0
    except BaseException:
        traceback.print_exc()
        return 1
    try:
        sys.stdout.flush()
    except Exception as exc:
        print("Exception ignored on flushing sys.stdout:", repr(exc), file=sys.stderr)
        code = 120
    sys.stderr.flush()
    return code

results = []
for call in spec["calls"]:
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            if "gone" in words:
                os.mkdir(spec["gone"]); os.chdir(spec["gone"]); os.rmdir(spec["gone"])
            log = os.open(call["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
            out = log
            if "full" in words:
                out = os.open("/dev/full", os.O_WRONLY)
            if "pipe" in words:
                ends = os.pipe(); os.close(ends[0]); out = ends[1]
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0); os.dup2(out, 1); os.dup2(log, 2)
            if "closed" in words:
                os.close(0); os.close(1); os.close(2)
                os.execve(sys.executable, [sys.executable, "-c", spec["start"], *call["words"]], os.environ)
            code = run(call["words"])
        finally:
            os._exit(code)
    results.append({"words": call["words"], "log": call["log"], "pid": pid})
    results[-1]["rc"] = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
print(json.dumps(results))
"""
# A user without an entry in the user database, who may not write where the owner may not.
NOBODY = ["unshare", "--user", "--map-user=54321", "--map-group=54321"]
START = "import sys; from nbcopilot.cli.main import main; sys.exit(main())"


def commands() -> list[str]:
    """Every command that the parser knows."""
    actions = [a for a in parser()._actions if isinstance(a, argparse._SubParsersAction)]
    return sorted(actions[0].choices)


def test_every_command_is_tried_in_every_broken_environment() -> None:
    assert set(CALLS) == set(commands())
    assert len(BROKEN) >= 15


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_environment_is_one_sentence(name: str, tmp_path: Path) -> None:
    variables, how = BROKEN[name]
    if "nobody" in how and subprocess.run([*NOBODY, "true"], capture_output=True).returncode:
        pytest.skip("no user namespaces here")
    work = tmp_path / "work"
    work.mkdir()
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("for i in range(3):\n    print(i, 'ü🚀')")])
    nbformat.write(notebook, work / "book.ipynb")
    (work / "module.py").write_text(
        "def double(x: int) -> int:\n    '''Twice `x` ü.'''\n    return 2 * x\n", encoding="utf-8"
    )
    (tmp_path / "sealed").mkdir(mode=0o555)
    logs = tmp_path / "logs"
    logs.mkdir()
    for folder in (tmp_path, work, logs, *tmp_path.parents[:2]):
        folder.chmod(0o777 if folder in (work, logs) else 0o755)
    if "readonly" in how:
        (work / "book.ipynb").chmod(0o444)
        work.chmod(0o555)
    if "sealed" in how:
        work.chmod(0o555)
    names = {
        "NB": str(work / "book.ipynb"),
        "PY": str(work / "module.py"),
        "PY::double": f"{work / 'module.py'}::double",
    }
    calls = [
        {"words": [command, *(names.get(word, word) for word in words)], "log": str(logs / f"{command}-{i}.txt")}
        for command, found in CALLS.items()
        for i, words in enumerate(found or [])
    ]
    for call in calls:
        Path(call["log"]).touch()
        Path(call["log"]).chmod(0o666)
    # Never the folders of who runs the tests: `models rm`, `forget` and `trust` are among the commands.
    base = {**os.environ, "HOME": str(tmp_path / "home"), "PYTHONDONTWRITEBYTECODE": "1"}
    base |= {f"NBCOPILOT_{kind}_DIR": str(tmp_path / kind.lower()) for kind in ("CACHE", "CONFIG", "RUNTIME", "STATE")}
    merged = {**base, **{k: str(tmp_path / v) if v == SEALED else v for k, v in variables.items()}}
    env = {key: value for key, value in merged.items() if value is not None}
    spec = {"calls": calls, "how": how, "start": START, "gone": str(logs / "gone")}
    done = subprocess.run(
        [*(NOBODY if "nobody" in how else []), sys.executable, "-c", DRIVER, json.dumps(spec)],
        cwd=work,
        env=env,
        capture_output=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-2000:]
    results: list[dict[str, Any]] = json.loads(done.stdout.decode().splitlines()[-1])
    wrong = []
    for one in results:
        said = Path(one["log"]).read_bytes().decode("utf-8", "replace")
        if one["rc"] not in (0, 1, 2, 3) or "Traceback" in said or "Exception ignored" in said:
            wrong.append(f"{' '.join(one['words'])} -> {one['rc']}\n{said[-700:]}")
        elif one["rc"] in (2, 3) and not said.strip() and "closed" not in how:
            wrong.append(f"{' '.join(one['words'])} -> {one['rc']}, and nothing is said")
    assert not wrong, "\n\n".join(wrong)
