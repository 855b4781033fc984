"""How much is written, and for whom: what a style puts above a group and at the top of a notebook."""

from __future__ import annotations

from dataclasses import dataclass

from nbcopilot.errors import UsageError


@dataclass(frozen=True)
class Style:
    """`sentences`: most of them above one group. `is_asked`: whether the model adds to the facts, `is_teaching`: how.
    `kinds`: facts that are told (() for all); `sections`: whether headings are written; `glossary`: a list of columns."""

    sentences: int
    is_asked: bool = True
    is_teaching: bool = False
    kinds: tuple[str, ...] = ()
    sections: bool = True
    glossary: bool = False


STYLES = {
    "brief": Style(2, is_asked=False, sections=False),
    "full": Style(5),
    "teaching": Style(7, is_teaching=True, glossary=True),
    "report": Style(4, kinds=("data", "model", "chart"), glossary=True),
}


def style(name: str) -> Style:
    """The style of this name. Raises UsageError."""
    if name not in STYLES:
        raise UsageError(f"no style {name!r}", hint=f"--style takes {', '.join(STYLES)}")
    return STYLES[name]
