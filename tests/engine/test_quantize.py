from __future__ import annotations

import pytest
import torch

from nbcopilot.engine import quantize
from nbcopilot.engine.quantize import Int8Linear, Int8Weights, Linear, int8_linear, quantize_rows


@pytest.fixture(params=[True, False], ids=["fbgemm", "without"])
def with_fbgemm(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """A torch as it comes for x86, and one as it comes for arm64."""
    if not request.param:
        monkeypatch.setattr(quantize, "has_fbgemm", lambda: False)
    return bool(request.param)


def layer(outputs: int = 48, inputs: int = 96) -> tuple[torch.Tensor, Linear]:
    torch.manual_seed(0)
    weight = torch.randn(outputs, inputs)
    return weight, int8_linear(*quantize_rows(weight), torch.ones(outputs))


@pytest.mark.parametrize("inputs", [32, 96, 896, 4864])
def test_the_product_is_right_to_a_few_percent(with_fbgemm: bool, inputs: int) -> None:
    """Guards against a kernel that is fast and wrong: zero points of another type gave garbage without an error."""
    weight, linear = layer(inputs=inputs)
    assert isinstance(linear, Int8Linear if with_fbgemm else Int8Weights)
    x = torch.randn(5, inputs)
    wanted = x @ weight.T + 1
    assert torch.linalg.norm(linear(x) - wanted) < 0.03 * torch.linalg.norm(wanted)


@pytest.mark.parametrize("rows", [9, 128])
def test_a_row_never_depends_on_its_company(with_fbgemm: bool, rows: int) -> None:
    _, linear = layer()
    x = torch.randn(rows, 96)
    x[4] *= 1000
    together = linear(x)
    assert all(torch.equal(linear(x[i : i + 1])[0], together[i]) for i in range(rows))


def test_a_row_of_zeros_gives_the_bias(with_fbgemm: bool) -> None:
    _, linear = layer()
    assert torch.equal(linear(torch.zeros(1, 96)), torch.ones(1, 48))
