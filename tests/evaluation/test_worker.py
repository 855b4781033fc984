"""The judge of sessions: an answer cannot write its own verdict, and nothing that it leaves runs elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

VALIDATOR = {"result": {}, "crash": True}
VERDICT = {"ok": True, "reason": "", "checks": {}}
WRITE_FD = "import os, json\nfor fd in range(64):\n    try: os.write(fd, {data!r})\n    except OSError: pass\n"
FORGED = json.dumps(VERDICT).encode()
ATTEMPTS = {
    "a file": f"open('../answer', 'wb').write({FORGED!r})\n",
    "a pickle": "import os, pickle\nclass E:\n    def __reduce__(self): return (os.system, ('touch {mark}',))\n"
    "open('../answer', 'wb').write(pickle.dumps(E()))\n",
    "a pickle in the reference's place": "import os, pickle\nclass E:\n    def __reduce__(self): return (os.system, ('touch {mark}',))\n"
    "open('../reference', 'wb').write(pickle.dumps(E()))\n",
    "every descriptor": WRITE_FD.format(data=FORGED),
    "every descriptor, as a message": WRITE_FD.format(data=len(FORGED).to_bytes(8, "little") + FORGED),
    "every descriptor, as a pickle": WRITE_FD.format(data=b"cposix\nsystem\n(S'touch {mark}'\ntR."),
    "every descriptor, too deep": WRITE_FD.format(data=b"[" * 100_000),
    "a verdict of another form": WRITE_FD.format(data=b'{{"ok": 1, "reason": [], "checks": 7, "token": null}}'),
    "leaving": "",
    "a child that stays": "import subprocess\nsubprocess.Popen(['sleep', '30'])\n",
}
ENDS = {
    "and out": "import os\nos._exit(0)",
    "and wrong": "x + 7",
    "and an error": "raise ValueError",
    "and a kill": "import os\nos.kill(os.getpid(), 9)",
}
DRIVER = """
import json, os, sys
from nbcopilot.evaluation.worker import Worker
out = os.fdopen(os.dup(1), "w")
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
worker = Worker()
worker.run("x = 1")
validator = {"result": {}, "crash": True}
for code in json.load(sys.stdin):
    print(json.dumps(worker.judge(code, "x + 1", validator, 5)), file=out, flush=True)
"""


def test_no_answer_forges_its_verdict_or_runs_elsewhere(tmp_path: Path) -> None:
    mark = tmp_path / "PWNED"
    codes = [text.replace("{mark}", str(mark)) + end for text in ATTEMPTS.values() for end in ENDS.values()]
    work = tmp_path / "work"
    work.mkdir()
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "IPYTHONDIR": str(tmp_path / "ipython")}
    done = subprocess.run(
        [sys.executable, "-c", DRIVER], input=json.dumps([*codes, "x + 1"]), cwd=work, env=env,
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    verdicts = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(verdicts) == len(codes) + 1, done.stderr[-2000:]
    for code, verdict in zip(codes, verdicts, strict=False):
        assert verdict["ok"] is False, code
    assert verdicts[-1]["ok"] is True
    assert not mark.exists()
    assert not [path for path in work.iterdir() if path.name != "ipython"]


@pytest.mark.parametrize("size", [0, 10, 300_000, 5_000_000])
def test_values_of_any_size_come_across(size: int, tmp_path: Path) -> None:
    from nbcopilot.evaluation.worker import Worker

    before = Path.cwd()
    os.chdir(tmp_path)
    try:
        worker = Worker()
        assert worker.judge(f"'a' * {size}", f"'a' * {size}", VALIDATOR, 10)["ok"]
        assert not worker.judge(f"'a' * {size} + 'b'", f"'a' * {size}", VALIDATOR, 10)["ok"]
    finally:
        os.chdir(before)
