"""A model's chat template, rendered in a process of its own with limits of time, memory and length.

The shared engine serves everybody, so no folder's template may hold it up: `Template.render` takes CPU_SECONDS of
processor time (WALL_SECONDS on the clock) at most, whoever waits for it, and nothing goes on afterwards.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nbcopilot.engine.template_worker import CPU_SECONDS
from nbcopilot.errors import EngineError

WORKER = Path(__file__).with_name("template_worker.py")
WALL_SECONDS = 10.0
# A template that took all its time so often is tried no more: who waits behind it, or asks again, costs nothing.
TRIES = 3
# Characters of a template itself, and of a rendered conversation: so many times its own, and some more.
TEMPLATE_CHARACTERS, TIMES, BESIDE = 1_000_000, 8, 250_000
# What of the environment a template may see: the time zone, and what Windows needs to start a process.
KEPT = ("TZ", "SYSTEMROOT")


class TemplateRefused(Exception):
    """The template itself raised an error, or cannot be compiled; the reason is the message."""


class Template:
    """One chat template and its process, which starts now and ends with this object. Thread-safe.

    Raises EngineError for a template that is too long to be one.
    """

    def __init__(self, source: str) -> None:
        if len(source) > TEMPLATE_CHARACTERS:
            raise _unusable(f"it has {len(source)} characters, {TEMPLATE_CHARACTERS} are allowed")
        self._source = source
        self._lock = threading.Lock()
        self._ended = 0
        self._process: subprocess.Popen[bytes] | None = None
        with contextlib.suppress(OSError):  # said at the first rendering
            self._process = self._started()

    def render(self, messages: Sequence[Mapping[str, str]], bos: str, eos: str) -> str:
        """The conversation as one text. Raises TemplateRefused, EngineError when a limit was reached."""
        most = TIMES * sum(len(message["content"]) for message in messages) + BESIDE
        with self._lock:
            reply = self._ask({"messages": list(messages), "bos": bos, "eos": eos, "characters": most}, most)
        if "text" in reply:
            return str(reply["text"])
        error = str(reply.get("error"))
        raise _unusable(error) if reply.get("kind") == "limit" else TemplateRefused(error)

    def _ask(self, request: dict[str, Any], most: int) -> dict[str, Any]:
        if self._ended >= TRIES:
            raise _unusable(f"it was ended {self._ended} times after {CPU_SECONDS} s of computing")
        try:
            process = self._process or self._started()
        except OSError as exc:
            raise _unusable(f"its process does not start ({exc})") from exc
        self._process = process
        watch = threading.Timer(WALL_SECONDS, process.kill)
        watch.daemon = True
        watch.start()
        line = b""
        assert process.stdin is not None and process.stdout is not None
        with contextlib.suppress(OSError, ValueError):
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
            line = process.stdout.readline(12 * most + 1000)  # a character is at most twelve in JSON
        watch.cancel()
        with contextlib.suppress(ValueError, RecursionError):
            reply = json.loads(line)
            if isinstance(reply, dict):
                return reply
        self._process = None
        _end(process)
        self._ended += hasattr(signal, "SIGXCPU") and process.returncode == -signal.SIGXCPU
        raise _unusable(f"it was ended after {CPU_SECONDS} s of computing, or took too much memory")

    def _started(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-I", "-X", "utf8", str(WORKER), *_roots()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=os.sep,
            env={name: os.environ[name] for name in KEPT if name in os.environ},
            start_new_session=os.name == "posix",
        )
        weakref.finalize(self, _end, process)
        assert process.stdin is not None
        with contextlib.suppress(OSError):
            process.stdin.write(json.dumps({"template": self._source}).encode() + b"\n")
            process.stdin.flush()
        return process


def _roots() -> list[str]:
    """The folders that jinja2 is imported from: the process has no others beside the standard library's."""
    specs = [importlib.util.find_spec(name) for name in ("jinja2", "markupsafe")]
    return sorted({str(Path(spec.origin).parent.parent) for spec in specs if spec is not None and spec.origin})


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()


def _unusable(fact: str) -> EngineError:
    return EngineError(f"the model's chat template cannot be used: {fact}", hint="pick another model")
