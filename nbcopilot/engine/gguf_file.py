"""A .gguf file as metadata, tensors in float32, and a tokenizer. Reads only; knows nothing of our store.

Own parser of the header, because the `gguf` package needs 10 s for the 300,000 strings of a tokenizer; the
dequantisation is that package's. Format: github.com/ggml-org/ggml/blob/master/docs/gguf.md, version 2 and 3.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import gguf
import numpy as np

from nbcopilot.engine.model_config import bounded
from nbcopilot.errors import ModelCorruptError

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
# Rows dequantised at once: bounds the float32 copies of a 150,000-row vocabulary matrix.
ROWS = 8192

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class TensorInfo:
    """One tensor: `shape` as torch has it (rows first), `kind` the ggml quantisation type, its place in bytes of the file."""

    name: str
    shape: tuple[int, ...]
    kind: gguf.GGMLQuantizationType
    offset: int
    bytes: int


@dataclass(frozen=True)
class FourBits:
    """A matrix in groups of 32 inputs: value = scale * q - lowest. q (outputs, inputs) uint8 of 0 .. 15."""

    q: Array
    scale: Array
    lowest: Array


class GGUFFile:
    """An open .gguf file, memory-mapped. Raises ModelCorruptError when it is not one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._at = 0
        try:
            self._bytes = np.memmap(path, dtype=np.uint8, mode="r")
            self.metadata, self.tensors = self._header()
        except (struct.error, ValueError, KeyError, IndexError, OSError, RecursionError) as exc:
            raise ModelCorruptError(f"{path.name} is not a readable GGUF file: {exc}", hint="pull it again") from exc

    def rows(self, name: str) -> Iterator[Array]:
        """The tensor's rows in float32, a few thousand at a time."""
        info = self.tensors[name]
        width, count = info.shape[-1], math.prod(info.shape[:-1])
        row_bytes = info.bytes // count
        for start in range(0, count, ROWS):
            rows = min(ROWS, count - start)
            at = info.offset + start * row_bytes
            raw = self._bytes[at : at + rows * row_bytes]
            yield self._floats(raw.reshape(rows, row_bytes), info).reshape(rows, width)

    def tensor(self, name: str) -> Array:
        """The whole tensor in float32."""
        return np.concatenate(list(self.rows(name))).reshape(self.tensors[name].shape)

    def four_bits(self, name: str) -> FourBits | None:
        """The tensor as published when it is a matrix of type Q4_K, else None."""
        info = self.tensors[name]
        if info.kind != gguf.GGMLQuantizationType.Q4_K or len(info.shape) != 2:
            return None
        raw = self._bytes[info.offset : info.offset + info.bytes]
        return _four_bits(raw.reshape(-1, 144), info.shape[0])

    def _floats(self, raw: Array, info: TensorInfo) -> Array:
        if info.kind == gguf.GGMLQuantizationType.F32:
            return raw.view(np.float32)
        if info.kind == gguf.GGMLQuantizationType.F16:
            return raw.view(np.float16).astype(np.float32)
        try:
            return cast(Array, gguf.dequantize(raw, info.kind))
        except NotImplementedError as exc:
            raise ModelCorruptError(
                f"{info.name} in {self.path.name} is of type {info.kind.name}, which is not read here",
                hint="use another quantisation, such as Q8_0 or Q4_K_M",
            ) from exc

    # ---------------------------------------------------------------- the header

    def _header(self) -> tuple[dict[str, Any], dict[str, TensorInfo]]:
        if bytes(self._bytes[:4]) != b"GGUF":
            raise ValueError("the magic bytes are missing")
        self._at = 4
        version, tensor_count, value_count = self._read("I"), self._read("Q"), self._read("Q")
        if version not in (2, 3):
            raise ValueError(f"format version {version} is not known")
        metadata: dict[str, Any] = {}
        for _ in range(value_count):
            key = self._string()
            metadata[key] = self._value(self._read("I"))
        found = []
        for _ in range(tensor_count):
            name, dimensions = self._string(), bounded("a tensor's number of dimensions", self._read("I"), 1, 4)
            shape = tuple(self._read("Q") for _ in range(dimensions))[::-1]
            found.append((name, shape, gguf.GGMLQuantizationType(self._read("I")), self._read("Q")))
        align = bounded("general.alignment", metadata.get("general.alignment", 32), 1, 1 << 20)
        start = -(-self._at // align) * align
        return metadata, {name: self._info(name, shape, kind, start + offset) for name, shape, kind, offset in found}

    def _info(self, name: str, shape: tuple[int, ...], kind: gguf.GGMLQuantizationType, offset: int) -> TensorInfo:
        """A tensor whose rows are whole blocks of its type and lie in the file, or ValueError."""
        block, size = gguf.GGML_QUANT_SIZES[kind]
        text = " x ".join(map(str, shape))
        if 0 in shape or shape[-1] % block:
            raise ValueError(f"{name} has the shape {text}, {kind.name} has rows of {block} values or a multiple")
        length = math.prod(shape) // block * size
        if offset + length > self._bytes.size:
            raise ValueError(f"{name} ({text}) ends at byte {offset + length}, the file has {self._bytes.size}")
        return TensorInfo(name, shape, kind, offset, length)

    def _take(self, size: int) -> bytes:
        """The next `size` bytes, or ValueError at the end of the file: whatever count a header claims, it stops here."""
        if size > self._bytes.size - self._at:
            raise ValueError(f"its header ends at byte {self._bytes.size}, inside a value of {size} bytes")
        taken = self._bytes[self._at : self._at + size].tobytes()
        self._at += size
        return taken

    def _read(self, code: str) -> Any:
        (value,) = struct.unpack("<" + code, self._take(struct.calcsize("<" + code)))
        return value

    def _string(self) -> str:
        return self._take(self._read("Q")).decode("utf-8")

    def _value(self, kind: int) -> Any:
        if kind == _STRING:
            return self._string()
        if kind != _ARRAY:
            return self._read(_SCALARS[kind])
        inner, count = self._read("I"), self._read("Q")
        if inner in (_STRING, _ARRAY):
            return [self._value(inner) for _ in range(count)]
        raw = self._take(struct.calcsize("<" + _SCALARS[inner]) * count)
        return cast("list[Any]", np.frombuffer(raw, dtype="<" + _SCALARS[inner]).tolist())


def _four_bits(blocks: Array, outputs: int) -> FourBits:
    """Q4_K: 256 inputs a block as d, dmin (float16), eight 6-bit pairs of scale and minimum, 128 bytes of nibbles."""
    d, dmin = (blocks[:, at : at + 2].copy().view(np.float16).astype(np.float32) for at in (0, 2))
    packed, nibbles = blocks[:, 4:16], blocks[:, 16:].reshape(-1, 4, 1, 32)
    first, second, third = packed[:, :4], packed[:, 4:8], packed[:, 8:12]
    scale = np.concatenate([first & 63, (third & 15) | (first >> 6 << 4)], axis=1)
    lowest = np.concatenate([second & 63, (third >> 4) | (second >> 6 << 4)], axis=1)
    q = np.concatenate([nibbles & 15, nibbles >> 4], axis=2)
    return FourBits(q.reshape(outputs, -1), (d * scale).reshape(outputs, -1), (dmin * lowest).reshape(outputs, -1))
