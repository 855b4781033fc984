"""Whether one would keep generated tests: names that say something, realistic arguments, no noise.

Pure: the calls that the tests make are recorded elsewhere (`recording`).
"""

from __future__ import annotations

import ast
import contextlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from nbcopilot.evaluation.everyday.recording import RULE

# Words in a test's name that do not say what is tested.
WEAK_WORDS = (
    "values value case cases basic test tests example examples works output result results returns simple function func "
    "call calls input inputs one two three first second"
)
WEAK = frozenset(WEAK_WORDS.split())
# Names of values under test: an assertion about one is not the same as another about the next value of that name.
VALUES = ("result", "out", "got", "actual", "df", "expected")
ASSERTS, LINES = 6, 60
# What the score counts: each kind of complaint takes an eighth.
KINDS = 8
# Characters by which complaints are of one kind.
KIND = 14


def keepability(tests: str, entry_points: Sequence[str], calls: Sequence[Mapping[str, Any]] | str) -> dict[str, Any]:
    """{"keepable", "score", "why"}, with lines and number of tests. calls: recorded facts, or why there are none."""
    try:
        tree = ast.parse(tests)
    except (SyntaxError, ValueError) as exc:
        return {"keepable": False, "score": 0.0, "why": [f"no Python: {exc}"]}
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test")]
    lines = sum(bool(line.strip()) for line in tests.splitlines())
    why = [*_of_functions(functions, entry_points), *_of_text(tests, tree), *_of_calls(calls)]
    if lines > LINES:
        why.append(f"{lines} lines")
    kinds = {complaint.split(":")[0][:KIND] for complaint in why}
    score = round(max(0, KINDS - len(kinds)) / KINDS, 3)
    return {"keepable": not why, "score": score, "why": why, "lines": lines, "tests": len(functions)}


def _of_functions(functions: Sequence[ast.FunctionDef], entry_points: Sequence[str]) -> list[str]:
    if not functions:
        return ["no test function"]
    most = max(sum(isinstance(node, ast.Assert) for node in ast.walk(function)) for function in functions)
    why = [f"{most} asserts in one test"] if most > ASSERTS else []
    return why + [f"{f.name} says nothing" for f in functions if not _says_something(f.name, entry_points)]


def _says_something(name: str, entry_points: Sequence[str]) -> bool:
    """Whether a test's name holds more than the function's name, a number and words that say nothing."""
    name = name.removeprefix("test").strip("_")
    rest = name
    for entry in sorted((entry.rpartition(".")[2] for entry in entry_points), key=len, reverse=True):
        rest = re.sub(rf"(?i)(?:^|_){re.escape(entry)}(?=_|$)", "_", rest)
    numbered = re.search(r"_?\d+$", name) and not re.search(r"[a-z]{3,}.*[a-z]{3,}_\d+$", rest)
    telling = [part for part in rest.split("_") if len(part) > 2 and part.lower() not in WEAK]
    return bool(telling) and not numbered


def _of_text(tests: str, tree: ast.Module) -> list[str]:
    why = []
    comments = [line.strip("# \t") for line in tests.splitlines() if re.match(r"\s*#", line)]
    if junk := [comment for comment in comments if _is_code(comment)]:
        why.append(f"commented-out code: {junk[0][:48]}")
    said = [ast.dump(node) for node in ast.walk(tree) if isinstance(node, ast.Assert) and not _is_about_a_name(node)]
    if len(said) != len(set(said)):
        why.append("an assertion twice")
    return why


def _is_about_a_name(node: ast.Assert) -> bool:
    return any(isinstance(part, ast.Name) and part.id in VALUES for part in ast.walk(node))


def _is_code(text: str) -> bool:
    if not re.match(r"(assert|import|from|def|return|with|for|if|[\w.]+\s*=|[\w.]+\()", text):
        return False
    with contextlib.suppress(SyntaxError, ValueError):
        ast.parse(text)
        return True
    return False


def _of_calls(calls: Sequence[Mapping[str, Any]] | str) -> list[str]:
    """Complaints about the arguments: of a type that the function is not for, empty, or unlike its data."""
    if isinstance(calls, str):
        return [f"calls could not be recorded: {calls[:80]}"]
    why = []
    confused = {f"{call['function']}({call['parameter']}={call['type']})" for call in calls if call["confused"]}
    if confused:
        why.append("type-confused arguments: " + ", ".join(sorted(confused)[:3]))
    rich: dict[int, bool] = {}
    for call in calls:
        if call["rich"] is not None:
            rich[call["call"]] = rich.get(call["call"], True) and call["rich"]
    ruled = [call["fits"] for call in calls if call["parameter"] == RULE and call["fits"] is not None]
    poor = len(rich) - sum(rich.values())
    unlike = len(ruled) - sum(ruled)
    if not calls:
        why.append("the function is not called")
    elif len(rich) > 2 and poor * 2 > len(rich):
        why.append(f"unrealistic inputs ({poor} of {len(rich)} calls have an argument that is empty or of length 1)")
    elif ruled and unlike * 2 > len(ruled):
        why.append(f"unrealistic inputs ({unlike} of {len(ruled)} calls are not like its data)")
    return why
