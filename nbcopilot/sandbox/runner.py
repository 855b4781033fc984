"""A run of candidate code on a replica of the notebook's state: what check asks, what a sandbox answers.

The state is rebuilt from the live namespace where there is one (its picklable part, as far as the code needs it),
else by running the upstream cells again. Knows no tasks and judges nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nbcopilot.config import Config
from nbcopilot.errors import SandboxUnavailableError
from nbcopilot.execution import Job, Limits, RunReport
from nbcopilot.notebook import cellnames, syntax
from nbcopilot.notebook.scopes import SHELL_NAMES
from nbcopilot.policy import Policy
from nbcopilot.sandbox import live_fork, start
from nbcopilot.sandbox.replica import Replica, replicate
from nbcopilot.verdict import NotRun

# Packages that are worth keeping loaded between runs: each takes 0.2 s and more to import.
HEAVY = frozenset({"numpy", "pandas", "scipy", "sklearn", "matplotlib", "seaborn", "torch", "sympy", "statsmodels", "PIL", "plotly",
                   "hypothesis", "pytest", "coverage", "networkx", "polars", "xarray", "skimage", "nltk", "spacy", "IPython"})  # fmt: skip

# Cell magics that show something and define nothing, ours that ask the model among them.
_DEFINE_NOTHING = frozenset(
    {"html", "markdown", "latex", "javascript", "js", "svg", "generate", "explain", "document", "fix", "chat"}
)


class Runner:
    """Runs code for one notebook. Keep it for the session: its child process stays warm.

    namespace: the live one of a kernel, read when a run needs it. data_dir: the notebook's folder, readable in the
    run. level: None is the best there is.
    """

    def __init__(
        self,
        config: Config | None = None,
        *,
        namespace: Mapping[str, Any] | None = None,
        data_dir: Path | None = None,
        level: str | None = None,
        policy: Policy | None = None,
    ) -> None:
        self.config = config or Config()
        self.namespace = namespace
        self.data_dir = data_dir
        self.policy = policy or Policy()
        self._level = level

    @property
    def sandbox(self) -> start.Sandbox:
        """The sandbox of this notebook's folder, shared within the process."""
        return start.shared(level=self._level, data_dir=self.data_dir)

    def warm(self, sources: Sequence[str] = ()) -> None:
        """Start the child and load the packages that `sources` import, ahead of the first run; never raises."""
        try:
            self.sandbox.warm(preload(sources))
        except SandboxUnavailableError:
            return

    def limits(self) -> Limits:
        """The limits that the config asks for."""
        seconds = self.config.check_seconds
        return Limits(
            seconds=seconds,
            setup_seconds=max(seconds, self.config.check_total_seconds),
            example_seconds=min(3.0, seconds),
            memory_mb=self.config.check_memory_mb,
        )

    def run(
        self,
        code: str,
        *,
        setup: Sequence[str] = (),
        namespace: Mapping[str, Any] | None = None,
        reserved: frozenset[str] = frozenset(),
        examples: Sequence[Mapping[str, Any]] = (),
        limits: Limits | None = None,
    ) -> RunReport:
        """The report of one cell; see `run_many`."""
        return self.run_many(
            [code], setup=setup, namespace=namespace, reserved=reserved, examples=[tuple(examples)], limits=limits
        )[0]

    def run_many(
        self,
        codes: Sequence[str],
        *,
        setup: Sequence[str] = (),
        namespace: Mapping[str, Any] | None = None,
        reserved: frozenset[str] = frozenset(),
        examples: Sequence[Sequence[Mapping[str, Any]]] = (),
        limits: Limits | None = None,
    ) -> tuple[RunReport, ...]:
        """A report for each cell, run one by one on copies of the same state, with its examples judged after it.

        setup: the upstream cells, in order. namespace: values to start from (default: the Runner's own); where
        there are any, only definitions are taken from `setup`. reserved: further names that exist in the notebook.
        A sandbox that cannot be had, or that the policy finds too weak, is a report with `ran` False.
        """
        problem = self._unavailable()
        if problem is not None:
            return (RunReport(ok=False, ran=False, needs=problem),) * len(codes)
        plain, broken = _plain([*setup, *codes])
        if broken:
            return (RunReport(ok=False, ran=False, needs=NotRun("upstream")),) * len(codes)
        cells, codes_plain = plain[: len(setup)], plain[len(setup) :]
        live = self.namespace if namespace is None else namespace
        job = Job(
            codes=tuple(codes_plain),
            setup=tuple(cells),
            examples=tuple(tuple(some) for some in examples) or ((),) * len(codes),
            limits=limits or self.limits(),
            preload=preload([*cells, *codes_plain]),
            previews=self.config.outcomes,
            reserved=reserved,
        )
        if live is None:
            return self.sandbox.run(job)
        if self.config.check_fork and not live_fork.obstacle() and self.policy.allows_level(live_fork.LEVEL):
            return live_fork.run(job, live, self.data_dir)
        replica = replicate(live, _needed(codes_plain, examples), setup)
        reports = self.sandbox.run(_with_replica(job, replica, live))
        reports = tuple(_explained(report, replica.left_out) for report in reports)
        if replica.left_out and setup and not all(report.ok for report in reports):
            # Something could not be copied: the cells that made it may make it again.
            again = self.sandbox.run(job)
            reports = tuple(new if new.ok else old for old, new in zip(reports, again, strict=True))
        return reports

    def call(self, function: str, payload: Mapping[str, Any], *, seconds: float, preload: Sequence[str] = ()) -> Any:
        """What a function of `inside` returns for `payload`; None when it gave no answer in time.

        Raises SandboxUnavailableError when no sandbox of the level that the policy asks for can be had.
        """
        problem = self._unavailable()
        if problem is not None:
            raise SandboxUnavailableError(
                f"{problem.reason}: {problem.detail}", hint="%nbcopilot status says which sandbox there is"
            )
        return self.sandbox.call(function, payload, replace(self.limits(), processes=64), seconds, preload)

    def _unavailable(self) -> NotRun | None:
        try:
            level = self.sandbox.level
        except SandboxUnavailableError as exc:
            return NotRun("sandbox", exc.message)
        if not self.policy.allows_level(level):
            return NotRun("policy-level", self.policy.run_at, level)
        return None


