"""The first test that fails, found by running them one by one in the sandbox: what a fix starts from."""

from __future__ import annotations

import ast
from collections.abc import Collection, Sequence

from nbcopilot.sandbox.runner import Runner
from nbcopilot.testgen.split import SingleTest, split
from nbcopilot.types import ErrorInfo

MAX_TESTS = 40


def first_failing(
    tests: str, under_test: Collection[str], *, runner: Runner, setup: Sequence[str] = (), cell_id: str | None = None
) -> ErrorInfo | None:
    """The error of the first test in `tests` that fails, None when none does (or none can be run without pytest).

    `source` of it runs that test alone, `beside` are those that pass. setup: sources that define what is tested. What this machine cannot judge
    (the network, a package that is not there) is not a failure.
    """
    parts = split(tests, under_test)
    plain = [test for test in parts.tests if _is_plain(test)][:MAX_TESTS]
    codes = [f"{parts.preamble}\n{_body(test)}".strip("\n") for test in plain]
    if not codes:
        return None
    reports = runner.run_many(codes, setup=setup)
    beside = tuple(code for code, report in zip(codes, reports, strict=True) if report.ok and report.ran)
    for code, report in zip(codes, reports, strict=True):
        error = report.error
        if error is not None and not (report.ok or report.needs or report.setup_error):
            name = "TimeoutError" if report.timed_out else error.name
            return ErrorInfo(name, error.message, error.traceback or str(error), cell_id, code, beside)
    return None


def _is_plain(test: SingleTest) -> bool:
    node = ast.parse(test.source).body[0]
    return isinstance(node, ast.FunctionDef) and not node.args.args and not node.decorator_list


def _body(test: SingleTest) -> str:
    """The statements of the test as they would stand in a cell, so that the one that fails can be named."""
    node = ast.parse(test.source).body[0]
    assert isinstance(node, ast.FunctionDef)
    if any(isinstance(part, (ast.Return, ast.Yield)) for part in ast.walk(node)):
        return f"{test.source}\n\n{test.name}()"
    start = 1 if ast.get_docstring(node) and len(node.body) > 1 else 0
    return "\n".join(ast.unparse(statement) for statement in node.body[start:])
