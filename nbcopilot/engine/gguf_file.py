"""A .gguf file as metadata, tensors in float32, and a tokenizer. Reads only; knows nothing of our store.

Own parser of the header, because the `gguf` package needs 10 s for the 300,000 strings of a tokenizer; the
dequantisation is that package's. Format: github.com/ggml-org/ggml/blob/master/docs/gguf.md, version 2 and 3.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import gguf
import numpy as np

from nbcopilot.errors import ModelCorruptError

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
# Rows dequantised at once: bounds the float32 copies of a 150,000-row vocabulary matrix.
ROWS = 8192

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class TensorInfo:
    """One tensor: `shape` as torch has it (rows first), `kind` the ggml quantisation type, `offset` in bytes of the file."""

    name: str
    shape: tuple[int, ...]
    kind: gguf.GGMLQuantizationType
    offset: int


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
        except (struct.error, UnicodeDecodeError, ValueError, KeyError, IndexError) as exc:
            raise ModelCorruptError(f"{path.name} is not a readable GGUF file: {exc}", hint="pull it again") from exc

    def rows(self, name: str) -> Iterator[Array]:
        """The tensor's rows in float32, a few thousand at a time."""
        info = self.tensors[name]
        width = info.shape[-1]
        count = int(np.prod(info.shape[:-1], dtype=np.int64)) if len(info.shape) > 1 else 1
        block, size = gguf.GGML_QUANT_SIZES[info.kind]
        row_bytes = width // block * size
        for start in range(0, count, ROWS):
            rows = min(ROWS, count - start)
            at = info.offset + start * row_bytes
            raw = self._bytes[at : at + rows * row_bytes]
            if raw.size != rows * row_bytes:
                raise ModelCorruptError(f"{self.path.name} ends inside {name}", hint="pull it again")
            yield _dequantize(raw.reshape(rows, row_bytes), info.kind).reshape(rows, width)

    def tensor(self, name: str) -> Array:
        """The whole tensor in float32."""
        return np.concatenate(list(self.rows(name))).reshape(self.tensors[name].shape)

    def four_bits(self, name: str) -> FourBits | None:
        """The tensor as published when it is of type Q4_K, else None."""
        info = self.tensors[name]
        if info.kind != gguf.GGMLQuantizationType.Q4_K:
            return None
        outputs, inputs = info.shape
        size = outputs * inputs // 256 * 144
        raw = self._bytes[info.offset : info.offset + size]
        if raw.size != size:
            raise ModelCorruptError(f"{self.path.name} ends inside {name}", hint="pull it again")
        return _four_bits(raw.reshape(-1, 144), outputs)

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
            name, dimensions = self._string(), self._read("I")
            shape = tuple(self._read("Q") for _ in range(dimensions))[::-1]
            found.append((name, shape, gguf.GGMLQuantizationType(self._read("I")), self._read("Q")))
        align = int(metadata.get("general.alignment", 32))
        start = -(-self._at // align) * align
        return metadata, {n: TensorInfo(n, shape, kind, start + offset) for n, shape, kind, offset in found}

    def _read(self, code: str) -> Any:
        size = struct.calcsize("<" + code)
        (value,) = struct.unpack("<" + code, self._bytes[self._at : self._at + size].tobytes())
        self._at += size
        return value

    def _string(self) -> str:
        length = self._read("Q")
        text = self._bytes[self._at : self._at + length].tobytes().decode("utf-8")
        self._at += length
        return text

    def _value(self, kind: int) -> Any:
        if kind == _STRING:
            return self._string()
        if kind != _ARRAY:
            return self._read(_SCALARS[kind])
        inner, count = self._read("I"), self._read("Q")
        if inner in (_STRING, _ARRAY):
            return [self._value(inner) for _ in range(count)]
        size = struct.calcsize("<" + _SCALARS[inner]) * count
        values = np.frombuffer(self._bytes[self._at : self._at + size].tobytes(), dtype="<" + _SCALARS[inner])
        self._at += size
        return cast("list[Any]", values.tolist())


def _dequantize(raw: Array, kind: gguf.GGMLQuantizationType) -> Array:
    if kind == gguf.GGMLQuantizationType.F32:
        return raw.view(np.float32)
    if kind == gguf.GGMLQuantizationType.F16:
        return raw.view(np.float16).astype(np.float32)
    return cast(Array, gguf.dequantize(raw, kind))


def _four_bits(blocks: Array, outputs: int) -> FourBits:
    """Q4_K: 256 inputs a block as d, dmin (float16), eight 6-bit pairs of scale and minimum, 128 bytes of nibbles."""
    d, dmin = (blocks[:, at : at + 2].copy().view(np.float16).astype(np.float32) for at in (0, 2))
    packed, nibbles = blocks[:, 4:16], blocks[:, 16:].reshape(-1, 4, 1, 32)
    first, second, third = packed[:, :4], packed[:, 4:8], packed[:, 8:12]
    scale = np.concatenate([first & 63, (third & 15) | (first >> 6 << 4)], axis=1)
    lowest = np.concatenate([second & 63, (third >> 4) | (second >> 6 << 4)], axis=1)
    q = np.concatenate([nibbles & 15, nibbles >> 4], axis=2)
    return FourBits(q.reshape(outputs, -1), (d * scale).reshape(outputs, -1), (dmin * lowest).reshape(outputs, -1))
