"""Values of the wrong type: texts that are numbers or times, tensors, what is awaited, values that are gone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from nbcopilot.execution import RunError
from nbcopilot.fixes.quickfixes.names import Rule
from nbcopilot.notebook.source_edit import Code, Edit, called, owner

_SIGNS = r"[$€£¥₹,%\s]"
_INTEGERS = ("int", "'int'", '"int"', "'int64'", '"int64"', "np.int64", "np.int32", "'int32'", '"int32"')


def _amount(code: Code, match: re.Match[str], error: RunError) -> Iterator[Edit]:
    """could not convert string to float: '$2.39 '"""
    text = match["text"] or match["other"] or ""
    if not re.fullmatch(r"-?\d+(?:\.\d+)?", re.sub(_SIGNS, "", text)) or not re.search(_SIGNS, text):
        return
    clean = f'.str.replace(r"{_SIGNS}", "", regex=True)'
    change = "signs that are no digits taken out first"
    for call in code.calls("astype", "apply", "map"):
        value = owner(call)
        if value is not None and call.args and re.search(r"float|int", code.text(call.args[0])):
            kind = "float" if called(call) != "astype" else code.text(call.args[0])
            yield Edit([code.replaced(call, f"{code.text(value)}{clean}.astype({kind})")], change, sure=False)
    for call in code.calls("to_numeric"):
        if call.args:
            yield Edit([code.replaced(call.args[0], f"{code.text(call.args[0])}{clean}")], change, sure=False)


def _missing_integer(code: Code, match: re.Match[str], error: RunError) -> Iterator[Edit]:
    """Cannot convert non-finite values (NA or inf) to integer"""
    through = ".astype(float)" if "invalid literal" in error.message else ""
    for call in code.calls("astype"):
        value = owner(call)
        if value is not None and call.args and code.text(call.args[0]) in _INTEGERS:
            text = f'{code.text(value)}{through}.astype("Int64")'
            yield Edit([code.replaced(call, text)], "`Int64` can hold missing values", sure=False)


def _accessor(code: Code, match: re.Match[str], error: RunError) -> Iterator[Edit]:
    """Can only use .dt accessor with datetimelike values"""
    name = match["name"]
    for node in code.attributes(name):
        value = code.text(node.value)
        text = f"pd.to_datetime({value}).dt" if name == "dt" else f"{value}.astype(str).str"
        said = "read as times first" if name == "dt" else "made texts first"
        yield Edit([code.replaced(node, text)], said, sure=False)


def _told_method(code: Code, match: re.Match[str], error: RunError) -> Iterator[Edit]:
    """Already tz-aware, use tz_convert to convert."""
    told = match["name"]
    for call in code.calls():
        name = called(call)
        if isinstance(call.func, ast.Attribute) and name != told and name.split("_")[0] == told.split("_")[0]:
            renamed = f"{code.operand(call.func.value)}.{told}"
            yield Edit([code.replaced(call.func, renamed)], f"`{told}` instead of `{name}`, as the error says")


def _mixed_times(code: Code, match: re.Match[str], error: RunError) -> Iterator[Edit]:
    """time data "13/01/2020" doesn't match format "%m/%d/%Y\""""
    for call in code.calls("to_datetime"):
        if not any(k.arg in ("format", None) for k in call.keywords):
            yield Edit([code.added(call, 'format="mixed"')], "times in several formats", sure=False)


def _tensor(code: Code, match: re.Match[str], error: RunError) -> Iterator[Edit]:
    """Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."""
    step = "detach" if "requires grad" in error.message else "cpu"
    for call in code.calls("numpy"):
        value = owner(call)
        if value is not None:
            yield Edit([code.replaced(value, f"{code.text(value)}.{step}()")], f"`.{step}()` before `.numpy()`")


def _scalar_tensor(code: Code, match: re.Match[str], error: RunError) -> Iterator[Edit]:
    """invalid index of a 0-dim tensor. Use `tensor.item()`"""
    for node in code.near(ast.Subscript):
        if code.text(node.slice) == "0":
            value = code.text(node.value).removesuffix(".data")
            yield Edit([code.replaced(node, f"{value}.item()")], "`.item()` of a tensor with one value")


def _text_plus(code: Code, match: re.Match[str], error: RunError) -> Iterator[Edit]:
    """can only concatenate str (not "int") to str"""
    spans = []
    for node in code.near(ast.BinOp):
        if isinstance(node.op, ast.Add) and (_is_text(node.left) or _is_text(node.right)):
            for side in (node.left, node.right):
                if not _is_text(side) and not isinstance(side, ast.BinOp):
                    spans.append(code.replaced(side, f"str({code.text(side)})"))
    if spans:
        yield Edit(spans, "`str()` of what is added to a text", sure=False)


def _is_text(node: ast.expr) -> bool:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _is_text(node.left) or _is_text(node.right)
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _running_loop(code: Code, match: re.Match[str], error: RunError) -> Iterator[Edit]:
    """asyncio.run() cannot be called from a running event loop: a notebook has one"""
    for call in code.calls("run", "run_until_complete"):
        top = any(call in ast.walk(statement) for statement in code.tree.body if not _is_definition(statement))
        if top and len(call.args) == 1:
            yield Edit([code.replaced(call, f"await {code.text(call.args[0])}")], "a notebook awaits by itself")


def _is_definition(node: ast.stmt) -> bool:
    return isinstance(node, (ast.FunctionDef, ast.ClassDef))


def _text_value(code: Code, match: re.Match[str], error: RunError) -> Iterator[Edit]:
    """'seaborn-whitegrid' is not a valid package style; [E941] Can't find model 'en'"""
    old = match["old"] or match["model"]
    new = f"seaborn-v0_8{old.removeprefix('seaborn')}" if match["old"] else "en_core_web_sm"
    spans = [code.retold(node, new) for node in code.all(ast.Constant) if node.value == old]
    if spans:
        yield Edit(spans, f"`{old}` is now `{new}`")


RULES: tuple[tuple[re.Pattern[str], Rule], ...] = (
    (re.compile(r"could not convert string to float: '(?P<text>[^']*)'|Unable to parse string \"(?P<other>[^\"]*)\""), _amount),
    (re.compile(r"Cannot convert non-finite values|cannot convert float NaN to integer|invalid literal for int\(\) with base 10: '(?:nan|-?\d+\.\d+)'"), _missing_integer),
    (re.compile(r"Can only use \.(?P<name>dt|str) accessor with"), _accessor),
    (re.compile(r"\buse (?P<name>[a-z]+_[a-z_]+) to \w+"), _told_method),
    (re.compile(r"time data .* doesn't match format|unconverted data remains"), _mixed_times),
    (re.compile(r"Can't call numpy\(\) on Tensor that requires grad|can't convert \S+ device type tensor to numpy"), _tensor),
    (re.compile(r"invalid index of a 0-dim tensor"), _scalar_tensor),
    (re.compile(r"can only concatenate str \(not|unsupported operand type\(s\) for \+: '\w+' and 'str'"), _text_plus),
    (re.compile(r"cannot be called from a running event loop|This event loop is already running"), _running_loop),
    (re.compile(r"'(?P<old>seaborn[\w-]*)' is not a valid package style|Can't find model '(?P<model>en)'"), _text_value),
)  # fmt: skip
