"""Chosen calls written as pytest functions: one behaviour each, alike cases as parameters, tables in a function of their own."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nbcopilot.sandbox.worker.written import imports as imports_of
from nbcopilot.testgen.choosing import LONG, SEARCHED, Case
from nbcopilot.testgen.naming import name_of
from nbcopilot.testgen.split import SingleTest

MARK = "characterisation"
MOST_ROWS = 6
MOST_TESTS = 7
WIDTH = 100


@dataclass(frozen=True)
class Written:
    """A test, the cases in it (their indices), and whether it only records what the code does today."""

    test: SingleTest
    cases: tuple[int, ...]
    recorded: bool


def tests_of(
    subject: str, cases: Sequence[Case], chosen: Sequence[int], sure: Mapping[int, str], taken: set[str], promise: str
) -> tuple[list[Written], list[str]]:  # fmt: skip
    """(tests of one function or method, helpers that make its tables).

    sure: for cases that do not only record what the code does, by whom they are borne out. taken: names that are used.
    """
    helpers = _helpers([cases[place] for place in chosen], taken)
    written = []
    groups = _groups(cases, chosen, sure)
    for group in groups:
        inside = [cases[place] for place in group]
        others = [cases[place] for other in groups if other is not group for place in other]
        name = name_of(subject, inside, others, promise, taken)
        taken.add(name)
        recorded = not all(place in sure for place in group)
        lines = _body(name, inside, helpers, _doc(inside, recorded))
        written.append(Written(SingleTest(name, "\n".join(lines)), tuple(group), recorded))
    return written, [f"def {name}():\n    return {text}" for text, name in helpers.items()]


def _doc(cases: Sequence[Case], recorded: bool) -> list[str]:
    if not recorded:
        return []
    searched = all(case["origin"] >= SEARCHED for case in cases)
    return [f'    """{"Found by search, r" if searched else "R"}ecorded from the code as it is ({MARK})."""']


def _groups(cases: Sequence[Case], chosen: Sequence[int], sure: Mapping[int, str]) -> list[list[int]]:
    """The chosen cases by behaviour: what is checked and how, the outcome, the path through the code."""
    fine: dict[Any, list[int]] = {}
    for place in chosen:
        fine.setdefault((_kind(cases[place]), place in sure, tuple(cases[place]["path"])), []).append(place)
    groups = list(fine.values())
    while len(groups) > MOST_TESTS - 2:
        kinds: dict[Any, list[list[int]]] = {}
        for group in groups:
            kinds.setdefault((_kind(cases[group[0]]), group[0] in sure), []).append(group)
        several = [some for some in kinds.values() if len(some) > 1]
        if not several:
            break
        smallest = min(several, key=lambda some: len(some[0]) + len(some[1]))
        first, second = sorted(smallest, key=len)[:2]
        groups = [g for g in groups if g is not first and g is not second] + [first + second]
    rows = []
    for group in groups:
        most = MOST_ROWS if _rows([cases[place] for place in group], {}) is not None else 2
        rows += [group[at : at + most] for at in range(0, len(group), most)]
    return sorted(rows[:MOST_TESTS], key=lambda group: (cases[group[0]]["checks"][0][0] == "raise", min(group)))


def _kind(case: Case) -> Any:
    """What must be equal for cases to stand in one test."""
    how = tuple(("==" if h == "approx" else h, template) for template, _, h in case["checks"])
    error = case["checks"][0][1] if case["checks"][0][0] == "raise" else ""
    return (case["place"], how, error, case["outcome"], tuple(sorted(case["names"])))


# --------------------------------------------------------------------------- tables and other long arguments


def _helpers(cases: Sequence[Case], taken: set[str]) -> dict[str, str]:
    """Long arguments that several cases have, and the name of the function that makes each."""
    count: dict[str, int] = {}
    for case in cases:
        for text in case["sources"]:
            if text and len(text) > LONG:
                count[text] = count.get(text, 0) + 1
    helpers: dict[str, str] = {}
    for text, times in sorted(count.items(), key=lambda pair: -pair[1]):
        if times < 2:
            continue
        parameter = next(
            p for case in cases for s, p in zip(case["sources"], case["parameters"], strict=True) if s == text
        )
        name = next(
            n
            for n in (f"some_{parameter}", f"other_{parameter}", f"more_{parameter}", f"{parameter}_{len(helpers)}x")
            if n not in taken
        )
        taken.add(name)
        helpers[text] = name
    return helpers


def _arranged(case: Case, helpers: Mapping[str, str], number: str = "") -> tuple[list[str], str]:
    """(lines before the call, the call) with helpers in place of their tables and names for other long arguments."""
    lines, call = list(case["lines"]), case["call"]
    for source, parameter in zip(case["sources"], case["parameters"], strict=True):
        if not source or len(source) <= LONG:
            continue
        if source in helpers:
            call = call.replace(source, f"{helpers[source]}()")
            lines = [line.replace(source, f"{helpers[source]}()") for line in lines]
        elif source in call:
            name = f"{parameter}{number}"
            lines.append(f"{name} = {_wrapped(source)}")
            call = call.replace(source, name)
    return lines, call


def _wrapped(source: str) -> str:
    """A long table over several lines."""
    if len(source) < WIDTH - 20 or not source.startswith("pd.DataFrame({"):
        return source
    tree = ast.parse(source, mode="eval").body
    if not isinstance(tree, ast.Call) or not isinstance(tree.args[0], ast.Dict):
        return source
    table = tree.args[0]
    rows = [
        f"    {ast.unparse(k)}: {ast.unparse(v)},"
        for k, v in zip(table.keys, table.values, strict=True)
        if k is not None
    ]
    more = "".join(f", {ast.unparse(k)}" for k in tree.keywords)
    return "\n".join(["pd.DataFrame({", *rows, f"}}{more})"])


# --------------------------------------------------------------------------- bodies


def _body(name: str, cases: Sequence[Case], helpers: Mapping[str, str], doc: list[str]) -> list[str]:
    if len(cases) > 2 and (rows := _rows(cases, helpers)) is not None:
        return [*rows[0], f"def {name}({', '.join(rows[1])}):", *doc, *(f"    {line}" for line in rows[2])]
    lines: list[str] = []
    for number, case in enumerate(cases):
        before, call = _arranged(case, helpers, f"_{number + 1}" if number else "")
        checks = [(t, f"{helpers[e]}()" if e in helpers else e, how) for t, e, how in case["checks"]]
        lines += [*before, *_asserted({**case, "checks": checks}, call, "" if not number else f"_{number + 1}")]
    return [f"def {name}():", *doc, *(f"    {part}" for line in lines for part in line.split("\n"))]


def _asserted(case: Case, call: str, number: str = "") -> list[str]:
    checks = case["checks"]
    if checks[0][0] == "raise":
        return [f"with pytest.raises({checks[0][1]}):", f"    {call}"]
    if checks[0][0] == "printed":
        out = f"out{number}"
        first = [
            f"with contextlib.redirect_stdout(io.StringIO()) as {out}:",
            f"    {call}",
            f"assert {out}.getvalue() == {checks[0][1]}",
        ]
        return [*first, *(_assertion(t, expected, how) for t, expected, how in checks[1:])]
    asked = [template for template, _, _ in checks if "{}" in template]
    if not asked:
        return [call, *(_assertion(t, expected, how) for t, expected, how in checks)]
    result = f"result{number}"
    long = len(asked) > 1 or len(call) > 60 or checks[0][2] in ("frame", "series")
    lines = [f"{result} = {call}"] if long else []
    if checks[0][2] in ("frame", "series") and asked:
        lines.append(f"expected{number} = {_wrapped(checks[0][1])}")
        checks = [(checks[0][0], f"expected{number}", checks[0][2]), *checks[1:]]
    return lines + [_assertion(t.replace("{}", result if long else call), expected, how) for t, expected, how in checks]


def _assertion(asked: str, expected: str, how: str) -> str:
    if how in ("frame", "series"):
        return f"pd.testing.assert_{how}_equal({asked}, {expected})"
    if how == "nan":
        return f"assert math.isnan({asked})"
    return f"assert {asked} {'is' if how == 'is' else '=='} {f'pytest.approx({expected})' if how == 'approx' else expected}"


def _rows(cases: Sequence[Case], helpers: Mapping[str, str]) -> tuple[list[str], list[str], list[str]] | None:
    """(decorator, parameters, body) of alike cases as rows; None where their calls differ in more than short arguments."""
    first = cases[0]
    given = [source is not None for source in first["sources"]]
    if any(case["names"] or case["lines"] or [s is not None for s in case["sources"]] != given for case in cases):
        return None
    if len(first["checks"]) != 1 or first["checks"][0][0] == "printed" or first["checks"][0][2] in ("frame", "series"):
        return None
    varying = [p for p, _ in enumerate(given) if given[p] and len({case["sources"][p] for case in cases}) > 1]
    names = [first["parameters"][p] for p in varying]
    if (
        not varying
        or len(set(names)) < len(names)
        or any(len(case["sources"][p]) > 2 * LONG for case in cases for p in varying)
    ):
        return None
    raises, constant = first["checks"][0][0] == "raise", len({case["checks"][0][1] for case in cases}) == 1
    if "expected" in names or any(f"({name}" in first["call"].split("(")[0] for name in names):
        return None
    call = _with_names(first, dict(zip(varying, names, strict=True)), helpers)
    if call is None:
        return None
    rows = [[case["sources"][p] for p in varying] + ([] if constant else [case["checks"][0][1]]) for case in cases]
    columns = names + ([] if constant else ["expected"])
    shown = [f"({', '.join(row)})" if len(columns) > 1 else f"({row[0]},)" for row in rows]
    if len(columns) == 1:
        columns_text, shown = f'"{columns[0]}"', [row[0] for row in rows]
    else:
        columns_text = '"' + ", ".join(columns) + '"'
    one = f"@pytest.mark.parametrize({columns_text}, [{', '.join(shown)}])"
    decorator = (
        [one]
        if len(one) <= WIDTH
        else [f"@pytest.mark.parametrize({columns_text}, [", *(f"    {row}," for row in shown), "])"]
    )
    if raises:
        return decorator, columns, [f"with pytest.raises({first['checks'][0][1]}):", f"    {call}"]
    template, expected, _ = first["checks"][0]
    how = "approx" if any(case["checks"][0][2] == "approx" for case in cases) else first["checks"][0][2]
    return decorator, columns, [_assertion(template.replace("{}", call), expected if constant else "expected", how)]


def _with_names(case: Case, names: Mapping[int, str], helpers: Mapping[str, str]) -> str | None:
    """The call with variables in place of its arguments; None where the place of one cannot be told."""
    tree = ast.parse(case["call"], mode="eval").body
    call = tree.args[0] if isinstance(tree, ast.Call) and ast.unparse(tree.func) == "asyncio.run" else tree
    if not isinstance(call, ast.Call):
        return None
    for place, name in names.items():
        wanted = ast.dump(ast.parse(case["sources"][place], mode="eval").body)
        parameter = case["parameters"][place]
        here = (
            [a for a in call.args if ast.dump(a) == wanted]
            if not any(k.arg == parameter for k in call.keywords)
            else []
        )
        keyword = next((k for k in call.keywords if k.arg == parameter), None)
        if keyword is not None:
            keyword.value = ast.Name(name, ast.Load())
        elif here:
            position = sum(
                1
                for p in range(place)
                if case["sources"][p] is not None and not any(k.arg == case["parameters"][p] for k in call.keywords)
            )
            if position >= len(call.args) or ast.dump(call.args[position]) != wanted:
                return None
            call.args[position] = ast.Name(name, ast.Load())
        else:
            return None
    text = ast.unparse(tree)
    for source, helper in helpers.items():
        text = text.replace(ast.unparse(ast.parse(source, mode="eval").body), f"{helper}()")
    return text


# --------------------------------------------------------------------------- the whole


def imports_for(text: str) -> list[str]:
    """The import lines that the source of tests needs."""
    lines = imports_of(text)
    for name in ("contextlib", "io", "asyncio", "pytest"):
        lines += [f"import {name}"] if re.search(rf"\b{name}\.", text) else []
    return sorted(lines)


def module(preamble: str, tests: Sequence[SingleTest]) -> str:
    """Preamble and tests as one source; imports each once, sorted before the rest."""
    imports: list[str] = []
    rest: list[str] = []
    for line in preamble.split("\n"):
        (imports if re.match(r"(import|from) ", line) else rest).append(line)
    head = "\n".join([*dict.fromkeys(sorted(imports)), *rest]).strip("\n")
    return "\n\n\n".join(part for part in (head, *(test.source.strip("\n") for test in tests)) if part) + "\n"


def runner_lines(tests: Sequence[SingleTest]) -> str:
    """Lines that run the tests where they stand, in a notebook cell; pytest passes over them. "" for tests with fixtures."""
    heads = [ast.parse(test.source).body[0] for test in tests]
    rows = [
        isinstance(h, ast.FunctionDef) and any("parametrize" in ast.unparse(d) for d in h.decorator_list) for h in heads
    ]
    if any(
        not isinstance(h, ast.FunctionDef) or (h.args.args and not row) or len(h.decorator_list) > row
        for h, row in zip(heads, rows, strict=True)
    ):
        return ""
    names = [test.name for test in tests]
    # As a formatter leaves it: the cell then stays ours.
    listed = ", ".join(names) if len(names) > 1 else f"{names[0]},"
    if len(listed) > 60:
        listed = "\n        " + ",\n        ".join(names) + ",\n    "
    count = f"{len(names)} test{'s' if len(names) != 1 else ''} passed"
    call = "        test()"
    if any(rows):
        call = (
            '        for row in test.pytestmark[0].args[1] if hasattr(test, "pytestmark") else [()]:\n'
            "            test(*row) if isinstance(row, tuple) else test(row)"
        )
    return f'if __name__ == "__main__":\n    for test in ({listed}):\n{call}\n    print("{count}")\n'
