"""Damage tiny model files in thousands of ways, convert and load each, and let it answer: nothing may crash.

    python scripts/fuzz_model_files.py --count 2000 [--seed 0] [--sanitize] [--seconds 600]

Each case is made from its number, so a finding is repeated with --only NUMBER. A case ends as `computed` (harmless
damage) or `refused` (one of our errors). Anything else is a finding: a crash, a hang, a traceback. --sanitize runs with
the kernels built by gcc's AddressSanitizer and UndefinedBehaviorSanitizer. The last line is JSON; exit 1 with findings.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tiny_models import whole

CASE_SECONDS = 120.0
NASTY: list[Any] = [
    0, 1, -1, 2, 3, 31, 33, 63, 65, 127, 255, 4095, 65535, 65536, 1 << 20, 1 << 24, (1 << 31) - 1, 1 << 31, -(1 << 31),
    (1 << 32) - 1, 1 << 32, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, 10**30, None, True, False, "", "64", "x", [],
    [64], {}, {"a": 1}, 0.5, -0.0, 1e308, float("nan"), float("inf"), float("-inf"),
]  # fmt: skip


# --------------------------------------------------------------------------- damage


def _other(value: Any, chance: random.Random) -> Any:
    """Another value for one number: one of the nasty ones, or near the right one."""
    if isinstance(value, int) and not isinstance(value, bool) and chance.random() < 0.4:
        near = [value + 1, value - 1, value * 2, value // 2, -value, value + 16, value * 1000]
        return chance.choice(near)
    return chance.choice(NASTY)


def _damage_json(value: Any, chance: random.Random) -> Any:
    """`value` with one leaf changed, removed or doubled."""
    if isinstance(value, dict) and value:
        key = chance.choice(list(value))
        if chance.random() < 0.1:
            return {name: part for name, part in value.items() if name != key}
        return value | {key: _damage_json(value[key], chance)}
    if isinstance(value, list) and value:
        at = chance.randrange(len(value))
        return [*value[:at], _damage_json(value[at], chance), *value[at + 1 + (chance.random() < 0.1) :]]
    return _other(value, chance)


def _damage_file(path: Path, chance: random.Random, times: int = 1) -> None:
    value = json.loads(path.read_text())
    for _ in range(times):
        value = _damage_json(value, chance)
    path.write_text(json.dumps(value))


def _damage_bytes(path: Path, chance: random.Random, until: int) -> None:
    """Bytes of the first `until` changed, a number put over some, or the file cut."""
    data = bytearray(path.read_bytes())
    way = chance.random()
    if way < 0.5:
        for _ in range(chance.choice([1, 1, 2, 4, 16])):
            data[chance.randrange(min(until, len(data)))] = chance.randrange(256)
    elif way < 0.9:
        at, width = chance.randrange(min(until, len(data) - 8)), chance.choice([4, 8])
        number = chance.choice([n for n in NASTY if isinstance(n, int) and not isinstance(n, bool)])
        data[at : at + width] = (number % (1 << 8 * width)).to_bytes(width, "little")
    else:
        del data[chance.randrange(len(data)) :]
    path.write_bytes(data)


def config(folder: Path, chance: random.Random) -> Path:
    _damage_file(folder / "llama/config.json", chance, chance.choice([1, 1, 2, 3]))
    return folder / "llama"


def tensors(folder: Path, chance: random.Random) -> Path:
    """Whole files whose tensors have other sizes or kinds, and sometimes a config that goes with them."""
    import numpy as np
    from safetensors.numpy import load_file, save_file

    path = folder / "llama/model.safetensors"
    found = load_file(path)
    for name in chance.sample(sorted(found), chance.choice([1, 1, 2])):
        shape = [max(1, n + chance.choice([0, 0, 1, -1, 16, -16, n, 100 * n])) for n in found[name].shape]
        kind = chance.choice([np.float32, np.float32, np.float16, np.int8, np.int64])
        found[name] = np.full(shape, chance.choice([0.0, 1.0, 1e30, np.inf, np.nan])).astype(kind)
    if chance.random() < 0.2:
        found.pop(chance.choice(sorted(found)))
    save_file(found, path)
    return config(folder, chance) if chance.random() < 0.3 else folder / "llama"


def safetensors_header(folder: Path, chance: random.Random) -> Path:
    path = folder / "llama/model.safetensors"
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.dumps(_damage_json(json.loads(data[8 : 8 + length]), chance)).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + data[8 + length :])
    return folder / "llama"


def safetensors_bytes(folder: Path, chance: random.Random) -> Path:
    _damage_bytes(folder / "llama/model.safetensors", chance, 1500)
    return folder / "llama"


def gguf_bytes(folder: Path, chance: random.Random) -> Path:
    # The names and sizes lie at the two ends of the header, the tokens between them.
    path = folder / "tiny.gguf"
    data = path.read_bytes()
    start = data.find(b"output_norm.weight")
    if chance.random() < 0.5 and start > 0:
        tail = path.with_name("tail")
        tail.write_bytes(data[start - 200 :])
        _damage_bytes(tail, chance, 1200)
        path.write_bytes(data[: start - 200] + tail.read_bytes())
    else:
        _damage_bytes(path, chance, 900)
    return path


def tokenizer(folder: Path, chance: random.Random) -> Path:
    name = chance.choice(["tokenizer.json", "tokenizer.json", "tokenizer_config.json"])
    _damage_file(folder / "llama" / name, chance)
    return folder / "llama"


def store_index(folder: Path, chance: random.Random) -> Path:
    _damage_file(folder / "store/weights.json", chance, chance.choice([1, 1, 2]))
    return folder / "store"


def store_files(folder: Path, chance: random.Random) -> Path:
    name = chance.choice(["weights.bin", "chat.json", "tokenizer.json", "weights.json"])
    _damage_bytes(folder / "store" / name, chance, 1 << 20)
    return folder / "store"


DAMAGE: tuple[Callable[[Path, random.Random], Path], ...] = (
    config, tensors, safetensors_header, safetensors_bytes, gguf_bytes, gguf_bytes, tokenizer, store_index, store_files,
)  # fmt: skip


# --------------------------------------------------------------------------- a case


def case(base: Path, number: int, seed: int) -> tuple[str, str]:
    """(computed | refused | traceback, what was said) of one damaged model."""
    from nbcopilot.errors import InternalError, NbcopilotError

    chance = random.Random(f"{seed}-{number}")
    with tempfile.TemporaryDirectory(prefix="case-", dir=base.parent) as work:
        folder = Path(work) / "files"
        shutil.copytree(base, folder)
        os.environ["NBCOPILOT_CACHE_DIR"] = str(base.parent / "cache")
        damaged = DAMAGE[number % len(DAMAGE)](folder, chance)
        try:
            _answer(damaged)
        except NbcopilotError as exc:
            return "traceback" if isinstance(exc, InternalError) else "refused", f"{type(exc).__name__}: {exc}"
        except Exception as exc:
            return "traceback", f"{type(exc).__name__}: {exc}"
        finally:
            for kept in (base.parent / "cache" / "models").glob("local--*"):
                shutil.rmtree(kept, ignore_errors=True)
    return "computed", ""


def _answer(path: Path) -> None:
    """Convert and load as the engine does, read a prompt, and compute a few tokens."""
    import numpy as np

    from nbcopilot.engine import device
    from nbcopilot.engine.layout import check_ids
    from nbcopilot.engine.loading import load_model
    from nbcopilot.engine.model import Segment
    from nbcopilot.engine.native.binding import Library
    from nbcopilot.engine.native_model import NativeModel
    from nbcopilot.engine.tokens import Tokens
    from nbcopilot.inference import Message, Prompt
    from nbcopilot.models.store import ensure

    library, reason = device.kernels()
    assert library is not None, reason
    model: Any
    if path.name == "store":
        model, tokens = NativeModel(path, Library(library), 1), Tokens(path)
    else:
        loaded = load_model(ensure(str(path)), device.Placement("cpu", "int8"), 1)
        model, tokens = loaded.model, loaded.tokens
    try:
        ids = tokens.prompt_ids(Prompt(messages=(Message("user", "def add(a, b):"),)))
        check_ids(np.array(ids, np.int64), model.vocab)
        cache = model.new_cache(len(ids) + 4)
        for _ in range(4):
            ids = [int(model.forward([Segment(cache, ids)])[-1].argmax())]
        tokens.decode(ids)
    finally:
        model.close()


# --------------------------------------------------------------------------- the process that may crash, and who watches


def work(base: Path, seed: int) -> None:
    """Cases by their numbers from stdin; what came of each on stdout."""
    # What libraries print is not the protocol.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        print(json.dumps([int(line), *case(base, int(line), seed)]), file=out, flush=True)


class Worker:
    """One process that runs cases; a new one is started after a crash."""

    def __init__(self, base: Path, seed: int, environment: dict[str, str]) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `end`
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        command = [sys.executable, "-X", "faulthandler", __file__, "--worker", str(base), "--seed", str(seed)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, env=environment, text=True
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def run(self, number: int) -> tuple[str, str]:
        """What came of a case: also `crash` and `hang`, after which this worker is no more."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{number}\n")
            self._process.stdin.flush()
            line = self._lines.get(timeout=CASE_SECONDS)
        except queue.Empty:
            return "hang", f"no answer in {CASE_SECONDS:.0f} s"
        except OSError:
            line = ""
        if not line:
            code = self._process.wait()
            self._errors.seek(0)
            return "crash", f"exit {code}: {self._errors.read().decode('utf-8', 'replace')[-1500:]}"
        _, kind, said = json.loads(line)
        return kind, said

    def end(self) -> None:
        """Stop the process."""
        self._process.kill()
        self._process.wait()
        self._errors.close()


