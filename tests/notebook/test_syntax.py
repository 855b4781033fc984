from __future__ import annotations

import ast

import pytest

from nbcopilot.notebook.syntax import steadily


def test_a_parser_that_another_thread_confused_is_asked_again() -> None:
    asked: list[str] = []

    def confused(source: str, *, times: int) -> ast.Module:
        asked.append(source)
        if len(asked) <= times:
            raise SystemError("AST constructor recursion depth mismatch")
        return ast.parse(source)

    assert ast.unparse(steadily(confused, "x = 1", times=1)) == "x = 1" and len(asked) == 2
    asked.clear()
    with pytest.raises(SystemError):
        steadily(confused, "x = 1", times=2)
