"""What 8-bit (and published 4-bit) weights with 8-bit inputs cost in accuracy, against float32 of the same file.

    python benchmarks/quantisation.py [--model ID] [--tokens 2048] NOTEBOOK ...

Per layer: the error of every linear's output on the inputs that float32 gives it. Over the text of the notebooks: how
often the likeliest next token is the same, the mean divergence of the two distributions, and both perplexities.
Prints a table and, as the last line, JSON. Needs the model in the store, a C compiler, and memory for float32.
"""

from __future__ import annotations

import argparse
import ctypes
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nbcopilot.cli.bench import processor
from nbcopilot.engine import device
from nbcopilot.engine.device import Placement
from nbcopilot.engine.loading import load_model
from nbcopilot.engine.model import Model, Segment
from nbcopilot.models.store import LocalModel, ensure

WINDOW = 256
LINEARS = ("qkv", "o", "gate_up", "down")


class Kept:
    """A linear layer that keeps what went through it."""

    def __init__(self, linear: Any) -> None:
        self._linear = linear
        self.x = self.y = np.zeros((0, 0), np.float32)

    def __call__(self, x: Any) -> Any:
        y = self._linear(x)
        self.x, self.y = x.numpy().copy(), y.numpy().copy()
        return y


class Bytes(ctypes.Structure):
    """`bytes` of nbc.h."""

    _fields_ = [
        ("values", ctypes.c_void_p), ("scales", ctypes.c_void_p), ("sums", ctypes.c_void_p),
        ("k", ctypes.c_int), ("group", ctypes.c_int),
    ]  # fmt: skip


def product(library: Any, linear: Any, x: np.ndarray) -> np.ndarray:
    """What the kernels make of the inputs `x`, (rows, inputs) float32."""
    rows, inputs = x.shape
    values = np.zeros((rows, inputs), np.int8)
    scales, sums = np.zeros((rows, inputs // 32), np.float32), np.zeros((rows, inputs // 32), np.int32)
    packed = Bytes(values.ctypes.data, scales.ctypes.data, sums.ctypes.data, inputs, linear.group)
    for row in range(rows):
        library.quantize_row(ctypes.c_void_p(x.ctypes.data + row * inputs * 4), ctypes.byref(packed), row)
    out = np.zeros((rows, linear.n), np.float32)
    pool = ctypes.c_void_p(library.nbc_pool_new(1))
    library.linear_run(pool, ctypes.byref(linear), ctypes.byref(packed), rows, ctypes.c_void_p(out.ctypes.data), 0)
    library.nbc_pool_free(pool)
    return out


def layer_errors(small: Any, exact: Any, ids: Sequence[int]) -> list[dict[str, Any]]:
    """For every layer and linear, the length of the error over the length of the output."""
    path, why = device.kernels()
    assert path is not None, why
    library: Any = ctypes.CDLL(str(path))
    library.nbc_pool_new.restype = ctypes.c_void_p
    kept: list[dict[str, Kept]] = []
    for layer in exact._layers:
        kept.append({name: Kept(getattr(layer, f"_{name}")) for name in LINEARS})
        for name, linear in kept[-1].items():
            setattr(layer, f"_{name}", linear)
    exact.forward([Segment(exact.new_cache(len(ids)), ids)])
    rows = []
    for number, linears in enumerate(kept):
        row: dict[str, Any] = {"layer": number}
        for name, linear in linears.items():
            packed = getattr(small._layers[number], name)
            got = product(library, packed, linear.x)[:, : linear.y.shape[1]]
            row[name] = round(float(np.linalg.norm(got - linear.y) / np.linalg.norm(linear.y)), 5)
            row[f"{name}_bits"] = packed.bits
        rows.append(row)
        for name, linear in linears.items():
            setattr(exact._layers[number], f"_{name}", linear._linear)
    return rows


def agreement(small: Model, exact: Model, windows: Sequence[Sequence[int]]) -> dict[str, Any]:
    """The two models on the same text, every window by itself."""
    same = count = 0
    divergence, margins = 0.0, []
    losses = {"int8": 0.0, "float32": 0.0}
    for ids in windows:
        rows = [
            model.forward([Segment(model.new_cache(len(ids)), ids, wanted=len(ids))])[:-1] for model in (small, exact)
        ]
        for said, ours, wanted in zip(ids[1:], *(_logs(part) for part in rows), strict=True):
            best = int(wanted.argmax())
            if best == int(ours.argmax()):
                same += 1
            else:
                margins.append(float(wanted[best] - wanted[int(ours.argmax())]))
            divergence += float((np.exp(wanted) * (wanted - ours)).sum())
            losses["int8"] -= float(ours[said])
            losses["float32"] -= float(wanted[said])
            count += 1
    return {
        "tokens": count,
        "same_likeliest_token": round(same / count, 4),
        "median_margin_of_float32_where_not": round(float(np.median(margins)), 3) if margins else 0.0,
        "mean_divergence_nats": round(divergence / count, 5),
        "perplexity": {name: round(float(np.exp(loss / count)), 4) for name, loss in losses.items()},
    }


def _logs(logits: np.ndarray) -> np.ndarray:
    """Natural-log probabilities of every row, in float32."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return shifted


def code_of(paths: Sequence[Path]) -> str:
    """All cells of the notebooks, markdown too, as they stand."""
    texts = []
    for path in paths:
        cells = json.loads(path.read_text(encoding="utf-8")).get("cells", [])
        texts += ["".join(cell["source"]) for cell in cells]
    return "\n\n".join(texts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", nargs="+", type=Path)
    parser.add_argument("--model", default="qwen2.5-coder-0.5b")
    parser.add_argument("--tokens", type=int, default=2048)
    args = parser.parse_args()
    source: LocalModel = ensure(args.model)
    threads = device.free_threads()
    small = load_model(source, Placement("cpu", "int8"), threads)
    exact = load_model(source, Placement("cpu", "float32"), threads)
    ids = small.tokens.encode(code_of(args.notebooks))[: args.tokens]
    windows = [ids[at : at + WINDOW] for at in range(0, len(ids) - 1, WINDOW)]
    layers = layer_errors(small.model, exact.model, windows[0])
    found = agreement(small.model, exact.model, windows)
    print(f"{'layer':>6}" + "".join(f"{name:>12}" for name in LINEARS))
    for row in layers:
        print(f"{row['layer']:>6}" + "".join(f"{row[name]:>12.4f}" for name in LINEARS))
    print(
        f"same likeliest token {found['same_likeliest_token']:.2%} of {found['tokens']}, perplexity {found['perplexity']}"
    )
    conditions = {"model": args.model, "sha256": source.sha256, "processor": processor(), "computes": small.model.kind}
    print(json.dumps({"benchmark": "quantisation", "conditions": conditions, "layers": layers, **found}))


if __name__ == "__main__":
    main()
