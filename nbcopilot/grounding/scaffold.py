"""The first lines of an answer, written from links: the model goes on below them.

Every line runs as it stands. Nothing is written for what is not linked strongly.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Sequence

from nbcopilot.grounding.choice import Base, date_column
from nbcopilot.grounding.heads import Head
from nbcopilot.grounding.link import STRONG
from nbcopilot.grounding.periods import NAMES, ORDER, Period
from nbcopilot.live_state import Column, Join, LastResult, Link, LiveState, Table
from nbcopilot.notebook.profile.wording import join_text

# The name that a prepared table gets; the user's own stays as it is.
DATA = "data"
MAX_PARSES = 4
_PERIODS = ("W", "M", "Q", "Y")


def prepared(base: Base, units: Sequence[Period], name: str) -> list[str]:
    """Lines that join, parse and cut into periods what the request is about; [] when nothing needs to be done.

    The user's frame is copied first, except where the request is about nothing but columns that must be parsed.
    """
    lines = [_merge(join, base, i, name) for i, join in enumerate(base.joins)]
    column = next((c for c in (date_column(t, base.links) for t in (base.table, *base.others)) if c), None)
    cut = _periods(column, units, name) if column is not None else []
    linked = [
        c
        for c in (
            base.table.column(link.label) for link in base.links if link.kind == "column" and link.score >= STRONG
        )
        if c
    ]
    own = linked and not lines and not cut and all(one.disguise is not None for one in linked)
    made = name if lines or not own else base.table.name
    more = [*_parses(base.table, base.links, units, made), *cut]
    if more and not lines and made == name:
        lines.append(f"{name} = {base.table.name}.copy()")
    made = made if lines or more else base.table.name
    lines += more
    clock = _clock(column, units, made) if column is not None else ""
    return [*lines, clock] if clock else [*lines, *_by_period(base, column, units, made if cut else "")]


def _by_period(base: Base, column: Column | None, units: Sequence[Period], made: str) -> list[str]:
    """The start of what counts by the period that was cut, and by the one column that the request splits by."""
    if not made or any(link.kind == "value" for link in base.links):
        return []
    period = next(NAMES[unit.unit] for unit in units if unit.count is None and unit.unit in _PERIODS)
    groups = _groups(base, column)
    if len(groups) > 1 or (not groups and _splits(base, column)):
        return []
    if groups:
        return [f"table = {made}.pivot_table(index={period!r}, columns={groups[0].label},"]
    return [f"by_{period} = {made}.groupby({period!r})['"]


def _splits(base: Base, dates: Column | None) -> bool:
    """Whether the request names a column that is no amount: it may be split by that as well."""
    tables = {table.name: table for table in (base.table, *base.others)}
    named = [
        tables[link.table].column(link.label) for link in base.links if link.table in tables and link.score >= STRONG
    ]
    return any(c is not None and c is not dates and c.kind != "number" and c.disguise is None for c in named)


def _groups(base: Base, dates: Column | None) -> list[Column]:
    """Columns of few values that the request names, none of whose values it names: what it splits by."""
    found: dict[str, Column] = {}
    for link in base.links:
        table = next((t for t in (base.table, *base.others) if t.name == link.table), None)
        column = (
            table.column(link.label) if table is not None and link.kind == "column" and link.score >= STRONG else None
        )
        if column is None or column is dates or column.disguise is not None:
            continue
        if column.kind in ("text", "flag") and len(column.values) > 1:
            found.setdefault(column.label, column)
    return list(found.values())


def keyed(join: Join, name: str) -> list[str]:
    """For two tables that the request names itself: how they fit, and the key of one in the form of the other."""
    notes = [f"# {join_text(join)}"]
    for table, label, key in ((join.left, join.left_on, join.left_key), (join.right, join.right_on, join.right_key)):
        notes += [] if key else [f"# {table} has several rows for one {label}"]
    return [*notes, *_keyed(join, name)]


def _keyed(join: Join, name: str) -> list[str]:
    if join.right_cast:
        return [
            f"{name} = {_cast(join.right, join.right_on, join.left_on, join.right_cast)}  # joins {join.left} on {join.left_on}"
        ]
    if join.left_cast:
        return [
            f"{name} = {_cast(join.left, join.left_on, join.right_on, join.left_cast)}  # joins {join.right} on {join.right_on}"
        ]
    return []


def _merge(join: Join, base: Base, place: int, name: str) -> str:
    """The join with the many on the left, so that no row is multiplied or lost."""
    left, right, left_on, right_on = join.left, join.right, join.left_on, join.right_on
    left_cast, right_cast = join.left_cast, join.right_cast
    if join.left_key and not join.right_key:
        left, right, left_on, right_on = right, left, right_on, left_on
        left_cast, right_cast = right_cast, left_cast
    start = name if place and left == base.table.name else left
    if place and right == base.table.name:
        start, right, left_on, right_on = name, left, right_on, left_on
        left_cast, right_cast = right_cast, left_cast
    on = f"on={left_on}" if left_on == right_on else f"left_on={left_on}, right_on={right_on}"
    if left_cast:
        start = _cast(start, left_on, left_on, left_cast)
    if right_cast:
        right = _cast(right, right_on, right_on, right_cast)
    return f"{name} = {start}.merge({right}, {on}, how='left')"


def _cast(table: str, label: str, target: str, cast: str) -> str:
    """The table with a cast column, under the label `target`."""
    name = ast.literal_eval(target)
    value = cast.format(x=f"{table}[{label}]")
    keyword = f"{name}={value}" if isinstance(name, str) and name.isidentifier() else f"**{{{target}: {value}}}"
    return f"{table}.assign({keyword})"


def _parses(table: Table, some: Sequence[Link], units: Sequence[Period], name: str) -> list[str]:
    """Columns of text that are numbers or dates, made such: those that are linked, and amounts that must be meant."""
    linked = {link.label for link in some if link.kind == "column" and link.score >= STRONG}
    hidden = [c for c in table.columns if c.disguise is not None and c.label and not c.duplicated and not c.is_index]
    dates = date_column(table, some)
    numbers = [c for c in table.columns if c.kind == "number" and not c.key]
    found = []
    for column in hidden:
        assert column.disguise is not None
        needed = column.label in linked or (column.disguise.kind == "date" and units and column is dates)
        meant = column.disguise.kind == "number" and len(hidden) <= 3 and len(numbers) <= 3
        if needed or (meant and not any(_is_twin(column, other) for other in table.columns)):
            found.append(f"{name}[{column.label}] = {column.disguise.parse.format(x=f'{name}[{column.label}]')}")
    return found[:MAX_PARSES]


def _is_twin(text: Column, number: Column) -> bool:
    """Whether the numbers that a text column holds stand in another column already."""
    try:
        ends = [(text.disguise.low, number.low), (text.disguise.high, number.high)] if text.disguise else []
        known = bool(ends) and number.kind == "number"
        return known and all(math.isclose(float(one), float(other), rel_tol=1e-4) for one, other in ends)
    except ValueError:
        return False


def _periods(column: Column, units: Sequence[Period], name: str) -> list[str]:
    """A column with the period of each row, where the request counts by one that is coarser than the data."""
    wanted = [unit for unit in units if unit.count is None and unit.unit in _PERIODS]
    finer = [unit for unit in units if unit.count is None and unit.unit not in _PERIODS]
    step = {"MS": "M", "QS": "Q", "YS": "Y", "s": "min"}.get(column.step, column.step)
    if len(wanted) != 1 or finer or (step in ORDER and ORDER.index(step) >= ORDER.index(wanted[0].unit)):
        return []
    unit = wanted[0].unit
    plain = ".dt.tz_localize(None)" if column.zone else ""
    if column.dtype.startswith("period"):
        return []
    return [f"{name}[{NAMES[unit]!r}] = {name}[{column.label}]{plain}.dt.to_period({unit!r})"]


def _clock(column: Column, units: Sequence[Period], name: str) -> str:
    """The data's own "now", where the request counts days, weeks or months."""
    counted = {unit.unit for unit in units if unit.count is not None and unit.unit in ("D", "W", "M", "Q", "Y")}
    if not counted or counted & {unit.unit for unit in units if unit.count is None}:
        return ""  # "weekly" and "4 weeks" count the same: periods, not days from now
    high = column.disguise.high if column.disguise is not None else column.high
    return f"today = {name}[{column.label}].max()  # the data end on {high[:10]}"


