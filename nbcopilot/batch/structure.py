"""What a piece of code plainly does, read off its syntax: never wrong, never empty, no model.

The text of a summary when a model's answer does not hold, and the one-line outline of earlier cells in a prompt.
Python is read by its syntax tree, other languages by patterns.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

from nbcopilot.notebook.dependencies import names
from nbcopilot.notebook.language import cell_language
from nbcopilot.notebook.patterns import word_set
from nbcopilot.notebook.syntax import PYTHON_CELL_MAGICS, cell_magic, is_magic_call, tree

MAX_NAMES = 6
# Facts read of one cell: more could never be said.
MAX_FACTS = 60
MAX_CODE = 60
_IMPORTS = re.compile(
    r"^\s*(?:#include\s*[<\"]([\w./+-]+)[>\"]|(?:import|using|use|require|open|library|source)\b(?!\s*namespace\b)[\s(\"']*([\w.:/@-]*\w))", re.M
)  # fmt: skip
_CALLS = re.compile(r"(?<![\w.])([A-Za-z_][\w.]*)\s*\(")
_CREATE = re.compile(
    r"\bcreate\s+(?:or\s+replace\s+|temp\w*\s+)*(table|view|index)\s+(?:if\s+not\s+exists\s+)?([\w.]+)", re.I
)
_TABLES = {
    "Inserts into": re.compile(r"\binsert\s+into\s+([\w.]+)", re.I),
    "Updates": re.compile(r"\bupdate\s+([\w.]+)\s+set\b", re.I),
    "Deletes from": re.compile(r"\bdelete\s+from\s+([\w.]+)", re.I),
}
_SELECT = re.compile(r"\bselect\s+(?:distinct\s+)?(.+?)\s+from\s+([\w.]+)", re.I | re.S)
_PARAMETERS = re.compile(r"\bfunction\s*\w*\s*\(([^)]*)\)")
_KEYWORDS = word_set(
    "if for while import library require switch catch return function def fn func match until foreach print println "
    "printf when elif else"
)


def describe(sources: Sequence[str], language: str) -> str:
    """One to three sentences on what the cells do, naming only what stands in them."""
    return " ".join(_sentences(sources, language)[:3]) or quoted(sources)


def outline(sources: Sequence[str], language: str) -> str:
    """The same as one short phrase: "imports `pandas` as `pd`; sets `df`"."""
    found = _sentences(sources, language)[:3]
    return "; ".join(sentence[0].lower() + sentence[1:].rstrip(".") for sentence in found)


def quoted(sources: Sequence[str]) -> str:
    """The last resort: the first line that says something, as it stands."""
    lines = [line.strip() for source in sources for line in source.split("\n") if re.search(r"\w", line)]
    plain = [line for line in lines if "`" not in line] or [""]
    line = next((line for line in plain if not line.startswith(("%%", "#", "//", "--"))), plain[0])
    line = re.sub(r"\s+", " ", line)
    return f"Runs `{_cut(line)}`." if line else "Runs the code below."


def is_imports(sources: Sequence[str], language: str) -> bool:
    """Whether Python cells import and do little besides (magics aside): the imports themselves say it best."""
    modules = [tree(source) if language == "python" else None for source in sources]
    nodes = [node for module in modules if module is not None for node in module.body if not _is_magic(node)]
    imports = sum(isinstance(node, (ast.Import, ast.ImportFrom)) for node in nodes)
    others = [node for node in nodes if not isinstance(node, (ast.Import, ast.ImportFrom))]
    plain = all(isinstance(node, (ast.Expr, ast.Assign)) for node in others)
    return None not in modules and imports > 0 and plain and 3 * len(others) <= imports


def import_lines(sources: Sequence[str], language: str) -> list[str]:
    """The lines that import, as they stand."""
    pattern = r"^(?:import|from)\s.+$" if language == "python" else _IMPORTS.pattern
    return [match[0].strip() for source in sources for match in re.finditer(pattern, source, re.M)]


def title_from(name: str) -> str:
    """A title from the name of a file: "02_monthly-sales" is "Monthly sales"; "Notebook" when it says nothing."""
    words = re.sub(r"^[\W\d_]+(?=[^\W\d_])", "", re.sub(r"[_\-\s]+", " ", name)).strip()
    words = " ".join(re.sub(r"[^\w\s,&()+#.]", " ", words).split())
    if not re.search(r"[^\W\d_]{2}", words) or words.lower().startswith("untitled"):
        return "Notebook"
    return words[0].upper() + words[1:]


def counts(source: str, language: str) -> set[int]:
    """Numbers that are true of the code without standing in it: how many functions, imports, parameters, names it has."""
    module = _module(source, language)
    if module is None:
        return set()
    kinds: Counter[type[ast.AST]] = Counter()
    found: set[int] = set()
    for node in ast.walk(module):
        kinds[type(node)] += 1
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            found.add(len(node.args.posonlyargs) + len(node.args.args) + len(node.args.kwonlyargs))
        elif isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            found.add(len(node.elts))
        elif isinstance(node, ast.Dict):
            found.add(len(node.keys))
    found |= {kinds[kind] for kind in (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Assign)}
    return found | {kinds[ast.Import] + kinds[ast.ImportFrom]}


# --------------------------------------------------------------------------- facts


Fact = tuple[str, list[str]]  # ("Imports", ["`numpy` as `np`"]): facts of one verb are merged into one sentence


def _sentences(sources: Sequence[str], language: str) -> list[str]:
    """The facts of the cells, those of one verb in one sentence, in the order of first mention."""
    verbs: dict[str, dict[str, None]] = {}
    for source in sources:
        for verb, things in islice(_facts(source, language), MAX_FACTS):
            verbs.setdefault(verb, {}).update(dict.fromkeys(things))
    return [f"{verb} {_listed(list(things))}." for verb, things in verbs.items() if things]


def _facts(source: str, language: str) -> Iterator[Fact]:
    language = cell_language(source, language)
    magic = cell_magic(source)
    if magic is not None and magic.name not in PYTHON_CELL_MAGICS:
        if magic.name in ("writefile", "file"):
            yield "Writes the file", [_code(magic.line.split()[-1])] if magic.line.split() else []
            return
        source = magic.body
    elif magic is not None:
        source = magic.body
    module = tree(source) if language == "python" else None
    yield from _python(module) if module is not None else _other(source, language)


def _python(module: ast.Module) -> Iterator[Fact]:
    shown = [node for node in module.body if isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant)]
    for node in module.body:
        if isinstance(node, ast.Import):
            yield "Imports", [_alias(alias) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            imported = [_alias(alias) for alias in node.names if alias.name != "*"] or ["everything"]
            yield "Imports", [f"{_listed(imported)} from {_code('.' * node.level + (node.module or ''))}"]
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield "Defines", [_signature(node) + _purpose(node)]
        elif isinstance(node, ast.ClassDef):
            methods = [
                _code(n.name) for n in node.body if isinstance(n, ast.FunctionDef) and not n.name.startswith("_")
            ]
            with_methods = f" with {_listed(methods)}" if methods else ""
            yield "Defines", [f"the class {_code(node.name)}{with_methods}{_purpose(node)}"]
        elif isinstance(node, (ast.Assign, ast.AnnAssign)) and not _is_magic(node):
            yield _assigned(node)
        elif isinstance(node, ast.AugAssign):
            yield "Updates", [_code(ast.unparse(node.target))]
        elif isinstance(node, (ast.For, ast.AsyncFor)):
            yield "Loops over", [_code(ast.unparse(node.iter))]
        elif isinstance(node, (ast.If, ast.While, ast.Assert)):
            yield "Checks", [_code(ast.unparse(node.test))]
        elif isinstance(node, (ast.With, ast.AsyncWith)):
            yield "Works inside", [_code(ast.unparse(item.context_expr)) for item in node.items]
        elif isinstance(node, ast.Try):
            yield from _python(ast.Module(node.body, []))
    for node in shown:
        if isinstance(node.value, ast.Call) and not _is_magic(node):
            yield ("Prints", [_code(ast.unparse(a)) for a in node.value.args]) if _is_print(node.value) else (
                "Calls", [_code(ast.unparse(node.value.func))])  # fmt: skip
        elif node is module.body[-1] and not _is_magic(node) and ast.unparse(node.value) not in _targets(module):
            yield "Shows", [_code(ast.unparse(node.value))]


def _sql(source: str) -> Iterator[Fact]:
    for match in _CREATE.finditer(source):
        yield "Creates", [f"the {match[1].lower()} {_code(match[2])}"]
    for verb, pattern in _TABLES.items():
        yield verb, [_code(match[1]) for match in pattern.finditer(source)]
    for match in _SELECT.finditer(source):
        yield (
            "Selects",
            [f"{'everything' if match[1] == '*' else _code(' '.join(match[1].split()))} from {_code(match[2])}"],
        )


def _other(source: str, language: str) -> Iterator[Fact]:
    if language == "sql":
        yield from _sql(source)
        return
    yield "Loads", [_code(match[1] or match[2]) for match in _IMPORTS.finditer(source) if match[1] or match[2]]
    found = names(source, language)
    imported = {part for match in _IMPORTS.finditer(source) for part in re.split(r"\W", match[1] or match[2])}
    parameters = {word for match in _PARAMETERS.finditer(source) for word in re.findall(r"\w+", match[1])}
    yield "Defines", [_code(name) for name in _in_order(found.defined - imported - parameters - {"std"}, source)]
    calls = [match[1] for match in _CALLS.finditer(source) if match[1].lower() not in _KEYWORDS]
    yield "Calls", [_code(name) for name in dict.fromkeys(calls) if name not in found.defined]


# --------------------------------------------------------------------------- words


def _module(source: str, language: str) -> ast.Module | None:
    return tree(source) if language == "python" or cell_magic(source) is not None else None


def _alias(alias: ast.alias) -> str:
    return f"{_code(alias.name)} as {_code(alias.asname)}" if alias.asname else _code(alias.name)


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    parameters = [arg.arg for arg in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    whole = f"{node.name}({', '.join(parameters)})"
    return _code(whole if len(whole) <= MAX_CODE else node.name)


def _purpose(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> str:
    """The first line of the docstring, in brackets."""
    first = (ast.get_docstring(node) or "").strip().split("\n")[0].strip().rstrip(".")
    first = re.sub(r"[`<>*\[\]]", "", first)
    return f" ({first})" if 8 <= len(first) <= 100 else ""


def _assigned(node: ast.Assign | ast.AnnAssign) -> Fact:
    """What an assignment does: "Sets `x` to `3`", "Computes `df` with `pd.concat`", "Makes `rows`"."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    name = _listed([_code(ast.unparse(target)) for target in targets])
    value = node.value.value if isinstance(node.value, ast.Await) else node.value
    text = ast.unparse(value) if value is not None else ""
    if (
        len(text) <= MAX_CODE // 2
        and _is_plain(text)
        and not isinstance(value, (ast.List, ast.Dict, ast.Set, ast.Tuple))
    ):
        return "Sets", [f"{name} to `{text}`"]
    if isinstance(value, ast.Call):
        return "Computes", [f"{name} with {_code(ast.unparse(value.func))}"]
    return "Makes", [name]  # a verb of its own: "Sets `a` to `1` and `b`" would say that both are 1


