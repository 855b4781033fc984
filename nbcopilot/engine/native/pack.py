"""Float weights -> the bytes that the kernels read. Layouts are described in nbc.h; numpy only.

Weights are rounded in groups of inputs with one scale each, so a large weight costs digits to its group alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nbcopilot.engine.model_config import ModelConfig

BLOCK = 16
Array = np.ndarray[Any, np.dtype[Any]]


def group_size(inputs: int) -> int:
    """Inputs that share a scale: the largest of 128, 64, 32 that divides; 0 when none does."""
    return next((size for size in (128, 64, 32) if inputs % size == 0), 0)


def fits(shape: ModelConfig) -> bool:
    """Whether the kernels compute this shape: all widths in whole vectors."""
    widths = (shape.hidden, shape.inner, shape.head_dim, shape.heads * shape.head_dim)
    return all(group_size(width) for width in widths) and shape.head_dim <= 256 and 2 * shape.inner >= shape.hidden


def pack8(weight: Array) -> tuple[Array, Array]:
    """(bytes, scales) of a float32 weight (outputs, inputs); outputs are padded to a multiple of 16 with zeros."""
    outputs, inputs = weight.shape
    group = group_size(inputs)
    padded = -(-outputs // BLOCK) * BLOCK
    values = np.full((padded, inputs), 128, np.uint8)
    scales = np.zeros((padded, inputs // group), np.float32)
    for start in range(0, outputs, 4096):  # bounds the float copies of a vocabulary matrix
        part = weight[start : start + 4096].reshape(-1, inputs // group, group)
        scale = np.abs(part).max(axis=2) / np.float32(127)
        scales[start : start + len(part)] = scale
        rounded = np.rint(part / np.maximum(scale, np.float32(1e-30))[:, :, None])
        values[start : start + len(part)] = (rounded.astype(np.int16) + 128).reshape(-1, inputs)
    blocks = values.reshape(padded // BLOCK, BLOCK, inputs // 4, 4).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(blocks), blocked(scales)


def pack4(q: Array, scale: Array, lowest: Array) -> tuple[Array, Array, Array, float]:
    """(bytes, scales, lowest, factor) of a matrix in groups of 32 inputs with values scale * q - lowest, q of 0 .. 15.

    outputs must be a multiple of 16. Scales are kept in half precision relative to `factor`, a power of two.
    """
    outputs, inputs = q.shape
    factor = float(2.0 ** np.floor(np.log2(max(float(scale.max()), float(np.abs(lowest).max()), 1e-30) / 1024)))
    # (block, output, group, half of the group, quad, input of the quad)
    parts = q.reshape(outputs // BLOCK, BLOCK, inputs // 32, 2, 4, 4)
    nibbles = parts[:, :, :, 0] | parts[:, :, :, 1] << 4
    scales, minima = (blocked((part / np.float32(factor)).astype(np.float16)) for part in (scale, lowest))
    return np.ascontiguousarray(nibbles.transpose(0, 2, 3, 1, 4)), scales, minima, factor


def blocked(scales: Array) -> Array:
    """(outputs, groups) -> (outputs / 16, groups, 16)."""
    outputs, groups = scales.shape
    return np.ascontiguousarray(scales.reshape(outputs // BLOCK, BLOCK, groups).transpose(0, 2, 1))


def unpack8(values: Array, scales: Array) -> Array:
    """The float32 weight that `pack8` made these from, as the kernels understand it; padding included."""
    blocks, quads = values.shape[:2]
    inputs = quads * 4
    plain = values.transpose(0, 2, 1, 3).reshape(blocks * BLOCK, inputs).astype(np.float32) - 128
    scale = scales.transpose(0, 2, 1).reshape(blocks * BLOCK, -1)
    return (plain.reshape(len(plain), scale.shape[1], -1) * scale[:, :, None]).reshape(-1, inputs)
