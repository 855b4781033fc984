"""The kernel of a stateful session: a child process with a real IPython shell, driven by `suites.stateful`.

Started as `python -m nbcopilot.evaluation.worker`; takes verbs with their arguments as JSON on stdin and answers on the
stdout it was started with. An answer is judged in a forked child, so the session's own state is never touched:
that is the snapshot and the restore of the protocol. What the child says comes back as JSON and is never unpickled; it
gets the reference's values, and the token that its verdict must carry, only after the answer has run.

Runs what a model wrote, under limits of time only. That guards against accidents and against answers that write to
files or pipes at random; an answer that was written against this very module can still falsify its own verdict.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import secrets
import struct
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from types import FunctionType, ModuleType
from typing import IO, Any, cast

from IPython.core.displayhook import DisplayHook
from IPython.core.interactiveshell import InteractiveShell

from nbcopilot.config import Config
from nbcopilot.evaluation.compare import changed, difference
from nbcopilot.evaluation.forking import MOST_BYTES, Fork
from nbcopilot.evaluation.validators import checks_of
from nbcopilot.notebook import live
from nbcopilot.notebook.profile import transfer

TOKEN_BYTES = 32
HIDDEN = {"In", "Out", "exit", "quit", "open", "get_ipython"}


class SilentHook(DisplayHook):
    """Keeps results in `Out`, prints nothing: what a cell printed is then only what its code printed."""

    def write_output_prompt(self) -> None:
        """Nothing."""

    def write_format_data(self, format_dict: Any, md_dict: Any = None) -> None:
        """Nothing."""


class Worker:
    """The session's shell and the verbs of the protocol."""

    def __init__(self) -> None:
        warnings.simplefilter("ignore")
        # IPython's own annotations stop here: the shell is Any from now on.
        self.shell: Any = cast(Any, InteractiveShell)(displayhook_class=SilentHook)
        self.shell.history_manager.enabled = False
        self.shell._showtraceback = lambda *_: None

    def run(self, source: str) -> tuple[str, str]:
        """Run a cell for good: (error or "", what it showed as text)."""
        done = _execute(self.shell, source)
        shown = done["stream"] + ("" if done["result"] is None else _text(self.shell, done["result"]))
        return done["error"], shown

    def snapshot(self) -> dict[str, Any]:
        """What a magic in the next cell would see of the live namespace; see `suites.stateful`."""
        seen = live.snapshot(self.shell, "", None, Config())
        variables = None if seen.namespace is None else [asdict(variable) for variable in seen.namespace]
        state = transfer.as_json(seen.state)
        return {"language": seen.language, "names": sorted(seen.names), "namespace": variables, "state": state}

    def judge(self, answer: str, reference: str, validator: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """{"ok", "reason", "checks", "excluded"} for `answer`, from the present state, which stays as it is."""
        token = secrets.token_hex(16)
        with tempfile.TemporaryDirectory(prefix="nbcopilot-session-", ignore_cleanup_errors=True) as name:
            # Forked first: nothing of the reference is in its memory while the answer runs.
            judged = Fork(lambda told: self._answer(answer, validator, told), Path(name, "answer"), seconds)
            with closing(judged):
                asked = Fork(lambda told: self._reference(reference, validator), Path(name, "reference"), seconds)
                with closing(asked):
                    found = asked.result()
                if not found:
                    return _excluded("the reference does not end in time here")
                head, _, values = found.partition(b"\n")
                if error := json.loads(head)["error"]:
                    return _excluded(f"the reference fails here: {error}")
                return _verdict(judged.result(token.encode() + values), token, seconds)

    def _reference(self, source: str, validator: Mapping[str, Any]) -> bytes:
        """A line of JSON with the error, then the values, pickled: read only where an answer is judged."""
        before = _copies(self.shell.user_ns)
        done = _execute(self.shell, source)
        names = validator.get("namespace_check") or {}
        values = {name: self.shell.user_ns.get(name) for name in names}
        touched = _changes(before, self.shell.user_ns)
        found = {"result": done["result"], "stream": done["stream"], "touched": touched, "values": values}
        return json.dumps({"error": done["error"]}).encode() + b"\n" + pickle.dumps(found)

    def _answer(self, source: str, validator: Mapping[str, Any], told: Callable[[], bytes]) -> bytes:
        """The verdict as JSON. told: waits for the token and the reference's values."""
        before = _copies(self.shell.user_ns)
        originals = [part for _, copy in before.values() for part in _with_columns(copy)]
        done = _execute(self.shell, source)
        message = told()
        token, reference = message[:TOKEN_BYTES].decode(), pickle.loads(message[TOKEN_BYTES:])
        checks: dict[str, str] = {}
        for name, options in checks_of(validator).items():
            if name == "crash":
                checks[name] = done["error"]
            elif name == "namespace_intact":
                spoilt = {
                    n: how for n, how in _changes(before, self.shell.user_ns).items() if n not in reference["touched"]
                }
                checks[name] = ", ".join(f"{n} was {how}" for n, how in spoilt.items())
            elif name == "result":
                skip = reference["result"] is None  # the reference shows nothing: nothing to compare with
                asked = _with_dtypes(originals, reference["result"], options)
                checks[name] = "" if skip else difference(reference["result"], done["result"], asked)
            elif name == "stream":
                same = done["stream"].rstrip() == reference["stream"].rstrip()
                checks[name] = "" if same else f"printed {done['stream']!r:.150}"
            elif name == "namespace_check":
                asked = {
                    n: _with_dtypes([before[n][1]] if n in before else [], value, options.get(n))
                    for n, value in reference["values"].items()
                }
                checks[name] = _namespace(reference["values"], self.shell.user_ns, asked)
        failed = {name: reason for name, reason in checks.items() if reason}
        reason = "; ".join(f"{name}: {why}" for name, why in failed.items())
        passed = {name: name not in failed for name in checks}
        return json.dumps({"token": token, "ok": not failed, "reason": reason, "checks": passed}).encode()


def _verdict(said: bytes, token: str, seconds: float) -> dict[str, Any]:
    """The verdict in what a child said; one without the token, or of another form, is a crash."""
    if not said:
        return {"ok": False, "reason": f"crash: no end in {seconds:g} s", "checks": {"crash": False}}
    try:
        found = json.loads(said)
        ok, reason, checks = found["ok"], found["reason"], found["checks"]
        is_sound = (
            isinstance(ok, bool) and isinstance(reason, str) and all(isinstance(v, bool) for v in checks.values())
        )
        if is_sound and secrets.compare_digest(str(found["token"]), token):
            return {"ok": ok, "reason": reason, "checks": {str(name): value for name, value in checks.items()}}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    return {"ok": False, "reason": "crash: the verdict was tampered with", "checks": {"crash": False}}


def _execute(shell: Any, source: str) -> dict[str, Any]:
    """{"error", "result", "stream"} of one cell."""
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()):
        done = shell.run_cell(source, store_history=True)
    error = done.error_before_exec or done.error_in_exec
    message = "" if error is None else f"{type(error).__name__}: {error}"[:300] or "error"
    return {"error": message, "result": done.result, "stream": out.getvalue()}


