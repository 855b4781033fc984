"""Who wrote a cell and what was checked: the metadata, the label, and how both are recognised again.

Step 8 uses it on the way in, `strip` and a rerun on the way back. No data value, prompt text or path of the
machine goes into metadata; a label is one line and stands at the edge of the cell, so that it can be taken off.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from nbcopilot.checks import registry
from nbcopilot.checks.wording import why
from nbcopilot.hashing import text_hash
from nbcopilot.inference import ModelInfo, Sampling
from nbcopilot.notebook.labels import SIGN, comment
from nbcopilot.notebook.normal import form
from nbcopilot.types import CellKind, Role
from nbcopilot.verdict import Evidence, Verdict

KEY = "nbcopilot"
SCHEMA = 1
MAX_LABEL = 160
MAX_NAMES = 4


# In place of the model, of what no model wrote (docs/decisions/005).
RULE = ModelInfo("rule", engine="none")


@dataclass(frozen=True)
class Provenance:
    """Where an answer comes from. `group` is the uuid of the request, `created` is UTC (2026-11-21T23:00:00Z)."""

    model: ModelInfo
    sampling: Sampling
    prompt_sha256: str
    group: str
    created: str
    version: str


def cell_metadata(
    role: Role,
    provenance: Provenance,
    verdict: Verdict | None = None,
    source_cell: str | None = None,
    *,
    source_hash: str | None = None,
    **extra: Any,
) -> dict[str, Any]:
    """The whole metadata of a cell that we write: `{"nbcopilot": {...}}` as the contract has it.

    source_hash: `text_hash` of the source that the cell is about. `extra` adds keys (role-specific; never values of data).
    """
    record: dict[str, Any] = {
        "schema": SCHEMA,
        "role": role,
        "group": provenance.group,
        "source_cell": source_cell,
        "source_hash": source_hash,
        "model": {
            "id": public_id(provenance.model.id),
            "sha256": prefixed(provenance.model.sha256),
            "engine": provenance.model.engine,
        },
        "sampling": _sampling(provenance.sampling),
        "prompt_sha256": provenance.prompt_sha256,
        "created": provenance.created,
        "version": provenance.version,
        "checks": _plain(dict(verdict.checks)) if verdict else {},
        "diagnostics": sorted({d.code for d in verdict.diagnostics if d.severity != "info"}) or None
        if verdict
        else None,
        **extra,
    }
    # nbformat writes keys in sorted order; in the same order from the start, saving in Jupyter changes nothing.
    return {KEY: _ordered({key: value for key, value in record.items() if value is not None or key == "source_cell"})}


def label(kind: CellKind, provenance: Provenance, verdict: Verdict | None = None, language: str = "python") -> str:
    """The one line that names the model, if one was asked, and what was checked: a comment for code, small type for markdown."""
    words = checked(verdict) if provenance.model == RULE else [public_id(provenance.model.id), *checked(verdict)]
    text = " ".join((SIGN + " · ".join(words)).split())
    text = text if len(text) <= MAX_LABEL else text[: MAX_LABEL - 1].rstrip() + "…"
    if kind == "markdown":
        return f"<sub>{html.escape(text, quote=False)}</sub>"
    start, end = comment(language)
    return f"{start} {text} {end}".rstrip()


def checked(verdict: Verdict | None) -> list[str]:
    """What was checked, in words, best evidence first; [] when nothing was."""
    return [] if verdict is None else [*_outcome(verdict), *_origin(verdict.evidence), *_rest(verdict)]


def _outcome(verdict: Verdict) -> Iterator[str]:
    checks, seen = verdict.checks, verdict.evidence
    if verdict.errors:
        yield f"problem: {registry.message(verdict.errors[0])}"
    tests = tests_in_words(checks.get("tests"))
    if tests:
        yield from tests
        if seen.tests is not None and seen.tests.disagree:
            yield f"{seen.tests.disagree} disagree with the code"
    elif checks.get("run") == "passed":
        yield f"ran clean in {seen.seconds:.1f} s" if seen.seconds is not None else "ran clean"
    elif not verdict.errors and checks.get("run") == "failed":
        yield "the run failed"
    elif not verdict.errors:
        passed = [name for name in ("syntax", "names") if checks.get(name) == "ok"]
        if passed:
            yield " and ".join(passed) + " checked, not run"


def _origin(seen: Evidence) -> Iterator[str]:
    if seen.mended:
        yield f"mended by rule: {'; '.join(seen.mended)}"
    if seen.searched is not None:
        yield f"found by search among {seen.searched} small edits"
    if seen.verified:
        yield "failed before, passes now"
    elif seen.unverified is not None:
        yield f"not verified: {why(seen.unverified)}"


def _rest(verdict: Verdict) -> Iterator[str]:
    if verdict.checks.get("source") == "syntax":
        yield "read from the code and its outputs"
    elif verdict.checks.get("grounding") == "ok":
        yield "names and numbers checked"
    for verb, names in (("creates", verdict.evidence.creates), ("changes", verdict.evidence.changes)):
        if names:
            yield f"{verb} {', '.join(names[:MAX_NAMES])}{' …' if len(names) > MAX_NAMES else ''}"


def ours(metadata: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Our record in a cell's metadata, or None when the cell is not one of ours."""
    record = metadata.get(KEY)
    return record if isinstance(record, Mapping) and "role" in record else None