def sanitized() -> dict[str, str]:
    """The environment in which the kernels are watched. SystemExit where gcc lacks it."""
    compiler = shutil.which("cc") or shutil.which("gcc") or "gcc"
    done = subprocess.run([compiler, "-print-file-name=libasan.so"], capture_output=True, text=True, check=False)
    library = Path(done.stdout.strip()).resolve()
    if not library.is_file():
        raise SystemExit("gcc has no libasan.so here")
    options = "detect_leaks=0:allocator_may_return_null=1:exitcode=99"
    return {"LD_PRELOAD": str(library), "ASAN_OPTIONS": options, "NBCOPILOT_KERNELS": "sanitized"}


def main() -> int:
    """Run the cases; the findings and a last line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="one case, by its number")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no case after so long")
    parser.add_argument("--sanitize", action="store_true")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        work(args.worker, args.seed)
        return 0
    environment = os.environ | (sanitized() if args.sanitize else {})
    found: dict[str, list[str]] = {kind: [] for kind in ("computed", "refused", "traceback", "crash", "hang")}
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        base = Path(folder) / "whole"
        whole(base)
        worker = Worker(base, args.seed, environment)
        for number in range(args.count) if args.only is None else [args.only]:
            if time.monotonic() - began > args.seconds:
                break
            kind, said = worker.run(number)
            found[kind].append(f"{number} {DAMAGE[number % len(DAMAGE)].__name__}: {said}")
            if kind in ("crash", "hang"):
                worker.end()
                worker = Worker(base, args.seed, environment)
            if kind not in ("computed", "refused") or args.only is not None:
                print(kind, found[kind][-1], flush=True)
        worker.end()
    findings = sum(len(found[kind]) for kind in ("traceback", "crash", "hang"))
    counts = {kind: len(lines) for kind, lines in found.items()}
    print(json.dumps({"cases": sum(counts.values()), **counts, "sanitized": args.sanitize, "seconds": round(time.monotonic() - began, 1)}))  # fmt: skip
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
