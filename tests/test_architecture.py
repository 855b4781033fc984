"""docs/architecture.md shows the signatures that the code has."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
# Where the short names of the page are found, the first that fits.
PACKAGES = ("", "notebook", "context", "prompts", "engine", "answers", "checks", "write", "batch", "serve")
# The classes that stand alone, by their modules.
CLASSES = {
    "Copilot": "pipeline", "Engine": "engine.protocol", "Judge": "judge", "NotebookFile": "notebook.document",
    "Repair": "repair", "Session": "session",
}  # fmt: skip


def block() -> list[str]:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    return [line.split("  #")[0] for line in code.split("\n") if line.strip() and not line.startswith("#")]


def find(dotted: str, owner: Any = None) -> Any:
    first, _, rest = dotted.partition(".")
    if owner is not None:
        found = getattr(owner, first)
        return find(rest, found) if rest else found
    if first in CLASSES:
        found = getattr(importlib.import_module(f"nbcopilot.{CLASSES[first]}"), first)
        return find(rest, found) if rest else found
    for package in PACKAGES:
        name = ".".join(part for part in ("nbcopilot", package, first) if part)
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError:
            continue
        while rest and not hasattr(module, rest.split(".")[0]):
            first, _, rest = rest.partition(".")
            module = importlib.import_module(f"{module.__name__}.{first}")
        return find(rest, module)
    raise AssertionError(f"docs/architecture.md names {dotted}, and there is no such thing")


def calls(line: str) -> list[tuple[str, str]]:
    """(dotted name, parameters) of every call that a line shows; `A(x).b(y)` is `A` and `A.b`."""
    found, owner = [], ""
    for match in re.finditer(
        r"(?P<dot>\.?)(?P<name>[A-Za-z_][\w.]*)\((?P<parameters>(?:[^()\[\]]|\[(?:[^\[\]]|\[[^\[\]]*\])*\]|\([^()]*\))*)\)",
        line.split("->")[0],
    ):
        name = f"{owner}.{match['name']}" if match["dot"] and owner else match["name"]
        found.append((name, match["parameters"]))
        owner = name if name.split(".")[-1][0].isupper() else owner
    return found


def names(parameters: str) -> list[str]:
    """The names in a list of parameters, `*` for the mark before those by keyword only."""
    flat = re.sub(r"\[[^\[\]]*\]", "", re.sub(r"\[[^\[\]]*\]", "", parameters))
    return [part.split(":")[0].split("=")[0].strip() for part in flat.split(",") if part.strip()]


CALLS = [(name, parameters) for line in block() for name, parameters in calls(line)]


def test_the_page_shows_signatures() -> None:
    assert len(CALLS) > 25
    assert calls("Judge(config, namespace=None).check(a, *, b: Callable[[str], int] = f) -> X(y)") == [
        ("Judge", "config, namespace=None"),
        ("Judge.check", "a, *, b: Callable[[str], int] = f"),
    ]
    assert names("a, b: dict[str, tuple[int, str]] = None, *, c=1") == ["a", "b", "*", "c"]


@pytest.mark.parametrize(("name", "parameters"), CALLS, ids=[name for name, _ in CALLS])
def test_a_signature_of_the_page_is_that_of_the_code(name: str, parameters: str) -> None:
    own = [one for one in inspect.signature(find(name)).parameters.values() if one.name not in ("self", "cls")]
    shown = names(parameters)
    by_keyword = set(shown[shown.index("*") + 1 :]) if "*" in shown else set()
    known = {one.name: one for one in own}
    assert [one for one in shown if one != "*" and one not in known] == [], list(known)
    assert [
        one.name
        for one in own
        if one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD and one.name not in shown
    ] == []
    assert [one for one in by_keyword if known[one].kind is not inspect.Parameter.KEYWORD_ONLY] == []
    positional = [one for one in shown if one != "*" and one not in by_keyword]
    assert positional == [one.name for one in own if one.name in positional], "in another order"
