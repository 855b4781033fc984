"""A process that renders one chat template, for `templating`. Runs alone, on the standard library and jinja2.

A template is a program that came with a model. It computes in jinja2's immutable sandbox, and this process has limits
of its own on memory, files and processor time, so the worst that it can do is to end this process. Lines of JSON:
first {"template"}, then for each request {"messages", "bos", "eos", "characters"} -> {"text"} or {"error", "kind"}.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from datetime import datetime
from typing import Any

MEMORY_BYTES = 512 << 20
# Processor time of one rendering, in whole seconds; a template of a published model needs a millisecond.
CPU_SECONDS = 2
# The longest text or list that `*` makes, and the largest exponent.
LONGEST, MOST_POWER = 1_000_000, 1_000


class TooLong(Exception):
    """More text than a conversation may become."""


def main() -> None:
    """Serve until stdin ends."""
    sys.path.extend(sys.argv[1:])
    requests, replies = sys.stdin.buffer, sys.stdout.buffer
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    make = environment()
    _limit()
    template: Any = None
    source = json.loads(requests.readline())["template"]
    for line in requests:
        _allow_seconds()
        try:
            template = template or make.from_string(source)
            reply = {"text": _rendered(template, json.loads(line))}
        except (MemoryError, RecursionError, TooLong) as exc:
            template, reply = None, {"kind": "limit", "error": _fact(exc)}
        except Exception as exc:  # what a template of a stranger raises
            reply = {"kind": "template", "error": _fact(exc)}
        replies.write(json.dumps(reply).encode() + b"\n")
        replies.flush()


def environment() -> Any:
    """jinja2's immutable sandbox with what chat templates expect, and bounded arithmetic."""
    from jinja2 import TemplateError
    from jinja2.exceptions import SecurityError
    from jinja2.ext import loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Bounded(ImmutableSandboxedEnvironment):
        intercepted_binops = frozenset({"*", "**"})

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            if operator == "**" and (abs(right) > MOST_POWER or abs(left) > LONGEST):
                raise SecurityError(f"a power of {right} is larger than a chat template may compute")
            for many, count in ((left, right), (right, left)):
                if operator == "*" and hasattr(many, "__len__") and len(many) * count > LONGEST:
                    raise SecurityError(f"{count} times {len(many)} is longer than a chat template may make")
            return super().call_binop(context, operator, left, right)

    def refuse(message: str) -> None:
        raise TemplateError(message)

    def as_json(
        value: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, sort_keys: bool = False
    ) -> str:
        return json.dumps(
            value, ensure_ascii=bool(ensure_ascii), indent=indent, separators=separators, sort_keys=bool(sort_keys)
        )

    made = Bounded(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
    del made.globals["lipsum"]
    made.globals["raise_exception"] = refuse
    made.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    made.filters["tojson"] = as_json
    return made


def _rendered(template: Any, request: dict[str, Any]) -> str:
    pieces, length = [], 0
    values = {"messages": request["messages"], "bos_token": request["bos"], "eos_token": request["eos"]}
    for piece in template.generate(**values, add_generation_prompt=True, tools=None, enable_thinking=False):
        length += len(piece)
        if length > request["characters"]:
            raise TooLong(f"it made more than {request['characters']} characters of this conversation")
        pieces.append(piece)
    return "".join(pieces)


def _fact(exc: BaseException) -> str:
    if isinstance(exc, MemoryError):
        return "it took too much memory"
    if isinstance(exc, RecursionError):
        return "it is nested too deeply"
    return str(exc)[:300].rstrip(".") or type(exc).__name__


def _limit() -> None:
    """Bound what this process may take, where the system knows such limits."""
    if os.name != "posix":
        return
    import resource

    for kind, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES), (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_NOFILE, 16),
    ):  # fmt: skip
        hard = resource.getrlimit(kind)[1]
        value = most if hard == resource.RLIM_INFINITY else min(most, hard)
        try:
            resource.setrlimit(kind, (value, value))
        except (OSError, ValueError):  # macOS knows no limit of address space
            continue


def _allow_seconds() -> None:
    """Processor time for one more rendering: the system ends this process when it is used up."""
    if os.name == "posix":
        import resource

        spent = resource.getrusage(resource.RUSAGE_SELF)
        seconds = int(spent.ru_utime + spent.ru_stime) + CPU_SECONDS
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.getrlimit(resource.RLIMIT_CPU)[1]))


if __name__ == "__main__":
    main()
