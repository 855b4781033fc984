"""All that code and outputs of a group of cells say, together: the sentences that stand in the notebook as they are.

Also what the model gets to read, so that it adds what for and does not repeat.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace

from nbcopilot.batch.findings import results, shown, steps
from nbcopilot.batch.findings.phrases import named
from nbcopilot.batch.findings.results import Result
from nbcopilot.batch.findings.steps import Known, Step
from nbcopilot.notebook.syntax import tree

# What is left out first where a text would be long.
_SPARED = ("count", "saved", "rows", "column", "split")
_ROWS = re.compile(r"(?:Number of rows in `\w+`: )?([\d,]+)(?: rows)?$")


@dataclass(frozen=True)
class Told:
    """One cell as it is told: its source, the texts of its outputs, its position."""

    source: str
    outputs: tuple[str, ...] = ()
    at: int = -1


@dataclass(frozen=True)
class Material:
    """What a group of cells says of itself, in its order. `purposes`: first sentences of docstrings, by name;
    `of_another_run`: outputs that the code of their cells could not have printed."""

    told: tuple[Step | Result, ...] = ()
    purposes: tuple[tuple[str, str], ...] = ()
    of_another_run: bool = False

    @property
    def steps(self) -> tuple[Step, ...]:
        """What the cells do."""
        return tuple(one for one in self.told if isinstance(one, Step))

    @property
    def findings(self) -> tuple[Result, ...]:
        """What came out and answers something."""
        return tuple(one for one in self.told if isinstance(one, Result) and one.is_finding)

    def sentences(self, limit: int = 99, *, kinds: Sequence[str] = (), findings: bool = True) -> list[str]:
        """The sentences in the order of the code, at most `limit`; kinds: only steps of these kinds (default: all)."""
        wanted = [one for one in self.told if isinstance(one, Result) or not kinds or one.kind in kinds]
        if not findings:
            wanted = [one for one in wanted if isinstance(one, Step)]
        for kind in _SPARED:
            while len(_merged(wanted)) > limit and (rest := [one for one in wanted if _kind(one) == kind]):
                wanted.remove(rest[-1])
        return [_sentence(f"`{name}`: {text}") for name, text in self.purposes] + _merged(wanted)

    def without(self, said: Set[Step]) -> Material:
        """The same without steps that were said before."""
        return replace(self, told=tuple(one for one in self.told if one not in said))

    def own_words(self) -> list[str]:
        """What the notebook prints, in its own words: one sentence, or none."""
        own = [one.text for one in self.told if isinstance(one, Result) and one.own_words]
        return [f"→ {'; '.join(own)}."] if own else []


def gather(cells: Sequence[Told], known: Known) -> Material:
    """The Material of a group of cells in Python; `known`: the definitions of names above it and in it."""
    told: dict[Step | Result, None] = {}
    for cell in cells:
        told |= dict.fromkeys(steps.steps(cell.source, known))
        found = results.results(cell.source, cell.outputs, known)
        told |= dict.fromkeys(replace(one, cell=cell.at) for one in found)
    return Material(
        tuple(_with_size(list(told), [text for cell in cells for text in cell.outputs])),
        tuple(pair for cell in cells for pair in _purposes(cell.source)),
        any(results.is_of_another_run(cell.source, cell.outputs) for cell in cells),
    )


def _with_size(told: list[Step | Result], outputs: Sequence[str]) -> list[Step | Result]:
    """The size of the data, as outputs beside their reading say it, in one sentence with where they come from."""
    reads = [at for at, one in enumerate(told) if isinstance(one, Step) and one.kind == "data"]
    if not reads:
        return told
    counts = [one for one in told if isinstance(one, Result) and not one.is_finding and _ROWS.match(one.text)]
    size = _shape(outputs) or (f"{_ROWS.match(counts[0].text)[1]} rows" if counts else "")  # type: ignore[index]
    step = told[reads[0]]
    assert isinstance(step, Step)
    if size:
        told[reads[0]] = replace(step, text=f"{step.text}: {size}")
    return [one for one in told if one not in counts[:1]]


def _shape(outputs: Sequence[str]) -> str:
    for text in outputs:
        frame = shown.table(text)
        if (shape := shown.shape(text)) is not None:
            names = f": {named(frame.columns)}" if frame is not None and len(frame.columns) == shape[1] else ""
            return f"{shape[0]:,} rows, {shape[1]} columns{names}"
    return ""


def _merged(told: Sequence[Step | Result]) -> list[str]:
    """One sentence each; the notebook's own words that follow each other are one."""
    found: list[str] = []
    own: list[str] = []
    for one in [*told, None]:
        if isinstance(one, Result) and one.own_words:
            own.append(one.text)
            continue
        if own:
            found.append(f"Result: {'; '.join(own)}.")
            own = []
        if one is not None:
            found.append(_sentence(one.text))
    return found


def _kind(one: Step | Result) -> str:
    return one.kind if isinstance(one, Step) else "finding" if one.is_finding else "count"


def _purposes(source: str) -> list[tuple[str, str]]:
    """(name, first sentence of the docstring) of the functions and classes at the top of a cell."""
    module = tree(source)
    found = []
    for node in module.body if module is not None else ():
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            first = (ast.get_docstring(node) or "").strip().split("\n\n")[0]
            first = re.sub(r"[`<>*\[\]]", "", " ".join(first.split())).rstrip(".")
            if 8 <= len(first) <= 160:
                found.append((node.name, first))
    return found


def _sentence(text: str) -> str:
    text = text[0].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."
