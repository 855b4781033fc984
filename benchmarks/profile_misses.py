"""Where the time goes in the two figures that miss their target, beside what the machine can do at most.

    python benchmarks/profile_misses.py NOTEBOOK ... [--only batch,torch] [--peer-python PYTHON --peer-file FILE.gguf]

batch: eight documentation requests at once, quiet, beside a process that keeps a core busy, and the same with the number
of threads fixed; how much of its core that process is left with, beside us and beside llama.cpp. torch: decoding and the
same notebook asked again without the compiled kernels. Prints tables and, as the last line, JSON. Needs the models in
the store and a C compiler: the steps of a pass are timed by profile_steps.h, put before the kernels' own source.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from nbcopilot.cli.bench import processor
from nbcopilot.config import Config
from nbcopilot.engine import device
from nbcopilot.engine.bench import figures, prompts
from nbcopilot.engine.bench.limits import bandwidth
from nbcopilot.engine.bench.prompts import Notes
from nbcopilot.engine.jobs import Candidates
from nbcopilot.engine.local import LocalEngine, load
from nbcopilot.engine.model import Segment
from nbcopilot.engine.native import build
from nbcopilot.inference import Prompt, Sampling

LINEARS = {"&p->l->qkv": "qkv", "&p->l->o": "o", "&p->l->gate_up": "gate_up", "&p->l->down": "down", "&m->head": "head"}


def timed_library(folder: Path) -> Path:
    """The kernels with a clock around every step."""
    command = build.compiler()
    assert command, "no C compiler here"
    flags = [flag for flag in build.FLAGS if flag != "-shared"]
    clock = ["-include", str(Path(__file__).parent / "profile_steps.h"), "-I", str(build.HERE)]
    middle, target = folder / "forward.o", folder / "timed.so"
    forward = str(build.HERE / "forward.c")
    subprocess.run([*command, *flags, *clock, "-c", forward, "-o", str(middle)], check=True)
    rest = [str(build.HERE / name) for name in build.SOURCES if name != "forward.c"]
    subprocess.run([*command, *build.FLAGS, "-o", str(target), str(middle), *rest, "-lm"], check=True)
    return target


class Steps:
    """The clock of a timed library."""

    def __init__(self, path: Path) -> None:
        self._library = ctypes.CDLL(str(path))
        self._library.nbc_step.restype = ctypes.c_char_p
        self._library.nbc_peak.restype = ctypes.c_double

    def taken(self) -> dict[str, float]:
        """Seconds of every step since the last call."""
        found, seconds, number = {}, ctypes.c_double(), 0
        while name := self._library.nbc_step(number, ctypes.byref(seconds)):
            found[name.decode()], number = seconds.value, number + 1
        return found

    def peak(self, threads: int) -> float:
        """Byte products and sums a second that `threads` threads compute from registers; the best of three."""
        with ThreadPoolExecutor(threads) as pool:
            return max(sum(pool.map(lambda _: self._library.nbc_peak(), range(threads))) for _ in range(3))


class Watch:
    """Counts seconds, rows and passes of an engine by what they are for: reading a prompt, writing, guessing."""

    def __init__(self, engine: LocalEngine, steps: Steps) -> None:
        self.seconds: Counter[str] = Counter()
        self.count: Counter[str] = Counter()
        self._steps = steps
        model, draft = engine._loaded.model, engine._shared.draft
        self._wrap(model, lambda segments: "read" if any(len(s.ids) != s.wanted for s in segments) else "write")
        if draft is not None:
            self._wrap(draft.model, lambda segments: "guess")

    def clear(self) -> None:
        """Forget what was counted."""
        self._steps.taken()
        self.seconds.clear()
        self.count.clear()

    def _wrap(self, model: Any, kind_of: Callable[[Sequence[Segment]], str]) -> None:
        forward = model.forward

        def timed(segments: Sequence[Segment]) -> Any:
            kind, began = kind_of(segments), time.perf_counter()
            logits = forward(segments)
            self.seconds[kind] += time.perf_counter() - began
            for name, seconds in self._steps.taken().items():
                part = LINEARS.get(name) or ("attention" if name == "attention" else "small steps")
                self.seconds[f"{kind} {part}"] += seconds
            self.count[f"{kind} passes"] += 1
            self.count[f"{kind} rows"] += sum(len(segment.ids) for segment in segments)
            self.count[f"{kind} wanted"] += len(logits)
            return logits

        model.forward = timed


@contextmanager
def clocked_choice(watch: Watch) -> Iterator[None]:
    """Times what happens to logits: choosing tokens, text, guesses, keeping prefixes."""
    take = Candidates.take

    def timed(self: Candidates, logits: Any) -> None:
        began = time.perf_counter()
        take(self, logits)
        watch.seconds["choose"] += time.perf_counter() - began

    Candidates.take = timed  # type: ignore[method-assign]
    try:
        yield
    finally:
        Candidates.take = take  # type: ignore[method-assign]


def eight(notes: Notes, mark: str) -> list[str]:
    """The eight documentation requests of `nbcopilot bench`."""
    own = notes.marked(mark)
    return [
        own.ask(prompts.EXPLAIN.format(number=1 + n % len(own.cells)) + " " * (n // len(own.cells))) for n in range(8)
    ]


@contextmanager
def cores(measured: int, busy: bool, found: dict[str, Any]) -> Iterator[None]:
    """What the block takes of the cores, by process: `measured`, one that keeps a core busy (when asked for), others."""
    pids = {"used": measured}
    spinning = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if busy else None
    if spinning is not None:
        pids["left"] = spinning.pid
        time.sleep(1.0)

    def now() -> dict[str, float]:
        return {name: sum(psutil.Process(pid).cpu_times()[:2]) for name, pid in pids.items()} | {
            "all": device._busy_seconds()
        }

    try:
        before, began = now(), time.perf_counter()
        yield
        passed = time.perf_counter() - began
        share = {name: (value - before[name]) / passed for name, value in now().items()}
        total = share.pop("all")
        share["others"] = max(0.0, total - sum(share.values()))
        found["cores"] = {name: round(value, 2) for name, value in share.items()}
    finally:
        if spinning is not None:
            spinning.kill()
            spinning.wait()


def ours(model: str, notes: Notes, steps: Steps, *, busy: bool, threads: int) -> dict[str, Any]:
    """One run of the eight requests in this process, by phase. 0 threads: as many as are free, as users have it."""
    found: dict[str, Any] = {"program": "nbcopilot", "busy": busy, "threads": threads or "follow"}
    with closing(load(model, Config(model=model, threads=threads))) as engine:
        watch = Watch(engine, steps)
        list(engine.generate(Prompt(text=prompts.SHORT), Sampling(max_tokens=4)))
        with cores(os.getpid(), busy, found), clocked_choice(watch):
            watch.clear()
            began, own = time.perf_counter(), 0
            texts = [Prompt(text=text) for text in eight(notes, f"{busy} {threads}")]
            for _, chunk in engine.generate_batch(texts, Sampling(max_tokens=figures.BATCH_TOKENS)):
                own += chunk.usage.completion_tokens if chunk.usage else 0
            wall = time.perf_counter() - began
        shape, index = engine._loaded.model.shape, engine._loaded.model._index  # type: ignore[attr-defined]
    body = sum(e["n"] * e["k"] for name, e in index.items() if "bits" in e and name != "head")
    operations = {
        kind: 2 * (watch.count[f"{kind} rows"] * body + watch.count[f"{kind} wanted"] * shape.vocab * shape.hidden)
        for kind in ("read", "write")
    }
    passes = sum(watch.count[f"{kind} passes"] for kind in ("read", "write"))
    computed = sum(watch.seconds[kind] for kind in ("read", "write", "guess"))
    return found | {
        "seconds": round(wall, 2),
        "tokens": own,
        "tokens_per_second": round(own / wall, 1),
        "phases": {name: round(seconds, 3) for name, seconds in sorted(watch.seconds.items())}
        | {"python": round(wall - computed - watch.seconds["choose"], 3)},
        "counts": dict(sorted(watch.count.items())),
        "operations": operations,
        "linear_gop_per_second": {
            kind: round(operations[kind] / 1e9 / sum(watch.seconds[f"{kind} {part}"] for part in LINEARS.values()), 1)
            for kind in operations
        },
        "weight_bytes_read": passes * engine.read_bytes(),
    }


def theirs(file: Path, python: str, notes: Notes, *, busy: bool) -> dict[str, Any]:
    """The same of llama.cpp on two threads."""
    found: dict[str, Any] = {"program": "llama.cpp", "busy": busy, "threads": 2}
    child = figures.Child(figures.llama_cpp(file, 2, python))
    try:
        child.ask([prompts.SHORT], 4)
        with cores(child._process.pid, busy, found):
            answer = child.ask(eight(notes, f"llama {busy}"), figures.BATCH_TOKENS)
    finally:
        child.close()
    rate = round(answer["tokens"] / answer["seconds"], 1)
    return found | {"seconds": round(answer["seconds"], 2), "tokens": answer["tokens"], "tokens_per_second": rate}


def by_torch(model: str, notes: Notes, threads: int) -> dict[str, Any]:
    """Decoding without the compiled kernels by kind of operation, linears by themselves, the same notebook asked again."""
    os.environ["NBCOPILOT_KERNELS"] = "off"
    import torch
    from torch.profiler import profile

    torch.set_num_threads(threads)
    with closing(load(model, Config(model=model, threads=threads), draft=False)) as engine:
        body: Any = engine._loaded.model
        again = _asked_again(engine, notes)
        cache = body.new_cache(512)
        body.forward([Segment(cache, list(range(100, 148)))])

        def one() -> float:
            began = time.perf_counter()
            body.forward([Segment(cache, [100])])
            return time.perf_counter() - began

        plain = median(one() for _ in range(40))
        with profile(activities=[torch.profiler.ProfilerActivity.CPU]) as seen:
            watched = sum(one() for _ in range(20)) / 20
        kinds: Counter[str] = Counter()
        calls: Counter[str] = Counter()
        for event in seen.key_averages():
            name = event.key.lower()
            kind = "linears" if "quantized" in name else "attention" if "attention" in name else "small operations"
            kinds[kind] += event.self_cpu_time_total / 20e6
            calls[kind] += event.count // 20
        alone = {}
        with torch.inference_mode():
            for name in ("_qkv", "_o", "_gate_up", "_down"):
                alone[name[1:]] = _linear_speed([getattr(layer, name) for layer in body._layers])
            alone["head"] = _linear_speed([body._head])
        result = {
            "token_seconds": round(plain, 5),
            "token_seconds_profiled": round(watched, 5),
            "seconds_by_kind": {kind: round(seconds, 5) for kind, seconds in kinds.items()},
            "python_seconds": round(watched - sum(kinds.values()), 5),
            "operations_by_kind": dict(calls),
            "linears_alone": alone,
            "linears_alone_seconds": round(sum(one["seconds"] for one in alone.values()), 5),
            "bytes_per_token": engine.read_bytes(),
            "asked_again": again,
        }
    del os.environ["NBCOPILOT_KERNELS"]
    return result


def _linear_speed(linears: Sequence[Any]) -> dict[str, float]:
    """Seconds for one row through all of them, weights coming from memory, and bytes of weights a second."""
    import torch

    weights = [torch.ops.quantized.linear_unpack(linear._packed)[0] for linear in linears[:1]]
    size = weights[0].numel() * len(linears)
    row = torch.randn(1, weights[0].shape[1])
    spent = []
    for _ in range(10):
        began = time.perf_counter()
        for linear in linears:
            linear(row)
        spent.append(time.perf_counter() - began)
    return {"seconds": round(median(spent), 5), "gigabytes_per_second": round(size / median(spent) / 1e9, 1)}


def _asked_again(engine: LocalEngine, notes: Notes) -> dict[str, Any]:
    """Where the time to the first token goes when a notebook is asked about a second time."""
    spent: Counter[str] = Counter()
    rows: list[int] = []
    prefixes, model = engine._shared.prefixes, engine._loaded.model

    def clocked(owner: Any, name: str) -> None:
        inner = getattr(owner, name)

        def timed(*args: Any) -> Any:
            began = time.perf_counter()
            try:
                return inner(*args)
            finally:
                spent[name] += time.perf_counter() - began
                if name == "forward":
                    rows.append(sum(len(segment.ids) for segment in args[0]))

        setattr(owner, name, timed)

    for owner, name in ((prefixes, "restore"), (model, "forward")):
        clocked(owner, name)
    found = []
    for number in range(5):
        own = notes.marked(f"again {number}")
        list(engine.generate(Prompt(text=own.ask(prompts.SUMMARY)), Sampling(max_tokens=1)))
        spent.clear()
        rows.clear()
        text = own.ask("Which cell should be run first?")
        *_, last = engine.generate(Prompt(text=text), Sampling(max_tokens=1))
        assert last.usage is not None
        found.append((last.usage.first_token_seconds, dict(spent), sum(rows)))
    first, parts, count = sorted(found, key=lambda one: one[0])[2]
    del prefixes.restore, model.forward  # type: ignore[union-attr]
    return {"first_token_seconds": round(first, 4), "rows": count} | {k: round(v, 4) for k, v in parts.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", nargs="*", type=Path)
    parser.add_argument("--only", default="batch,torch")
    parser.add_argument("--batch-model", default="qwen2.5-coder-1.5b")
    parser.add_argument("--torch-model", default="qwen2.5-coder-0.5b")
    parser.add_argument("--peer-python", default="")
    parser.add_argument("--peer-file", type=Path, default=Path())
    args = parser.parse_args()
    notes = prompts.read_cells(args.notebooks) if args.notebooks else prompts.own_cells()
    found: dict[str, Any] = {"benchmark": "profile_misses", "processor": processor()}
    with tempfile.TemporaryDirectory() as folder:
        path = timed_library(Path(folder))
        steps, threads = Steps(path), device.free_threads()
        counts = sorted({1, threads})
        found["bandwidth_bytes_per_second"] = {n: round(bandwidth(n)) for n in counts}
        found["peak_operations_per_second"] = {n: round(steps.peak(n)) for n in counts}
        print(json.dumps(found))
        if "batch" in args.only:
            device.kernels = lambda: (path, "")
            settings = ((False, 0), (True, 0), (True, threads))
            runs = [ours(args.batch_model, notes, steps, busy=busy, threads=n) for busy, n in settings]
            if args.peer_python:
                runs.append(theirs(args.peer_file, args.peer_python, notes, busy=True))
            found["batch"] = {"model": args.batch_model, "runs": runs}
            for run in runs:
                print_run(run)
    if "torch" in args.only:
        device.kernels = lambda: (None, "NBCOPILOT_KERNELS=off")
        found["torch"] = {"model": args.torch_model} | by_torch(args.torch_model, notes, threads)
        for name, value in found["torch"].items():
            print(f"{name:28}{value}")
    print(json.dumps(found))


def print_run(run: dict[str, Any]) -> None:
    """One run as lines."""
    print(
        f"\n{run['program']}, threads {run['threads']}, {'beside a busy core' if run['busy'] else 'quiet'}: "
        f"{run['tokens']} tokens in {run['seconds']:.1f} s ({run['tokens_per_second']}/s), cores {run['cores']}"
    )
    for name, seconds in run.get("phases", {}).items():
        print(f"  {name:20}{seconds:8.2f} s{seconds / run['seconds']:7.0%}")
    if "counts" in run:
        print("  " + ", ".join(f"{name} {count}" for name, count in run["counts"].items()))
        print(f"  linears: {run['linear_gop_per_second']} GOP/s")


if __name__ == "__main__":
    main()
