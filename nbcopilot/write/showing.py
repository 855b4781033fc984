"""What is known of an answer, for a reader: one line of truth, and its outcome as plain text or as HTML.

Tables are built from data and every text is escaped: nothing that an answer made is markup here.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence

from nbcopilot.checks.wording import why
from nbcopilot.confidence import LIKELY, Confidence
from nbcopilot.preview import Change, FigureView, Preview, TableView, ValueView
from nbcopilot.verdict import Verdict
from nbcopilot.write.provenance import tests_in_words

MAX_NAMES = 3
PRINTED_LINES = 12
MISSING = {
    "time": "it took too long to draw",
    "size": "it is too large to be shown here",
    "error": "it could not be drawn",
}
_CELL = "border:1px solid var(--jp-border-color2,#ddd);padding:1px 6px;text-align:{};white-space:nowrap"
_MONO = "font-family:var(--jp-code-font-family,monospace);font-size:var(--jp-code-font-size,13px);white-space:pre-wrap;margin:4px 0"
_QUIET = "color:var(--jp-ui-font-color2,#616161);font-size:90%"


def truth(verdict: Verdict, confidence: Confidence | None = None) -> str:
    """One line that says what is known: "Ran in 0.1 s · uses orders.amount · 12 rows × 2 columns · unsure"."""
    return " · ".join(
        [*_run(verdict), *_seen(verdict), *_origin(verdict), *([_sure(confidence)] if confidence else [])]
    )


def _run(verdict: Verdict) -> Iterator[str]:
    checks, seen = verdict.checks, verdict.evidence
    tests = tests_in_words(checks.get("tests"))
    if verdict.errors:
        yield "Failed its checks"
    elif tests:
        yield from tests
    elif checks.get("run") == "passed":
        yield f"Ran in {seen.seconds:.1f} s" if seen.seconds is not None else "Ran"
    elif seen.not_run is not None:
        yield f"Not run: {why(seen.not_run)}"
    elif checks.get("grounding") == "ok":
        yield "Names and numbers checked"
    elif checks:
        yield "Not run"
    if seen.tests is not None and seen.tests.disagree:
        yield f"{seen.tests.disagree} disagree with the code"


def _seen(verdict: Verdict) -> Iterator[str]:
    seen = verdict.preview
    if seen is not None and seen.uses:
        yield f"uses {_some(seen.uses)}"
    if seen is not None and seen.value is not None and seen.value.table is not None:
        yield size(seen.value.table)
    if verdict.evidence.plots:
        yield _count(verdict.evidence.plots, "figure")
    if verdict.evidence.warnings:
        yield _count(len(verdict.evidence.warnings), "warning")


def _origin(verdict: Verdict) -> Iterator[str]:
    if verdict.evidence.mended:
        yield f"mended by rule: {'; '.join(verdict.evidence.mended)}"
    if verdict.evidence.searched is not None:
        yield f"found by search among {verdict.evidence.searched} small edits"
    if verdict.evidence.verified:
        yield "failed before, passes now"


def _sure(confidence: Confidence) -> str:
    return confidence.words if confidence.label == LIKELY else confidence.label


def size(table: TableView) -> str:
    """ "12 rows × 3 columns" of a whole table."""
    return f"{_count(table.rows, 'row')} × {_count(table.width, 'column')}"


def change(one: Change) -> str:
    """What became of a variable: "orders: +1 column `month`, 200 rows kept"."""
    if one.kind == "deleted":
        return f"{one.name} is deleted"
    told = list(_difference(one)) if one.kind == "changed" else [_made(one)]
    return f"{'new: ' if one.kind == 'made' else ''}{one.name}{': ' if one.kind == 'changed' else ' = ' if one.after else ', '}{', '.join(told)}"


def _made(one: Change) -> str:
    if one.after:
        return one.after
    parts = [_count(one.rows[1], one.unit.rstrip("s"))] if one.unit else []
    parts += [_count(one.columns, "column")] if one.columns >= 0 else []
    return ", ".join(filter(None, [one.type, " × ".join(parts)]))


def _difference(one: Change) -> Iterator[str]:
    what = "column" if one.unit == "rows" else "key"
    if one.was and one.was != one.type:
        yield f"{one.was} → {one.type}"
    if one.added:
        yield f"+{_count(len(one.added), what)} {_quoted(one.added)}"
    if one.removed:
        yield f"−{_count(len(one.removed), what)} {_quoted(one.removed)}"
    if one.altered:
        yield f"{_quoted(one.altered)} changed"
    before, after = one.rows
    if one.unit and before >= 0 and after >= 0:
        yield f"{_count(after, one.unit.rstrip('s'))} kept" if before == after else f"{before:,} → {after:,} {one.unit}"
    elif one.after or one.before:
        yield f"{one.before or one.was} → {one.after or one.type}"
    elif not one.added and not one.removed and not one.altered:
        yield "changed"


def differences(seen: Preview) -> list[str]:
    """All that changes, a sentence each; then what is read and stays as it is."""
    told = [change(one) for one in seen.changes]
    return [*told, *([f"{', '.join(seen.unchanged[:MAX_NAMES])} unchanged"] if seen.unchanged else [])]


# ------------------------------------------------------------------ plain text


def plain(seen: Preview) -> str:
    """The outcome as text for a terminal; "" where it shows nothing."""
    blocks = [_value_plain(seen.value)] if seen.value is not None else []
    blocks += [f"[figure: {figure.alt or 'drawn'}]" for figure in seen.figures]
    blocks += [_printed(seen.printed)] if seen.printed.strip() else []
    blocks += [*differences(seen), *map(_file, seen.files)]
    return "\n".join(block for block in blocks if block)


def _value_plain(value: ValueView) -> str:
    head = f"{value.call}:\n" if value.call else ""
    return head + (table_plain(value.table) if value.table is not None else value.text)


def table_plain(table: TableView) -> str:
    """The head of a table in aligned columns, numbers to the right, with its size below when it is cut."""
    rows = [["", *table.columns], *([label, *cells] for label, cells in _labelled(table))]
    numeric = [False, *table.numeric, *(False for _ in table.columns)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            text.rjust(width) if is_number else text.ljust(width)
            for text, width, is_number in zip(row, widths, numeric, strict=False)
        ).rstrip()
        for row in rows
    ]
    return "\n".join([*lines, *([f"({size(table)})"] if table.is_cut else [])])


def _labelled(table: TableView) -> list[tuple[str, Sequence[str]]]:
    index = table.index or ("",) * len(table.cells)
    return list(zip(index, table.cells, strict=True))


def _printed(text: str) -> str:
    lines = text.rstrip().split("\n")
    more = f"\n… {len(lines) - PRINTED_LINES} more lines" if len(lines) > PRINTED_LINES else ""
    return "\n".join(lines[:PRINTED_LINES]) + more


def _file(one: tuple[str, int]) -> str:
    return f"writes {one[0]} ({one[1]:,} bytes)"


# ------------------------------------------------------------------ HTML


def rich(seen: Preview) -> str:
    """The outcome as HTML that holds tables, pictures and text, and nothing that runs; "" where it shows nothing."""
    blocks = [_value_html(seen.value)] if seen.value is not None else []
    blocks += map(_figure_html, seen.figures)
    blocks += [f"<pre style='{_MONO}'>{html.escape(_printed(seen.printed))}</pre>"] if seen.printed.strip() else []
    told = [*differences(seen), *map(_file, seen.files)]
    blocks += [f"<div style='{_QUIET}'>{html.escape(line)}</div>" for line in told]
    return f"<div>{''.join(blocks)}</div>" if blocks else ""


def _value_html(value: ValueView) -> str:
    head = f"<div style='{_QUIET}'>{html.escape(value.call)}</div>" if value.call else ""
    body = (
        _table_html(value.table) if value.table is not None else f"<pre style='{_MONO}'>{html.escape(value.text)}</pre>"
    )
    return head + body


def _table_html(table: TableView) -> str:
    numeric = [*table.numeric, *(False for _ in table.columns)]

    def cell(tag: str, text: str, is_number: bool) -> str:
        style = _CELL.format("right" if is_number else "left")
        return f"<{tag} style='{style}'>{html.escape(text)}</{tag}>"

    head = "".join(cell("th", name, number) for name, number in zip(table.columns, numeric, strict=False))
    corner = cell("th", "", False) if table.index else ""
    rows = "".join(
        f"<tr>{cell('th', label, False) if table.index else ''}"
        + "".join(cell("td", text, number) for text, number in zip(cells, numeric, strict=False))
        + "</tr>"
        for label, cells in _labelled(table)
    )
    foot = f"<div style='{_QUIET}'>{html.escape(size(table))}</div>" if table.is_cut else ""
    return (
        "<div style='overflow-x:auto'><table style='border-collapse:collapse;margin:4px 0'>"
        f"<tr>{corner}{head}</tr>{rows}</table></div>{foot}"
    )


def _figure_html(figure: FigureView) -> str:
    alt = html.escape(figure.alt or "figure", quote=True)
    if not figure.png:
        return f"<div style='{_QUIET}'>figure ({alt}): {MISSING.get(figure.missing, 'not drawn')}</div>"
    return f"<img alt=\"{alt}\" style='max-width:100%' src='data:image/png;base64,{figure.png}'>"


# ------------------------------------------------------------------ words


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:MAX_NAMES]) + (" …" if len(names) > MAX_NAMES else "")


def _quoted(names: Sequence[str]) -> str:
    return _some([f"`{name}`" for name in names])