def preload(sources: Sequence[str]) -> tuple[str, ...]:
    """Heavy modules that the sources import, as dotted names, in order of appearance."""
    found: dict[str, None] = {}
    for source in sources:
        tree = syntax.tree(source)
        for node in ast.walk(tree) if tree is not None else ():
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level and node.module:
                modules = [node.module]
            found.update(dict.fromkeys(m for m in modules if m.split(".")[0] in HEAVY))
    return tuple(found)


def _plain(sources: Sequence[str]) -> tuple[list[str], bool]:
    """(sources as plain Python, whether one of them is not to be had as such)."""
    plain = []
    for source in sources:
        if syntax.foreign_magic(source) in _DEFINE_NOTHING:
            plain.append("")
            continue
        try:
            plain.append(syntax.transform(source))
        except SyntaxError:
            return [], True
    return plain, False


def _needed(codes: Sequence[str], examples: Sequence[Sequence[Mapping[str, Any]]]) -> set[str]:
    texts = [
        *codes,
        *(str(e.get(key, "")) for some in examples for e in some for key in ("call", "source", "expected")),
    ]
    wanted: set[str] = set()
    for text in texts:
        tree = syntax.tree(text)
        if tree is None:
            continue
        wanted |= {missing.name for missing in cellnames.undefined(tree)}
        # Names that are bound here may have been read before, in a branch that the scope rules do not see.
        wanted |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        # `import pandas as pd` once more changes nothing, where `pd` is pandas already.
        wanted |= {
            (alias.asname or alias.name).split(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, (ast.Import, ast.ImportFrom))
            for alias in node.names
        }
    return wanted


def _with_replica(job: Job, replica: Replica, live: Mapping[str, Any]) -> Job:
    """The job with values in place of a replay of the cells that made them."""
    travelled = {*replica.values, *replica.modules}
    others = {n for n in live if not n.startswith("_") and n not in travelled and n not in SHELL_NAMES}
    own = {name for source in replica.definitions for name in _defined(source)}
    return replace(
        job,
        setup=replica.definitions,
        namespace=replica.values,
        modules=replica.modules,
        reserved=job.reserved | (others - own),
        preload=(*preload([f"import {m}" for m in replica.modules.values()]), *job.preload),
    )


def _defined(source: str) -> frozenset[str]:
    tree = syntax.tree(source)
    return cellnames.defined(tree) if tree is not None else frozenset()


def _explained(report: RunReport, left_out: Mapping[str, str]) -> RunReport:
    """A NameError for a variable that could not be brought along is nobody's fault: said, not counted."""
    error = report.error or report.setup_error
    if report.ok or error is None or error.name != "NameError":
        return report
    for name, reason in left_out.items():
        if f"'{name}'" in error.message:
            return replace(report, needs=NotRun("variable", name, reason))
    return report
