"""Facts as short lines for the model and for `--show-context`."""

from __future__ import annotations

from collections.abc import Sequence

from nbcopilot.live_state import Column, Join, Table

MAX_COLUMNS, MAX_VALUES = 60, 12


def table_text(table: Table, *, values: bool = True, first: Sequence[str] = ()) -> str:
    """A table as one line a column. values: whether listed values, ranges and examples may be shown.

    first: labels that are shown before the others when there are more than fit.
    """
    rows = f"{table.rows:,} rows" if table.rows is not None else "many rows"
    if table.library == "sqlite":
        lines = [f"SQL table {table.name} (connection {table.owner}), {rows}"]
    else:
        kind = "DataFrame" if table.library == "pandas" else f"{table.library} DataFrame"
        lines = [f"{table.name}: {kind}, {rows} × {table.width:,} columns"]
    shown = table.columns
    if len(shown) > MAX_COLUMNS:
        shown = tuple(sorted(shown, key=lambda column: column.label not in first)[:MAX_COLUMNS])
    lines += [column_text(column, values=values) for column in shown]
    if len(table.columns) > len(shown):
        lines.append(f"  and {len(table.columns) - len(shown):,} more columns")
    return "\n".join(lines)


def column_text(column: Column, *, values: bool = True) -> str:
    """`  'amount' text, numbers written as '1,234.50 €', 3 missing`."""
    label = column.label or column.text
    kind = "text" if column.kind == "text" else column.dtype
    parts = [kind]
    if column.disguise is not None:
        written = f" written as {column.disguise.example!r}" if values else ""
        parts[0] = f"text, {column.disguise.kind}s{written}"
    elif values and column.values and not column.key:
        shown = ", ".join(column.values[:MAX_VALUES]) + (", …" if len(column.values) > MAX_VALUES else "")
        parts[0] += f": {shown}"
    elif values and column.example:
        parts[0] += f" like {column.example}"
    if values and column.low and column.high and not column.values:
        parts.append(f"{column.low} to {column.high}")
    if column.key:
        parts.append("unique")
    if column.missing:
        parts.append(f"{column.missing:,} missing")
    if column.duplicated:
        parts.append("label occurs twice")
    return f"  {'index ' if column.is_index else ''}{label} {', '.join(parts)}"


def join_text(join: Join) -> str:
    """`orders['customer'] = customers['id'] (100 % of orders match)`."""
    left, right = (cast.format(x=f"{table}[{on}]") if cast else f"{table}[{on}]" for table, on, cast in (
        (join.left, join.left_on, join.left_cast), (join.right, join.right_on, join.right_cast)))  # fmt: skip
    many = "" if join.right_key else ", many to many" if not join.left_key else ", one to many"
    return f"{left} = {right} ({join.match:.0%} of the values match{many})"
