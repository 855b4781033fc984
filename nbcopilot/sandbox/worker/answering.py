"""The side of the answer: what it made is looked up, called and shown, for a judge in another process.

Nothing that is said here decides: the judge rebuilds plain values and compares them itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import io
import itertools
import operator
import socket
import traceback
from collections.abc import Mapping
from typing import Any

from nbcopilot.sandbox.worker.channel import Channel, Ended
from nbcopilot.sandbox.worker.crossing import Crossing
from nbcopilot.sandbox.worker.describe_value import describe
from nbcopilot.sandbox.worker.source import execute

MAX_ITEMS = 10_000


class Answering:
    """Serves the requests of a judge on the namespace that the answer left, until the judge is gone."""

    def __init__(self, end: socket.socket, namespace: dict[str, Any], base: Mapping[str, Any]) -> None:
        self._channel = Channel(end)
        self._namespace = namespace
        self._held: dict[int, Any] = {}
        self._crossing = Crossing(base, self._export, self._refer, trusts=True)

    def serve(self) -> None:
        """Answer until the channel is closed."""
        with contextlib.suppress(Ended):
            while True:
                self._channel.send(self._reply(self._channel.receive()))

    def _reply(self, request: Mapping[str, Any]) -> dict[str, Any]:
        printed = io.StringIO()
        try:
            with contextlib.redirect_stdout(printed):
                reply = self._do(request)
        except Ended:
            raise
        except BaseException as exc:
            reply = {"error": self._told(exc)}
        return {**reply, "printed": printed.getvalue()[:1_000_000]}

    def _do(self, request: Mapping[str, Any]) -> dict[str, Any]:
        what = str(request["do"])
        if what == "run":
            execute(str(request["source"]), "example", self._namespace)
            return {"value": None}
        if what == "name":
            return {"value": self._crossing.write(self._namespace[str(request["name"])])}
        read, write = self._crossing.read, self._crossing.write
        arguments = [read(raw) for raw in request["args"]]
        named = {str(name): read(raw) for name, raw in request.get("named", {}).items()}
        before = [write(value) for value in arguments]
        value = _ACTIONS[what](*arguments, **named)
        after = [write(value) for value in arguments]
        return {
            "value": write(value),
            "after": [new if new != old else None for new, old in zip(after, before, strict=True)],
        }

    def _export(self, value: Any) -> dict[str, Any]:
        number = next((n for n, held in self._held.items() if held is value), len(self._held))
        self._held[number] = value
        shown = describe(value, 2000)
        kind = "ref"
        if inspect.iscoroutine(value):
            kind = "awaited"
        elif hasattr(type(value), "__next__"):
            kind = "iterator"
        elif isinstance(value, type) and issubclass(value, BaseException):
            kind = "exception"
        names = [base.__name__ for base in value.__mro__] if isinstance(value, type) else []
        return {
            "t": kind,
            "id": number,
            "names": names,
            "type": shown["type"],
            "repr": shown["repr"],
            "digest": shown["digest"],
        }

    def _refer(self, raw: dict[str, Any]) -> Any:
        if raw.get("t") == "callback":
            return lambda *args, **named: self._call_back(int(raw["id"]), args, named)
        return self._held[int(raw["id"])]

    def _call_back(self, number: int, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Call a function of the judge's, which may ask us in the meantime."""
        write = self._crossing.write
        self._channel.send(
            {"callback": number, "args": [write(a) for a in args], "named": {k: write(v) for k, v in named.items()}}
        )
        while "do" in (message := self._channel.receive()):
            self._channel.send(self._reply(message))
        if "raised" in message:
            raise RuntimeError(str(message["raised"]))
        return self._crossing.read(message["returned"])

    def _told(self, exc: BaseException) -> dict[str, Any]:
        lines = [f.lineno for f in traceback.extract_tb(exc.__traceback__) if f.filename == "example"]
        return {
            "names": [base.__name__ for base in type(exc).__mro__],
            "args": [self._crossing.write(argument) for argument in exc.args],
            "text": str(exc)[:2000],
            "line": lines[0] if lines else 0,
        }


def _wait(made: Any) -> Any:
    return asyncio.new_event_loop().run_until_complete(made)


_ACTIONS: dict[str, Any] = {
    "call": lambda function, *args, **named: function(*args, **named),
    "attribute": getattr,
    "all": lambda value: list(itertools.islice(value, MAX_ITEMS)),
    "next": next,
    "await": _wait,
    "text": str,
    "isinstance": isinstance,
    "hash": hash,
    "len": len,
    "bool": bool,
    "set": operator.setitem,
    **{name: getattr(operator, name) for name in ("getitem", "contains", "eq", "ne", "lt", "le", "gt", "ge", "add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and_", "or_", "xor", "neg")},
}  # fmt: skip
