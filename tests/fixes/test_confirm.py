"""A fix is called verified only when the fault was seen before and is gone now."""

from __future__ import annotations

from typing import Any

import pytest

from nbcopilot.checks.registry import message
from nbcopilot.checks.wording import evidence_json
from nbcopilot.config import Config
from nbcopilot.engine.fake import FakeEngine
from nbcopilot.fixes.confirm import confirm
from nbcopilot.pipeline import Copilot
from nbcopilot.types import Candidate, Cell, ErrorInfo, Notebook, Target, Task
from nbcopilot.verdict import Verdict

CONFIG = Config(check_seconds=60.0, check_total_seconds=300.0)
MEAN = "def mean(values):\n    # of numbers\n    return sum(values) / (len(values) + 1)"
PASSED = Verdict(True, checks={"run": "passed"})
SHOWS = "assert mean([1, 3]) == 2"


def mended(
    before: str, answer: str, *, error: ErrorInfo | None = None, config: Config = CONFIG, **more: Any
) -> tuple[str, Verdict]:
    notebook = Notebook(cells=(Cell("c", "code", before),), error=error, **more)
    return answered(answer, Task("fix", target=Target(before, "c", position=0), repairs=0), notebook, config)


def answered(answer: str, task: Task, notebook: Notebook, config: Config = CONFIG) -> tuple[str, Verdict]:
    result = Copilot(FakeEngine([f"```python\n{answer}\n```"]), config).run(task, notebook)
    assert result.candidate is not None and result.verdict is not None
    return result.candidate.text, result.verdict


def shown_by(source: str) -> ErrorInfo:
    return ErrorInfo("AssertionError", "", "", "t", source)


def test_a_fault_that_was_seen_and_is_gone_is_verified_and_the_edit_is_the_smallest() -> None:
    answer = "def mean(values):\n    count = 0\n    return sum(values) / len(values)"
    text, found = mended(MEAN, answer, error=shown_by(SHOWS))
    assert text == MEAN.replace("(len(values) + 1)", "len(values)")
    assert found.ok and evidence_json(found.evidence)["verified"] is True and found.checks["fix"] == "passed"


def test_a_loop_that_never_ended_counts_as_a_fault() -> None:
    soon = Config(check_seconds=3.0)
    text, found = mended("i = 3\nwhile i:\n    i += 1", "i = 3\nwhile i:\n    i -= 1", config=soon)
    assert evidence_json(found.evidence)["verified"] is True, text


def test_what_does_not_fail_here_is_said_to_be_unverified() -> None:
    _, found = mended(MEAN, MEAN.replace("+ 1", "+ 0"))
    assert found.ok and evidence_json(found.evidence)["verified"] is False
    assert (
        evidence_json(found.evidence)["not_verified"] == "the cell as it was does not fail here"
        and found.checks["fix"] == "not-run"
    )


def test_what_could_not_run_is_said_with_its_reason() -> None:
    before = "import socket\nsocket.create_connection(('example.org', 80)).sendall('x')"
    _, found = mended(before, before.replace("'x'", "b'x'"))
    assert (
        found.ok
        and evidence_json(found.evidence)["verified"] is False
        and "network" in evidence_json(found.evidence)["not_verified"]
    ), found


def test_the_same_code_again_is_no_fix() -> None:
    _, found = mended("x = 1 / 1", "x = 1 / 1  # mended")
    assert not found.ok
    assert message(found.diagnostics[-1]) == "The answer is the same code as the cell that fails"


def test_without_time_no_smaller_edit_is_run() -> None:
    asked: list[str] = []

    def check(candidate: Candidate) -> Verdict:
        asked.append(candidate.text)
        return PASSED

    answer = "a = 1\nb = 2\nc = 3"
    text = confirm((Candidate(answer), PASSED), "a = 0\nb = 0\nc = 3", Verdict(False), check, may_shrink=False)[0].text
    assert text == answer and not asked
    text = confirm((Candidate(answer), PASSED), "a = 0\nb = 0\nc = 3", Verdict(False), check)[0].text
    assert text == "a = 1\nb = 0\nc = 3" and asked


CELLS = (
    "import math\n\ndef half(x):\n    return math.floor(x)\n\ndef area(r):\n    return half(r) * r",
    "total = area(4)",
)


@pytest.mark.parametrize("names", [(), ("area",)])
def test_cells_between_the_mended_and_the_failed_one_run_again(names: tuple[str, ...]) -> None:
    sources = (*CELLS, "assert total == 8")
    cells = tuple(Cell(f"c{i}", "code", source, executed=i + 1) for i, source in enumerate(sources))
    book = Notebook(cells=cells, error=ErrorInfo("AssertionError", "", "", "c2", sources[2]))
    source = "def area(r):\n    return half(r) * r" if names else CELLS[0]
    task = Task("fix", target=Target(source, "c0", names, 0), repairs=0)
    _, found = answered(source.replace("half(r) * r", "half(r) * r / 2"), task, book)
    assert found.ok and evidence_json(found.evidence)["verified"] is True, found
