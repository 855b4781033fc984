"""Questions on live state (DSEval Exercise): a session is one notebook with one kernel.

Each question sees the earlier steps' requests and reference code as cells and the live namespace. Its answer is judged on a copy
of that state; then the reference runs, so that every question starts from the right state whatever came before.
A question whose reference fails here (a data file that is missing, another pandas) is excluded, and said so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nbcopilot.errors import EngineUnavailableError
from nbcopilot.evaluation.suites import Judgement, Question
from nbcopilot.evaluation.systems import Answer
from nbcopilot.evaluation.tasks import SessionItem, Step, load
from nbcopilot.evaluation.validators import unsupported
from nbcopilot.evaluation.worker import read_message, write_message
from nbcopilot.notebook.profile.transfer import from_json
from nbcopilot.types import Cell, Notebook, Output, Task, Variable

SECONDS = 30.0


def read(path: Path, name: str) -> list[SessionItem]:
    """The sessions of the file. Raises UsageError."""
    return load(path, SessionItem)


def questions(item: SessionItem) -> Iterator[Question]:
    """The questions of one session, each on the state that the references before it have made."""
    with working_folder(item.folder) as folder, Kernel(folder) as kernel:
        cells: list[Cell] = []
        for number, step in enumerate(item.steps):
            if step.question:
                yield _question(f"{item.id}/{number}", step, kernel, _notebook(step, kernel, cells, folder))
            source = step.reference or step.setup
            _, shown = kernel.call("run", source)
            outputs = (Output("result", shown),) if shown else ()
            metadata = {"question": step.question} if step.question else {}
            if step.question:
                cells.append(_asking(step, number))
            cells.append(Cell(f"cell-{number}", "code", source, outputs, number + 1, metadata))


def _question(name: str, step: Step, kernel: Kernel, notebook: Notebook) -> Question:
    seconds = float(step.execution.get("max_time", SECONDS))

    def judge(answer: Answer) -> Judgement:
        outcome = kernel.call("judge", answer.text, step.reference, dict(step.validator), seconds)
        return Judgement.of(bool(outcome["ok"]), str(outcome["reason"]), checks=outcome["checks"])

    task = Task("generate", step.question.strip())
    if reason := unsupported(step.validator):
        return Question(name, task, notebook, judge, Answer(step.reference), reason)
    # The reference judged by its own measure: what fails here cannot be asked of anybody.
    probe = kernel.call("judge", step.reference, step.reference, dict(step.validator), seconds)
    excluded = (
        "" if probe["ok"] else str(probe.get("excluded") or f"the reference fails its own check: {probe['reason']}")
    )
    return Question(name, task, notebook, judge, Answer(step.reference), excluded)


def _asking(step: Step, number: int) -> Cell:
    """The cell in which the user asks; it stays in the notebook above the answer. Peers keep the request their own way."""
    return Cell(f"ask-{number}", "code", f"%%generate\n{step.question.strip()}")


def _notebook(step: Step, kernel: Kernel, cells: list[Cell], folder: Path) -> Notebook:
    """The notebook as the magic sees it; the last cell is the one that asks: the cursor is on it, and it has not run."""
    asking = _asking(step, len(cells))
    return live_notebook(kernel, (*cells, asking), tuple(cell.source for cell in cells), folder)


def live_notebook(kernel: Kernel, cells: tuple[Cell, ...], history: tuple[str, ...], folder: Path) -> Notebook:
    """What the magic's own snapshot sees of the kernel, with the cells as this notebook holds them; the last one asks."""
    seen = kernel.call("snapshot")
    variables = None if seen["namespace"] is None else tuple(Variable(**one) for one in seen["namespace"])
    return Notebook(
        cells=cells,
        cursor=len(cells) - 1,
        language=str(seen["language"]),
        namespace=variables,
        names=frozenset(seen["names"]),
        path=folder / "session.ipynb",
        history=history,
        state=from_json(seen.get("state")),
    )


@contextmanager
def working_folder(data: Path) -> Iterator[Path]:
    """A new folder with a copy of `data`'s inputs in it: references write files, the originals stay as they are."""
    with tempfile.TemporaryDirectory(prefix="nbcopilot-session-", ignore_cleanup_errors=True) as name:
        folder = Path(name) / "work"
        folder.mkdir()
        if (data / "inputs").is_dir():
            shutil.copytree(data / "inputs", folder / "inputs", copy_function=shutil.copyfile)
            os.chmod(folder / "inputs", 0o755)
        yield folder


class Kernel:
    """A worker process in `folder`; `call` runs one of its verbs. Raises EngineUnavailableError when it is gone."""

    def __init__(self, folder: Path) -> None:
        env = {
            **os.environ,
            "MPLBACKEND": "Agg",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "IPYTHONDIR": str(folder.parent / "ipython"),
        }
        self._child = subprocess.Popen(
            [sys.executable, "-m", "nbcopilot.evaluation.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env=env,
            start_new_session=True,
        )

    def __enter__(self) -> Kernel:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.kill()
        self._child.communicate()

    def call(self, verb: str, *arguments: Any) -> Any:
        """The verb's value."""
        assert self._child.stdin is not None and self._child.stdout is not None
        try:
            write_message(self._child.stdin, (verb, arguments))
            answer = read_message(self._child.stdout)
        except (OSError, ValueError):
            answer = None
        if answer is None:
            raise EngineUnavailableError("the session's worker process is gone", hint="run it again with --resume")
        return answer
