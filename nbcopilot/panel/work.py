"""One request of the panel in a thread: events of the pipeline to a listener, Stop at the next token.

Knows no widgets. The snapshot is taken before the thread starts: from then on nobody touches the shell.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any, cast

from nbcopilot.batch.open_notebook import Documented, Progress, document_open
from nbcopilot.config import Config
from nbcopilot.errors import InternalError, NbcopilotError
from nbcopilot.events import CheckDone, Done, EditReady, Event, PromptReady
from nbcopilot.inference import Prompt
from nbcopilot.judge import Judge
from nbcopilot.notebook import live, targets
from nbcopilot.pipeline import Copilot
from nbcopilot.session import Session
from nbcopilot.task import make_task
from nbcopilot.types import CellEdit, Judged, Notebook, Target, Task, TaskKind

Heard = Event | NbcopilotError | Progress | Documented
Listener = Callable[[Heard], None]


def read(
    shell: Any, kind: TaskKind, instruction: str, about: str, config: Config, cell_id: str | None
) -> tuple[Task, Notebook]:
    """Task and Notebook of a press on a button. `about` names a cell or functions ("" the last cell that ran; for
    "document" the whole notebook).

    New cells go below the cell that it is about, or below the panel's own cell, `cell_id`.
    Raises CellNotFoundError.
    """
    notebook = live.snapshot(shell, f"{instruction}\n{about}", cell_id, config)
    if kind == "generate":
        # Below the panel, not about it: asking again must not replace the cell of the answer before.
        target = Target(position=notebook.index(cell_id))
    elif kind == "fix" and not about.strip() and notebook.error is not None:
        error = notebook.error
        target = Target(error.source, error.cell_id, position=notebook.index(error.cell_id))
    elif kind == "document" and not about.strip():
        target = Target()
    else:
        target = targets.find(about, notebook)
    return make_task(kind, config, instruction, target), notebook


class Request:
    """A running request. `listen` is called in its thread with every event, and with the error that ended it.

    namespace: a copy of the live one, which the user goes on changing; what its names stand for now is checked with.
    """

    def __init__(
        self,
        session: Session,
        config: Config,
        task: Task,
        notebook: Notebook,
        listen: Listener,
        namespace: Mapping[str, Any] | None = None,
    ) -> None:
        self.task, self.notebook = task, notebook
        self.judged: list[tuple[int, Judged]] = []
        self._namespace = namespace
        self._session, self._config, self._listen = session, config, listen
        self._copilot: Copilot | None = None
        self._prompts: list[Prompt] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="nbcopilot-panel", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Cancel at the next token; what has come is kept."""
        self._stopped.set()

    def join(self, seconds: float | None = None) -> bool:
        """Wait for the end; False when it did not come in time."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def edit(self, choice: int) -> CellEdit:
        """The cells that candidate number `choice` (in the order of `judged`) would write."""
        assert self._copilot is not None, "nothing was judged yet"
        attempt, judged = self.judged[choice]
        return self._copilot.plan_edit(self.task, self.notebook, self._prompts[attempt], judged)

    def best(self, ready: EditReady) -> int:
        """The number of the candidate that the pipeline chose."""
        chosen = (ready.candidate, ready.verdict)
        return next((i for i, (_, judged) in enumerate(self.judged) if judged == chosen), 0)

    def _work(self) -> None:
        try:
            self._copilot = self._session.copilot(self._config)
            if self.task.kind == "document" and not self.task.target.source:
                return self._document(self._copilot)
            judge = Judge(self._config, namespace=self._namespace)
            events = self._copilot.stream(self.task, self.notebook, judge=judge)
            with closing(cast("Any", events)):
                for event in events:
                    self._take(event)
                    if self._stopped.is_set():
                        self._listen(Done("cancelled"))
                        return
        except NbcopilotError as exc:
            self._listen(exc)
        except Exception as exc:  # a thread has nobody to raise to
            self._listen(InternalError(f"{type(exc).__name__}: {exc}", hint="please report it"))
        finally:
            self._namespace = None

    def _document(self, copilot: Copilot) -> None:
        """The whole notebook, as `nbcopilot document` does it."""
        done = Done("cancelled")
        for update in document_open(self.notebook, copilot.engine, self._config, self._stopped):
            self._listen(update)
            if isinstance(update, Documented):
                done = Done("ok", update.usage)
        self._listen(done)

    def _take(self, event: Event) -> None:
        if isinstance(event, PromptReady):
            self._prompts.append(event.prompt)
        elif isinstance(event, CheckDone):
            self.judged.append((len(self._prompts) - 1, (event.candidate, event.verdict)))
        self._listen(event)
