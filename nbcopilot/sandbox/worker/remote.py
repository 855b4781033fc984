"""The judge's side: what an answer made, as plain values where it is plain, else as a stand-in that asks its process.

A stand-in is equal to no plain value and has no order or arithmetic with one, whatever its class says of itself.
"""

from __future__ import annotations

import builtins
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from nbcopilot.sandbox.worker.channel import Channel, Ended
from nbcopilot.sandbox.worker.crossing import Crossing


class Answer:
    """The process of an answer as its judge sees it. base: the names that both had before the answer ran."""

    def __init__(self, end: socket.socket, base: Mapping[str, Any]) -> None:
        self._channel = Channel(end)
        self._given: list[Callable[..., Any]] = []
        self._crossing = Crossing(base, self._export, self._refer, trusts=False)

    def name(self, name: str) -> Any:
        """The value of a variable of the answer. Raises KeyError when there is none."""
        return self._value({"do": "name", "name": name}, ())

    def run(self, source: str) -> None:
        """Run statements where the answer ran; raises what they raise, as far as that process says so."""
        self._value({"do": "run", "source": source}, ())

    def ask(self, what: str, *args: Any, named: Mapping[str, Any] | None = None) -> Any:
        """What an action gives for these arguments, which are changed where the answer has changed them."""
        write = self._crossing.write
        request = {
            "do": what,
            "args": [write(a) for a in args],
            "named": {k: write(v) for k, v in (named or {}).items()},
        }
        return self._value(request, args)

    def _value(self, request: dict[str, Any], args: tuple[Any, ...]) -> Any:
        self._channel.send(request)
        while "callback" in (reply := self._channel.receive()):
            self._channel.send(self._called_back(reply))
        sys.stdout.write(str(reply.get("printed", "")))
        try:
            if "error" in reply:
                raise self._exception(reply["error"])
            for argument, raw in zip(args, reply.get("after") or (), strict=False):
                if raw is not None:
                    put_back(argument, self._crossing.read(raw))
            return self._crossing.read(reply.get("value"))
        except (ValueError, TypeError, KeyError, AttributeError, ImportError) as exc:
            if "error" in reply:
                raise
            raise Ended(f"a value that cannot be read: {exc}") from exc

    def _called_back(self, message: Mapping[str, Any]) -> dict[str, Any]:
        try:
            function = self._given[int(message["callback"])]
            named = {str(k): self._crossing.read(v) for k, v in message["named"].items()}
            return {"returned": self._crossing.write(function(*map(self._crossing.read, message["args"]), **named))}
        except Ended:
            raise
        except Exception as exc:
            return {"raised": str(exc)[:500]}

    def _export(self, value: Any) -> dict[str, Any]:
        if isinstance(value, Remote):
            return {"t": "ref", "id": object.__getattribute__(value, "_id")}
        if not callable(value):
            raise TypeError(f"a {type(value).__name__} cannot be handed to the answer")
        self._given.append(value)
        return {"t": "callback", "id": len(self._given) - 1}

    def _refer(self, raw: dict[str, Any]) -> Any:
        if raw.get("t") == "exception":
            return exception_class([str(name) for name in raw["names"]])
        if raw.get("t") == "awaited":
            return self._awaited(raw)
        kind = {"ref": Remote, "iterator": RemoteIterator}[str(raw.get("t"))]
        return kind(self, int(raw["id"]), str(raw.get("repr")), str(raw.get("digest")))

    async def _awaited(self, raw: dict[str, Any]) -> Any:
        return self.ask("await", Remote(self, int(raw["id"]), "", ""))

    def _exception(self, raw: dict[str, Any]) -> BaseException:
        kind = exception_class([str(name) for name in raw["names"]])
        arguments = [self._crossing.read(argument) for argument in raw["args"]]
        made = kind.__new__(kind)
        made.args = tuple(a for a in arguments if not isinstance(a, Remote)) or (str(raw["text"]),)
        made.line = int(raw.get("line") or 0)  # type: ignore[attr-defined]
        return made


_classes: dict[tuple[str, ...], type[BaseException]] = {}


def exception_class(names: list[str]) -> type[BaseException]:
    """A class with these names of itself and its bases, below the first of Python's own exceptions among them."""
    key = tuple(names[:20])
    if key not in _classes:
        known = (getattr(builtins, name, None) for name in key)
        base = next((k for k in known if isinstance(k, type) and issubclass(k, BaseException)), Exception)
        made: type[BaseException] = base
        for name in reversed(key[: key.index(base.__name__)] if base.__name__ in key else key[:1]):
            lower = tuple(key[key.index(name) :])
            made = _classes.setdefault(lower, type(name, (made,), {"__module__": "builtins", "line": 0}))
        _classes[key] = type(base.__name__, (base,), {"__module__": "builtins", "line": 0}) if made is base else made
    return _classes[key]


def put_back(old: Any, new: Any) -> None:
    """Give a value that can be changed the contents of another of its kind."""
    if isinstance(old, (list, bytearray)):
        old[:] = new
    elif isinstance(old, (dict, set)):
        old.clear()
        old.update(new)
    elif hasattr(old, "_update_inplace"):
        old._update_inplace(new)
    elif hasattr(old, "shape") and hasattr(new, "shape"):
        old[...] = new
    elif type(old) is type(new) and hasattr(old, "__dict__"):
        vars(old).clear()
        vars(old).update(vars(new))


class Remote:
    """An object that stays where the answer ran."""

    __slots__ = ("_answer", "_digest", "_id", "_repr")

    def __init__(self, answer: Answer, number: int, text: str, digest: str) -> None:
        for name, value in (("_answer", answer), ("_id", number), ("_repr", text), ("_digest", digest)):
            object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _ask(self, "attribute", name)

    def __call__(self, *args: Any, **named: Any) -> Any:
        return object.__getattribute__(self, "_answer").ask("call", self, *args, named=named)

    def __repr__(self) -> str:
        return str(object.__getattribute__(self, "_repr"))

    def __str__(self) -> str:
        text = _ask(self, "text")
        return text if type(text) is str else ""

    def __getitem__(self, key: Any) -> Any:
        return _ask(self, "getitem", key)

    def __setitem__(self, key: Any, value: Any) -> None:
        _ask(self, "set", key, value)

    def __iter__(self) -> Iterator[Any]:
        items = _ask(self, "all")
        return iter(items if type(items) is list else [])

    def __contains__(self, item: Any) -> bool:
        return _ask(self, "contains", item) is True

    def __len__(self) -> int:
        return int(_ask(self, "len"))

    def __bool__(self) -> bool:
        return _ask(self, "bool") is True

    def __hash__(self) -> int:
        return hash(("remote", _ask(self, "hash")))

    def __instancecheck__(self, value: Any) -> bool:
        return isinstance(value, Remote) and _ask(value, "isinstance", self) is True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Remote) and _ask(self, "eq", other) is True


class RemoteIterator(Remote):
    """An iterator that stays where the answer ran."""

    __slots__ = ()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return _ask(self, "next")


def _ask(self: Remote, what: str, *args: Any) -> Any:
    return object.__getattribute__(self, "_answer").ask(what, self, *args)


def _between(what: str) -> Callable[[Remote, object], Any]:
    def method(self: Remote, other: object) -> Any:
        return _ask(self, what, other) if isinstance(other, Remote) else NotImplemented

    return method


for _name in ("lt", "le", "gt", "ge", "add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and_", "or_", "xor"):  # fmt: skip
    setattr(Remote, f"__{_name.rstrip('_')}__", _between(_name))
