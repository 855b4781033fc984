"""What came out of a cell: the numbers in its outputs, each with the name of what it is, as sentences.

Printed lines speak in the notebook's own words; values without words get their name from the expression that gave them.
An output that the prints of its cell could not have written is of another run, and says nothing.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from nbcopilot.batch.findings import shown
from nbcopilot.batch.findings.phrases import WRAPPERS, aggregates, is_cross_table, listed, phrase
from nbcopilot.batch.findings.queries import query_of
from nbcopilot.batch.findings.steps import Known
from nbcopilot.notebook.syntax import tree
from nbcopilot.write.harmless import ADDRESS

# Lines of a print that are all said; of more the last one is, where it is all alone a summary of a loop.
MAX_LINES = 4
MAX_LINE = 160
# Values of a series that are all said; of more the highest and the lowest.
MAX_VALUES = 4
_WORDS = re.compile(r"[^\W\d_]{2,}")
# The text of an object, and an address: what a log says of a download.
_NO_FINDING = re.compile(rf"<[^<>]* at 0x[0-9a-fA-F]+|{ADDRESS.pattern}", re.I)
_STATISTICS = ("count", "mean", "std", "min")


@dataclass(frozen=True)
class Result:
    """A sentence on an output, without its full stop. `is_finding`: it answers something, and not only counts rows;
    `own_words`: it is a line that the notebook prints; `cell`: the position of the cell, where it is known."""

    text: str
    is_finding: bool = True
    own_words: bool = False
    cell: int = -1


def results(source: str, outputs: Sequence[str], known: Known) -> list[Result]:
    """What the outputs of one cell say. `known`: the definitions of names in this cell and above."""
    module = tree(source)
    text = "\n".join(outputs).strip("\n")
    if module is None or not text or not _fits(module, text):
        return []
    given = _shown(module)
    last = given[-1] if given else None
    whole = list(_value(text, last, known)) if len(given) <= 1 else []
    # Without a print the text is that of a value: a table or an object, and no sentence of the notebook's.
    speaks = any(isinstance(one, ast.Call) and getattr(one.func, "id", "") == "print" for one in ast.walk(module))
    return whole or (list(_printed(text, _prints(module), known)) if speaks or not given else [])


def is_of_another_run(source: str, outputs: Sequence[str]) -> bool:
    """Whether the outputs cannot have been printed by this code: the fixed words of a print are not in them."""
    module = tree(source)
    text = "\n".join(outputs)
    return module is not None and bool(text.strip()) and not _fits(module, text)


# --------------------------------------------------------------------------- code


def _prints(module: ast.Module) -> list[ast.Call]:
    """The prints at the top of a cell, which run once each."""
    calls = [node.value for node in module.body if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)]
    return [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"]


def _shown(module: ast.Module) -> list[ast.expr]:
    """The expressions whose values a cell shows, in order: arguments of prints, and the last one."""
    found = [call.args[0] for call in _prints(module) if len(call.args) == 1]
    last = module.body[-1] if module.body else None
    if isinstance(last, ast.Expr) and last.value not in _prints(module):
        found.append(last.value)
    return found


def _fits(module: ast.Module, text: str) -> bool:
    """Whether the fixed words of every print at the top stand in the output, in their order."""
    at = 0
    for call in _prints(module):
        for word in _fixed(call):
            found = text.find(word, at)
            if found < 0:
                return False
            at = found + len(word)
    return True


def _fixed(call: ast.Call) -> Iterator[str]:
    for argument in call.args:
        parts = argument.values if isinstance(argument, ast.JoinedStr) else [argument]
        for part in parts:
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                yield from (line.strip() for line in part.value.split("\n") if _WORDS.search(line))


def _name(node: ast.expr | None, known: Known) -> str:
    """What a value is, in words: its own phrase, or that of what the name was set to; else its code."""
    if node is None:
        return ""
    if best := _best(node, known):
        return best
    behind = known.get(node.id) if isinstance(node, ast.Name) else node
    said = phrase(behind) if behind is not None else None
    if said and not isinstance(behind, (ast.Name, ast.BinOp, ast.Constant)):
        return said[0].upper() + said[1:]
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in WRAPPERS and node.args:
        node = node.args[0]
    if not any(isinstance(one, ast.Name) for one in ast.walk(node)):
        return ""  # `1 + 1` is an exercise, no finding
    code = ast.unparse(node)
    return f"`{code}`" if len(code) <= 40 and "`" not in code and "\n" not in code else ""


def _best(node: ast.expr, known: Known) -> str:
    """`max(scores, key=scores.get)`, or a name set to it: the key at which a score is the highest, with both names."""
    made = known.get(node.id) if isinstance(node, ast.Name) else node
    if not isinstance(made, ast.Call) or not isinstance(made.func, ast.Name) or made.func.id not in ("max", "min"):
        return ""
    scores = known.get(made.args[0].id) if made.args and isinstance(made.args[0], ast.Name) else None
    if not any(keyword.arg == "key" for keyword in made.keywords) or not isinstance(scores, ast.DictComp):
        return ""
    what, _, key = (phrase(scores) or "").rpartition(" by ")
    return f"{key} with the {'highest' if made.func.id == 'max' else 'lowest'} {what}" if what else ""


# --------------------------------------------------------------------------- values


def _value(text: str, node: ast.expr | None, known: Known) -> Iterator[Result]:
    """One value that is the whole output."""
    name = _name(node, known)
    if found := shown.series(text):
        yield from _series(name, found, node)
    elif (frame := shown.table(text)) and not _is_sample(node, known):
        if is_cross_table(known.get(node.id) if isinstance(node, ast.Name) else node):
            yield from _cross_table(name, frame)
        else:
            yield from _table(name, frame, _measures(node, known))
    elif isinstance(node, ast.Tuple) and len(values := shown.numbers(text)) == len(node.elts):
        yield from _pairs(node.elts, values, known)
    elif (one := shown.scalar(text)) and name:
        value = shown.number(one)
        counts = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "len"
        yield Result(f"{name}: {shown.rounded(value) if value is not None else one}", is_finding=not counts)


def _measures(node: ast.expr | None, known: Known) -> dict[str, str]:
    """What the columns of a table are that a query computed."""
    made = known.get(node.id) if isinstance(node, ast.Name) else node
    found = query_of(made) if made is not None else None
    return found.measures if found is not None else aggregates(made)


def _is_sample(node: ast.expr | None, known: Known) -> bool:
    """Whether rows are only looked at: a whole table that was read, or the first of its rows."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr in ("head", "tail", "sample") and not _is_computed(node.func.value, known)
    return isinstance(node, ast.Name) and not _is_computed(node, known)


