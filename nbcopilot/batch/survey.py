"""Which cells of a notebook need a summary, and which summaries are outdated: NotebookFile -> Survey. Needs no model.

The rules, in one place:

* A code cell counts when it has code: not only comments, magics or `!` commands. Tests that we wrote do not count:
  their label says what they are.
* It is explained when the cell directly above (empty cells and magics-only cells do not separate) is markdown with
  prose. A heading, an image or a link alone is no explanation.
* Cells that the published page leaves out, and those whose code readers do not get, need no text
  (notebook/conventions.py). What must stay at the top (front matter, a licence, a badge) stays there.
* Small glue cells (one or two plain statements) share the summary of their neighbour: the one above, at the start
  of a run the one below.
* A group that only imports or sets constants needs no text; neither does one of which an earlier run could say nothing
  (its form is noted in the metadata of a cell of ours).
* Our summary is fresh while the hash of the cells that it describes is the one in its metadata, outdated when it is
  not, and an orphan when no code follows. One that the user edited is an explanation like any other.
* A notebook has a title when its top has a heading of level 1, or one whose level does not come again; it has an
  overview when its top has prose.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from nbcopilot.batch.structure import is_trivial
from nbcopilot.hashing import text_hash
from nbcopilot.notebook import conventions
from nbcopilot.notebook.document import NotebookFile, source_text
from nbcopilot.notebook.language import cell_language
from nbcopilot.notebook.normal import PREFIX, forms
from nbcopilot.notebook.syntax import PYTHON_CELL_MAGICS, cell_magic, is_ipython_line, is_magic_call, tree
from nbcopilot.write.markdown import headings, prose_words
from nbcopilot.write.provenance import is_edited, ours

State = Literal["missing", "fresh", "outdated", "users", "needless"]
OverviewState = Literal["fresh", "outdated", "missing", "users", "needless"]
_Kind = Literal["code", "skip", "text", "heading", "summary", "overview", "other"]

GLUE_LINES = 3
GLUE_STATEMENTS = 2
GROUP_CELLS = 5
GROUP_LINES = 40
# Prose of fewer words ("Load data") is taken for a heading.
EXPLANATION_WORDS = 3
# Magics whose cells ask nbcopilot for something; there is nothing to document in them.
_OUR_MAGICS = frozenset({"generate", "explain", "testgen", "fix", "document", "nbcopilot"})
_COMMENTS = re.compile(r"^\s*(?:#(?!include|define|r\b)|//|--\s|;|%%?\s|/\*.*\*/\s*$|\(\*.*\*\)\s*$)")
_PLAIN = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr, ast.Assert, ast.Delete)


@dataclass(frozen=True)
class Group:
    """Code cells that share one summary. `cells` and `summary` are positions in the list of cells."""

    cells: tuple[int, ...]
    state: State
    summary: int | None = None


@dataclass(frozen=True)
class Survey:
    """What a notebook has and lacks. `overview_at` is where an overview stands or would go."""

    groups: tuple[Group, ...]
    overview: OverviewState
    overview_at: int
    has_title: bool
    orphans: tuple[int, ...] = ()
    title: str = ""  # as the front matter has it
    has_sections: bool = False
    section_level: int = 2  # of headings below its title

    @property
    def combined(self) -> bool:
        """True when the title goes on top of the only summary instead of a cell of its own."""
        return (
            len(self.groups) == 1
            and self.overview == "missing"
            and not self.has_title
            and self.overview_at <= self.groups[0].cells[0]
        )

    @property
    def complete(self) -> bool:
        """True when nothing is missing, outdated or orphaned."""
        return not self.orphans and self.overview not in ("missing", "outdated") and not self.todo

    @property
    def todo(self) -> tuple[Group, ...]:
        """The groups that need a new summary, in order."""
        return tuple(group for group in self.groups if group.state in ("missing", "outdated"))


def survey(file: NotebookFile) -> Survey:
    """What documentation `file` has and lacks."""
    items = file.content["cells"]
    kinds = [_kind(item, file.language) for item in items]
    for at in range(_pinned(items)):
        kinds[at] = "other"
    cells = _Cells(items, file.language)
    groups: list[Group] = []
    orphans: list[int] = []
    header: int | None = None
    run: list[int] = []
    for at, kind in enumerate([*kinds, "other"]):
        if kind == "code":
            run.append(at)
        elif kind != "skip":
            if run:
                groups += _groups(cells, kinds, header, run)
            elif header is not None and kinds[header] == "summary":
                orphans.append(header)
            header, run = at, []
    silent = _silent(items)
    groups = [
        replace(one, state="needless") if _is_needless(items, one, file.language, silent) else one for one in groups
    ]
    return _with_overview(items, kinds, groups, orphans)


def group_hash(items: Sequence[Any], cells: Sequence[int]) -> str:
    """Hash of the sources of these cells together; of one cell it is the hash of its source."""
    return text_hash("\n\n".join(source_text(items[at]) for at in cells))


def group_form(items: Sequence[Any], cells: Sequence[int]) -> str:
    """The same for what formatters leave of these cells (notebook/normal.py)."""
    return forms([("code", source_text(items[at])) for at in cells])


def described(record: Mapping[str, Any]) -> str:
    """The `group_hash` of the cells that a summary describes, from its metadata; "" when it holds none."""
    digest = record.get("span_hash") or record.get("source_hash")
    return digest if isinstance(digest, str) else ""


def has_code(source: str, language: str) -> bool:
    """Whether a cell holds something to describe besides comments, magics and shell commands."""
    magic = cell_magic(source)
    if magic is not None:
        if magic.name in _OUR_MAGICS:
            return False
        return has_code(magic.body, language) if magic.name in PYTHON_CELL_MAGICS else bool(magic.body.strip())
    lines = [line for line in source.split("\n") if line.strip() and not _COMMENTS.match(line)]
    if language == "python":
        module = tree(source) if lines else None
        if module is not None:  # the tree knows a call for help from a comment that ends in "?"
            return not all(_is_text(statement) or is_magic_call(statement) for statement in module.body)
        lines = [line for line in lines if not is_ipython_line(line)]
    return any(re.search(r"\w", line) for line in lines)


def _is_text(statement: ast.stmt) -> bool:
    """Whether a statement is a bare string: a licence or a remark in quotes."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def is_glue(source: str, language: str) -> bool:
    """Whether a cell is too small for a summary of its own: one or two plain statements on a few lines."""
    lines = [line for line in source.split("\n") if line.strip() and not _COMMENTS.match(line)]
    if len(lines) > GLUE_LINES:
        return False
    module = tree(source) if language == "python" and cell_magic(source) is None else None
    if module is None:
        return len(lines) <= GLUE_STATEMENTS and cell_magic(source) is None
    return len(module.body) <= GLUE_STATEMENTS and all(isinstance(statement, _PLAIN) for statement in module.body)


