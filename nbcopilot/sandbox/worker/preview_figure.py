"""Figures of a run as pictures: drawn in a fork that is ended when it takes too long, and described in words."""

from __future__ import annotations

import base64
import io
import signal
import sys
from collections.abc import Iterable
from typing import Any

from nbcopilot.sandbox.worker import forks, guard
from nbcopilot.sandbox.worker.describe_value import within

MOST = 3
SIDE = 640  # pixels of the longer side
SECONDS = 20.0  # of wall time for each figure, on a busy machine
CPU_SECONDS = 2.0
MAX_PNG = 250_000  # bytes
_WINDOWS = frozenset({"tkagg", "qtagg", "qt5agg", "gtk3agg", "gtk4agg", "wxagg"})


def close_all() -> None:
    """Close what is open, as a notebook closes the figures of a cell at its end; not in a window of the user's."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is None:
        return
    backend = str(within(0.2, sys.modules["matplotlib"].get_backend, "")).lower()
    if backend.endswith(("agg", "inline")) and backend not in _WINDOWS:
        within(1.0, lambda: pyplot.close("all"), None)


def views(value: Any, may_draw: bool) -> list[dict[str, Any]]:
    """{"png", "alt", "missing"} of each figure that is open, and of a value that is one."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    figures: list[Any] = []
    if pyplot is not None:
        figures = within(0.5, lambda: [pyplot.figure(number) for number in pyplot.get_fignums()], [])
    figure_module = sys.modules.get("matplotlib.figure")
    if figure_module is not None and isinstance(value, figure_module.Figure) and value not in figures:
        figures.append(value)
    return [_view(figure, may_draw) for figure in figures[:MOST]]


def _view(figure: Any, may_draw: bool) -> dict[str, Any]:
    drawn = _drawn(figure) if may_draw else {"png": "", "missing": "size"}
    return {**drawn, "alt": within(0.5, lambda: alt(figure), "")}


def _drawn(figure: Any) -> dict[str, str]:
    try:
        png = forks.in_child(lambda: _png(figure), SECONDS)
    except forks.ChildDied as died:
        return {"png": "", "missing": "time" if died.late or died.signal == signal.SIGXCPU else "error"}
    if not isinstance(png, str) or not png:
        return {"png": "", "missing": "error"}
    return {"png": png, "missing": ""} if len(png) <= MAX_PNG * 4 // 3 else {"png": "", "missing": "size"}


def _png(figure: Any) -> str:
    """The figure in base64; "" where drawing it raises, as it would in the notebook."""
    guard.limit_cpu(CPU_SECONDS)
    longest = max(*figure.get_size_inches(), 0.1)
    data = io.BytesIO()
    try:
        figure.savefig(data, format="png", dpi=min(100.0, SIDE / longest), bbox_inches="tight")
    except Exception:
        return ""
    return base64.b64encode(data.getvalue()).decode("ascii")


def alt(figure: Any) -> str:
    """What a figure shows, in words: for each of its axes what is drawn, the title, the labels."""
    return "; ".join(filter(None, map(_axes, figure.axes[:4])))[:300]


def _axes(axes: Any) -> str:
    bars = sum(len(container) for container in axes.containers if type(container).__name__ == "BarContainer")
    drawn = [
        _count(bars, "bar"),
        _count(len(axes.lines), "line"),
        _count(sum(len(c.get_offsets()) for c in axes.collections if hasattr(c, "get_sizes")), "point"),
        _count(len(axes.images), "image"),
    ]
    named = [(axes.get_title(), "“{}”"), (axes.get_xlabel(), "x: {}"), (axes.get_ylabel(), "y: {}")]
    return ", ".join([*_present(drawn), *(form.format(text) for text, form in named if text)])


def _present(texts: Iterable[str]) -> list[str]:
    return [text for text in texts if text]


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' if number != 1 else ''}" if number else ""
