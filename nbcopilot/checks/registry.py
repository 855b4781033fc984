"""All rules by code: the built-in ones, one a file in `rules/`, and those of installed packages (`nbcopilot.rules`).

The one place that makes sentences from diagnostics, and the one that runs rules: a rule that raises is named and the
others go on; a rule of another package that takes too long is left out from then on.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any

from nbcopilot.checks import rules as builtin
from nbcopilot.checks.rule import Area, Phase, Rule, Subject
from nbcopilot.checks.time_box import TookTooLong, time_boxed
from nbcopilot.verdict import Diagnostic

GROUP = "nbcopilot.rules"
THIRD_PARTY_SECONDS = 2.0
# Codes that were given a new number: old -> new. An old code still works in settings and comments.
RENAMED: dict[str, str] = {}

_stopped: set[str] = set()  # codes of rules that took too long in this process


@lru_cache(maxsize=1)
def rules() -> dict[str, Rule]:
    """Every rule by its code, built-in ones first. What cannot be imported is left out; `broken()` names it."""
    found: dict[str, Rule] = {}
    for module in pkgutil.iter_modules(builtin.__path__):
        for rule in _in_module(importlib.import_module(f"{builtin.__name__}.{module.name}")):
            if rule.code in found:
                raise ValueError(f"two rules have the code {rule.code}")
            found[rule.code] = rule
    for rule in _installed():
        found.setdefault(rule.code, rule)
    return found


def _in_module(module: ModuleType) -> Iterator[Rule]:
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, Rule) and value.__module__ == module.__name__:
            yield value()


def _installed() -> Iterator[Rule]:
    for entry in entry_points(group=GROUP):
        try:
            loaded = entry.load()
            yield from _in_module(loaded) if isinstance(loaded, ModuleType) else [loaded()]
        except Exception as exc:  # somebody else's package: named, not fatal
            broken()[entry.name] = f"{type(exc).__name__}: {exc}"


@lru_cache(maxsize=1)
def broken() -> dict[str, str]:
    """Entry points that could not be loaded, with the reason."""
    return {}


def current(code: str) -> str:
    """The code as it is now: upper case, renumbered codes followed."""
    code = code.strip().upper()
    return RENAMED.get(code, code)


def get(code: str) -> Rule | None:
    """The rule of a code, or None."""
    return rules().get(current(code))


def nearest(code: str) -> str:
    """The known code or prefix that an unknown one may be a slip for; "" when none is near."""
    names = {rule.name: one for one, rule in rules().items()}
    near = difflib.get_close_matches(current(code), list(rules()), n=1, cutoff=0.6)
    named = difflib.get_close_matches(code.strip().lower(), list(names), n=1, cutoff=0.6)
    return names[named[0]] if named else near[0] if near else ""


def area(diagnostic: Diagnostic) -> Area:
    """What a diagnostic is about, as chips and reports group it."""
    rule = get(diagnostic.code)
    return rule.area if rule else "tool"


def message(diagnostic: Diagnostic) -> str:
    """The sentence of a diagnostic, without its code."""
    rule = get(diagnostic.code)
    return rule.message(diagnostic.data) if rule else f"{diagnostic.code} ({dict(diagnostic.data)})"


def hint(diagnostic: Diagnostic) -> str:
    """What to do next about a diagnostic; "" when there is nothing to say."""
    rule = get(diagnostic.code)
    return rule.hint(diagnostic.data) if rule else ""


def line(diagnostic: Diagnostic) -> str:
    """A diagnostic as one line of text: "NB101: `x` is not defined (line 3). Did you mean `y`?"."""
    where = f" (line {diagnostic.line})" if diagnostic.line else ""
    more = hint(diagnostic)
    return f"{diagnostic.code}: {message(diagnostic)}{where}" + (f". {more}" if more else "")


def as_json(diagnostic: Diagnostic) -> dict[str, Any]:
    """A diagnostic as `--json` and the wire have it, with its sentence for those who show it."""
    return {
        "code": diagnostic.code,
        "check": area(diagnostic),
        "severity": diagnostic.severity,
        "message": message(diagnostic),
        "hint": hint(diagnostic),
        "line": diagnostic.line,
        "data": dict(diagnostic.data),
    }


def detect(subject: Subject, phase: Phase) -> Iterator[Diagnostic]:
    """What all rules of a phase find, in the order of their codes."""
    for code, rule in sorted(rules().items()):
        if rule.phase == phase and code not in _stopped:
            yield from _guarded(rule, subject)


def _guarded(rule: Rule, subject: Subject) -> Iterable[Diagnostic]:
    own = type(rule).__module__.startswith(builtin.__name__)
    try:
        return (
            list(rule.detect(subject)) if own else time_boxed(lambda: list(rule.detect(subject)), THIRD_PARTY_SECONDS)
        )
    except TookTooLong:
        _stopped.add(rule.code)
        return [Diagnostic("NB002", "info", {"rule": rule.code, "seconds": THIRD_PARTY_SECONDS})]
    except Exception as exc:  # a fault of the rule is none of the answer
        return [Diagnostic("NB001", "info", {"rule": rule.code, "error": f"{type(exc).__name__}: {exc}"[:300]})]
