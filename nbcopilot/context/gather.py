"""Step 3: Task + Notebook -> Context: what the model sees, why, what it costs, and what was left out.

Picks the cells that the request stands on, the schema of the variables that it uses, the text above it, the error it
is about, and passages of the project's files; redacts secrets; fits all of it into the budget. The request itself is
never shortened. Does not word the prompt (prompts does) and looks at no shell and no notebook file.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from nbcopilot.config import Config
from nbcopilot.context import rank
from nbcopilot.context.budget import Level, Piece, fit
from nbcopilot.context.facts import database_pieces, variable_levels
from nbcopilot.context.sanitize import Cleaner, may_show_values, sendable
from nbcopilot.context.turns import latest
from nbcopilot.context.turns import name as turn_name
from nbcopilot.context.turns import pieces as turn_pieces
from nbcopilot.errors import PromptTooLargeError
from nbcopilot.live_state import Grounding
from nbcopilot.notebook import conventions, dependencies
from nbcopilot.notebook import language as languages
from nbcopilot.notebook.labels import unlabelled
from nbcopilot.notebook.marks import without_secrets
from nbcopilot.notebook.requests import is_request, request_above
from nbcopilot.retrieval import index
from nbcopilot.types import Cell, Context, Notebook, Snippet, Task

# Cells shown for their nearness alone, when code is asked for.
RECENT_CELLS = 2
# Steps up to which a cell that the request stands on is shown whole; further ones only by what they define.
FULL_STEPS = 2
# Lines of an upstream cell that are shown; longer ones keep their head and say so.
_CELL_LINES = 120
_MARKDOWN_CHARACTERS = 1500
_OUTPUT_CHARACTERS = 400
_REQUEST_CHARACTERS = 300
_REQUEST_OF = "the request of "
_PASSAGES = 3
# A line that says nothing to a model, and that it would repeat.
_OUR_LOAD = re.compile(r"^[ \t]*%(?:re)?load_ext[ \t]+nbcopilot[ \t]*\n?", re.M)
Snippets = tuple[Snippet, ...]
NOTHING = Grounding()


def gather(
    task: Task,
    notebook: Notebook,
    *,
    count: Callable[[str], int],
    budget: int,
    config: Config,
    grounding: Grounding = NOTHING,
) -> Context:
    """The Context for `task`: snippets most-stable-first, the target last, within `budget` tokens.

    `Context.task` is `task` with secrets redacted from instruction and source; a request in a notebook that holds
    nothing of use has the target as its only snippet. Raises PromptTooLargeError when the request alone does not fit.
    """
    cleaner = Cleaner(on=config.redact, personal=config.redact_personal)
    task = replace(
        task,
        instruction=cleaner.clean(task.instruction),
        target=replace(task.target, source=cleaner.clean(_shown(task))),
    )
    spoken = tuple(
        replace(turn, asked=cleaner.clean(turn.asked), text=cleaner.clean(turn.text)) for turn in latest(task, notebook)
    )
    target = _target(task, count, budget)
    finder = _Finder(task, notebook, config, frozenset(cell for turn in spoken for cell in turn.cells))
    pieces = [cleaner.piece(piece) for piece in (*finder.pieces(), *turn_pieces(spoken))]
    kept, dropped = _with_their_cells(*fit(pieces, budget - target.tokens, count))
    return Context(
        task=task,
        language=_language(task, notebook),
        snippets=(*kept, target),
        dropped=dropped,
        redacted=cleaner.count,
        budget=budget,
        grounding=sendable(grounding, cleaner, config),
        turns=tuple(turn for turn in spoken if any(s.kind == "turn" and s.source == turn_name(turn) for s in kept)),
    )


def _with_their_cells(kept: Snippets, dropped: Snippets) -> tuple[Snippets, Snippets]:
    """A request says nothing without the cell that answers it: it goes where that had no room."""
    shown = {snippet.source for snippet in kept if snippet.kind == "cell"}
    alone = [s for s in kept if s.kind == "request" and s.source.removeprefix(_REQUEST_OF) not in shown]
    left = tuple(replace(snippet, reason="no room for its cell") for snippet in alone)
    return tuple(snippet for snippet in kept if snippet not in alone), (*dropped, *left)


def _target(task: Task, count: Callable[[str], int], budget: int) -> Snippet:
    text = task.instruction if task.kind == "generate" else unlabelled("code", task.target.source)
    extra = "" if task.kind == "generate" else task.instruction
    tokens = count(text) + (count(extra) if extra else 0)
    if tokens > budget:
        raise PromptTooLargeError(
            f"the request alone is {tokens:,} tokens, and {budget:,} fit",
            hint="shorten it, name one function of it, or raise context_tokens",
        )
    return Snippet("target", "the request", text, "what is asked", 100.0, tokens)


def _language(task: Task, notebook: Notebook) -> str:
    """The language of the code that the request is about, as its cell says it."""
    cell = notebook.cell(task.target.cell_id) if task.kind != "generate" else None
    return languages.cell_language(task.target.source, notebook.language, cell.metadata if cell else None)


def _shown(task: Task) -> str:
    """The code that the request is about; a text for readers is not told of solutions and hidden tests."""
    source = task.target.source
    return without_secrets(source) if task.kind in ("explain", "document") else source


class _Finder:
    """The pieces for one task, in the order of the prompt."""

    def __init__(self, task: Task, notebook: Notebook, config: Config, spoken: frozenset[str] = frozenset()) -> None:
        self.task = task
        self.spoken = spoken  # ids of cells that stand in a turn of the conversation
        self.notebook = notebook
        self.config = config
        self.needed = rank.needs(task, notebook)
        self.values = may_show_values(config)
        measured = config.grounding != "off" and not config.dataframe_rows
        self.state = notebook.state if measured else None
        # In a live shell the cursor is on the cell that asks.
        asking = (
            notebook.cells[notebook.cursor] if notebook.namespace is not None and notebook.cursor is not None else None
        )
        asks = asking is not None and (is_request(asking) or asking.id == task.target.cell_id)
        self.running = asking.id if asking is not None and asks and asking.executed is None else None
        self.end = self._end()

    def pieces(self) -> list[Piece]:
        """All that bears on the task, most stable first."""
        cells = self._cells()
        return [
            *self._markdown(),
            *cells,
            *self._outputs(),
            *self._variables({piece.source for piece in cells}),
            *self._passages(),
            *self._error(),
        ]

    def _end(self) -> int:
        """How many cells stand above the request."""
        position = self.task.target.position
        if position is None:
            position = self.notebook.index(self.task.target.cell_id)
        if position is None:
            position = self.notebook.cursor
        if position is None:
            return len(self.notebook.cells)
        # New cells go below the position; code that is the cell at the position itself has the cells above it.
        own = 0 <= position < len(self.notebook.cells) and self._is_target(self.notebook.cells[position])
        return position if own else position + 1

    def _is_target(self, cell: Cell) -> bool:
        if self.running is not None and cell.id == self.running:
            return True
        if cell.id == self.task.target.cell_id:
            return self.task.kind != "generate" or is_request(cell)
        return bool(self.task.target.source.strip()) and cell.source == self.task.target.source

    def label(self, cell: Cell) -> str:
        """`cell [3]` by its execution count, else `cell 3` by its place, counted from 1."""
        if cell.executed is not None:
            return f"cell [{cell.executed}]"
        place = self.notebook.index(cell.id)
        return f"cell {place + 1}" if place is not None else "an earlier cell"

    # ------------------------------------------------------------------ the kinds

    def _markdown(self) -> list[Piece]:
        found = []
        heading = rank.title(self.notebook)
        cell = rank.text_above(self.notebook, self.end)
        if heading and self.task.kind in ("explain", "document") and (cell is None or heading not in cell.source):
            found.append(Piece("markdown", "the notebook's title", "what the notebook is about", (Level(heading, 45),)))
        if cell is not None:
            text = unlabelled("markdown", cell.source).strip()
            levels = [Level(_head(text, _MARKDOWN_CHARACTERS), 42)]
            if len(text) > 300:
                levels.append(Level(_head(text, 250), 44))
            found.append(Piece("markdown", f"text above, {self.label(cell)}", "stands right above", tuple(levels)))
        return found

    def _upstream(self) -> dict[str, tuple[Cell, int]]:
        """The cells that the request stands on by id, each with its distance in steps."""
        source = self.task.target.source if self.task.kind != "generate" else ""
        found = dependencies.ancestry(self.notebook, self.needed, source, self.end)
        return {cell.id: (cell, steps) for cell, steps in found if not self._is_target(cell) and not is_request(cell)}

    def _cells(self) -> list[Piece]:
        chosen = self._upstream()
        if self.task.kind in ("generate", "complete", "document"):
            limit = RECENT_CELLS if self.task.kind != "document" else 1
            for cell in rank.recent(self.notebook, self.end, limit):
                if not self._is_target(cell):
                    chosen.setdefault(cell.id, (cell, 0))
        order = {cell.id: i for i, cell in enumerate(self.notebook.cells)}
        chosen = {one: pair for one, pair in chosen.items() if one not in self.spoken}
        ranked = sorted(chosen.values(), key=lambda pair: order.get(pair[0].id, -1))
        found = [self._imports(set(chosen))]
        for i, (cell, steps) in enumerate(ranked):
            piece = self._cell(cell, steps, len(ranked) - i)
            found += [self._asked(cell, order.get(cell.id, 0)) if piece is not None else None, piece]
        return [piece for piece in found if piece is not None]

    def _asked(self, cell: Cell, place: int) -> Piece | None:
        """The request that a cell was written for: it says what the code means, and shows how this user is answered."""
        text = request_above(self.notebook, place) if self.task.kind == "generate" else ""
        levels = (Level(_head(text, _REQUEST_CHARACTERS), 39),)
        return Piece("request", _REQUEST_OF + self.label(cell), "what the cell answers", levels) if text else None

    def _cell(self, cell: Cell, steps: int, distance: int) -> Piece | None:
        """A cell that the request stands on (`steps` away), or one that merely stands before it (0)."""
        bare = conventions.told(cell.source, cell.metadata)
        text = _OUR_LOAD.sub("", unlabelled("code", bare)).strip("\n").rstrip()
        lines = text.split("\n")
        if len(lines) > _CELL_LINES:
            text = "\n".join(lines[:_CELL_LINES]) + f"\n# … {len(lines) - _CELL_LINES} more lines"
        base = (66.0 - 6 * steps if steps else 40.0) - min(distance, 10) * 0.5
        outline = self._outline(cell)
        levels = [Level(text, base)] if steps <= FULL_STEPS else []
        if outline and (not levels or len(outline) < 0.7 * len(text)):
            levels.append(Level(outline, base + 12))
        if not levels:
            return None
        reason = (
            f"the request stands on it{f', {steps} steps away' if steps > 1 else ''}" if steps else "stands just before"
        )
        return Piece("cell", self.label(cell), reason, tuple(levels))

    def _outline(self, cell: Cell) -> str:
        """The signatures and imports of a cell: what it offers, without how."""
        if self.notebook.language != languages.DEFAULT:
            return ""
        source = conventions.told(cell.source, cell.metadata)
        lines = _import_lines(source)
        for one in dependencies.definitions(source):
            lines.append(f"{one.signature}: ..." + (f"  # {one.docstring.splitlines()[0]}" if one.docstring else ""))
        return "\n".join(lines)

    def _imports(self, shown: set[str]) -> Piece | None:
        """Import lines of cells that are not shown, for requests whose answer is new code."""
        if (
            self.task.kind not in ("generate", "complete", "testgen", "fix")
            or self.notebook.language != languages.DEFAULT
        ):
            return None
        lines: dict[str, None] = {}
        for cell in dependencies.execution_order(self.notebook, self.end):
            if cell.id not in shown and not self._is_target(cell) and not is_request(cell):
                lines.update(dict.fromkeys(_import_lines(cell.source)))
        if not lines:
            return None
        return Piece("cell", "imports of earlier cells", "already imported", (Level("\n".join(list(lines)[-40:]), 70),))

    def _outputs(self) -> list[Piece]:
        """What the cell in question showed; without a live namespace also what the cells before it showed."""
        own = self.notebook.cell(self.task.target.cell_id)
        cells = [own] if own is not None and self.task.kind in ("explain", "document") else []
        if self.notebook.namespace is None and self.task.kind in ("generate", "complete"):
            near = [cell for cell, steps in self._upstream().values() if steps == 1]
            cells += [*near[-2:], *rank.recent(self.notebook, self.end, 1)]
        found: dict[str, Piece] = {}
        for cell in cells:
            if conventions.has_secrets(cell.source, cell.metadata):
                continue  # the output of a solution tells it
            text = "\n".join(o.text for o in cell.outputs if o.kind != "error" and o.text.strip())
            if text:
                levels = (Level(_head(text, 3 * _OUTPUT_CHARACTERS), 33), Level(_head(text, _OUTPUT_CHARACTERS), 36))
                found[cell.id] = Piece("output", f"output of {self.label(cell)}", "what the code showed", levels)
        return list(found.values())

    def _variables(self, shown: set[str]) -> list[Piece]:
        found = []
        used = rank.usage(self.notebook) if self.task.kind == "generate" else {}
        for variable, reason, priority in rank.variables(self.task, self.notebook.namespace or (), self.needed, used):
            if variable.kind in ("function", "class") and self._defining_label(variable.name) in shown:
                continue  # its source is there
            levels = variable_levels(variable, priority, self.state, self.task, values=self.values)
            found.append(Piece("variable", f"variable {variable.name}", reason, tuple(levels)))
        return [*found, *database_pieces(self.state, self.task, values=self.values)]

    def _defining_label(self, name: str) -> str:
        found = dependencies.find_definition(self.notebook, name)
        cell = self.notebook.cell(found.cell_id) if found else None
        return self.label(cell) if cell else ""

    def _passages(self) -> list[Piece]:
        if self.notebook.path is None or self.notebook.language != languages.DEFAULT:
            return []
        wanted = rank.imported(self.notebook, self.task.target.source, self.needed)
        query = self.task.instruction if self.task.kind in ("generate", "fix") else ""
        if not query.strip() and not wanted:
            return []
        return [
            Piece("passage", hit.label, hit.reason, (Level(hit.text, 20 + hit.score),))
            for hit in index.search(self.notebook.path.parent, query, wanted=wanted, limit=_PASSAGES)
        ]

    def _error(self) -> list[Piece]:
        error = rank.relevant_error(self.task, self.notebook)
        if error is None:
            return []
        last = f"{error.name}: {error.message}" if error.message else error.name
        cell = self.notebook.cell(error.cell_id)
        # When another cell is to be mended, the one that failed says what is expected of it.
        failed = f"{error.source.strip()}\n\n" if error.source and self.task.target.cell_id != error.cell_id else ""
        levels = [Level(failed + (error.traceback or last), 85)]
        if error.traceback and len(last) < 0.6 * len(error.traceback):
            levels.append(Level(failed + last, 95))
        source = f"error of {self.label(cell)}" if cell else "the last error"
        return [Piece("error", source, "the request is about it", tuple(levels))]


def _import_lines(source: str) -> list[str]:
    """The import statements at the start of lines of a Python cell, one line each."""
    return [line.rstrip() for line in re.findall(r"^(?:import|from)[ \t]+[\w.]+[^\n(\\]*$", source, re.MULTILINE)]


def _head(text: str, limit: int) -> str:
    """The start of a text within `limit` characters, cut at a line or a word, with the count left out."""
    text = text.strip("\n").rstrip()
    if len(text) <= limit:
        return text
    cut = text[:limit]
    cut = cut[: max(cut.rfind("\n"), cut.rfind(" "), limit // 2)].rstrip()
    return f"{cut}\n… {len(text) - len(cut):,} characters left out"
