"""One linear layer: float weights as they are, or int8 weights with inputs in int8 (fbgemm) or bfloat16 (elsewhere).

The scale of a row comes from that row alone and the products are summed in integers, so what a row gives never
depends on the other rows of the call: batching, drafting and prefix reuse cannot change an answer. In bfloat16 it is
the fixed order of the sums that holds this.
"""

from __future__ import annotations

import warnings
from typing import Any, Protocol

import torch
import torch.nn.functional as functional
from torch import Tensor


class Linear(Protocol):
    """(rows, in) -> (rows, out)."""

    def __call__(self, x: Tensor) -> Tensor: ...


class FloatLinear:
    """x @ weight.T + bias in the type of the weight."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        self.weight, self.bias = weight, bias

    def __call__(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.weight, self.bias)


class Int8Linear:
    """int8 weights with a scale per output channel, activations rounded to int8 with a scale per input row.

    weight: (out, in) int8; scale: (out,) float32. The packed copy is all that is kept. Runs on fbgemm through
    torch; a processor without VNNI sums pairs of products in 16 bits, which 8-bit activations would saturate, so
    it gets 7 bits.
    """

    def __init__(self, weight: Tensor, scale: Tensor, bias: Tensor | None = None) -> None:
        self._packed = pack(weight, scale)
        self._bias = bias
        self._levels, self._zero = (127.0, 128) if has_vnni() else (63.0, 64)

    def __call__(self, x: Tensor) -> Tensor:
        """x: (rows, in) float32. Returns (rows, out) float32."""
        peak = torch.linalg.vector_norm(x, float("inf"), dim=1, keepdim=True).clamp_(min=1e-30)
        y = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32(
            x / peak, 1.0 / self._levels, self._zero, self._packed
        )
        return y.mul_(peak) if self._bias is None else torch.addcmul(self._bias, y, peak)


class Int8Weights:
    """The same weights times inputs in bfloat16, where torch comes without fbgemm (arm64). Nothing is packed."""

    def __init__(self, weight: Tensor, scale: Tensor, bias: Tensor | None = None) -> None:
        self._weight, self._scale, self._bias = weight, scale, bias
        self._ones = torch.ones_like(scale, dtype=torch.bfloat16)

    def __call__(self, x: Tensor) -> Tensor:
        """x: (rows, in) float32. Returns (rows, out) float32."""
        y = torch._weight_int8pack_mm(x.bfloat16(), self._weight, self._ones).float().mul_(self._scale)
        return y if self._bias is None else y.add_(self._bias)


def int8_linear(weight: Tensor, scale: Tensor, bias: Tensor | None = None) -> Linear:
    """The int8 layer that torch can compute on this processor; arguments as of `Int8Linear`."""
    return (Int8Linear if has_fbgemm() else Int8Weights)(weight, scale, bias)


def has_fbgemm() -> bool:
    """Whether torch was built with fbgemm, which is for x86 only."""
    return "fbgemm" in torch.backends.quantized.supported_engines


def quantize_rows(weight: Tensor) -> tuple[Tensor, Tensor]:
    """(int8 weight, float32 scale per row); the largest number of each row becomes 127."""
    weight = weight.float()
    scale = weight.abs().amax(1).div_(127.0).clamp_(min=1e-12)
    return torch.round(weight / scale[:, None]).to(torch.int8), scale


def pack(weight: Tensor, scale: Tensor) -> Any:
    """fbgemm's own layout of an int8 weight; a copy, packed at about 0.2 GB a second and core."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch announces the end of its quantized tensors; pinned by a test
        # Zero points of another type than int64 give garbage without an error.
        zeros = torch.zeros(len(scale), dtype=torch.int64)
        tensor = torch._make_per_channel_quantized_tensor(weight, scale, zeros, 0)
        return torch.ops.quantized.linear_prepack(tensor, None)


def has_vnni() -> bool:
    """Whether this processor sums four 8-bit products in 32 bits at once."""
    probe = getattr(torch.cpu, "_is_vnni_supported", None) or getattr(torch.cpu, "_is_cpu_support_vnni", None)
    return bool(probe()) if probe else False
