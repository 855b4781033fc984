"""Examples judged inside the run's process: does the code do what a piece of text says it does?

An example is a mapping with "kind":
    assert   "source": a statement that must not raise
    equal    "call", "expected": two expressions (or the text of a value) that must agree
    doctest  "call", "expected": a line after `>>>` and what it prints or returns
    raises   "call", "expected": an expression and the name of the exception
    observe  "call": evaluated, its digest and repr reported; nothing to fail
"setup", where there is any, is run before.
"""

from __future__ import annotations

import ast
import contextlib
import io
import re
import traceback
from collections.abc import Mapping
from typing import Any

from nbcopilot.sandbox.worker.compare import close
from nbcopilot.sandbox.worker.describe_value import describe
from nbcopilot.sandbox.worker.execute import TimeLimit
from nbcopilot.sandbox.worker.source import evaluate, execute

_NOISE = re.compile(r"\s+")


def judge(example: Mapping[str, Any], namespace: dict[str, Any]) -> dict[str, Any]:
    """{"ok", "got", "error", "digest"} of one example, and "at" where one of several statements failed; raises TimeLimit only."""
    try:
        if example.get("setup"):
            execute(str(example["setup"]), "example", namespace)
        return _KINDS[str(example["kind"])](example, namespace)
    except TimeLimit:
        raise
    except BaseException as exc:
        text = "".join(traceback.format_exception_only(exc)).strip().split("\n")[-1][:300]
        if example["kind"] == "raises":
            wanted = str(example["expected"]).split(".")[-1]
            return {
                "ok": wanted in [base.__name__ for base in type(exc).__mro__],
                "got": text,
                "error": text,
                "digest": "",
            }
        return {"ok": False, "got": "", "error": text, "digest": "error:" + type(exc).__name__}


def _assert(example: Mapping[str, Any], namespace: dict[str, Any]) -> dict[str, Any]:
    tree = ast.parse(str(example["source"]))
    sources = [(statement.lineno, ast.unparse(statement)) for statement in tree.body]
    for statement in tree.body:
        if isinstance(statement, ast.Assert):  # keep what the comparison has on its left, to tell a failure
            test = statement.test
            if isinstance(test, ast.Compare):
                test.left = _kept(test.left)
            else:
                statement.test = _kept(test)
    try:
        execute(ast.fix_missing_locations(tree), "example", namespace)
    except AssertionError as exc:
        got = describe(namespace.get(_LEFT), 300)["repr"]
        return {"ok": False, "got": got, "error": "", "digest": "", "at": _statement(sources, exc)}
    except Exception as exc:
        text = "".join(traceback.format_exception_only(exc)).strip().split("\n")[-1][:300]
        digest = "error:" + type(exc).__name__
        return {"ok": False, "got": "", "error": text, "digest": digest, "at": _statement(sources, exc)}
    return {"ok": True, "got": "", "error": "", "digest": ""}


def _statement(sources: list[tuple[int, str]], exc: BaseException) -> str:
    """The statement at the top level that failed, when it is one of several."""
    line = next((f.lineno or 0 for f in traceback.extract_tb(exc.__traceback__) if f.filename == "example"), 0)
    above = [text for first, text in sources if first <= line]
    return above[-1][:300] if above and len(sources) > 1 else ""


_LEFT = "_nbcopilot_left"


def _kept(value: ast.expr) -> ast.expr:
    return ast.NamedExpr(ast.Name(_LEFT, ast.Store()), value)


def _equal(example: Mapping[str, Any], namespace: dict[str, Any]) -> dict[str, Any]:
    value = _value(str(example["call"]), namespace)
    shown = describe(value, 300)
    text = str(example["expected"]).strip()
    try:
        expected = evaluate(text, "example", namespace)
    except Exception:
        same = _says_the_same(value, text)  # prose: f("a") -> hello
    else:
        # ("Venus") is how prose writes a tuple of one.
        alone = (
            (expected,)
            if text.startswith("(") and isinstance(value, tuple) and not isinstance(expected, tuple)
            else None
        )
        same = close(value, expected) or close(value, alone) or _says_the_same(value, text)
    return {"ok": same, "got": shown["repr"], "error": "", "digest": shown["digest"]}


def _doctest(example: Mapping[str, Any], namespace: dict[str, Any]) -> dict[str, Any]:
    source, text = str(example["call"]), str(example["expected"])
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        try:
            value = evaluate(source, "example", namespace)
        except SyntaxError:
            execute(source, "example", namespace)
            value = None
    out = printed.getvalue()
    shown = describe(value, 2000)
    whole = out + (shown["repr"] if value is not None else "")
    same = _squeeze(whole) == _squeeze(text) or _matches(whole, text)
    if not same and not out:
        with contextlib.suppress(Exception):
            same = close(value, ast.literal_eval(text.strip())) or _says_the_same(value, text.strip())
    if not same and not text.strip():
        same = not out  # an example that shows no result only must not raise
    return {"ok": same, "got": whole[:300], "error": "", "digest": shown["digest"]}


def _raises(example: Mapping[str, Any], namespace: dict[str, Any]) -> dict[str, Any]:
    value = _value(str(example["call"]), namespace)
    return {"ok": False, "got": str(describe(value, 300)["repr"]), "error": "", "digest": ""}


def _observe(example: Mapping[str, Any], namespace: dict[str, Any]) -> dict[str, Any]:
    shown = describe(_value(str(example["call"]), namespace), 300)
    return {"ok": True, "got": shown["repr"], "error": "", "digest": f"{shown['digest']}"}


def _value(source: str, namespace: dict[str, Any]) -> Any:
    value = evaluate(source, "example", namespace)
    # A generator or iterator is compared by what it yields.
    if hasattr(value, "__next__"):
        return [item for item, _ in zip(value, range(10_000), strict=False)]
    return value


def _says_the_same(value: Any, text: str) -> bool:
    plain = _squeeze(text.strip().strip("`").rstrip("."))
    return plain in (_squeeze(repr(value)), _squeeze(str(value)), _squeeze(repr(str(value))))


def _squeeze(text: str) -> str:
    return _NOISE.sub("", text).replace('"', "'")


def _matches(got: str, text: str) -> bool:
    if "..." not in text:
        return False
    pattern = ".*".join(re.escape(_squeeze(part)) for part in text.split("..."))
    return re.fullmatch(pattern, _squeeze(got), re.DOTALL) is not None


_KINDS = {"assert": _assert, "equal": _equal, "doctest": _doctest, "raises": _raises, "observe": _observe}
