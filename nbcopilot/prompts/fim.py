"""Stage 2 for inline completion: the text before and after the cursor -> Prompt for fill-in-the-middle.

The engine puts the model's own fill-in-the-middle tokens around the parts.
"""

from __future__ import annotations

from collections.abc import Sequence

from nbcopilot.inference import Prompt


def render(
    prefix: str, suffix: str, *, before: Sequence[str] = (), stop: Sequence[str] = (), language: str = "python"
) -> Prompt:
    """The Prompt that completes between `prefix` and `suffix`.

    `before` are the sources of earlier cells, in document order: they head the prefix, most stable first,
    each ended by one newline so that a cell never runs into the next.
    """
    head = "".join(source.rstrip("\n") + "\n\n" for source in before if source.strip())
    return Prompt(text=head + prefix, suffix=suffix, stop=tuple(stop), answer="text", language=language)