def _targets(module: ast.Module) -> set[str]:
    return {ast.unparse(t) for node in module.body if isinstance(node, ast.Assign) for t in node.targets}


def _code(text: str) -> str:
    text = text if _is_plain(text) else (re.match(r"[\w.]+", text) or [text.split("\n")[0].replace("`", "'")])[0]
    return f"`{_cut(text)}`"


def _is_plain(text: str) -> bool:
    return len(text) <= MAX_CODE and "\n" not in text and "`" not in text


def _cut(text: str) -> str:
    """`text`, or its beginning up to the end of a word."""
    return text if len(text) <= MAX_CODE else re.sub(r"\W?\w*$", "", text[:MAX_CODE]).rstrip() + " …"


def _listed(things: Sequence[str]) -> str:
    if len(things) > MAX_NAMES:
        return f"{', '.join(things[:MAX_NAMES])} and more"
    return things[0] if len(things) == 1 else ", ".join(things[:-1]) + f" and {things[-1]}" if things else ""


def _in_order(found: frozenset[str], source: str) -> list[str]:
    return sorted(found, key=lambda name: (source.find(name), name))  # one may be the beginning of another


def _is_magic(node: ast.AST) -> bool:
    return is_magic_call(getattr(node, "value", node))


def _is_print(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id == "print" and bool(call.args)