# --------------------------------------------------------------------------- cells


def _is_needless(items: Sequence[Any], group: Group, language: str, silent: frozenset[str]) -> bool:
    """Whether a group without a text may stay so."""
    if group.state != "missing" or group_form(items, group.cells) in silent:
        return group.state == "missing"
    cells = [(items[at], source_text(items[at])) for at in group.cells]
    spoken = {cell_language(source, language, item.get("metadata")) for item, source in cells}
    return spoken == {"python"} and all(is_trivial(source) and not item.get("outputs") for item, source in cells)


def _silent(items: Sequence[Any]) -> frozenset[str]:
    """The forms of the groups of which an earlier run could say nothing, as our cells have noted them."""
    noted = [(ours(metadata_of(item)) or {}).get("silent") for item in items]
    return frozenset(form for forms in noted if isinstance(forms, list) for form in forms if isinstance(form, str))


def _kind(item: Any, language: str) -> _Kind:
    if not isinstance(item, Mapping):
        return "skip"
    source, metadata = source_text(item), metadata_of(item)
    record = ours(metadata)
    if conventions.is_left_out(source, metadata) or conventions.is_injected(metadata):
        return "skip"
    if item.get("cell_type") == "code":
        if record is not None and record["role"] == "tests":
            return "other"
        spoken = cell_language(source, language, metadata)
        if spoken == "markdown":
            return "text" if prose_words(source) >= EXPLANATION_WORDS else "skip"
        return "code" if has_code(conventions.told(source, metadata), spoken) else "skip"
    if item.get("cell_type") != "markdown":
        return "other"
    if record is not None and record["role"] == "summary":
        if record.get("scope") == "notebook":
            return "overview"
        return "text" if is_edited(metadata, source) or conventions.locked(metadata) else "summary"
    if not source.strip():
        return "skip"
    return "text" if prose_words(source) >= EXPLANATION_WORDS else "heading"


@dataclass(frozen=True)
class _Cells:
    """The cells and the language of the notebook, for cutting runs of code into groups."""

    items: Sequence[Any]
    language: str

    def is_glue(self, at: int) -> bool:
        source = source_text(self.items[at])
        return is_glue(source, cell_language(source, self.language, self.items[at].get("metadata")))

    def fits(self, cells: Sequence[int]) -> bool:
        lines = sum(source_text(self.items[at]).count("\n") + 1 for at in cells)
        return len(cells) <= GROUP_CELLS and lines <= GROUP_LINES

    def partition(self, run: Sequence[int]) -> list[tuple[int, ...]]:
        """The run cut into groups: glue joins the group above, or the one below while that has only glue."""
        groups: list[list[int]] = []
        for at in run:
            last = groups[-1] if groups else []
            if last and self.fits([*last, at]) and (self.is_glue(at) or all(self.is_glue(other) for other in last)):
                last.append(at)
            else:
                groups.append([at])
        return [tuple(group) for group in groups]


