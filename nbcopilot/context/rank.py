"""What of a notebook bears on a request, and how much: names that it mentions, cells, variables, text, errors.

Judges relevance only; `gather` turns the findings into pieces, `budget` makes them fit.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from nbcopilot.live_state import Table
from nbcopilot.notebook import dependencies
from nbcopilot.notebook.fault import at_fault
from nbcopilot.notebook.requests import is_request
from nbcopilot.types import Cell, ErrorInfo, Notebook, Task, Variable

_ABOUT_ERROR = re.compile(
    r"(?i)\b(?:errors?|exceptions?|tracebacks?|fails?|failed|failing|fix|mend|repair|bugs?|crash(?:es|ed)?|broken|wrong)\b"
)
_WORD = re.compile(r"[^\W\d]\w*")
# Kinds of variables that a request is likely to be about when it names none.
_DATA_KINDS = ("frame", "series", "array")


def known_names(notebook: Notebook) -> set[str]:
    """Names that the notebook defines: live ones, and those that its cells bind."""
    known = {name for name in notebook.names if not name.startswith("_")}
    for cell in notebook.cells:
        if cell.kind == "code":
            known |= dependencies.names(cell.source, notebook.language).defined
    return known - dependencies.BUILTINS


def mentioned(instruction: str, known: Iterable[str]) -> list[str]:
    """Names of `known` that the instruction mentions, in its order.

    A single lower-case letter is an English word ("a", "I") more often than a name: it counts between backticks, or
    where it is used as code (`x[0]`, `x.mean()`, `f(x)`, `x = 1`).
    """
    names = set(known)
    found: dict[str, None] = {}
    quoted = {word for part in re.findall(r"`([^`\n]+)`", instruction) for word in _WORD.findall(part)}
    for match in _WORD.finditer(instruction):
        word = match[0]
        if word not in names or word in found:
            continue
        if (
            len(word) > 1
            or (word.isupper() and word not in ("I", "A"))
            or word in quoted
            or _as_code(instruction, match)
        ):
            found[word] = None
    return list(found)


def _as_code(text: str, match: re.Match[str]) -> bool:
    before, after = text[max(match.start() - 1, 0) : match.start()], text[match.end() : match.end() + 2].lstrip()[:1]
    return before in ("(", "[", "=", "*", "/", "+") or (
        bool(after) and after in "[.(=+*/)" and not re.match(r"\.(?:\s|$)", text[match.end() :])
    )


def needs(task: Task, notebook: Notebook) -> list[str]:
    """Names that the request stands on: those that its code uses, and those that its words mention."""
    found: dict[str, None] = {}
    if task.target.source.strip() and task.kind != "generate":
        found.update(dict.fromkeys(sorted(dependencies.names(task.target.source, notebook.language).used)))
    if task.instruction.strip():
        known = known_names(notebook)
        found.update(dict.fromkeys(mentioned(task.instruction, known)))
        read = dependencies.names(task.instruction, notebook.language)
        if read.parsed:  # the instruction is code: a signature with a docstring, a comment with a stub
            found.update(dict.fromkeys(sorted(read.used & known)))
    return list(found)


def imported(notebook: Notebook, source: str, needed: Iterable[str]) -> frozenset[tuple[str, str]]:
    """(module, name) of what the request needs and the notebook imports: `from utils import clean`, `utils.clean`."""
    needed = set(needed)
    found: set[tuple[str, str]] = set()
    sources = [cell.source for cell in notebook.cells if cell.kind == "code"]
    for text in [*sources, source]:
        for module, names in re.findall(
            r"^[ \t]*from[ \t]+([.\w]+)[ \t]+import[ \t]+\(?([^\n#;]+)", text, re.MULTILINE
        ):
            for name, alias in re.findall(r"(\w+)(?:\s+as\s+(\w+))?", names):
                if (alias or name) in needed:
                    found.add((module, name))
        for module, alias in re.findall(r"^[ \t]*import[ \t]+([.\w]+)(?:[ \t]+as[ \t]+(\w+))?", text, re.MULTILINE):
            short = alias or module.partition(".")[0]
            if short in needed:
                found |= {
                    (module, name) for name in re.findall(rf"\b{re.escape(alias or module)}\.([A-Za-z_]\w*)", source)
                }
    return frozenset(found)


def recent(notebook: Notebook, end: int, limit: int) -> list[Cell]:
    """The last `limit` code cells above `end` that are no requests and not empty, nearest last."""
    found = [
        cell for cell in notebook.cells[:end] if cell.kind == "code" and cell.source.strip() and not is_request(cell)
    ]
    return found[len(found) - limit :] if limit < len(found) else found


def text_above(notebook: Notebook, end: int, within: int = 2) -> Cell | None:
    """The nearest markdown cell above index `end`, with at most `within` other cells between."""
    for cell in reversed(notebook.cells[max(end - 1 - within, 0) : end]):
        if cell.kind == "markdown" and cell.source.strip():
            return cell
    return None


def title(notebook: Notebook) -> str:
    """The first heading of the notebook, when it stands in one of the first three cells; else ""."""
    for cell in notebook.cells[:3]:
        match = re.search(r"^#{1,2}[ \t]+(\S.*)$", cell.source, re.MULTILINE) if cell.kind == "markdown" else None
        if match:
            return match[1].strip()[:200]
    return ""


def relevant_error(task: Task, notebook: Notebook) -> ErrorInfo | None:
    """The last error when the request is about it: to fix, about the cell that failed, or in so many words."""
    error = notebook.error
    if error is None:
        return None
    if task.kind == "fix":
        # A target of its own that did not raise it, and is not at fault for it, is another matter.
        own = not task.target.source.strip() or not error.source.strip() or _same_code(task.target.source, error.source)
        if own or error.cell_id == task.target.cell_id:
            return error
        guilty = at_fault(notebook)
        return error if guilty is not None and guilty.id == task.target.cell_id else None
    if task.kind in ("explain", "document", "testgen"):
        about = error.cell_id is not None and error.cell_id == task.target.cell_id
        return error if about or (task.kind == "explain" and _ABOUT_ERROR.search(task.instruction)) else None
    return error if _ABOUT_ERROR.search(task.instruction) or error.name in task.instruction else None


def _same_code(left: str, right: str) -> bool:
    """Whether two sources are the same but for a cell magic and blanks."""
    return _bare(left) == _bare(right)


def _bare(source: str) -> str:
    return re.sub(r"\A\s*%%[^\n]*\n", "", source).strip()


def usage(notebook: Notebook) -> Counter[str]:
    """How many cells that ran use each name."""
    found: Counter[str] = Counter()
    for cell in notebook.cells:
        if cell.kind == "code" and cell.executed is not None:
            found.update(dependencies.names(cell.source, notebook.language).used)
    return found


def labels(table: Table, instruction: str) -> list[str]:
    """Labels of a table that the instruction mentions."""
    words = {word.casefold() for word in _WORD.findall(instruction)}
    return [column.label for column in table.columns if words & {w.casefold() for w in _WORD.findall(column.text)}]


def variables(
    task: Task, namespace: Sequence[Variable], needed: Sequence[str], used: Mapping[str, int], fallback: int = 4
) -> list[tuple[Variable, str, float]]:
    """(variable, reason, priority) of those worth showing, in a stable order (that of their names).

    Needed ones first; then frames with a column that the instruction names. A request for new code that names no
    data also gets what the notebook is plainly about: the data that most cells use, and, when nothing else was
    found, the newest `fallback` pieces of data. `namespace` has the newest first.
    """
    by_name = {variable.name: variable for variable in namespace}
    chosen: dict[str, tuple[str, float]] = {}
    for name in needed:
        if name in by_name and by_name[name].kind != "module":
            reason = "used by the code" if task.kind != "generate" else "named in the request"
            chosen[name] = (reason, 80.0)
    words = {word for word in _WORD.findall(task.instruction) if len(word) > 2}
    data = [variable for variable in namespace if variable.kind in _DATA_KINDS]
    names_data = any(variable.name in chosen for variable in data)
    for variable in data:
        shared = words & set(_WORD.findall(variable.summary.partition("columns")[2]))
        if shared and variable.name not in chosen:
            chosen[variable.name] = (f"has the column {sorted(shared)[0]}", 50.0)
    if task.kind == "generate" and data and not names_data:
        if not chosen:
            chosen |= {variable.name: ("the newest data", 30.0) for variable in data[:fallback]}
        most = max(data, key=lambda variable: used.get(variable.name, 0))
        if used.get(most.name):
            chosen.setdefault(most.name, ("the data that most cells use", 35.0))
    return [(by_name[name], *chosen[name]) for name in sorted(chosen)]
