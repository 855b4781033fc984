"""The resident process: shared by all, started once, replaced, killed, idle. Real processes, the fake engine."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from serving import daemons, eventually, pid_of

from nbcopilot.config import Config
from nbcopilot.errors import (
    ConfigError,
    EngineUnavailableError,
    ModelNotFoundError,
    NbcopilotError,
    UnknownModelError,
)
from nbcopilot.inference import Message, Prompt, Sampling
from nbcopilot.serve import client, runtime
from nbcopilot.serve.complete import Gap

pytestmark = pytest.mark.server
FAKE = Config(model="fake")
# Four tokens a second: the beginning of an answer takes six seconds, in which even a busy machine gets at it.
SLOW, BEGINNING = Config(model="fake:4"), Sampling(max_tokens=24)
ASK = Prompt(messages=(Message("user", "write a function is_prime(n)"),))
PROGRAM = "def is_prime(n):"


def answer(engine: client.ResidentEngine, prompt: Prompt = ASK) -> str:
    return "".join(chunk.text for chunk in engine.generate(prompt, BEGINNING))


def status(place: Path) -> dict[str, Any]:
    found = client.status(place)
    assert found is not None
    return found


# --------------------------------------------------------------------------- one for all

ASKER = """
import sys
from nbcopilot.config import Config
from nbcopilot.serve.client import connect
from nbcopilot.inference import Message, Prompt, Sampling
engine = connect(Config(model="fake"))
text = "".join(c.text for c in engine.generate(Prompt(messages=(Message("user", "write a function is_prime(n)"),)), Sampling()))
sys.exit(0 if "def is_prime" in text else 1)
"""


def test_several_processes_share_one_engine_and_one_load(place: Path) -> None:
    askers = [subprocess.Popen([sys.executable, "-c", ASKER]) for _ in range(3)]  # started at the same moment
    assert [asker.wait(180) for asker in askers] == [0, 0, 0]
    assert PROGRAM in answer(client.connect(FAKE))
    assert eventually(lambda: len(daemons(place)) == 1)  # those that came too late are ending
    assert (status(place)["loads"], status(place)["answers"]) == (1, 4)


def test_engine_outlives_who_started_it_and_leaves_no_zombie(place: Path) -> None:
    subprocess.run([sys.executable, "-c", ASKER], check=True, timeout=180)
    first = pid_of(place)
    assert PROGRAM in answer(client.connect(FAKE)) and pid_of(place) == first
    assert psutil.Process(first).ppid() != os.getpid()


def test_second_connection_loads_nothing(place: Path) -> None:
    client.connect(FAKE)
    client.connect(FAKE)
    assert status(place)["loads"] == 1


def test_what_it_leaves_is_private(place: Path) -> None:
    client.connect(FAKE)
    record = runtime.read(place)
    assert record is not None and stat.S_IMODE(Path(record.socket).stat().st_mode) == 0o600
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    answer(client.connect(FAKE), Prompt(messages=(Message("user", "SENSITIVE TEXT"),)))
    assert "SENSITIVE" not in (place / "engine.log").read_text()


def test_log_is_rotated_and_bounded(tmp_path: Path) -> None:
    code = (
        "import logging, pathlib, sys; from nbcopilot.serve import daemon; daemon.LOG_BYTES = 2000;"
        "daemon._log_to(pathlib.Path(sys.argv[1]));"
        "[logging.getLogger('nbcopilot.serve').info('line %d', number) for number in range(500)]"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, timeout=60)
    logs = sorted(path.name for path in tmp_path.glob("engine.log*"))
    assert logs == ["engine.log", "engine.log.1", "engine.log.2"]
    assert all((tmp_path / name).stat().st_size <= 2000 for name in logs)
    assert "line 499" in (tmp_path / "engine.log").read_text()


def test_many_threads_at_the_first_moment_start_one(place: Path) -> None:
    with ThreadPoolExecutor(6) as threads:
        engines = list(threads.map(lambda _: client.connect(FAKE), range(6)))
    assert eventually(lambda: len(daemons(place)) == 1)
    assert {engine.describe().id for engine in engines} == {"fake"}


# --------------------------------------------------------------------------- errors of the start


def test_error_of_loading_comes_back_as_it_was_raised(
    place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NBCOPILOT_CACHE_DIR", str(tmp_path))
    with pytest.raises(ModelNotFoundError, match="not on this machine yet") as caught:
        client.connect(Config(model="qwen2.5-coder-0.5b"))
    assert "nbcopilot models pull" in caught.value.hint
    with pytest.raises(UnknownModelError, match="Unknown model `nonsense`"):
        client.connect(Config(model="nonsense"))
    with pytest.raises(ConfigError, match="not a fake model"):
        client.connect(Config(model="fake:fast"))
    assert PROGRAM in answer(client.connect(FAKE))  # the process itself is well


def test_folder_that_is_open_to_others_is_refused(place: Path) -> None:
    place.chmod(0o755)
    with pytest.raises(EngineUnavailableError, match="open to others"):
        client.connect(FAKE)
    place.chmod(0o700)
    assert daemons(place) == []


def test_start_that_fails_says_why(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "sitecustomize.py").write_text("raise SystemExit('broken environment')")
    monkeypatch.setenv("PYTHONPATH", str(place))
    with pytest.raises(EngineUnavailableError, match=r"did not start: .*broken environment"):
        client.connect(FAKE)


def test_wrong_setting_of_the_environment_says_which(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBCOPILOT_BEAMS", "many")
    with pytest.raises(NbcopilotError, match="`beams` in NBCOPILOT_BEAMS is 'many'"):
        client.connect(FAKE)


# --------------------------------------------------------------------------- killed


def test_kill_in_the_middle_gives_the_text_so_far_and_the_next_request_starts_a_new_one(place: Path) -> None:
    engine = client.connect(SLOW)
    first, text = pid_of(place), ""
    with pytest.raises(EngineUnavailableError, match="in the middle of the answer") as caught:
        for chunk in engine.generate(ASK, BEGINNING):
            text += chunk.text
            if len(text) > 5 and psutil.pid_exists(first):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(first, signal.SIGKILL)
    assert text.startswith("Here is") and "\n" not in caught.value.message
    assert PROGRAM in answer(engine)  # the very same engine object
    assert pid_of(place) != first and eventually(lambda: len(daemons(place)) == 1)


def test_kill_between_requests_is_not_noticed(place: Path) -> None:
    engine = client.connect(FAKE)
    answer(engine)
    os.kill(pid_of(place), signal.SIGKILL)
    assert engine.count("one two") > 0
    assert PROGRAM in answer(engine)


def test_socket_and_note_of_a_killed_engine_do_not_disturb(place: Path) -> None:
    client.connect(FAKE)
    old = runtime.read(place)
    assert old is not None
    psutil.Process(old.pid).kill()
    assert eventually(lambda: not daemons(place))
    assert Path(old.socket).exists() and client.status(place) is None
    assert PROGRAM in answer(client.connect(FAKE))
    assert not Path(old.socket).exists()


def test_killed_client_ends_its_answer(place: Path) -> None:
    client.connect(Config(model="fake:2"))  # half a minute for an answer
    code = ASKER.replace('"fake"', '"fake:2"').replace(
        "write a function is_prime(n)", "write a function is_prime(n) " * 2
    )
    asker = subprocess.Popen([sys.executable, "-c", code])
    assert eventually(lambda: status(place)["queue"]["running"] == 1)
    asker.kill()
    asker.wait()
    assert eventually(lambda: status(place)["queue"]["running"] == 0)
    assert status(place)["answers"] == 0


# --------------------------------------------------------------------------- replaced, stopped, idle

OTHER_VERSION = "import sys, nbcopilot._version as v; v.__version__ = {version!r}; sys.prefix = {prefix!r}; sys.argv = ['nbcopilot.serve.daemon']; import nbcopilot.serve.daemon as d; d.main(['--settings', '{{}}'])"


def start_other(place: Path, version: str, prefix: str) -> int:
    code = OTHER_VERSION.format(version=version, prefix=prefix)
    command = [sys.executable, "-c", code, "nbcopilot.serve.daemon"]
    environment = {**os.environ, "NBCOPILOT_MODEL": "fake:4"}
    started = subprocess.run(command, cwd=place, env=environment, stdout=subprocess.PIPE, timeout=180, check=True)
    assert b"ready" in started.stdout
    return pid_of(place)


@pytest.mark.parametrize(
    ("version", "prefix", "replaced"),
    [("0.0.1", "/another", True), ("99.0", sys.prefix, True), ("99.0", "/another", False), ("odd!", "/another", True)],
)
def test_engine_of_another_version_is_replaced(place: Path, version: str, prefix: str, replaced: bool) -> None:
    old = start_other(place, version, prefix)
    assert PROGRAM in answer(client.connect(FAKE))
    assert (pid_of(place) != old) is replaced
    assert eventually(lambda: len(daemons(place)) == 1)


def test_replacing_waits_for_running_answers(place: Path) -> None:
    start_other(place, "0.0.1", "/another")
    record = runtime.read(place)
    assert record is not None
    client._plain(place, record).post("/nbcopilot/load", {"model": "fake:4"})
    old = client._plain(place, record)
    running = old.generate(ASK, BEGINNING)
    text = next(running).text
    with ThreadPoolExecutor(1) as thread:
        new = thread.submit(client.connect, FAKE)
        text += "".join(chunk.text for chunk in running)
        assert PROGRAM in text
        assert PROGRAM in answer(new.result(120))
    assert pid_of(place) != record.pid


def test_stop_waits_for_running_answers_and_now_does_not(place: Path) -> None:
    engine = client.connect(SLOW)
    running = engine.generate(ASK, BEGINNING)
    text = next(running).text
    with ThreadPoolExecutor(1) as thread:
        stopping = thread.submit(client.stop, place)
        text += "".join(chunk.text for chunk in running)
        assert PROGRAM in text and stopping.result(120) == (True, 1)
    assert eventually(lambda: not daemons(place))

    running = engine.generate(ASK, BEGINNING)
    next(running)
    assert client.stop(place, now=True) == (True, 1)
    with pytest.raises(EngineUnavailableError):
        list(running)
    assert client.stop(place) == (True, 0)


def test_terminated_engine_cleans_up(place: Path) -> None:
    client.connect(FAKE)
    process = psutil.Process(pid_of(place))
    process.terminate()
    process.wait(60)
    assert runtime.read(place) is None and list(place.glob("*.sock")) == []


def test_idle_engine_stops_by_itself_but_not_under_way(place: Path) -> None:
    engine = client.connect(Config(model="fake:8", idle_minutes=0.03))
    assert PROGRAM in answer(engine)  # takes three seconds, the limit is 1.8
    assert eventually(lambda: not daemons(place))
    assert "stopping: idle for 1.8 s" in (place / "engine.log").read_text()
    assert PROGRAM in answer(engine)  # and is there again when it is needed


def test_engine_that_nobody_can_find_stops(place: Path) -> None:
    client.connect(FAKE)
    (place / "engine.json").unlink()
    assert eventually(lambda: not daemons(place))


# --------------------------------------------------------------------------- where there are no sockets


def test_without_sockets_it_listens_on_the_loopback_with_a_private_key(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = place / ("x" * 100)
    monkeypatch.setenv("NBCOPILOT_RUNTIME_DIR", str(deep))
    try:
        engine = client.connect(FAKE)
        assert PROGRAM in answer(engine)
        record = runtime.read(deep)
        assert record is not None and record.socket == "" and record.url.startswith("http://127.0.0.1:")
        assert stat.S_IMODE((deep / "engine.token").stat().st_mode) == 0o600
        with pytest.raises(EngineUnavailableError, match="refuses the key"):
            client.RemoteEngine(record.url).describe()
        os.kill(record.pid, signal.SIGKILL)
        assert PROGRAM in answer(engine)
    finally:
        client.stop(deep, now=True)
        for process in daemons(deep):
            process.kill()


# --------------------------------------------------------------------------- inline completion


def test_completion_is_remembered_by_the_process(place: Path) -> None:
    gap = Gap("def f(value):\n    return ", "\n")
    (*_, first) = client.connect(FAKE).suggest(gap)
    (*_, again) = client.connect(FAKE).suggest(Gap(gap.prefix + first.text[:2], "\n"))
    assert first.text == "value" and not first.cached
    assert again.text == "lue" and again.cached
    client.connect(FAKE).warm(gap)
    assert status(place)["inline"] == {"requests": 2, "from_memory": 1}
