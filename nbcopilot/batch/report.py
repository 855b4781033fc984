"""The totals of a batch run while it goes on and at its end. report_files.py writes them to a file.

Holds counts, failures and findings only, never bytes, so that ten thousand notebooks cost no more memory than ten.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from nbcopilot.batch import stores
from nbcopilot.batch.job import Outcome, State
from nbcopilot.errors import NbcopilotError

# Watts of a busy core with its share of the machine: a 64-core server at full load takes some 400 W at the plug,
# a laptop of 4 cores some 30 W.
WATTS_PER_CORE = 7.0


@dataclass
class Cost:
    """Tokens and CPU seconds. `engines`: first and last clock of engines that workers shared."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cpu_seconds: float = 0.0
    engines: dict[str, tuple[float, float]] = field(default_factory=dict)

    def add(self, outcome: Outcome) -> None:
        """Count one outcome, also that of a part."""
        self.prompt_tokens += outcome.usage.prompt_tokens
        self.completion_tokens += outcome.usage.completion_tokens
        self.cpu_seconds += outcome.cpu_seconds
        if outcome.engine_clock is not None:
            name, now = outcome.engine_clock
            self.engines[name] = (self.engines.get(name, (now, now))[0], now)

    def json(self, watts: float = WATTS_PER_CORE) -> dict[str, Any]:
        """Tokens, CPU seconds, and the energy with its formula."""
        cpu = self.cpu_seconds + sum(last - first for first, last in self.engines.values())
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "cpu_seconds": round(cpu, 1),
            "energy_wh": round(cpu * watts / 3600, 3),
            "energy_formula": f"CPU seconds × {watts:g} W a busy core / 3600; without GPUs and endpoints elsewhere",
        }


@dataclass
class Report:
    """The whole run. `interrupted` by Ctrl-C (`stop_code` 130) or SIGTERM (143); `fatal` ended it early (no model, no
    engine, no room on the disk)."""

    total: int
    seconds: float = 0.0
    interrupted: bool = False
    stop_code: int = 130
    fatal: NbcopilotError | None = None
    counts: Counter[State] = field(default_factory=Counter)
    cells_written: int = 0
    cost: Cost = field(default_factory=Cost)
    workers: dict[str, int] = field(default_factory=dict)
    _failed: list[Outcome] = field(default_factory=list)
    _stale: list[Outcome] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Count a notebook that is finished."""
        self.counts[outcome.state] += 1
        if outcome.state == "ok":
            self.cells_written += outcome.cells_written
        if outcome.worker:
            self.workers[outcome.worker] = self.workers.get(outcome.worker, 0) + 1
        light = replace(outcome, data=None, diff="", rows=())
        if outcome.state == "failed":
            self._failed.append(light)
        if outcome.lacks:
            self._stale.append(light)

    @property
    def done(self) -> int:
        """How many notebooks are finished."""
        return sum(self.counts.values())

    @property
    def complete(self) -> bool:
        """Whether nothing is left that --resume would do."""
        return self.done == self.total and not self._failed and not self.interrupted and self.fatal is None

    @property
    def failed(self) -> list[Outcome]:
        """The notebooks that failed, by name."""
        return sorted(self._failed, key=lambda outcome: outcome.unit.name)

    @property
    def stale(self) -> list[Outcome]:
        """The notebooks in which a check found something, by name."""
        return sorted(self._stale, key=lambda outcome: outcome.unit.name)

    def count(self, state: State) -> int:
        """How many notebooks ended in `state`."""
        return self.counts[state]

    @property
    def exit_code(self) -> int:
        """0 done; 1 something was found wrong; the error's own code when every notebook failed alike; 130 or 143
        stopped."""
        if self.interrupted:
            return self.stop_code
        if self.fatal is not None:
            return self.fatal.exit_code
        codes = {outcome.error.exit_code for outcome in self._failed if outcome.error is not None}
        if codes:
            return codes.pop() if len(codes) == 1 and len(self._failed) == self.total else 1
        return 1 if self._stale else 0

    def json(self) -> dict[str, Any]:
        """The contract's object (docs/batch.md), and `stale` for a check."""
        found: dict[str, Any] = {
            "notebooks": self.total,
            "ok": self.count("ok"),
            "failed": [{"path": outcome.unit.path, "error": str(outcome.error)} for outcome in self.failed],
            "skipped": self.total - self.count("ok") - self.count("failed"),
            "cells_written": self.cells_written,
            "seconds": round(self.seconds, 2),
        }
        if self._stale:
            found["stale"] = [
                {"path": one.unit.path, "cells": [{"cell": cell, "problem": what} for cell, what in one.lacks]}
                for one in self.stale
            ]
        return found


def without_path(text: str, path: str) -> str:
    """What an error says of the notebook at `path`, where its name stands before it already."""
    return text.removeprefix(f"{path} ").removeprefix(f"{stores.title_path(path)} ")
