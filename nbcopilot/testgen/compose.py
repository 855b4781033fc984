"""Recorded behaviour written as pytest functions: plain, short, and said to be recorded."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from nbcopilot.testgen.split import SingleTest

PER_TEST = 8
LEAST = 10  # assertions for a function whose few mutants are noticed by fewer
MARK = "characterisation"

Case = Mapping[str, Any]


def choose(cases: Sequence[Case], kills: Sequence[Sequence[int]], limit: int) -> list[int]:
    """Indices of at most `limit` cases that notice most mutants, each twice where possible; simple ones first.

    Greedy set cover with the length of the arguments as the price; then cases with outcomes that are not there yet.
    """
    by_case: dict[int, set[int]] = {i: set() for i in range(len(cases))}
    for mutant, told in enumerate(kills):
        for case in told:
            if case >= 0:
                by_case[case].add(mutant)
    cover = [0] * len(kills)
    chosen: list[int] = []

    def gain(i: int) -> float:
        worth = sum((1.0, 0.34, 0.1)[cover[m]] for m in by_case[i] if cover[m] < 3)
        return worth / _price(cases[i])

    left = set(by_case)
    while left and len(chosen) < limit:
        best = max(sorted(left), key=gain)
        if gain(best) <= 0:
            break
        left.discard(best)
        chosen.append(best)
        for mutant in by_case[best]:
            cover[mutant] += 1
    seen = {(cases[i]["kind"], cases[i]["expected"], cases[i]["error"]) for i in chosen}
    for i in sorted(left, key=lambda i: (not cases[i]["seed"], -min(2, cases[i]["fresh"]), _price(cases[i]))):
        key = (cases[i]["kind"], cases[i]["expected"], cases[i]["error"])
        if len(chosen) < limit and (key not in seen or cases[i]["fresh"] or cases[i]["seed"]):
            seen.add(key)
            chosen.append(i)
    # Faults that no mutant stands for: a few more inputs, from short to long.
    rest = sorted(
        (i for i in left if i not in chosen and cases[i]["kind"] != "raise"), key=lambda i: len(cases[i]["args"])
    )
    missing = min(limit, LEAST) - len(chosen)
    if missing > 0 and rest:
        chosen += rest[:: max(1, len(rest) // missing)][:missing]
    return sorted(chosen, key=lambda i: (not cases[i]["seed"], len(cases[i]["args"]), i))


def _price(case: Case) -> float:
    size = len(case["args"]) + len(case["expected"]) / 2
    return 1.0 + size / 40 + (0.6 if case["kind"] == "raise" else 0.0) - (0.5 if case["seed"] else 0.0)


def tests_of(name: str, cases: Sequence[Case], taken: set[str]) -> list[SingleTest]:
    """The cases of one function or method as tests: values, what is printed, changed arguments, exceptions."""
    groups: dict[str, list[Case]] = {}
    for case in cases:
        groups.setdefault(_group(case), []).append(case)
    tests = []
    for title, members in groups.items():
        for start in range(0, len(members), PER_TEST):
            part = members[start : start + PER_TEST]
            stem = f"test_{_plain(name)}_{title}"
            test_name = stem if start == 0 else f"{stem}_{start // PER_TEST + 1}"
            while test_name in taken:
                test_name += "_again"
            taken.add(test_name)
            lines = [line for number, case in enumerate(part) for line in _lines(name, case, title, number)]
            doc = f'    """{_DOCS[title].format(name=name)} ({MARK})."""'
            tests.append(SingleTest(test_name, "\n".join([f"def {test_name}():", doc, *lines])))
    return tests


_DOCS = {
    "values": "What {name} returns today",
    "edges": "What {name} returns today for empty and small input",
    "prints": "What {name} prints today",
    "changes": "How {name} changes its argument today",
    "raises": "Where {name} raises today",
}


def _group(case: Case) -> str:
    if case["kind"] == "raise":
        return "raises"
    if case["after"]:
        return "changes"
    if case["kind"] == "print":
        return "prints"
    return "edges" if not case["seed"] and _is_edge(case["args"]) else "values"


def _is_edge(arguments: str) -> bool:
    parts = [part.strip() for part in arguments.split(",")]
    return arguments in ("", "[]", "''", "{}", "()") or all(
        p in ("0", "1", "-1", "[]", "''", "{}", "set()", "None", "()", "0.0") for p in parts
    )


def _plain(name: str) -> str:
    return re.sub(r"\W+", "_", name).strip("_").lower() if "." in name else name


def _lines(name: str, case: Case, title: str, number: int) -> list[str]:
    arguments = str(case["args"])
    owner, _, method = name.partition(".")
    call = f"{name}({arguments})"
    if method:
        call = _method_call(owner, method, case)
    if case["kind"] == "raise":
        return [f"    with pytest.raises({case['error']}):", f"        {call}"]
    if case["wrap"] == "state":
        made, count = f"made_{number}", int(case.get("first", 0))
        values = case["values"]
        return [
            f"    {made} = {owner}({', '.join(values[:count])})",
            f"    {made}.{method}({', '.join(values[count:])})",
            f"    assert vars({made}) == {case['expected']}",
        ]
    lines: list[str] = []
    if case["after"] and not method:
        values = case["values"]
        for place in case["after"]:
            variable = f"given_{number}" if len(case["after"]) == 1 else f"given_{number}_{place}"
            lines.append(f"    {variable} = {values[int(place)]}")
            values = [variable if i == int(place) else v for i, v in enumerate(values)]
        call = f"{name}({', '.join(values)})"
    if case["kind"] == "print":
        lines += [f"    with contextlib.redirect_stdout(io.StringIO()) as out_{number}:", f"        {call}"]
        lines.append(f"    assert out_{number}.getvalue() == {case['expected']}")
    elif case["kind"] == "none" and case["after"] and not method:
        lines.append(f"    {call}")
    else:
        lines.append(f"    assert {_comparison(call, case)}")
    for place, text in case["after"].items() if not method else ():
        variable = f"given_{number}" if len(case["after"]) == 1 else f"given_{number}_{place}"
        lines.append(f"    assert {variable} == {text}")
    return lines


def _method_call(owner: str, method: str, case: Case) -> str:
    values, count = case["values"], int(case.get("first", 0))
    return f"{owner}({', '.join(values[:count])}).{method}({', '.join(values[count:])})"


def _comparison(call: str, case: Case) -> str:
    asked = str(case["wrap"]).replace("{}", call)
    expected = str(case["expected"])
    if case["kind"] == "none" or expected in ("None", "True", "False"):
        return f"{asked} is {expected}"
    if case["float"]:
        return f"{asked} == pytest.approx({expected})" if case.get("flat", True) else f"{asked} == {expected}"
    return f"{asked} == {expected}"


def imports_for(cases: Sequence[Case]) -> list[str]:
    """The import lines that tests of these cases need."""
    text = " ".join(f"{case['args']} {case['expected']}" for case in cases)
    lines = []
    if any(case["kind"] == "print" for case in cases):
        lines += ["import contextlib", "import io"]
    if "np." in text:
        lines.append("import numpy as np")
    if "pd." in text:
        lines.append("import pandas as pd")
    if any(case["kind"] == "raise" or (case["float"] and case.get("flat", True)) for case in cases):
        lines.append("import pytest")
    return lines


def module(preamble: str, tests: Sequence[SingleTest]) -> str:
    """Preamble and tests as one source; imports each once, sorted before the rest."""
    imports: list[str] = []
    rest: list[str] = []
    for line in preamble.split("\n"):
        (imports if re.match(r"(import|from) ", line) else rest).append(line)
    head = "\n".join([*dict.fromkeys(sorted(imports)), *rest]).strip("\n")
    return "\n\n\n".join(part for part in (head, *(test.source.strip("\n") for test in tests)) if part) + "\n"


def runner_line(names: Sequence[str], *, plain: bool = True) -> str:
    """Lines that run the tests where they stand: in a notebook cell, not when pytest imports them."""
    if not plain:
        return 'if __name__ == "__main__":\n    import ipytest\n\n    ipytest.run("-q")\n'
    # As a formatter leaves it: the cell then stays ours.
    listed = ", ".join(names) if len(names) > 1 else f"{names[0]},"
    if len(listed) > 60:
        listed = "\n        " + ",\n        ".join(names) + ",\n    "
    count = f"{len(names)} test{'s' if len(names) != 1 else ''} passed"
    return f'if __name__ == "__main__":\n    for test in ({listed}):\n        test()\n    print("{count}")\n'
