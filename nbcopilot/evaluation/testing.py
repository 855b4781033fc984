"""The script that judges generated tests; runs in a trial's own folder, never in our process.

Reads work.json {"good", "buggy", "mutants", "tests", "seconds"} and writes outcome.json {"valid", "reason", "asserts",
"lines", "caught", "killed"}: of the known wrong variants, and of the mutants, how many the tests notice. Each version is a test file of its own (version + tests), run by pytest in a forked child; tests without any
test function count as one test, the whole script. Stands alone: it imports nothing of nbcopilot.
"""

from __future__ import annotations

import ast
import json
import os
import signal
import time
from pathlib import Path

PASSED, NO_TESTS = 0, 5
ASSERTS = {"raises", "warns", "approx", "fail"}


class CountAsserts(ast.NodeTransformer):
    """Adds a count before every assertion: assert, `pytest.raises(...)` and the like, `self.assert...(...)`."""

    def visit_Assert(self, node: ast.Assert) -> list[ast.stmt]:
        return [*ast.parse("__count_assert__()").body, node]

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        if name not in ASSERTS and not name.startswith("assert"):
            return node
        # `__count_assert__() or call(...)`: the count gives None, so the value stays the call's.
        return ast.BoolOp(op=ast.Or(), values=[ast.parse("__count_assert__()", mode="eval").body, node])


COUNTER = """
def __count_assert__():
    with open("asserts", "a") as file:
        file.write("x")
"""


def main() -> None:
    work = json.loads(Path("work.json").read_text(encoding="utf-8"))
    # Plugins of this machine must not change the score, and finding them takes half a second a run.
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    import coverage  # noqa: F401  loaded once, before the forks
    import pytest  # noqa: F401

    good, tests, seconds = work["good"], work["tests"], float(work["seconds"])
    outcome = {"valid": False, "reason": "", "asserts": 0, "lines": 0.0, "caught": 0, "killed": 0}
    try:
        counted = ast.unparse(ast.fix_missing_locations(CountAsserts().visit(ast.parse(tests))))
    except (SyntaxError, ValueError) as exc:
        finish({**outcome, "reason": f"the tests are not Python: {exc}"})
        return
    started = time.monotonic()
    status = run("good", good, tests, seconds)
    # A variant that takes far longer than the good version does not end: it is caught.
    patience = min(seconds, 2 + 10 * (time.monotonic() - started))
    if status != PASSED:
        finish({**outcome, "reason": "the tests fail on the good version" if status is not None else "timeout"})
        return
    outcome["lines"] = run_covered(good, tests, seconds)
    run("counted", good, COUNTER + counted, seconds)
    outcome["asserts"] = len(Path("asserts").read_text()) if Path("asserts").exists() else 0
    if not outcome["asserts"]:
        finish({**outcome, "reason": "no assertion ran"})
        return
    for outcome_of, versions in (("caught", work["buggy"]), ("killed", work["mutants"])):
        outcome[outcome_of] = sum(run(f"variant{i}", v, tests, patience) != PASSED for i, v in enumerate(versions))
    finish({**outcome, "valid": True, "reason": "" if outcome["caught"] else "catches no variant"})


def finish(outcome: dict[str, object]) -> None:
    Path("outcome.json").write_text(json.dumps(outcome), encoding="utf-8")


def run(name: str, version: str, tests: str, seconds: float, covered: bool = False) -> int | None:
    """pytest's exit status for one version with the tests; None when it did not end in time."""
    path = Path(f"test_{name}.py")
    path.write_text(f"{version}\n\n\n{tests}\n", encoding="utf-8")
    pid = os.fork()
    if pid == 0:
        child(path, version, covered)
    return wait(pid, seconds)


def child(path: Path, version: str, covered: bool) -> None:
    """In the forked child: run the file and leave with the status, whatever the tests do."""
    status = 1
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        status = measured(path, version) if covered else pytest_or_script(path)
    except SystemExit as exc:
        status = exc.code if isinstance(exc.code, int) and exc.code else 1
    finally:
        os._exit(status)


def pytest_or_script(path: Path) -> int:
    import pytest

    options = ["-q", "-x", "-p", "no:cacheprovider", "--rootdir=.", "-c", os.devnull]
    status = int(pytest.main([*options, str(path)]))
    # No test function: the asserts stand in the open, and importing the file has just run them.
    return PASSED if status == NO_TESTS else status


def measured(path: Path, version: str) -> int:
    """Run under coverage and leave the share of the version's statements that ran in the file `lines`."""
    import coverage

    cov = coverage.Coverage(include=[str(path.resolve())], data_file=None)
    cov.start()
    status = pytest_or_script(path)
    cov.stop()
    _, statements, _, missing, _ = cov.analysis2(str(path.resolve()))
    own = [line for line in statements if line <= version.count("\n") + 1]
    ran = [line for line in own if line not in set(missing)]
    Path("lines").write_text(str(len(ran) / len(own) if own else 0.0))
    return status


def run_covered(good: str, tests: str, seconds: float) -> float:
    run("covered", good, tests, seconds, covered=True)
    return float(Path("lines").read_text()) if Path("lines").exists() else 0.0


def wait(pid: int, seconds: float) -> int | None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    for kill in (os.killpg, os.kill):
        try:
            kill(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue
    os.waitpid(pid, 0)
    return None


if __name__ == "__main__":
    main()
