"""What the cells of a group do to the data, read off the syntax tree: files, columns, rows, fitted models, charts.

Only what a reader could not guess from the names: no import, no plain assignment, no call as such.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from nbcopilot.batch.findings.phrases import columns, condition, named, phrase, texts
from nbcopilot.batch.findings.queries import query_of
from nbcopilot.notebook.syntax import tree

Kind = Literal["data", "column", "rows", "split", "model", "chart", "saved"]

# What draws, by the name of the method or function (matplotlib, pandas, seaborn, plotly, altair).
CHARTS = {
    "bar": "bar chart", "barh": "bar chart", "barplot": "bar chart", "countplot": "bar chart", "mark_bar": "bar chart",
    "hist": "histogram", "histplot": "histogram", "histogram": "histogram", "kde": "density", "kdeplot": "density",
    "scatter": "scatter plot", "scatterplot": "scatter plot", "scatter_matrix": "scatter plots of all pairs",
    "pairplot": "scatter plots of all pairs", "regplot": "scatter plot with a fitted line", "mark_point": "scatter plot",
    "boxplot": "box plot", "box": "box plot", "violinplot": "violin plot", "violin": "violin plot",
    "heatmap": "heat map", "imshow": "image", "pcolormesh": "heat map", "contourf": "contours", "contour": "contours",
    "pie": "pie chart", "plot": "line chart", "line": "line chart", "lineplot": "line chart", "mark_line": "line chart",
    "errorbar": "chart with error bars", "area": "area chart", "stackplot": "area chart", "stem": "stem plot",
}  # fmt: skip
_READS = re.compile(r"read_\w+|load\w*|connect|open|open_\w+|imread|fetch_\w+|from_file|genfromtxt|loadtxt|urlopen")
_SAVES = re.compile(r"to_(?:csv|parquet|excel|json|pickle|feather|sql|hdf|html)|savefig|save\w*|dump|imwrite|write_\w+")
_LABELS = {"set_title": "title", "title": "title", "suptitle": "title", "set_xlabel": "x", "xlabel": "x", "set_ylabel": "y", "ylabel": "y"}  # fmt: skip
MAX_STEPS = 8
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)  # what they draw is drawn when they are called


@dataclass(frozen=True)
class Step:
    """One thing that a cell does, as a sentence without its full stop; `subject` is the variable or file it is about."""

    kind: Kind
    text: str
    subject: str = ""


@dataclass(frozen=True)
class Chart:
    """A figure as its code has it: its kind, what is drawn, its title and the labels of its axes."""

    kind: str
    what: str = ""
    title: str = ""
    x: str = ""
    y: str = ""

    @property
    def text(self) -> str:
        """The figure in words, as its description and as its alternative text."""
        axes = [f"{name}: {label}" for name, label in (("x", self.x), ("y", self.y)) if label]
        head = self.kind[0].upper() + self.kind[1:]
        said = f"{head} of {self.what}" if self.what else head
        return said + (f", “{self.title}”" if self.title else "") + (f" ({', '.join(axes)})" if axes else "")


Known = Mapping[str, ast.expr]


def definitions(source: str) -> dict[str, ast.expr]:
    """What plain names are set to in a cell: the last one counts; of a split into parts each part is its whole."""
    found: dict[str, ast.expr] = {}
    module = tree(source)
    for node in module.body if module is not None else ():
        if not isinstance(node, ast.Assign) or len(node.targets) != 1:
            continue
        target, value = node.targets[0], node.value
        if isinstance(target, ast.Name):
            found[target.id] = value
        elif isinstance(target, ast.Tuple) and _called(value) == "train_test_split" and isinstance(value, ast.Call):
            for at, part in enumerate(target.elts):
                if isinstance(part, ast.Name) and at // 2 < len(value.args):
                    found[part.id] = value.args[at // 2]
        elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
            found |= {t.id: v for t, v in zip(target.elts, value.elts, strict=True) if isinstance(t, ast.Name)}
    return found


def steps(source: str, known: Known) -> list[Step]:
    """What a cell does, in order. `known`: the definitions of the names in the cells above and in this one."""
    module = tree(source)
    found = (
        dict.fromkeys(step for node in module.body for step in _statement(node, known)) if module is not None else {}
    )
    drawn = chart(source, known)
    return [*found, *([Step("chart", drawn.text)] if drawn is not None else [])][:MAX_STEPS]


def reads_file(node: ast.expr) -> str:
    """The file, address or query target that an expression reads; "" when it reads none."""
    for call in _calls(node):
        if _READS.fullmatch(_called(call)):
            if re.match(r"(?:load|fetch)_\w", getattr(call.func, "id", "")) and not any(
                texts(argument) for argument in call.args
            ):
                return f"{_called(call)}()"
            for argument in [*call.args, *(k.value for k in call.keywords)]:
                if (text := next(iter(texts(argument)), "")) and re.fullmatch(r"\S{2,120}", text):
                    return text
    return ""


def chart(source: str, known: Known) -> Chart | None:
    """The figure that a cell draws, by its code, with the labels set in it; None when it draws none."""
    module = tree(source)
    body = [node for node in module.body if not isinstance(node, _DEFINITIONS)] if module is not None else []
    calls = [call for node in body for call in _calls(node) if isinstance(call.func, ast.Attribute)]
    drawn = [call for call in calls if _is_drawn(call, calls)]
    if not drawn:
        return None
    labels = {_LABELS[name]: text for call in calls if (name := _called(call)) in _LABELS and (text := _text(call))}
    options: dict[str, str] = {k.arg: next(iter(texts(k.value)), "") for call in drawn for k in call.keywords if k.arg}
    kind = CHARTS.get(options.get("kind", ""), "") or CHARTS[_called(drawn[0])]
    title = labels.get("title") or options.get("title") or ""
    x, y = labels.get("x") or options.get("xlabel") or "", labels.get("y") or options.get("ylabel") or ""
    return Chart(kind, _drawn(drawn[0], options, known), title, x, y)


# --------------------------------------------------------------------------- statements


def _statement(node: ast.stmt, known: Known) -> Iterator[Step]:
    if isinstance(node, ast.With):
        for inner in node.body:
            yield from _statement(inner, known)
    if isinstance(node, (ast.Assign, ast.AnnAssign, ast.Expr)) and node.value is not None:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        name = target.id if isinstance(target, ast.Name) else ""
        query = query_of(node.value)
        if query is not None:
            yield Step("data", f"The rows come from the table {named(query.tables)}", query.tables[0])
        elif file := reads_file(node.value):
            yield Step("data", f"The data come from `{file}`", name or file)
        if isinstance(target, ast.Subscript) and len(names := columns(target)) == 1:
            yield from _column(names[0], node.value)
        elif name:
            yield from _rows(name, node.value)
        yield from _split(node.value, known)
        yield from _model(node.value, known)
        for call in _calls(node.value):
            if _SAVES.fullmatch(_called(call)) and isinstance(call.func, ast.Attribute):
                files = [text for argument in call.args for text in texts(argument)]
                if files and (what := phrase(call.func.value)):
                    what = "The chart" if _called(call) == "savefig" else what
                    yield Step("saved", f"{what} is saved as `{files[0]}`", files[0])


def _column(name: str, value: ast.expr) -> Iterator[Step]:
    """What a new column is, where it is computed of others: "`revenue` is `cups` × `price`"."""
    if isinstance(value, ast.Compare) and (clause := condition(value)):
        yield Step("column", f"`{name}` marks the rows where {clause}", name)
    elif isinstance(value, ast.BinOp) and (said := phrase(value)):
        yield Step("column", f"`{name}` is {said}", name)
    elif (
        isinstance(value, ast.Call) and _called(value) == "map" and isinstance(value.func, ast.Attribute) and value.args
    ):
        key, values = phrase(value.func.value), phrase(value.args[0])
        if key and values:
            yield Step("column", f"`{name}` is {values}, by {key}", name)
    elif isinstance(value, ast.Call) and (said := phrase(value)) and f"`{name}`" not in said:
        yield Step("column", f"`{name}` is the {said}" if not said.startswith("`") else f"`{name}` is {said}", name)


def _rows(name: str, value: ast.expr) -> Iterator[Step]:
    """Which rows are kept: "Only rows where `kwh` is from 5 to 60 are kept"."""
    if isinstance(value, ast.Subscript) and isinstance(value.value, ast.Name) and (clause := condition(value.slice)):
        kept = "Only rows" if value.value.id == name else f"`{name}` holds the rows"
        yield Step("rows", f"{kept} where {clause}" + (" are kept" if value.value.id == name else ""), name)


def _split(value: ast.expr, known: Known) -> Iterator[Step]:
    if _called(value) != "train_test_split" or not isinstance(value, ast.Call):
        return
    options = {k.arg: k.value for k in value.keywords}
    size = options.get("test_size")
    share = size.value if isinstance(size, ast.Constant) and isinstance(size.value, (int, float)) else None
    part = "A part" if share is None else f"{share * 100:g} %" if isinstance(share, float) else f"{share} rows"
    by = _meant(options["stratify"], known) if "stratify" in options else ""
    stratified = f", with the same shares of {by} in both parts" if by else ""
    yield Step("split", f"{part} of the data {'are' if share else 'is'} held out for testing{stratified}")


def _model(value: ast.expr, known: Known) -> Iterator[Step]:
    """What is fitted to what: "A `Ridge` is fitted to predict `y` from `a` and `b`"."""
    for call in _calls(value):
        if _called(call) not in ("fit", "fit_predict", "fit_transform") or not isinstance(call.func, ast.Attribute):
            continue
        maker = _made_by(call.func.value, known)
        if not maker or not call.args:
            continue
        inputs = _meant(call.args[0], known)
        if _called(call) == "fit_transform":
            yield Step("model", f"{inputs} is transformed by `{maker}`")
        elif len(call.args) > 1:
            yield Step("model", f"`{maker}` is fitted to predict {_meant(call.args[1], known)} from {inputs}", maker)
        else:
            yield Step("model", f"`{maker}` is fitted to {inputs}", maker)


def _made_by(node: ast.expr, known: Known) -> str:
    """The class of an estimator: of `Ridge(alpha=1)`, or of the name that was set to it."""
    if isinstance(node, ast.Name) and node.id in known:
        node = known[node.id]
    name = _called(node)
    return name if name[:1].isupper() else ""


def _meant(node: ast.expr, known: Known) -> str:
    """What stands behind a name: the columns that it was made of, else the name itself."""
    seen = 0
    meant = node
    while isinstance(meant, ast.Name) and meant.id in known and seen < 4:
        meant, seen = known[meant.id], seen + 1
    if isinstance(meant, ast.Call) and meant.args and _called(meant)[:1].islower():  # get_dummies(df[[...]])
        meant = meant.args[0] if columns(meant.args[0]) else meant
    found = columns(meant)
    return named(found) if found else phrase(node) or f"`{ast.unparse(node)[:40]}`"


# --------------------------------------------------------------------------- charts


def _is_drawn(call: ast.Call, calls: Sequence[ast.Call]) -> bool:
    """Whether a call draws; `df.plot` in `df.plot.bar()` is no call, and `title` of pyplot no chart."""
    return _called(call) in CHARTS and not any(
        isinstance(other.func, ast.Attribute) and other.func.value is call and _called(other) in CHARTS
        for other in calls
    )


def _drawn(call: ast.Call, options: Mapping[str, str], known: Known) -> str:
    """What is drawn: the columns for the axes, else the receiver or the arguments."""
    x, y, column, by = (options.get(name) for name in ("x", "y", "column", "by"))
    if column or (x and y):
        return f"`{column or y}` by `{by or x}`" if by or x else f"`{column}`"
    if x or y:
        return f"`{x or y}`"
    receiver = call.func.value if isinstance(call.func, ast.Attribute) else None
    if isinstance(receiver, ast.Attribute) and receiver.attr == "plot":
        receiver = receiver.value
    if isinstance(receiver, ast.Name) and receiver.id in known and (said := phrase(known[receiver.id])):
        return said  # and not axes, which draw their arguments
    if receiver is not None and not isinstance(receiver, ast.Name) and (said := phrase(receiver)):
        return said
    drawn = [one for argument in call.args[:2] if (one := phrase(argument)) and "`" in one]
    return f"{drawn[1]} against {drawn[0]}" if len(drawn) == 2 else "".join(drawn)


def _text(call: ast.Call) -> str:
    return next((text for argument in call.args for text in texts(argument)), "")


def _calls(node: ast.AST) -> Iterator[ast.Call]:
    return (one for one in ast.walk(node) if isinstance(one, ast.Call))


def _called(node: ast.AST) -> str:
    """The last name of what is called: `fit` of `model.fit(X)`; "" when nothing is."""
    if not isinstance(node, ast.Call):
        return ""
    func = node.func
    return func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
