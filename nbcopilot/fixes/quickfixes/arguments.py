"""Arguments that a call does not take, or takes by keyword only, or no longer with that value."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from nbcopilot.execution import RunError
from nbcopilot.fixes.quickfixes import tables
from nbcopilot.fixes.quickfixes.names import Rule
from nbcopilot.notebook.source_edit import Code, Edit, Span, called, owner


def _unexpected(code: Code, match: re.Match[str], error: RunError) -> Iterator[Edit]:
    """hist() got an unexpected keyword argument 'normed'"""
    name = match["name"]
    for call in code.calls():
        keyword = next((k for k in call.keywords if k.arg == name), None)
        if keyword is None:
            continue
        value, before = code.text(keyword.value), owner(call)
        if called(call) == "fillna" and name == "method" and before is not None and len(call.keywords) == 1:
            fill = "bfill" if "b" in value[1:2] else "ffill"
            yield Edit(
                [code.replaced(call, f"{code.text(before)}.{fill}()")], f"`fillna(method=...)` is now `{fill}()`"
            )
        if called(call) == "mean_squared_error" and name == "squared" and value == "False":
            end = code.replaced(call, "").end
            root = [code.dropped(call, keyword), Span(end, end, " ** 0.5")]
            yield Edit(root, "`squared` is no longer taken: the root is `** 0.5`")
        for new in tables.KEYWORDS.get(name, ()):
            if new and ("=" not in new or value == "False"):
                text = new if "=" in new else f"{new}={value}"
                yield Edit(
                    [code.replaced(keyword, text)], f"`{name}` is now `{new.split('=')[0]}`", sure=name != "size"
                )
        told = re.search(r"Did you mean '(\w+)'\?", error.message)
        if told:
            yield Edit([code.replaced(keyword, f"{told[1]}={value}")], f"`{told[1]}` instead of `{name}`")
        yield Edit([code.dropped(call, keyword)], f"`{called(call)}` takes no `{name}`", sure=False)


def _positional(code: Code, match: re.Match[str], error: RunError) -> Iterator[Edit]:
    """DataFrame.drop() takes from 1 to 2 positional arguments but 3 were given"""
    for call in code.calls():
        name = called(call)
        plot = name in tables.PLOTS
        parameters = tables.PLOTS[name] if plot else tables.PARAMETERS.get(name, ())
        given = call.args if plot else call.args[1:]
        names = parameters if plot else parameters[1:]
        taken = {keyword.arg for keyword in call.keywords}
        if not given or len(given) > len(names) or taken & set(names[: len(given)]):
            continue
        if any(isinstance(value, ast.Starred) for value in given):
            continue
        spans = [code.replaced(v, f"{p}={code.text(v)}") for v, p in zip(given, names, strict=False)]
        said = ", ".join(f"`{p}=`" for p in names[: len(given)])
        yield Edit(spans, f"`{name}` takes {said} by keyword")


def _value(code: Code, match: re.Match[str], error: RunError) -> Iterator[Edit]:
    """The 'max_features' parameter of RandomForestClassifier must be ... Got 'auto' instead."""
    name, old = match["name"], match["value"]
    new = tables.VALUES.get((name, old))
    for keyword in code.all(ast.keyword):
        fits = isinstance(keyword.value, ast.Constant) and keyword.value.value == old
        if new and keyword.arg == name and fits:
            yield Edit([code.replaced(keyword.value, new)], f"`{name}={old!r}` is now `{new}`")


RULES: tuple[tuple[re.Pattern[str], Rule], ...] = (
    (re.compile(r"got an unexpected keyword argument '(?P<name>\w+)'"), _unexpected),
    (re.compile(r"^ValueError: (?:Argument\(s\) not recognized|Unrecognized keyword arguments passed to \w+): \{'(?P<name>\w+)'"), _unexpected),
    (re.compile(r"^TypeError: .*takes (?:exactly |at most |from \d+ to )?\d+ positional arguments? but \d+"), _positional),
    (re.compile(r"^TypeError: .*got multiple values for argument"), _positional),
    (re.compile(r"^InvalidParameterError: The '(?P<name>\w+)' parameter of .* Got '(?P<value>\w+)' instead", re.DOTALL), _value),
)  # fmt: skip