def _is_computed(node: ast.expr, known: Known) -> bool:
    made = known.get(node.id) if isinstance(node, ast.Name) else node
    return made is not None and bool(re.search(r"\.(?:groupby|agg|pivot\w*|value_counts|crosstab|corr|describe|nlargest|nsmallest|sort_values)\(|group by", ast.unparse(made), re.I))  # fmt: skip


def _series(name: str, found: shown.Series, node: ast.expr | None) -> Iterator[Result]:
    named = dict(zip(found.labels, found.values, strict=True))
    head = f"{name}: " if name else ""
    if all(word in named for word in _STATISTICS):
        spread = f"from {shown.rounded(named['min'])} to {shown.rounded(named.get('max', named['min']))}"
        yield Result(
            f"{head}{shown.rounded(named['count'])} values {spread}, mean {shown.rounded(named['mean'])}", False
        )
    elif len(named) <= MAX_VALUES:
        yield Result(head + listed([f"{label} {shown.rounded(value)}" for label, value in named.items()]))
    elif found.whole:
        said = head + _range(found)
        yield Result(said[0].upper() + said[1:])


def _range(found: shown.Series) -> str:
    top, low = shown.extremes(found)
    said = [f"{found.labels[at]} ({shown.rounded(found.values[at])})" for at in (top, low)]
    return f"highest for {said[0]}, lowest for {said[1]}"


