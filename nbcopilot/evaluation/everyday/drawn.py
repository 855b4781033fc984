"""What is drawn, whichever call drew it: bars, points, words of matplotlib axes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nbcopilot.evaluation.everyday.reading import same_numbers


def bars(axes: Any) -> list[float]:
    """The lengths of the bars; stacked ones part by part."""
    lying = [p for c in axes.containers if getattr(c, "orientation", "") == "horizontal" for p in _patches(c)]
    rectangles = [patch for patch in axes.patches if type(patch).__name__ == "Rectangle"]
    return [float(p.get_width() if any(p is other for other in lying) else p.get_height()) for p in rectangles]


def _patches(container: Any) -> Iterable[Any]:
    return getattr(container, "patches", None) or ()


def stacked(axes: Any) -> bool:
    """Whether bars stand on one another: several groups that do not all start at one level."""
    groups = [c for c in axes.containers if hasattr(c, "patches")]
    starts = {
        round(float(p.get_y() if group.orientation == "vertical" else p.get_x()), 9)
        for group in groups
        for p in group.patches
    }
    return len(groups) > 1 and len(starts) > 1


def xy(axes: Any) -> list[tuple[list[float], list[float]]]:
    """(x, y) of the lines with more than one point, then of the scattered points."""
    import numpy as np

    found = []
    for line in axes.lines:
        if len(line.get_xdata()) > 1:
            both = (line.get_xdata(orig=False), line.get_ydata(orig=False))
            found.append((_list(both[0]), _list(both[1])))
    for collection in axes.collections:
        if type(collection).__name__ == "PathCollection":
            offsets = np.ma.filled(collection.get_offsets(), np.nan)
            found.append((list(offsets[:, 0]), list(offsets[:, 1])))
    return found


def _list(values: Any) -> list[float]:
    import numpy as np

    return list(np.asarray(values, dtype=float))


def words(axes: Any) -> str:
    """Titles, labels, legend, ticks and texts in lower case, joined by bars."""
    parts = [*_titles(axes), axes.get_xlabel(), axes.get_ylabel(), *(text.get_text() for text in axes.texts)]
    parts += [*legend(axes), *(t.get_text() for t in (*axes.get_xticklabels(), *axes.get_yticklabels()))]
    return " | ".join(parts).lower()


def _titles(axes: Any) -> list[str]:
    above = getattr(axes.figure, "_suptitle", None)
    own = [axes.get_title(), axes.get_title("left"), axes.get_title("right")]
    return [*own, above.get_text()] if above else own


def titled(axes: Any) -> bool:
    """Whether the axes or the figure have a title."""
    return any(_titles(axes))


def labelled(axes: Any) -> bool:
    """Whether both axes have a label."""
    return bool(axes.get_xlabel() and axes.get_ylabel())


def legend(axes: Any) -> list[str]:
    """The entries of the legend of the axes, or else of the figure."""
    found = axes.get_legend() or (axes.figure.legends[0] if axes.figure.legends else None)
    return [text.get_text() for text in found.get_texts()] if found else []


def has(got: Iterable[Any], wanted: Any, ordered: bool = False) -> bool:
    """Whether the numbers that are drawn are the wanted ones."""
    import numpy as np

    return same_numbers(got, np.asarray(wanted, dtype=float).ravel(), ordered)


HELPERS = {helper.__name__: helper for helper in (bars, stacked, xy, words, titled, labelled, legend, has)}
