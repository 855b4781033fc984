"""Examples judged: does the code do what a piece of text says it does?

Runs in a process that the code never ran in (`apart`). What the code made is there as plain values and stand-ins; names
that it imports are imported anew, and Python's own functions and the notebook's modules are never the code's.

An example is a mapping with "kind":
    assert   "source": a statement that must not raise; statements that are no asserts alone run where the code ran
    equal    "call", "expected": two expressions (or the text of a value) that must agree
    doctest  "call", "expected": a line after `>>>` and what it prints or returns
    raises   "call", "expected": an expression and the name of the exception
    observe  "call": evaluated, its digest and repr reported; nothing to fail
"setup", where there is any, is run before.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import io
import re
import traceback
import types
from collections.abc import Mapping
from typing import Any

from nbcopilot.sandbox.worker.channel import Ended
from nbcopilot.sandbox.worker.compare import close
from nbcopilot.sandbox.worker.describe_value import describe
from nbcopilot.sandbox.worker.execute import TimeLimit
from nbcopilot.sandbox.worker.remote import Answer, Remote
from nbcopilot.sandbox.worker.source import evaluate, execute

_NOISE = re.compile(r"\s+")


def judge(example: Mapping[str, Any], answer: Answer, namespace: dict[str, Any], code: str) -> dict[str, Any]:
    """{"ok", "got", "error", "digest"} of one example, and "at" where one of several statements failed; raises TimeLimit only.

    namespace: as it was before the code ran; what the example needs of the answer is put into it.
    """
    try:
        if example["kind"] == "assert" and not _is_expectation(str(example["source"])):
            return _ran(str(example.get("setup") or ""), str(example["source"]), answer)
        _bring(answer, namespace, example, code)
        if example.get("setup"):
            execute(str(example["setup"]), "example", namespace)
        return _KINDS[str(example["kind"])](example, namespace)
    except TimeLimit:
        raise
    except Ended as ended:
        return {"ok": False, "got": "", "error": f"ended the process ({ended})", "digest": "died", "end": "died"}
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


def _is_expectation(source: str) -> bool:
    """Whether a source is nothing but asserts; others are cells of the notebook, which need all of its state."""
    return all(isinstance(statement, ast.Assert) for statement in ast.parse(source).body)


def _ran(setup: str, source: str, answer: Answer) -> dict[str, Any]:
    """The outcome of statements that only have to run to their end, where the code ran."""
    sources = [(statement.lineno, ast.unparse(statement)) for statement in ast.parse(source).body]
    try:
        if setup:
            answer.run(setup)
        answer.run(source)
    except Ended:
        raise
    except Exception as exc:
        text = "".join(traceback.format_exception_only(exc)).strip().split("\n")[-1][:300]
        failed = isinstance(exc, AssertionError)
        at = _statement(sources, int(getattr(exc, "line", 0)))
        digest = "" if failed else "error:" + type(exc).__name__
        return {"ok": False, "got": "", "error": "" if failed else text, "digest": digest, "at": at}
    return {"ok": True, "got": "", "error": "", "digest": ""}


def _bring(answer: Answer, namespace: dict[str, Any], example: Mapping[str, Any], code: str) -> None:
    """Put what the example names into the namespace: imports anew, the rest from the answer."""
    text = [str(example.get(part) or "") for part in ("setup", "source", "call", "expected")]
    used = {name for source in text for name in _names(source)}
    tree = ast.parse(code) if _parses(code) else ast.Module([], [])
    said = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    imports = [s for s in tree.body if isinstance(s, (ast.Import, ast.ImportFrom)) and _binds(s) & used]
    for statement in imports:
        with contextlib.suppress(Exception):
            execute(ast.Module([statement], []), "example", namespace)
    imported = {name for statement in imports for name in _binds(statement) if name in namespace}
    own = {name for name in used if not hasattr(builtins, name)}
    made = {name for name in used - imported if name not in namespace or name in said or name in _defined(tree)}
    for name in (made & own) or made:
        if isinstance(namespace.get(name), types.ModuleType):
            continue
        with contextlib.suppress(KeyError):
            namespace[name] = answer.name(name)


def _names(source: str) -> set[str]:
    if not _parses(source):
        return set()
    return {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}


def _parses(source: str) -> bool:
    try:
        ast.parse(source)
    except (SyntaxError, ValueError):
        return False
    return True


def _binds(statement: ast.Import | ast.ImportFrom) -> set[str]:
    return {(alias.asname or alias.name.split(".")[0]) for alias in statement.names}


def _defined(tree: ast.Module) -> set[str]:
    return {n.name for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))}


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
        return {"ok": False, "got": got, "error": "", "digest": "", "at": _statement(sources, _line(exc))}
    except Ended:
        raise
    except Exception as exc:
        text = "".join(traceback.format_exception_only(exc)).strip().split("\n")[-1][:300]
        digest = "error:" + type(exc).__name__
        return {"ok": False, "got": "", "error": text, "digest": digest, "at": _statement(sources, _line(exc))}
    return {"ok": True, "got": "", "error": "", "digest": ""}


def _line(exc: BaseException) -> int:
    return next((f.lineno or 0 for f in traceback.extract_tb(exc.__traceback__) if f.filename == "example"), 0)


def _statement(sources: list[tuple[int, str]], line: int) -> str:
    """The statement at the top level that failed, when it is one of several."""
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
        same = close(value, expected) or (_is_told_by_text(value, text) and _says_the_same(value, text))
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
    told = value is None or _is_told_by_text(value, text)
    same = told and (_squeeze(whole) == _squeeze(text) or _matches(whole, text))
    if not same and not out:
        with contextlib.suppress(Exception):
            same = close(value, ast.literal_eval(text.strip())) or (told and _says_the_same(value, text.strip()))
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


def _is_told_by_text(value: Any, text: str) -> bool:
    """Whether a value may be compared by how it prints: not for a value that it is not, as an object or a string may."""
    return not _is_literal(text) or (is_plain(value) and not (isinstance(value, str) and not _is_string(text)))


def _is_string(text: str) -> bool:
    return isinstance(ast.literal_eval(text.strip()), (str, bytes))


def _is_literal(text: str) -> bool:
    try:
        ast.literal_eval(text.strip())
    except (SyntaxError, ValueError):
        return False
    return True


def is_plain(value: Any, depth: int = 0) -> bool:
    """Whether no stand-in for an object of the code's own is in a value."""
    if isinstance(value, Remote):
        return False
    if isinstance(value, dict):
        return depth > 20 or all(is_plain(item, depth + 1) for pair in value.items() for item in pair)
    if isinstance(value, (list, tuple, set, frozenset)):
        return depth > 20 or all(is_plain(item, depth + 1) for item in value)
    return True


def _squeeze(text: str) -> str:
    return _NOISE.sub("", text).replace('"', "'")


def _matches(got: str, text: str) -> bool:
    if "..." not in text:
        return False
    pattern = ".*".join(re.escape(_squeeze(part)) for part in text.split("..."))
    return re.fullmatch(pattern, _squeeze(got), re.DOTALL) is not None


_KINDS = {"assert": _assert, "equal": _equal, "doctest": _doctest, "raises": _raises, "observe": _observe}