def _groups(cells: _Cells, kinds: Sequence[_Kind], header: int | None, run: Sequence[int]) -> list[Group]:
    """The groups of one run of code cells below the cell `header`."""
    kind = kinds[header] if header is not None else "other"
    if header is None or kind not in ("text", "summary"):
        return [Group(group, "missing") for group in cells.partition(run)]
    if kind == "text":
        first, *others = cells.partition(run)
        return [Group(first, "users", header), *(Group(group, "missing") for group in others)]
    record = ours(cells.items[header]["metadata"]) or {}
    span = record.get("span", 1)
    span = span if isinstance(span, int) and 0 < span <= len(run) else 1
    fresh = group_hash(cells.items, run[:span]) == described(record)
    fresh = fresh or group_form(cells.items, run[:span]) == record.get("source_form")
    if not fresh and span != len(run):
        span = len(cells.partition(run)[0])
    rest = list(run[span:])
    # Glue that was added below a summarized group belongs to it, as it would have from the start.
    while rest and cells.is_glue(rest[0]) and cells.fits(run[: len(run) - len(rest) + 1]):
        del rest[0]
    head = Group(tuple(run[:span]), "fresh" if fresh else "outdated", header)
    return [head, *(Group(group, "missing") for group in cells.partition(rest))]


# --------------------------------------------------------------------------- the top


def _with_overview(items: Sequence[Any], kinds: Sequence[_Kind], groups: list[Group], orphans: list[int]) -> Survey:
    first_code = next((at for at, kind in enumerate(kinds) if kind == "code"), len(kinds))
    top = [at for at in range(first_code) if kinds[at] in ("text", "heading", "overview", "summary")]
    written = next((at for at in top if kinds[at] == "overview"), None)
    titles = [(at, level) for at in top for level, _ in headings(source_text(items[at]))[:1]]
    later = [
        level
        for at in range(titles[0][0] + 1 if titles else 0, len(items))
        if kinds[at] in ("text", "heading")
        for level, _ in headings(source_text(items[at]))
    ]
    title = _front_title(items)
    has_sections = len(titles) + len(later) > 1
    has_title = bool(title) or (bool(titles) and (titles[0][1] == 1 or all(level > titles[0][1] for level in later)))
    level = min(titles[0][1] + 1, 6) if titles and has_title else 2
    if written is not None:
        notes = metadata_of(items[written])
        if is_edited(notes, source_text(items[written])) or conventions.locked(notes):
            state: OverviewState = "users"
        else:
            state = "outdated" if _outgrown(items, groups, written) else "fresh"
        return Survey(tuple(groups), state, written, has_title, tuple(orphans), title, has_sections, level)
    # A summary with the title on top of it is the overview too (`Survey.combined`).
    texts = [source_text(items[at]) for at in top]
    words = sum(
        prose_words(text) for at, text in zip(top, texts, strict=True) if kinds[at] != "summary" or headings(text)
    )
    if any(ours(items[at]["metadata"]) for at in top if kinds[at] == "text"):
        state = "users"  # a summary of ours at the top that the user has made their own, perhaps without its title
    elif not groups:
        state = "needless"
    elif words >= EXPLANATION_WORDS:
        state = "users"
    elif has_title and len(groups) == 1:
        state = "needless"  # the one summary below the title says it all
    else:
        state = "missing"
    place = max(titles[0][0] + 1 if has_title and titles else 0, _pinned(items))
    return Survey(tuple(groups), state, place, has_title, tuple(orphans), title, has_sections, level)


def metadata_of(item: Any) -> Mapping[str, Any]:
    """The metadata of a JSON cell; empty where it has none."""
    metadata = item.get("metadata") if isinstance(item, Mapping) else None
    return metadata if isinstance(metadata, Mapping) else {}


def _pinned(items: Sequence[Any]) -> int:
    """How many of the first cells must stay the first."""
    cells = [item if isinstance(item, Mapping) else {} for item in items]
    return conventions.pinned_top([(str(c.get("cell_type")), source_text(c), metadata_of(c)) for c in cells])


def _front_title(items: Sequence[Any]) -> str:
    """The title that the front matter of the notebook gives; "" without any."""
    first = items[0] if items and isinstance(items[0], Mapping) else {}
    matter = conventions.front_matter(str(first.get("cell_type")), source_text(first), metadata_of(first))
    return conventions.title_of(matter) if matter is not None else ""


def parts(items: Sequence[Any], groups: Sequence[Group], limit: int = 64) -> list[str]:
    """Short hashes of the groups, from which an overview tells later how much of its notebook is still there."""
    return [group_form(items, group.cells).removeprefix(PREFIX)[:8] for group in groups[:limit]]


def _outgrown(items: Sequence[Any], groups: Sequence[Group], written: int) -> bool:
    """Whether an overview is outdated: one edited cell does not make it so, half of the notebook does."""
    record = ours(items[written]["metadata"]) or {}
    before = record.get("parts")
    if not isinstance(before, list) or not before or not groups:
        return False
    now = set(parts(items, groups, len(groups)))
    now |= {group_hash(items, group.cells).removeprefix("sha256:")[:8] for group in groups}  # as they were noted before
    return 2 * sum(part in now for part in before) < len(before)