def is_edited(metadata: Mapping[str, Any], source: str) -> bool:
    """True when the user changed the text of a cell that we wrote."""
    record = ours(metadata)
    if not record or not record.get("cell_hash") or record["cell_hash"] == text_hash(source):
        return False
    return not is_same(record.get("cell_form"), kind_of(record), source)


def identity(kind: CellKind, source: str) -> dict[str, str]:
    """What a cell is known by later: the hash of its text, and of what formatters leave of it."""
    return {"cell_hash": text_hash(source), "cell_form": form(kind, source)}


def is_same(known: Any, kind: CellKind, source: str) -> bool:
    """Whether `source` still says what had the form `known`; False when that was not noted."""
    return isinstance(known, str) and known == form(kind, source)


def kind_of(record: Mapping[str, Any]) -> CellKind:
    """The kind of a cell of ours, by its role."""
    return "markdown" if record.get("role") in ("explanation", "summary") else "code"


def prefixed(sha256: str) -> str:
    """A hash in the form of all others: a bare one looks like a secret to programs that search for them."""
    return f"sha256:{sha256}" if re.fullmatch(r"[0-9a-f]{64}", sha256) else sha256


def public_id(model: str) -> str:
    """The model's name without the machine's folders: a local path is cut to its last part."""
    if "\\" in model or re.match(r"[A-Za-z]:", model):
        return PureWindowsPath(model).name or model
    return PurePosixPath(model).name if model.startswith(("/", "~", ".")) else model


def tests_in_words(tests: Any) -> list[str]:
    """The counts of a test cell as its label has them: tests, lines, mutants, characterisation; [] for anything else."""
    if not isinstance(tests, Mapping):
        return []
    passed = tests.get("passed", 0)
    words = [f"{passed} test{'s' if passed != 1 else ''} pass{'' if passed != 1 else 'es'}"]
    if tests.get("line_coverage") is not None:
        words.append(f"{100 * tests['line_coverage']:.0f} % lines")
    if tests.get("mutants"):
        words.append(f"{tests.get('killed', 0)}/{tests['mutants']} mutants caught")
    if tests.get("characterisation"):
        words.append(f"{tests['characterisation']} characterisation")
    return words


def _sampling(sampling: Sampling) -> dict[str, Any]:
    """Temperature and seed always, the other settings where they are not the default."""
    default = Sampling()
    used = {"temperature": sampling.temperature, "seed": sampling.seed}
    for name in ("top_p", "top_k", "min_p", "repetition_penalty", "beams", "max_tokens"):
        if getattr(sampling, name) != getattr(default, name):
            used[name] = getattr(sampling, name)
    return {name: _plain(value) for name, value in used.items()}


def _plain(value: Any) -> Any:
    """`value` as JSON holds it: mappings as dicts, 0.0 as 0."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return int(value)
    return value


def _ordered(value: Any) -> Any:
    return {key: _ordered(value[key]) for key in sorted(value)} if isinstance(value, dict) else value
