"""Sentences are made for people: when every one is replaced by its code, the same answers are mended, repaired and chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from nbcopilot.checks import registry, wording
from nbcopilot.config import Config
from nbcopilot.engine.fake import FakeEngine
from nbcopilot.judge import Judge
from nbcopilot.pipeline import Copilot
from nbcopilot.types import Cell, ErrorInfo, Notebook, Target, Task, TaskKind, Variable

pytest.importorskip("pandas", reason="pandas is not installed")

SETUP = (
    "import pandas as pd\nd = pd.DataFrame({'Team': ['a', 'b', 'a'], 'Goals': [1, 2, 3], 'year': [1990, 1991, 1992]})"
)
HALF = "def half(x):\n    return x / 2"

# (kind, what is asked, the cell it is about, what the model answers in turn)
FLOWS: list[tuple[TaskKind, str, str, list[str]]] = [
    ("generate", "the sum of goals", "", ["d['goals'].sum()"]),
    ("generate", "means", "", ["d.groupby('Team').mean()"]),
    ("generate", "rows with goals", "", ["df[df['Goals'] > 1]"]),
    ("generate", "the year as a date", "", ["d['year'] = pd.to_datetime(d['year'])"]),
    ("generate", "The teams as a `list`", "", ["d['Team'].unique()"]),
    ("generate", "rows of team c", "", ["d[d['Team'] == 'c']", "d[d['Team'] == 'a']"]),
    ("generate", "fetch it", "", ["import urllib.request\nurllib.request.urlopen('http://example.org').read()"]),
    ("generate", "wait", "", ["while True: pass"]),
    ("generate", "half(4) == 2.0", "", ["def half(x):\n    return x / 3", HALF]),
    ("generate", "a total", "", ["for x in\n    pass", "total = 1\ntotal"]),
    ("generate", "an array", "", ["np.arange(3)"]),
    ("fix", "", "x = d['goals'].sum()", ["x = d['Goals'].sum()"]),
    ("fix", "", "x = 1 / 1", ["x = 1 / 1  # the same", "x = 1 / 1"]),
    ("fix", "", "y = 1 / 0", ["y = 1 / 2"]),
    ("testgen", "", HALF, ["def test_four():\n    assert half(4) == 2\n\ndef test_three():\n    assert half(3) == 2\n"]),
    ("explain", "", HALF, ["`half` gives half of `x`.\n\nIt was written in 1987."]),
]  # fmt: skip


def outcome(kind: TaskKind, request: str, source: str, answers: list[str]) -> dict[str, Any]:
    """What a request comes to, without any text made for people."""
    cells = (Cell("a", "code", SETUP, executed=1), *([Cell("b", "code", source, executed=2)] if source else []))
    error = ErrorInfo("KeyError", "'goals'", "", "b", source) if kind == "fix" else None
    cells += (Cell("q", "code", f"%%{kind}\n{request}"),)
    table = Variable("d", "DataFrame", "frame", "DataFrame, 3 rows × 3 columns")
    notebook = Notebook(
        cells, namespace=(table,), names=frozenset({"d", "pd"}), history=(SETUP,), cursor=len(cells) - 1, error=error
    )
    config = Config(repairs=1, retry_samples=0, consensus_samples=0, check_seconds=2, check_total_seconds=60)
    target = Target(source, "b", position=1, names=("half",) if kind == "testgen" else ()) if source else Target()
    engine = FakeEngine([text if kind == "explain" else f"```python\n{text}\n```" for text in answers])
    result = Copilot(engine, config).run(Task(kind, request, target, repairs=1), notebook, judge=Judge(config))
    assert result.verdict is not None and result.candidate is not None
    evidence = result.verdict.evidence
    return {
        "text": result.candidate.text,
        "ok": result.verdict.ok,
        "checks": {name: state for name, state in result.verdict.checks.items() if isinstance(state, str)},
        "codes": [(d.code, d.severity, d.line) for d in result.verdict.diagnostics],
        "attempts": result.attempts,
        "mended": bool(evidence.mended),
        "not_run": evidence.not_run,
        "verified": (evidence.verified, evidence.unverified),
    }


@pytest.mark.parametrize(
    ("kind", "request_", "source", "answers"), FLOWS, ids=[f"{f[0]}: {f[1] or f[2].splitlines()[0]}" for f in FLOWS]
)
def test_a_request_comes_to_the_same_without_a_single_sentence(
    kind: TaskKind, request_: str, source: str, answers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = outcome(kind, request_, source, answers)
    for code, rule in registry.rules().items():

        def only_code(self: object, data: Mapping[str, Any], code: str = code) -> str:
            return code

        monkeypatch.setattr(type(rule), "message", only_code)
        monkeypatch.setattr(type(rule), "hint", only_code)
    monkeypatch.setattr(wording, "why", lambda not_run: not_run.reason)
    monkeypatch.setattr(wording, "suggestions", lambda error: "")
    assert outcome(kind, request_, source, answers) == told
