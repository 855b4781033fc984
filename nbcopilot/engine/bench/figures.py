"""The table of `nbcopilot bench`: every figure measured of both programs in turn, medians and spread, ratios.

A ratio above 1 means that we are faster. Times are wall times seen from inside each process; the start of a process
is timed from outside. Nothing here knows torch or llama.cpp: `worker` does.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from nbcopilot.engine.bench import prompts, worker
from nbcopilot.engine.bench.prompts import Notes
from nbcopilot.errors import EngineUnavailableError, UsageError

ANSWER_TOKENS, LONG_ANSWER_TOKENS, BATCH_TOKENS = 128, 192, 64
# What is measured together: a notebook read (whole, again, edited), free text, answers that repeat the notebook,
# eight requests at once, the same beside a busy core, the start of the process.
PARTS = ("context", "free", "grounded", "batch", "busy", "start")
Samples = dict[str, list[float]]


@dataclass(frozen=True)
class Program:
    """How to start one of the two: `command` up to the worker's own arguments."""

    name: str
    command: tuple[str, ...]
    model: str
    threads: int


class Child:
    """A running worker."""

    def __init__(self, program: Program) -> None:
        self.program = program
        began = time.perf_counter()
        line = [*program.command, program.name, program.model, str(program.threads)]
        self._process = subprocess.Popen(
            line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._read()
        self.start_seconds = time.perf_counter() - began

    def ask(self, texts: Sequence[str], max_tokens: int) -> dict[str, Any]:
        """The worker's answer to one order."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"prompts": list(texts), "max_tokens": max_tokens}) + "\n")
        self._process.stdin.flush()
        return self._read()

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=60)

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):
                return dict(json.loads(line))
        hint = "`pip install nbcopilot[bench]` builds llama-cpp-python" if self.program.name == "llama.cpp" else ""
        raise EngineUnavailableError(f"{self.program.name} ended without an answer", hint=hint)


def ours(model: str, threads: int) -> Program:
    """This program. 0 threads: as many as are free."""
    return Program("nbcopilot", (sys.executable, "-m", worker.__name__), model, threads)


def llama_cpp(file: Path, threads: int, python: str = sys.executable) -> Program:
    """llama-cpp-python in the interpreter `python`."""
    return Program("llama.cpp", (python, worker.__file__), str(file), threads)


def has_llama_cpp(python: str = sys.executable) -> bool:
    """Whether that interpreter can import llama-cpp-python."""
    try:
        return subprocess.run([python, "-c", "import llama_cpp"], capture_output=True).returncode == 0
    except OSError:
        return False


@dataclass
class Bench:
    """Asks both programs round by round. `say` hears what is being measured."""

    programs: Sequence[Program]
    notes: Notes
    say: Callable[[str], None]
    samples: dict[str, Samples] = field(default_factory=dict)

    def run(self, rounds: int, parts: Sequence[str] = PARTS) -> None:
        """The figures of `parts`, `rounds` times, the programs in turn and each round in the other order."""
        if set(parts) - {"start"}:
            self._rounds(rounds, parts)
        for number in range(rounds if "start" in parts else 0):
            for program in self.programs if number % 2 == 0 else self.programs[::-1]:
                self.say(f"start {number + 1} of {rounds}: {program.name}")
                self._start(program)

    def _rounds(self, rounds: int, parts: Sequence[str]) -> None:
        measure = {"context": self._context, "free": self._free, "grounded": self._grounded, "batch": self._batch}
        measure["busy"] = self._busy
        children = [Child(program) for program in self.programs]
        try:
            for child in children:
                child.ask([prompts.SHORT], 4)  # whatever is set up at the first request
            for number in range(rounds):
                for child in children if number % 2 == 0 else children[::-1]:
                    self.say(f"round {number + 1} of {rounds}: {child.program.name}")
                    for part in parts:
                        if part in measure:
                            measure[part](child, number)
        finally:
            for child in children:
                child.close()

    def _context(self, child: Child, number: int) -> None:
        name = child.program.name
        notes = self.notes.marked(f"{name} {number}")
        cold = child.ask([notes.ask(prompts.SUMMARY)], 1)
        self._add("prefill", name, cold["prompt_tokens"] / cold["first"])
        self._add("prompt_tokens", name, cold["prompt_tokens"])
        self._add("cold_first_token", name, cold["first"])
        warm = child.ask([notes.ask("Which cell should be run first?")], 1)
        self._add("warm_first_token", name, warm["first"])
        edited = notes.edited(str(number))
        self._add("edited_first_token", name, child.ask([edited.ask(prompts.SUMMARY)], 1)["first"])

    def _free(self, child: Child, number: int) -> None:
        free = child.ask([prompts.FREE.format(mark=number)], ANSWER_TOKENS)
        self._add("decode_free", child.program.name, _rate([free]))

    def _grounded(self, child: Child, number: int) -> None:
        answers = []
        for text in prompts.grounded(self.notes.marked(f"grounded {child.program.name} {number}")):
            child.ask([text], 1)  # the prefix is kept: what is timed next is decoding
            answers.append(child.ask([text], LONG_ANSWER_TOKENS))
        self._add("decode_grounded", child.program.name, _rate(answers))

    def _batch(self, child: Child, number: int) -> None:
        self._add("batch8", child.program.name, self._documentation(child, f"batch {number}"))

    def _busy(self, child: Child, number: int) -> None:
        with busy_core():
            self._add("busy_core", child.program.name, self._documentation(child, f"busy {number}"))

    def _documentation(self, child: Child, mark: str) -> float:
        """Tokens per second over eight requests for documentation, prompts included."""
        notes = self.notes.marked(f"{mark} {child.program.name}")
        texts = [
            notes.ask(prompts.EXPLAIN.format(number=1 + n % len(notes.cells)) + " " * (n // len(notes.cells)))
            for n in range(8)
        ]
        found = child.ask(texts, BATCH_TOKENS)
        return float(found["tokens"] / found["seconds"])

    def _start(self, program: Program) -> None:
        began = time.perf_counter()
        child = Child(program)
        try:
            child.ask([prompts.SHORT], 1)
            self._add("cold_start", program.name, time.perf_counter() - began)
            peak = child.ask([self.notes.ask(prompts.SUMMARY)], ANSWER_TOKENS)["peak_bytes"]
            self._add("peak_bytes", program.name, peak)
        finally:
            child.close()

    def _add(self, figure: str, program: str, value: float) -> None:
        self.samples.setdefault(figure, {}).setdefault(program, []).append(value)


# Figures where less is better.
SECONDS = ("warm_first_token", "edited_first_token", "cold_start")
RATES = ("prefill", "decode_free", "decode_grounded", "batch8", "busy_core")


def ratios(samples: dict[str, Samples], weight_bytes: int) -> dict[str, float | None]:
    """How many times faster we are, by the medians; `memory` is our peak over the bytes of the weights."""
    found: dict[str, float | None] = {}
    for figure in (*RATES, *SECONDS):
        sides = samples.get(figure, {})
        if len(sides) < 2:
            found[figure] = None
            continue
        mine, theirs = median(sides["nbcopilot"]), median(sides["llama.cpp"])
        found[figure] = round(theirs / mine if figure in SECONDS else mine / theirs, 3)
    peaks = samples.get("peak_bytes", {}).get("nbcopilot")
    found["memory"] = round(median(peaks) / weight_bytes, 3) if peaks else None
    return found


def load(path: Path, conditions: dict[str, Any]) -> dict[str, Samples]:
    """What earlier runs put into `path`; nothing when it is not there. Raises UsageError for other conditions."""
    if not path.is_file():
        return {}
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        found: dict[str, Samples] = kept["samples"]
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise UsageError(f"{path} holds no samples: {exc}", hint="name another file") from exc
    if kept.get("conditions") != conditions:
        raise UsageError(f"{path} was measured under other conditions", hint="name another file, or remove it")
    return found


def keep(path: Path, conditions: dict[str, Any], samples: dict[str, Samples]) -> None:
    """Leave all samples for a later run to add to."""
    path.write_text(json.dumps({"conditions": conditions, "samples": samples}), encoding="utf-8")


def absolute(samples: dict[str, Samples]) -> dict[str, dict[str, dict[str, float]]]:
    """Median, least and most of every figure of both programs; seconds, tokens per second, bytes."""
    return {
        figure: {
            program: {"median": round(median(v), 4), "min": round(min(v), 4), "max": round(max(v), 4), "count": len(v)}
            for program, v in sides.items()
        }
        for figure, sides in samples.items()
    }


@contextmanager
def busy_core() -> Iterator[None]:
    """Another process keeps a core busy, as a user's kernel does."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        time.sleep(1.0)
        yield
    finally:
        process.kill()
        process.wait()


def _rate(answers: Sequence[dict[str, Any]]) -> float:
    """Tokens per second after the first token."""
    tokens = sum(answer["tokens"] - 1 for answer in answers)
    return float(tokens / sum(answer["seconds"] - answer["first"] for answer in answers))
