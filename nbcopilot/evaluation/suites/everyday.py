"""What people type into notebooks every day: requests, cells to mend, code to explain, functions to test, notebooks to document.

`--data` is a folder with a JSON-lines file for each kind. Every question starts from the state that the references before
it have made, in a live kernel; the judge (`evaluation.everyday`) runs in a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nbcopilot.errors import NotebookNotFoundError, UsageError
from nbcopilot.evaluation.everyday import prose
from nbcopilot.evaluation.everyday.process import JudgeProcess
from nbcopilot.evaluation.everyday.running import installed
from nbcopilot.evaluation.suites import Judgement, Question
from nbcopilot.evaluation.suites.fix import failed_notebook
from nbcopilot.evaluation.suites.stateful import Kernel, live_notebook
from nbcopilot.evaluation.systems import Answer
from nbcopilot.types import Cell, Notebook, Output, Target, Task

# Kind -> the file that holds it, and the fields that its items must have.
KINDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "generate": ("sessions.jsonl", ("id", "steps")),
    "fix": ("fix.jsonl", ("id", "cells", "bug", "failing", "reference", "check")),
    "explain": ("explain.jsonl", ("id", "code", "must", "must_not")),
    "testgen": ("testgen.jsonl", ("id", "good", "buggy", "entry_points", "params")),
    "document": ("document.jsonl", ("id", "cells", "facts", "false")),
}
OUTPUT_CHARACTERS = 4000


@dataclass(frozen=True)
class Item:
    """One question of the suite. `raw` is its line of the file; `step` the request within a session."""

    id: str
    kind: str
    raw: Mapping[str, Any]
    judge: JudgeProcess
    step: int = 0


def read(path: Path, name: str) -> list[Item]:
    """The questions of all kinds in the folder. Raises NotebookNotFoundError, UsageError."""
    if not path.is_dir():
        raise NotebookNotFoundError(f"no folder {path}", hint="give the folder of the suite with --data")
    judge = JudgeProcess()
    items = [item for kind in KINDS for item in _read(path, kind, judge)]
    if not items:
        files = ", ".join(file for file, _ in KINDS.values())
        raise UsageError(f"{path} holds no file of this suite", hint=f"it takes {files}")
    return items


def _read(folder: Path, kind: str, judge: JudgeProcess) -> Iterator[Item]:
    file, needed = KINDS[kind]
    if not (folder / file).is_file():
        return
    for number, line in enumerate((folder / file).read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            raw = json.loads(line)
            missing = [field for field in needed if field not in raw]
        except (ValueError, TypeError) as exc:
            raise UsageError(f"{file}, line {number} is not a JSON object: {exc}", hint="mend the file") from exc
        if missing:
            raise UsageError(f"{file}, line {number} lacks {', '.join(missing)}", hint="is it of another suite?")
        if kind != "generate":
            yield Item(raw["id"], kind, raw, judge)
            continue
        for step, content in enumerate(raw["steps"]):
            if content.get("question"):
                yield Item(f"{raw['id']}/{step}", kind, raw, judge, step)


def close(items: Sequence[Item]) -> None:
    """End the judging process."""
    for judge in {item.judge for item in items}:
        judge.close()


def questions(item: Item) -> Iterator[Question]:
    """The one question of an item."""
    with tempfile.TemporaryDirectory(prefix="nbcopilot-everyday-", ignore_cleanup_errors=True) as name:
        folder = Path(name, "work")
        folder.mkdir()
        yield from ASKING[item.kind](item, folder)


def _request(item: Item, folder: Path) -> Iterator[Question]:
    session, step = item.raw, item.raw["steps"][item.step]

    def judge(answer: Answer) -> Judgement:
        found = item.judge.call("request", session=session, number=item.step, answer=answer.text)
        return _judgement(found)

    task = Task("generate", step["question"].strip())
    lacking = [package for package in step.get("requires", ()) if not installed(package)]
    if lacking:
        reason = f"not installed: {', '.join(lacking)}"
        yield Question(item.id, task, Notebook(), judge, Answer(step["reference"]), excluded=reason)
        return
    with _kernel(session.get("data", ""), folder) as kernel:
        cells: list[Cell] = []
        for at, earlier in enumerate(session["steps"][: item.step]):
            if not all(installed(package) for package in earlier.get("requires", ())):
                continue
            asked = earlier.get("question")
            if asked:
                cells.append(Cell(f"ask-{at}", "code", f"%%generate\n{asked.strip()}"))
            metadata = {"question": asked} if asked else {}
            cells.append(_run(kernel, f"cell-{at}", earlier.get("setup") or earlier["reference"], at + 1, metadata))
        asking = Cell(f"ask-{item.step}", "code", f"%%generate\n{task.instruction}")
        notebook = _live(kernel, (*cells, asking), len(cells), folder)
        yield Question(item.id, task, notebook, judge, Answer(step["reference"]))


def _fix(item: Item, folder: Path) -> Iterator[Question]:
    raw = item.raw

    def judge(answer: Answer) -> Judgement:
        # An answer that does not say which cell it is for is taken for the one at fault.
        at = int(answer.cell_id.rpartition("-")[2]) if answer.cell_id else int(raw["bug"])
        found = item.judge.call("fix", item=raw, answer=answer.text, at=at)
        return _judgement(found, right_cell=at == raw["bug"])

    sources, failing = raw["cells"], raw.get("failing")
    with _kernel(raw.get("data", ""), folder) as kernel:
        cells = [_run(kernel, f"cell-{at}", source, at + 1) for at, source in enumerate(sources)]
        at = len(cells) - 1 if failing is None else int(failing)
        notebook = _live(kernel, tuple(cells), at, folder)
        if failing is not None:
            failed = failed_notebook(sources, at, raw["error"])
            notebook = replace(notebook, cells=failed.cells, error=failed.error)
        target = Target(sources[at], notebook.cells[at].id, position=at)
        task = Task("fix", (raw.get("complaint") or "").strip(), target)
        yield Question(item.id, task, notebook, judge, Answer(raw["reference"], cell_id=f"cell-{raw['bug']}"))


def _explain(item: Item, folder: Path) -> Iterator[Question]:
    def judge(answer: Answer) -> Judgement:
        return _facts(prose.judge_explanation(item.raw, answer.text))

    cell = Cell("cell-0", "code", item.raw["code"])
    task = Task("explain", target=Target(cell.source, cell.id, position=0))
    reference = Answer(item.raw["good"]) if "good" in item.raw else None
    yield Question(item.id, task, Notebook((cell,), cursor=0), judge, reference)


def _testgen(item: Item, folder: Path) -> Iterator[Question]:
    raw = item.raw

    def judge(answer: Answer) -> Judgement:
        found = item.judge.call("tests", item=raw, answer=answer.text)
        score = found["caught"] / found["of"] if found["valid"] and found["of"] else 0.0
        reason = "" if found["valid"] else "the tests fail on the good version"
        detail = {key: found[key] for key in ("valid", "caught", "of", "keepable", "why")}
        return Judgement(score > 0, score, reason, {**detail, "keepability": found["score"]})

    cell = Cell("cell-0", "code", raw["good"], executed=1)
    names = tuple(raw["entry_points"])
    notebook = Notebook((cell,), cursor=0, names=frozenset(names), history=(raw["good"],))
    task = Task("testgen", target=Target(raw["good"], cell.id, names, position=0))
    yield Question(item.id, task, notebook, judge, Answer(raw["reference"]) if "reference" in raw else None)


def _document(item: Item, folder: Path) -> Iterator[Question]:
    def judge(answer: Answer) -> Judgement:
        return _facts(prose.judge_documentation(item.raw, answer.text))

    cells = tuple(
        Cell(f"cell-{at}", "code", cell["source"], _outputs(cell["output"]), at + 1)
        for at, cell in enumerate(item.raw["cells"])
    )
    notebook = Notebook(cells, path=folder / "analysis.ipynb")
    reference = Answer(item.raw["good"]) if "good" in item.raw else None
    yield Question(item.id, Task("document"), notebook, judge, reference)


ASKING: dict[str, Callable[[Item, Path], Iterator[Question]]] = {
    "generate": _request,
    "fix": _fix,
    "explain": _explain,
    "testgen": _testgen,
    "document": _document,
}


@contextmanager
def _kernel(data: str, folder: Path) -> Iterator[Kernel]:
    """A kernel in `folder`, in which the hidden `data` code has made the files that the notebook reads."""
    if data:
        subprocess.run([sys.executable, "-c", data], cwd=folder, check=True, capture_output=True)
    with Kernel(folder) as kernel:
        yield kernel


def _run(kernel: Kernel, name: str, source: str, number: int, metadata: Mapping[str, Any] | None = None) -> Cell:
    _, shown = kernel.call("run", source)
    return Cell(name, "code", source, _outputs(shown), number, metadata or {})


def _outputs(shown: str) -> tuple[Output, ...]:
    return (Output("result", shown[:OUTPUT_CHARACTERS]),) if shown else ()


def _live(kernel: Kernel, cells: tuple[Cell, ...], cursor: int, folder: Path) -> Notebook:
    """What a magic's own snapshot sees of the kernel, with the cells as this notebook holds them."""
    history = tuple(cell.source for cell in cells if cell.executed is not None)
    return replace(live_notebook(kernel, cells, history, folder), cursor=cursor)


def _judgement(found: Mapping[str, Any], **detail: Any) -> Judgement:
    if found["kind"] == "excluded":
        return Judgement(False, reason=found["reason"], detail={**detail, "kind": "excluded"})
    return Judgement.of(found["ok"], found["reason"], kind=found["kind"], notes=found["notes"], **detail)


def _facts(found: Mapping[str, Any]) -> Judgement:
    """Right or not; the share of facts said, of statements that are false."""
    said = found["said"] / found["of"] if found["of"] else 0.0
    reasons = [f"false: {one}" for one in found["false"]] + [f"not said: {one}" for one in found["missing"]]
    detail = {key: value for key, value in found.items() if key != "ok"}
    return Judgement(found["ok"], said, "; ".join(reasons), {**detail, "facts": said})
