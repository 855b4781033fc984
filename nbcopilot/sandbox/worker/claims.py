"""What tests say: the calls that they make, and of one that fails what it claims and what is the case."""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
from collections.abc import Callable, Sequence
from typing import Any

from nbcopilot.sandbox.worker.written import source_or_none


def record(names: Sequence[str], namespace: dict[str, Any], calls: list[str]) -> None:
    """Have each function note the arguments of its calls, as source."""
    for name in names:
        function = namespace.get(name)
        if inspect.isfunction(function):
            namespace[name] = _noting(function, calls)


def _noting(function: Callable[..., Any], calls: list[str]) -> Callable[..., Any]:
    @functools.wraps(function)
    def noted(*args: Any, **named: Any) -> Any:
        texts = [source_or_none(value) for value in args]
        by_name = {key: source_or_none(value) for key, value in named.items()}
        if all(texts) and all(by_name.values()):
            calls.append(", ".join([*map(str, texts), *(f"{key}={text}" for key, text in by_name.items())]))
        return function(*args, **named)

    return noted


def claim_of(exc: BaseException) -> list[str]:
    """[the call, what it gives, what the test expects] of the assertion that failed; [] when it compares nothing."""
    at = exc.__traceback__
    frame = None
    while at is not None:
        if at.tb_frame.f_code.co_filename == "tests":
            frame, line = at.tb_frame, at.tb_lineno
        at = at.tb_next
    if frame is None:
        return []
    tree = ast.parse("".join(linecache.getlines("tests")))
    about = [
        n for n in ast.walk(tree) if isinstance(n, (ast.Assert, ast.With)) and n.lineno <= line <= (n.end_lineno or 0)
    ]
    if not about:
        return []
    node = about[-1]
    if isinstance(node, ast.With):
        wanted = [ast.unparse(i.context_expr) for i in node.items if "raises" in ast.unparse(i.context_expr)]
        got = f"raises {type(exc).__name__}" if type(exc).__name__ != "Failed" else "raises nothing"
        error = wanted[0].partition("raises(")[2].rstrip(")").split(",")[0] if wanted else ""
        return [ast.unparse(node.body[-1]), got, error] if error else []
    test = node.test
    if not isinstance(test, ast.Compare) or len(test.ops) != 1 or not isinstance(test.ops[0], (ast.Eq, ast.Is)):
        return []
    subject, expected = test.left, test.comparators[0]

    def value(part: ast.expr) -> str:
        return (
            source_or_none(eval(compile(ast.Expression(part), "claim", "eval"), frame.f_globals, frame.f_locals)) or ""
        )

    wanted_text = ast.unparse(expected)
    inner = (
        expected.args[0] if isinstance(expected, ast.Call) and wanted_text.startswith("pytest.approx(") else expected
    )
    try:
        got = value(subject)
    except Exception as raised:
        got = f"raises {type(raised).__name__}"
    return [ast.unparse(subject), got, value(inner)] if got else []
