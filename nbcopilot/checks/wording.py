"""Sentences for values that several rules and surfaces tell: why nothing was run, what evidence there is.

Read by people only; control flow looks at the values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nbcopilot.execution import RunError, Shown, Suggestion
from nbcopilot.verdict import Evidence, NotRun

_NOT_RUN: Mapping[str, Callable[[NotRun], str]] = {
    "disabled": lambda n: "checks are off",
    "language": lambda n: f"code in {n.detail} is not checked",
    "package": lambda n: f"`{n.detail}` is not installed here, and the notebook imports it",
    "network": lambda n: f"needs the network ({n.detail})",
    "environment": lambda n: (
        f"needs the environment variable {n.detail}" if n.detail else "needs environment variables"
    ),
    "gpu": lambda n: "needs a GPU",
    "credentials": lambda n: "needs credentials",
    "window": lambda n: "opens a window",
    "shell-api": lambda n: f"uses get_ipython().{n.detail}",
    "magic": lambda n: f"uses the magic {n.detail}",
    "install": lambda n: "installs packages",
    "shell": lambda n: "runs a shell command",
    "keyboard": lambda n: "waits for keyboard input",
    "file": lambda n: f"needs the file {n.detail}" if n.detail else "needs a file",
    "read-only": lambda n: f"writes {n.detail or 'a file'}, which is read-only in a check",
    "outside": lambda n: f"reaches outside the sandbox ({n.detail})",
    "variable": lambda n: f"needs `{n.detail}`, which could not be copied ({n.more})",
    "sandbox": lambda n: f"there is no sandbox here ({n.detail})",
    "policy-level": lambda n: f"the policy runs code at level {n.detail} or better; this machine has {n.more}",
    "upstream": lambda n: "the cells it depends on are not Python that can be run here",
    "setup": lambda n: f"the cells above could not be run again ({n.detail})",
    "time": lambda n: f"it did not finish in {n.detail} s",
    "memory": lambda n: "it needs more memory than a check may use",
    "budget": lambda n: f"the {n.detail} s for the checks of one request are used up",
    "unchanged-passes": lambda n: "the cell as it was does not fail here",
    "original-not-run": lambda n: "the cell as it was could not be run" + (f": {why(n.cause)}" if n.cause else ""),
    "not-run": lambda n: n.detail or "it was not run",
}


def why(not_run: NotRun) -> str:
    """Why nothing was run, as the rest of a sentence: "needs the network (example.org)"."""
    return _NOT_RUN[not_run.reason](not_run)


def suggestion(one: Suggestion) -> str:
    """A suggestion as a sentence."""
    if one.kind == "columns":
        return f"`{one.owner}` has the columns {', '.join(map(repr, one.names))}"[:400]
    if one.kind == "files":
        return "The folder has " + ", ".join(f"`{name}`" for name in one.names[:3])
    return f"Did you mean `{one.names[0]}`?" if one.names else ""


def suggestions(error: RunError) -> str:
    """All suggestions of an error, as sentences; "" when there are none."""
    return "; ".join(filter(None, map(suggestion, error.suggestions)))


def value(shown: Shown) -> str:
    """A value by kind and size: "a DataFrame with 3 rows and 2 columns"."""
    return with_article(shown.type.rpartition(".")[2]) + sizes(shown.shape or ())


def with_article(kind: str) -> str:
    """`kind` behind "a" or "an"."""
    return f"{'an' if kind[:1] in 'aeiouAEIOU' else 'a'} {kind}"


def sizes(shape: Sequence[int | None]) -> str:
    """ " with 3 rows and 2 columns" of a shape; "" of ()."""
    told = [
        f"{n:,} {what}{'s' if n != 1 else ''}"
        for n, what in zip(shape, ("row", "column"), strict=False)
        if n is not None
    ]
    return f" with {' and '.join(told)}" if told else ""


def evidence_json(evidence: Evidence) -> dict[str, Any]:
    """The evidence as the wire has it: what is known, under the names of the protocol, reasons as sentences."""
    found: dict[str, Any] = {}
    if evidence.tests is not None:
        found |= evidence.tests.as_metadata()
        found |= {"tests": evidence.tests.passed, "disagree": evidence.tests.disagree}
    for name in ("seconds", "setup_seconds", "prints", "searched", "verified"):
        if getattr(evidence, name) is not None:
            found[name] = getattr(evidence, name)
    for name in ("creates", "changes", "deletes", "files", "warnings"):
        if getattr(evidence, name):
            found[name] = list(getattr(evidence, name))
    if evidence.plots:
        found["plots"] = evidence.plots
    if evidence.examples is not None:
        found["examples"] = {"passed": evidence.examples[0], "of": evidence.examples[1]}
    if evidence.not_run is not None:
        found["not_run"] = why(evidence.not_run)
    if evidence.mended:
        found["mended"] = "; ".join(evidence.mended)
    if evidence.unverified is not None:
        found["not_verified"] = why(evidence.unverified)
    return found
