"""Route 3 into an open notebook: the text in the output, with a copy button. Works everywhere, writes nothing.

The model's text is escaped: it is shown, never executed or trusted.
"""

from __future__ import annotations

import html
from typing import Any

from nbcopilot.types import CellEdit, NewCell

# No id, no global: the button finds its text next to itself. Pages without a secure context have no clipboard
# object; there the text is selected, and one Ctrl-C copies it.
_BUTTON = (
    "const p=this.parentNode.querySelector('pre'),r=document.createRange(),s=getSelection();"
    "r.selectNodeContents(p);s.removeAllRanges();s.addRange(r);"
    "const done=()=>{this.textContent='copied'},hint=()=>{this.textContent='press Ctrl-C'};"
    "navigator.clipboard?navigator.clipboard.writeText(p.textContent).then(done,hint):"
    "(document.execCommand('copy')?done():hint())"
)
_PRE = (
    "font-family:var(--jp-code-font-family,monospace);font-size:var(--jp-code-font-size,13px);"
    "white-space:pre-wrap;margin:4px 0"
)


def send(edit: CellEdit) -> tuple[str, ...]:
    """Display the cells of `edit` with copy buttons and say what was lost, a sentence each."""
    from IPython.display import display

    display(bundle(edit), raw=True)  # type: ignore[no-untyped-call]  # IPython has no types here
    return ("nothing was added to the notebook: copy the text into a cell yourself",)


def bundle(edit: CellEdit) -> dict[str, Any]:
    """The mime bundle: HTML with a button for each cell, and plain text for terminals and viewers."""
    return {
        "text/plain": "\n\n".join(cell.source for cell in edit.cells),
        "text/html": "".join(_block(cell) for cell in edit.cells),
    }


def _block(cell: NewCell) -> str:
    return (
        f'<div><button onclick="{html.escape(_BUTTON)}">copy {html.escape(cell.kind)}</button>'
        f'<pre style="{html.escape(_PRE)}">{html.escape(cell.source)}</pre></div>'
    )
