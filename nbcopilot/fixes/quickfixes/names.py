"""Names that are not there, or no longer: attributes, methods, imports, modules, Python 2."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator

from nbcopilot.execution import RunError
from nbcopilot.fixes.quickfixes import tables
from nbcopilot.notebook.source_edit import Code, Edit, Span, owner

Rule = Callable[[Code, "re.Match[str]", RunError], Iterable[Edit]]

# CPython's own suggestion: "Did you mean: 'append'?"
_NEAR = re.compile(r"Did you mean:? '(\w+)'\?")
# The import that an edit may bring into use.
_ROOTS = {
    "np": "import numpy as np",
    "math": "import math",
    "datetime": "import datetime",
    "scipy": "import scipy.special",
}


def _of_module(code: Code, match: re.Match[str], error: RunError) -> Iterator[Edit]:
    """module 'numpy' has no attribute 'float'"""
    module, name = match["module"], match["name"]
    root = module.split(".")[0]
    table = {**tables.MODULE_ATTRIBUTES.get(root, {}), **tables.MODULE_ATTRIBUTES.get(module, {})}
    found = _of(code, name, module)
    new = table.get(name) or _told(error.message)
    if new and found:
        yield Edit(
            _renamed(code, found, new), f"`{new.format(o=module)}` instead of `{name}`, which {module} no longer has"
        )
    elif found:
        yield Edit(code.above(f"import {module}.{name}"), f"added `import {module}.{name}`", sure=False)


def _of_removed(code: Code, match: re.Match[str], error: RunError) -> Iterator[Edit]:
    """`np.NaN` was removed in the NumPy 2.0 release. Use `np.nan` instead."""
    name, new = match["name"], tables.MODULE_ATTRIBUTES["numpy"].get(match["name"]) or _told(error.message)
    found = _of(code, name, "numpy")
    if found and new:
        yield Edit(_renamed(code, found, new), f"`{new.format(o='np')}` instead of `{name}`, which numpy no longer has")


def _renamed(code: Code, places: list[ast.Attribute], new: str) -> list[Span]:
    """`new` in place of every `x.name`, with `x` for its `{o}`."""
    return [code.replaced(node, new.format(o=code.text(node.value))) for node in places]


def _near(error: RunError) -> str:
    """The name that the error says may have been meant; "" when it says none."""
    told = _NEAR.search(error.message)
    return next(iter(error.suggested("name")), told[1] if told else "")


def _of(code: Code, name: str, module: str) -> list[ast.Attribute]:
    """`np.float` everywhere in the cell, for the name that numpy has in the statement that failed; no `tensor.float`."""
    owners = {code.text(node.value) for node in code.attributes(name)}
    known = {module, module.split(".")[-1], *tables.ALIASES.get(module, ())}
    known |= {a.asname or a.name for node in code.all(ast.Import) for a in node.names if a.name == module}
    owners = owners & known or {text for text in owners if text.isidentifier()}
    return [node for node in code.attributes(name, everywhere=True) if code.text(node.value) in owners]


def _told(message: str) -> str:
    """The name that the message itself gives for another: "Use `np.nan` instead"."""
    told = re.search(r"[Uu]se `(?:\w+\.)?([\w.]+)` instead", message)
    return f"{{o}}.{told[1]}" if told else ""


def _of_object(code: Code, match: re.Match[str], error: RunError) -> Iterator[Edit]:
    """'DataFrame' object has no attribute 'as_matrix'"""
    name = match["name"]
    for template in tables.CALLS.get(name, ()):
        for call in code.calls(name):
            value = owner(call)
            if value is not None:
                text = template.format(o=code.text(value), args=code.arguments(call))
                yield Edit([code.replaced(call, text)], f"`{text}` instead of `{name}`, which is gone")
    places = code.attributes(name)
    if places and (new := tables.ATTRIBUTES.get(name)):
        yield Edit(
            _renamed(code, places, new),
            f"`{new.removeprefix('{o}.')}` instead of `{name}`, which is gone",
            name not in tables.AMBIGUOUS,
        )
    if places and (near := _near(error)):
        yield Edit(_renamed(code, places, f"{{o}}.{near}"), f"`{near}` instead of `{name}`", sure=False)


def _of_append(code: Code, match: re.Match[str], error: RunError) -> Iterator[Edit]:
    """'DataFrame' object has no attribute 'append': pandas 2.0 has `concat` alone"""
    for wrap in ("{}", "pd.DataFrame([{}])"):
        for call in code.calls("append"):
            value = owner(call)
            if value is None or not call.args:
                continue
            first = code.text(call.args[0])
            rest = code.arguments(call)[len(first) :]
            dictionary = isinstance(call.args[0], ast.Dict)
            if dictionary == ("DataFrame" in wrap) or not dictionary:
                text = f"pd.concat([{code.text(value)}, {wrap.format(first)}]{rest})"
                change = "`pd.concat` instead of `append`, which is gone"
                yield Edit([code.replaced(call, text)], change, sure=dictionary or wrap == "{}")


def _of_import(code: Code, match: re.Match[str], error: RunError) -> Iterator[Edit]:
    """cannot import name 'Imputer' from 'sklearn.preprocessing'"""
    module, name = match["module"], match["name"]
    line = tables.IMPORTS.get((module, name))
    if line is None:
        return
    for node in code.all(ast.ImportFrom):
        alias = next((a for a in node.names if a.name == name), None)
        if alias is not None:
            others = [_alias(a) for a in node.names if a is not alias]
            text = (f"from {node.module} import {', '.join(others)}\n" if others else "") + line
            text += f"\n{alias.asname} = {name}" if alias.asname else ""
            indent = " " * node.col_offset
            spans = [code.replaced(node, text.replace("\n", f"\n{indent}"))]
            yield Edit(spans, f"`{line.splitlines()[0]}`, as {module} no longer has `{name}`")


def _of_missing_module(code: Code, match: re.Match[str], error: RunError) -> Iterator[Edit]:
    """No module named 'sklearn.cross_validation'"""
    old = match["module"]
    new = tables.MODULES.get(old)
    if new is None:
        return
    spans = []
    for node in code.all(ast.ImportFrom):
        if f"{node.module}.".startswith(f"{old}."):
            names = ", ".join(_alias(a) for a in node.names)
            spans.append(code.replaced(node, f"from {new}{(node.module or '')[len(old) :]} import {names}"))
    for plain in code.all(ast.Import):
        known = all(a.asname or "." not in a.name for a in plain.names)
        if known and any(f"{a.name}.".startswith(f"{old}.") for a in plain.names):
            parts = [_moved(a, old, new) for a in plain.names]
            spans.append(code.replaced(plain, f"import {', '.join(parts)}"))
    if spans:
        yield Edit(spans, f"`{old}` is now `{new}`")


def _moved(alias: ast.alias, old: str, new: str) -> str:
    """The import with `new` for the module `old`, under the name that the cell uses."""
    if not f"{alias.name}.".startswith(f"{old}."):
        return _alias(alias)
    path, name = new + alias.name[len(old) :], alias.asname or alias.name
    return path if path == name else f"{path} as {name}"


def _alias(alias: ast.alias) -> str:
    return f"{alias.name} as {alias.asname}" if alias.asname else alias.name


def _of_name(code: Code, match: re.Match[str], error: RunError) -> Iterator[Edit]:
    """name 'xrange' is not defined"""
    name = match["name"]
    if new := tables.NAMES.get(name):
        places = [node for node in code.all(ast.Name) if node.id == name]
        yield Edit([code.replaced(node, new) for node in places], f"`{name}` is `{new}` in Python 3")
    elif line := tables.MOVED_NAMES.get(name):
        yield Edit(code.above(line), f"added `{line}`")
    elif meant := _near(error):
        places = [node for node in code.all(ast.Name) if node.id == name]
        yield Edit([code.replaced(node, meant) for node in places], f"`{meant}` instead of `{name}`", sure=False)


def _of_none(code: Code, match: re.Match[str], error: RunError) -> Iterator[Edit]:
    """'NoneType' object has no attribute 'head': of `df = df.dropna(inplace=True)`"""
    for node in code.all(ast.Assign):
        call = node.value
        if isinstance(call, ast.Call):
            for keyword in call.keywords:
                if keyword.arg == "inplace" and isinstance(keyword.value, ast.Constant) and keyword.value.value is True:
                    yield Edit([code.dropped(call, keyword)], "with `inplace=True` the call gives nothing back")


def python3(source: str) -> str:
    """The cell with statements of Python 2 written as Python 3: `print x`, `except E, e`, `raise E, "text"`."""
    text = re.sub(r"^([ \t]*)print[ \t]+(?![ \t=(])([^\n]*?)[ \t]*$", r"\1print(\2)", source, flags=re.MULTILINE)
    text = re.sub(r"^([ \t]*)print[ \t]*$", r"\1print()", text, flags=re.MULTILINE)
    text = re.sub(r"^([ \t]*raise[ \t]+[\w.]+)[ \t]*,[ \t]*([^\n]+)$", r"\1(\2)", text, flags=re.MULTILINE)
    return re.sub(r"^([ \t]*except[ \t]+[\w.]+)[ \t]*,[ \t]*(\w+)[ \t]*:", r"\1 as \2:", text, flags=re.MULTILINE)


RULES: tuple[tuple[re.Pattern[str], Rule], ...] = (
    (re.compile(r"^AttributeError: module '(?P<module>[\w.]+)' has no attribute '(?P<name>\w+)'"), _of_module),
    (re.compile(r"^AttributeError: `np\.(?P<name>\w+)` was removed"), _of_removed),
    (re.compile(r"^AttributeError: '(?:DataFrame|Series)' object has no attribute 'append'"), _of_append),
    (re.compile(r"^AttributeError: '?[\w.]+'? object has no attribute '(?P<name>\w+)'"), _of_object),
    (re.compile(r"^AttributeError: 'NoneType' object has no attribute"), _of_none),
    (re.compile(r"^TypeError: 'NoneType' object is not subscriptable"), _of_none),
    (re.compile(r"^ImportError: cannot import name '(?P<name>\w+)' from '(?P<module>[\w.]+)'"), _of_import),
    (re.compile(r"^ModuleNotFoundError: No module named '(?P<module>[\w.]+)'"), _of_missing_module),
    (re.compile(r"^NameError: name '(?P<name>\w+)' is not defined"), _of_name),
)  # fmt: skip