# --------------------------------------------------------------------------- comments and heads


def remarks(base: Base, *, owner: str = "") -> list[str]:
    """Comment lines with the links, in the words of the request. owner: the frame that holds them all by then."""
    lines: dict[str, None] = {}
    by_column: dict[tuple[str, str], list[str]] = {}
    for link in base.links:
        if link.kind == "value" and link.score >= STRONG:
            by_column.setdefault((link.table, link.label), []).append(link.value)
    for (table, label), values in by_column.items():
        lines[f"# {', '.join(values)}: {'value' if len(values) == 1 else 'values'} of {owner or table}[{label}]"] = None
    for link in base.links:
        if (
            link.kind == "column"
            and link.score >= STRONG
            and fold_label(link)
            and (link.table, link.label) not in by_column
        ):
            lines[f"# {link.phrase}: {owner or link.table}[{link.label}]"] = None
    return list(lines)[:6]


def fold_label(link: Link) -> bool:
    """Whether a remark says more than the label itself does."""
    try:
        return str(ast.literal_eval(link.label)).casefold() != link.phrase.casefold()
    except (ValueError, SyntaxError):
        return True


def of_last(last: LastResult) -> list[str]:
    """The expression of the cell above under a name, where "it" has none."""
    return [f"result = {last.source}  # what the cell above showed"] if last.source and not last.name else []


