"""What the batch commands share: their options, where results go, who works, the report. A command builds a Job."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbcopilot import paths
from nbcopilot.errors import UsageError
from nbcopilot.project import require_own
from nbcopilot.urls import is_url

if TYPE_CHECKING:
    from nbcopilot.batch.executors import Executor
    from nbcopilot.batch.job import Job, Outcome, Unit
    from nbcopilot.batch.journal import Journal
    from nbcopilot.batch.report import Report
    from nbcopilot.cli.progress import Progress

_FLAGS = {"output": "-o DIR", "in_place": "--in-place", "check": "--check", "dry_run": "--dry-run"}
PATH_HELP = "notebooks, folders, globs such as 'nb/**/*.ipynb', a .zip, or URLs such as s3://bucket/folder"


def add_arguments(sub: argparse.ArgumentParser, *, writes: bool = True, model: bool = False, output: str = "") -> None:
    """Add the options of every batch command. writes: it writes notebooks; model: it asks a model; output: what -o
    does in a command that has a --json and a model of its own."""
    if writes:
        where = sub.add_mutually_exclusive_group()
        where.add_argument(
            "-o",
            "--output",
            metavar="DIR",
            help=output or "write copies there (a folder, URL or .zip), in the same tree",
        )
        where.add_argument("--in-place", action="store_true", help="write into the notebooks")
        sub.add_argument("--dry-run", action="store_true", help="show the changes as a diff and write nothing")
        sub.add_argument("--resume", action="store_true", help="go on with an interrupted run of the same command")
        sub.add_argument("-v", "--verbose", action="store_true", help="with --resume: name also what was done before")
    sub.add_argument("--since", metavar="REV", help="only notebooks that changed against this git revision")
    sub.add_argument("--jobs", type=int, default=1, metavar="N", help="processes of this machine (default 1)")
    sub.add_argument("--scheduler", metavar="ADDRESS|FILE", help="a Dask cluster in place of this machine")
    sub.add_argument("--resources", metavar="NAME=N", help="Dask resources that each notebook requires, e.g. GPU=1")
    sub.add_argument("--worker-memory", metavar="SIZE", default="", help="of each process, such as 2GB")
    sub.add_argument("--shared", action="store_true", help="workers see the same paths: send names, not bytes")
    sub.add_argument("--report", action="append", default=[], metavar="FILE", help=".html, .json or .xml (JUnit); repeatable")  # fmt: skip
    sub.add_argument("--watts", type=float, default=None, metavar="W", help="of a busy core, for the energy estimate")
    if not output:
        sub.add_argument("--json", action="store_true", help="one JSON object as the last line of stdout")
    if model:
        sub.add_argument("--model", help="model id, folder or .gguf file; fake needs no weights")
        sub.add_argument("--engine", help="auto, in-process, or the URL of an OpenAI-compatible server")
        sub.add_argument("--endpoint", dest="engine", metavar="URL", help="the same as --engine URL")
        sub.add_argument("--precision", help="weights in memory: auto, int8, float32, bfloat16, float16")


def require_one(args: argparse.Namespace, names: Sequence[str], command: str) -> None:
    """Refuse a call that does not say what to do with the results."""
    if not any(getattr(args, name) for name in names):
        flags = [_FLAGS[name] for name in names]
        raise UsageError(
            f"nbcopilot {command} needs to know where to write", hint=f"say {', '.join(flags[:-1])} or {flags[-1]}"
        )


def run(args: argparse.Namespace, job: Job, on_outcome: Callable[[Outcome], None] = lambda outcome: None) -> Report:
    """Do `job` on what `args` name: discover, plan, work, write, report. on_outcome gets each finished notebook."""
    from nbcopilot.batch.signals import terminable

    with terminable():
        return _run(args, job, on_outcome)


def _run(args: argparse.Namespace, job: Job, on_outcome: Callable[[Outcome], None]) -> Report:
    from nbcopilot.batch import runner
    from nbcopilot.batch.report import WATTS_PER_CORE
    from nbcopilot.batch.report_files import require_format, write_report
    from nbcopilot.cli.progress import Progress

    _require_sense(args)
    units, base = _units(args)
    for name in args.report:
        require_format(name)
        require_own(name, *([] if "://" in base else [base]))
    output, archive = _output(args, base)
    places = _places(args, job, units, output)
    if job.writes and places is not None:
        _require_output(output, base)
    journal = _journal(args, job, units, output or base)
    complete = False
    try:
        job = _with_engine(_as_begun(job, journal), args)
        with Progress(len(units), args) as progress:
            progress.say(journal.problem)

            def done(outcome: Outcome) -> None:
                progress.done(outcome)
                on_outcome(outcome)

            report = runner.Run(
                replace(job, with_diff=job.with_diff or _wants_diffs(args, job)),
                units,
                _executor(args, job, progress, len(units)),
                journal,
                places,
                shared=args.shared,
                keep_diffs=_wants_diffs(args, job),
                within="" if "://" in output else output,
                on_done=done,
                on_notice=progress.say,
            ).run()
        complete = report.complete
        if complete and job.writes and places is not None:
            _sweep(places, output or base)
        if complete and archive:
            from nbcopilot.batch.archive import pack

            pack(output, archive)
        for name in args.report:
            write_report(name, report, journal, job.command, args.watts or WATTS_PER_CORE)
    finally:
        journal.close(complete=complete)
    return report


def finish(report: Report, args: argparse.Namespace, extra: dict[str, Any] | None = None) -> int:
    """Say how it ended and give the exit code; with --json the object is the last line of stdout."""
    if report.interrupted:
        again = ", go on with --resume" if getattr(args, "resume", None) is not None else ""
        say(f"stopped after {report.done} of {report.total} notebooks; nothing is half-written{again}")
    elif report.fatal is not None:
        say(str(report.fatal))
    else:
        say(_summary(report))
    if args.json:
        print(json.dumps({**report.json(), **(extra or {})}), flush=True)
    return report.exit_code


def say(text: str) -> None:
    """One line on stderr, unless there is nothing to say."""
    if text:
        print(f"nbcopilot: {text}", file=sys.stderr)


# --------------------------------------------------------------------------- what was asked


def _require_sense(args: argparse.Namespace) -> None:
    if args.jobs < 1:
        raise UsageError(f"--jobs is {args.jobs}", hint="it takes 1 or more")
    for name in ("scheduler", "since"):  # an empty variable of a script must not mean something else
        if getattr(args, name) == "":
            raise UsageError(f"--{name} is empty", hint="omit it, or give it a value")
    if args.scheduler and args.jobs > 1:
        raise UsageError("--jobs and --scheduler exclude each other", hint="the cluster decides how many work")
    if args.watts is not None and not 0 < args.watts < 10_000:
        raise UsageError(f"--watts is {args.watts:g}", hint="it takes the watts of a busy core, such as 7")


def _units(args: argparse.Namespace) -> tuple[list[Unit], str]:
    from nbcopilot.batch import discover
    from nbcopilot.batch.git_changes import changed

    output = getattr(args, "output", None)
    exclude = None if output is None or "://" in output else output
    foreign: list[str] = []
    units, base = discover.discover(args.paths, exclude=exclude, foreign=foreign)
    if foreign:
        count = f"{len(foreign)} link{'s' if len(foreign) > 1 else ''}"
        more = " …" if len(foreign) > 3 else ""
        say(f"{count} out of the folder passed over: {', '.join(foreign[:3])}{more}; name what is to be read")
    if args.since:
        total = len(units)
        units = changed(units, args.since, base)
        say(f"{len(units)} of {total} notebooks changed since {args.since}")
    return units, base


def _output(args: argparse.Namespace, base: str) -> tuple[str, str]:
    """(the folder or URL of -o, the .zip that it is packed into at the end); "" for what there is not.

    Raises UnsafePathError when -o is a link that the tree of notebooks at `base` brought.
    """
    from nbcopilot.batch.archive import staging

    output = getattr(args, "output", None) or ""
    if output and "://" not in output:
        for place in (output, staging(output)):
            require_own(place, *([] if "://" in base else [base]))
    if output.lower().endswith(".zip") and "://" not in output:
        return staging(output), output
    return output, ""


def _places(args: argparse.Namespace, job: Job, units: Sequence[Unit], output: str) -> dict[Unit, str] | None:
    """Where each result goes, or for a check stands; None for nowhere."""
    from nbcopilot.batch import discover

    if output:
        return discover.targets(units, output)
    return {unit: unit.path for unit in units} if job.writes else None


def _require_output(output: str, base: str) -> None:
    from nbcopilot.batch import stores

    if output or stores.is_url(base):
        stores.require_writable(output or base)


def _journal(args: argparse.Namespace, job: Job, units: Sequence[Unit], output: str) -> Journal:
    from nbcopilot.batch.journal import Journal, folder_for

    if not job.writes or not units:
        return Journal()
    folder = folder_for(output, [unit.name for unit in units])
    journal = Journal.open(folder, job.conditions(), resume=args.resume, created=job.options.created)
    journal.keep_only([unit.name for unit in units])
    return journal


def _sweep(places: Mapping[Unit, str], within: str) -> None:
    """Remove what a killed run left unfinished in the folders of the results."""
    from nbcopilot.batch import stores
    from nbcopilot.write.files import sweep

    for folder in {os.path.dirname(place) for place in places.values() if not stores.is_url(place)}:
        if paths.is_inside(within, folder or "."):
            sweep(folder or ".")


def _as_begun(job: Job, journal: Journal) -> Job:
    """`job` with the time of the run that is resumed, so that it writes what that one would have written."""
    return replace(job, options=replace(job.options, created=journal.created)) if journal.created else job


def _with_engine(job: Job, args: argparse.Namespace) -> Job:
    """`job` with a model for each worker where each has a GPU of its own, else with the engine that is set."""
    if "GPU" in (args.resources or "") and job.config.engine == "auto":
        return replace(job, config=replace(job.config, engine="in-process"))
    return job


def _wants_diffs(args: argparse.Namespace, job: Job) -> bool:
    return job.command in ("document", "strip", "finish", "testgen") and any(
        Path(name).suffix.lower() in (".html", ".htm") for name in args.report
    )


# --------------------------------------------------------------------------- who works


def _executor(args: argparse.Namespace, job: Job, progress: Progress, count: int) -> Executor:
    """Threads of this process for one job; a cluster of processes for several, or the one at --scheduler."""
    jobs = min(args.jobs, max(count, 1))
    if not args.scheduler and jobs == 1:
        return _threads(job, progress, 1)
    from nbcopilot.batch.job import NEEDS_MODEL

    try:
        from nbcopilot.batch.cluster import Cluster
    except ImportError as exc:
        if args.scheduler:
            raise UsageError("--scheduler needs dask", hint="pip install 'nbcopilot[batch]'") from exc
        progress.say("dask is not installed, so the jobs are threads of one process: pip install 'nbcopilot[batch]'")
        return _threads(job, progress, jobs)
    progress.note("starting the workers")
    if job.command in NEEDS_MODEL and is_url(job.config.engine):
        _engine(job, progress).close()  # says where text goes
    return Cluster(jobs, args.scheduler or "", _resources(args.resources), args.worker_memory)


def _threads(job: Job, progress: Progress, jobs: int) -> Executor:
    from nbcopilot.batch import tasks
    from nbcopilot.batch.executors import Threads
    from nbcopilot.batch.worker import on_engine

    return Threads(on_engine(tasks.LazyEngine(lambda: _engine(job, progress)), progress.cells), jobs)


def _engine(job: Job, progress: Progress) -> Any:
    from nbcopilot.cli.terminal import asker
    from nbcopilot.session import Session

    session = Session(job.config)
    session.ask = asker()
    progress.note("starting the model")
    engine = session.engine()
    for notice in session.notices:
        progress.say(notice)
    return engine


def _resources(text: str | None) -> dict[str, float]:
    """ "GPU=1,MEMORY=2e9" as Dask takes it."""
    found = {}
    for pair in (text or "").split(","):
        name, _, amount = pair.strip().partition("=")
        try:
            if name:
                found[name] = float(amount or 1)
        except ValueError:
            raise UsageError(f"--resources {text} cannot be read", hint="such as GPU=1") from None
    return found


def _summary(report: Report) -> str:
    done = report.count("ok")
    words = [f"{done} of {report.total} notebook{'s' if report.total != 1 else ''} done in {report.seconds:.1f} s"]
    words += [f"{len(report.failed)} failed"] if report.failed else []
    words += [f"{report.count('skipped')} skipped"] if report.count("skipped") else []
    if report.stale:
        what = "missing or outdated documentation (`nbcopilot document PATH --in-place` writes it)"
        words.append(f"{len(report.stale)} with {what}")
    return ", ".join(words)