def _table(name: str, frame: shown.Table, measures: Mapping[str, str]) -> Iterator[Result]:
    if all(word in frame.labels for word in _STATISTICS):
        yield from _statistics(frame)
        return
    if len(frame.labels) == 1:
        said = listed([f"{measures.get(c, f'`{c}`')} {v}" for c, v in zip(frame.columns, frame.cells[0], strict=True)])
        yield Result(said[0].upper() + said[1:])
        return
    labels, columns = frame.labels, list(frame.columns)
    if [str(at) for at in range(len(labels))] == list(labels) and not frame.column(columns[0]):
        labels = tuple(row[0] for row in frame.cells)  # rows are only counted: the first column names them
        del columns[0]
    if frame.rows != len(frame.labels) or len(set(labels)) < len(labels):
        return
    numeric = [column for column in columns if frame.column(column)]
    groups = name if name and not name.startswith("`pd.") else ""
    if all(word in numeric for word in _STATISTICS):  # groups by their statistics
        numeric, measures = ["mean"], {"mean": f"mean of {groups[0].lower()}{groups[1:]}" if groups else "mean"}
    for column in numeric[:3] if len(labels) <= MAX_VALUES else numeric[:1]:
        found = shown.Series(labels, frame.column(column))
        said = _range(found) if len(labels) > MAX_VALUES else listed([f"{k} {shown.rounded(v)}" for k, v in zip(labels, found.values, strict=True)])  # fmt: skip
        yield Result(f"{_titled(column, measures)}: {said}")


def _cross_table(name: str, frame: shown.Table) -> Iterator[Result]:
    """The highest and the lowest cell of a table whose rows and columns are both keys."""
    values = [frame.column(column) for column in frame.columns]
    if name and all(values) and frame.rows == len(frame.labels):
        labels = [f"{column}, {label}" for column in frame.columns for label in frame.labels]
        found = shown.Series(tuple(labels), tuple(value for column in values for value in column))
        yield Result(f"{name}: {_range(found)}")


def _titled(column: str, measures: Mapping[str, str]) -> str:
    said = measures.get(column, f"`{column}`")
    return said[0].upper() + said[1:]


def _statistics(frame: shown.Table) -> Iterator[Result]:
    """What `describe` says of the columns of a table."""
    low, top, mean = (frame.labels.index(word) if word in frame.labels else 0 for word in ("min", "max", "mean"))
    said = []
    for column in frame.columns[:4]:
        values = frame.column(column)
        if values:
            said.append(f"`{column}` from {shown.rounded(values[low])} to {shown.rounded(values[top])}, mean {shown.rounded(values[mean])}")  # fmt: skip
    counts = frame.column(frame.columns[0])
    if counts:
        yield Result(f"{shown.rounded(max(counts[frame.labels.index('count')], 0))} rows", False)
    if said:
        yield Result("; ".join(said), False)


# --------------------------------------------------------------------------- printed lines


def _printed(text: str, prints: Sequence[ast.Call], known: Known) -> Iterator[Result]:
    lines = [" ".join(line.split()) for line in text.split("\n") if line.strip()]
    if len(lines) > MAX_LINES:
        lines = lines[-1:] if len({len(line.split()) for line in lines}) == 1 else []
    silent = iter([call for call in prints if not any(_fixed(call))])
    for line in lines:
        found = shown.numbers(line)
        if found:
            call = next(silent, None)
            yield from _pairs(call.args if call is not None else [], found, known)
        elif len(line) <= MAX_LINE and _WORDS.search(line) and re.search(r"\d", line) and not _NO_FINDING.search(line):
            yield Result(line.rstrip("."), own_words=True)


def _pairs(nodes: Sequence[ast.expr], values: Sequence[str], known: Known) -> Iterator[Result]:
    """Several numbers at once, each with its name; nothing where any has none."""
    names = [_name(one, known) for one in nodes]
    if len(names) == len(values) and all(names):
        pairs = [f"{name}: {shown.rounded(float(value))}" for name, value in zip(names, values, strict=True)]
        yield Result("; ".join(pairs))
