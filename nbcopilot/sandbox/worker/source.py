"""Source compiled and run as a notebook runs it: top-level await is understood, in an event loop where it needs one.

The one place of the worker that compiles what it runs: cells, examples, edits and tests are all read alike.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
from collections.abc import Sequence
from types import CodeType
from typing import Any


def compiled(source: str | ast.Module | ast.Expression, filename: str, mode: str = "exec") -> CodeType:
    """The code object of a source or tree. Raises SyntaxError, ValueError, RecursionError and MemoryError."""
    code: CodeType = compile(source, filename, mode, ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    return code


def execute(source: str | ast.Module, filename: str, namespace: dict[str, Any]) -> None:
    """Run statements in `namespace`; raises what they raise."""
    run([compiled(source, filename)], namespace)


def evaluate(source: str, filename: str, namespace: dict[str, Any]) -> Any:
    """The value of an expression in `namespace`; raises what it raises."""
    return run([compiled(source, filename, "eval")], namespace)


def run(parts: Sequence[CodeType], namespace: dict[str, Any], *, in_loop: bool = False) -> Any:
    """The value of the last of the parts, run one after the other; inside an event loop where one of them awaits.

    in_loop: run inside a loop in any case, as a kernel does: `asyncio.run` raises then, as it does there.
    """
    if in_loop or any(_awaits(part) for part in parts):
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(_awaited(parts, namespace))
    value = None
    for part in parts:
        value = eval(part, namespace)
    return value


async def _awaited(parts: Sequence[CodeType], namespace: dict[str, Any]) -> Any:
    value = None
    for part in parts:
        value = eval(part, namespace)
        if _awaits(part) and inspect.iscoroutine(value):
            value = await value
    return value


def _awaits(part: CodeType) -> bool:
    return bool(part.co_flags & inspect.CO_COROUTINE)
