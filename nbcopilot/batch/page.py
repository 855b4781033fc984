"""The report of a run as one self-contained HTML page: totals, failures by cause, every notebook, before and after.

What needs a human comes first. No script and nothing from elsewhere is needed to read it. Written piece by piece.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from html import escape
from pathlib import Path
from urllib.parse import quote

from nbcopilot.batch import stores
from nbcopilot.batch.journal import Journal, Row
from nbcopilot.batch.report import Report, without_path

# Diffs of all notebooks together: a page of this size still opens at once.
DIFF_TOTAL = 20_000_000
# Failed, then lacking or rejected, then with remarks, then what took longest.
ORDER = "state <> 'failed', detail NOT LIKE '%\"lacks\"%', detail NOT LIKE '%rejected%', detail = '{}', seconds DESC"
_STYLE = """
:root{color-scheme:light dark;--line:#8884;--soft:#8882;--bad:#c62828;--good:#2e7d32}
@media(prefers-color-scheme:dark){:root{--bad:#ff8a80;--good:#81c784}}
body{font:14px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:90rem;padding:0 1rem}
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}
.totals{display:flex;flex-wrap:wrap;gap:.5rem 2rem;padding:0;list-style:none}.totals b{display:block;font-size:1.3rem}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
td:first-child{overflow-wrap:anywhere;min-width:12rem;max-width:24rem}td:nth-child(3){min-width:20rem;width:45%}
.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}.failed{color:var(--bad)}.ok{color:var(--good)}
pre{background:var(--soft);padding:.5rem;overflow-x:auto;max-height:30rem}summary{cursor:pointer}small{opacity:.75}
ins{text-decoration:none;background:#2e7d3233}del{text-decoration:none;background:#c6282833}
"""

_HEADS = '<th>notebook<th>state<th>what was done<th class="n">cells<th class="n">tokens in / out<th class="n">seconds<th>worker'


def html(report: Report, journal: Journal, command: str, watts: float, folder: Path) -> Iterator[str]:
    """The page; links are relative to `folder`."""
    title = f"nbcopilot {command}: {report.total} notebooks"
    yield f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
    yield '<meta name="viewport" content="width=device-width,initial-scale=1">'
    yield f"<style>{_STYLE}</style><h1>{escape(title)}</h1>\n"
    yield from _totals(report, watts)
    yield from _causes(journal)
    yield f'<h2>Notebooks</h2><div class="scroll"><table><thead><tr>{_HEADS}</thead><tbody>\n'
    room = DIFF_TOTAL
    for row in journal.rows(ORDER):
        yield _row(row, folder, room > 0)
        room -= len(row.diff)
    yield "</tbody></table></div>\n"
    if room <= 0:
        yield "<p>The diffs of further notebooks are left out, to keep this page small.</p>\n"
    yield "</html>\n"


def _totals(report: Report, watts: float) -> Iterator[str]:
    cost = report.cost.json(watts)
    worked, skipped = report.done - report.count("skipped"), report.count("skipped")
    pace = worked / report.seconds * 3600 if report.seconds else 0
    figures = [(f"{report.count('ok')}", "done"), (f"{report.count('failed')}", "failed")]
    figures += [(f"{len(report.stale)}", "with something missing or outdated")] if report.stale else []
    figures += [(f"{skipped}", "skipped or done before")] if skipped else []
    figures += [(f"{report.total - report.done}", "left")] if report.done < report.total else []
    figures += [
        (f"{report.cells_written}", "cells written"),
        (f"{report.seconds:,.0f} s", f"{pace:,.0f} notebooks an hour"),
        (f"{cost['prompt_tokens']:,} / {cost['completion_tokens']:,}", "tokens read / written"),
        (f"{cost['cpu_seconds']:,.0f} s", "CPU"),
        (f"{cost['energy_wh']:,.2f} Wh", "energy, estimated"),
    ]
    yield '<ul class="totals">' + "".join(f"<li><b>{value}</b>{what}</li>" for value, what in figures) + "</ul>\n"
    yield f"<p><small>Energy = {escape(cost['energy_formula'])}.</small></p>\n"
    if report.interrupted:
        yield "<p class=failed>The run was stopped; the same command with <code>--resume</code> goes on.</p>\n"
    if report.fatal is not None:
        yield f"<p class=failed>The run ended early: {escape(str(report.fatal))}</p>\n"


def _causes(journal: Journal) -> Iterator[str]:
    found = journal.causes()
    if not found:
        return
    yield "<h2>Failures by cause</h2><ul>"
    for code, count in found:
        names = [row.name for row in journal.rows("name", "state = 'failed' AND code = ?", code)]
        shown = ", ".join(f'<a href="#{_anchor(name)}">{escape(name)}</a>' for name in names[:20])
        more = f" and {count - 20} more" if count > 20 else ""
        yield f"<li><b>{escape(code)}</b> ({count}): {shown}{more}</li>"
    yield "</ul>\n"


def _row(row: Row, folder: Path, with_diff: bool) -> str:
    lacks = row.detail.get("lacks", [])
    state = "lacking" if lacks and row.state == "ok" else row.state
    said = [without_path(row.error, row.path)] if row.error else []
    said += row.detail.get("notes", [])
    said += [f"cell #{cell}: {what}" for cell, what in lacks]
    text = "<br>".join(escape(one) for one in said)
    if row.diff and with_diff:
        text += f"<details><summary>before and after</summary><pre>{_colored(row.diff)}</pre></details>"
    tokens = f"{row.prompt_tokens:,} / {row.completion_tokens:,}" if row.prompt_tokens else ""
    link = _link(row.path if row.state == "failed" else row.place or row.path, folder)
    kind = "failed" if state in ("failed", "lacking") else state
    name = f'<a href="{link}">{escape(row.name)}</a>' if link else escape(row.name)
    return (
        f'<tr id="{_anchor(row.name)}"><td>{name}<td class="{kind}">{state}'
        f'<td>{text}<td class="n">{row.cells or ""}<td class="n">{tokens}<td class="n">{row.seconds:.1f}'
        f"<td>{escape(row.worker)}</tr>\n"
    )


def _colored(diff: str) -> str:
    lines = []
    for line in diff.splitlines():
        tag = {"+": "ins", "-": "del"}.get(line[:1], "")
        lines.append(f"<{tag}>{escape(line)}</{tag}>" if tag else escape(line))
    return "\n".join(lines)


def _link(where: str, folder: Path) -> str:
    if stores.is_url(where):
        return escape(where, quote=True) if where.startswith(("http://", "https://")) else ""
    try:
        return quote(os.path.relpath(os.path.abspath(where), folder).replace(os.sep, "/"))
    except ValueError:  # another drive
        return quote(where)


def _anchor(name: str) -> str:
    return quote(name, safe="")