def of_database(state: LiveState, tables: Sequence[Table], frames: str) -> list[str]:
    """The keys between the tables of a database that the request names, and the start of a query.

    frames: the name that pandas has in the notebook, "" when it has none.
    """
    owner = tables[0].owner
    own = {table.name for table in state.tables if table.owner == owner}
    lines = [
        f"# {j.left}.{ast.literal_eval(j.left_on)} = {j.right}.{ast.literal_eval(j.right_on)}"
        for j in state.joins
        if j.left in own
    ]
    return [*lines[:6], f'result = {frames}.read_sql("""' if frames else 'query = """']


def of_head(head: Head, tables: Sequence[Table], some: Sequence[Link] = ()) -> list[str]:
    """The head of the function, with the columns of the tables that it takes and what the request counts by."""
    lines = [head.source]
    for parameter in head.parameters:
        table = next((table for table in tables if table.name == parameter), None)
        if table is None or len(table.columns) > 30:
            continue
        lines.append(f"    # columns of {parameter}: {', '.join(c.label for c in table.columns if c.label)}")
        per = _repeated(table, some)
        dates = date_column(table)
        if per is not None:
            if dates is not None and dates.kind == "date":
                lines.append(f"    today = {parameter}[{dates.label}].max()")
            lines.append(f"    return {parameter}.groupby({per.label}).agg(")
    return lines


def _repeated(table: Table, some: Sequence[Link]) -> Column | None:
    """The one linked column that names the same thing in several rows, such as a foreign key."""
    linked = [link.label for link in some if link.table == table.name and link.kind == "column" and link.score >= 0.85]
    found = [
        c for c in table.columns
        if c.label in linked and not c.key and c.kind in ("text", "number") and not c.dtype.startswith("float")
        and c.unique and table.rows and 1 < c.unique <= table.rows / 2
    ]  # fmt: skip
    return found[0] if len(found) == 1 else None