def _text(shell: Any, value: Any) -> str:
    try:
        return str(shell.display_formatter.format(value)[0].get("text/plain", ""))
    except Exception as exc:
        return f"<{type(value).__name__}: {exc}>"


def _visible(namespace: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in namespace.items() if not name.startswith("_") and name not in HIDDEN}


def _copies(namespace: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Every variable with a copy of its value; what cannot be pickled stands for itself."""
    return {name: (value, _copy(value)) for name, value in _visible(namespace).items()}


def _copy(value: Any) -> Any:
    if isinstance(value, (ModuleType, FunctionType, type)):
        return value
    try:
        return pickle.loads(pickle.dumps(value))
    except Exception:
        return value


def _changes(before: Mapping[str, tuple[Any, Any]], namespace: Mapping[str, Any]) -> dict[str, str]:
    """{"name": "changed" or "deleted"} of the variables that were there before."""
    found = {}
    for name, (_, copy) in before.items():
        if name not in namespace:
            found[name] = "deleted"
        elif changed(copy, namespace[name]):
            found[name] = "changed"
    return found


def _namespace(expected: Mapping[str, Any], namespace: Mapping[str, Any], options: Mapping[str, Any]) -> str:
    for name, value in expected.items():
        if name not in namespace:
            return f"{name} is not there"
        if reason := difference(value, namespace[name], options.get(name)):
            return f"{name} {reason}"
    return ""


def _with_dtypes(before: Sequence[Any], expected: Any, options: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The options; with `dtype` where the reference changes nothing of a value but its dtypes."""
    only = any(not difference(v, expected) and difference(v, expected, {"dtype": True}) for v in before)
    return {**(options or {}), "dtype": True} if only else options


def _with_columns(value: Any) -> list[Any]:
    """The value, and of a data frame its columns too."""
    columns = type(value).__name__ == "DataFrame" and hasattr(value, "items")
    return [value, *(column for _, column in value.items())] if columns else [value]


def _excluded(reason: str) -> dict[str, Any]:
    return {"ok": False, "reason": reason, "checks": {}, "excluded": reason}


def read_message(stream: IO[bytes]) -> Any:
    """The next message, None at the end of the stream. Raises ValueError for what is no message."""
    head = stream.read(8)
    if len(head) < 8:
        return None
    size = struct.unpack("<Q", head)[0]
    if size > MOST_BYTES:
        raise ValueError(f"a message of {size} bytes")
    return json.loads(stream.read(size))


def write_message(stream: IO[bytes], message: Any) -> None:
    """Write one message of plain values."""
    data = json.dumps(message).encode()
    stream.write(struct.pack("<Q", len(data)) + data)
    stream.flush()


def main() -> None:
    """Serve until stdin ends. Cells that print or read cannot disturb the pipe: they get the null device."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    worker = Worker()
    verbs: dict[str, Callable[..., Any]] = {"run": worker.run, "snapshot": worker.snapshot, "judge": worker.judge}
    while (message := read_message(requests)) is not None:
        verb, arguments = message
        write_message(answers, verbs[verb](*arguments))


if __name__ == "__main__":
    main()
    sys.exit(0)
