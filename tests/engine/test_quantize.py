from __future__ import annotations

import torch

from nbcopilot.engine.quantize import Int8Linear, quantize_rows


def layer(outputs: int = 48, inputs: int = 96) -> tuple[torch.Tensor, Int8Linear]:
    torch.manual_seed(0)
    weight = torch.randn(outputs, inputs)
    return weight, Int8Linear(*quantize_rows(weight), torch.ones(outputs))


def test_the_product_is_right_to_a_few_percent() -> None:
    """Guards against a kernel that is fast and wrong: zero points of another type gave garbage without an error."""
    weight, linear = layer()
    x = torch.randn(5, 96)
    wanted = x @ weight.T + 1
    assert torch.linalg.norm(linear(x) - wanted) < 0.03 * torch.linalg.norm(wanted)


def test_a_row_never_depends_on_its_company() -> None:
    _, linear = layer()
    x = torch.randn(9, 96)
    x[4] *= 1000
    together = linear(x)
    assert all(torch.equal(linear(x[i : i + 1])[0], together[i]) for i in range(9))


def test_a_row_of_zeros_gives_the_bias() -> None:
    _, linear = layer()
    assert torch.equal(linear(torch.zeros(1, 96)), torch.ones(1, 48))
