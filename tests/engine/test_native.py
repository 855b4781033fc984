"""The compiled kernels against numpy and torch, and bit for bit against themselves in other company."""

from __future__ import annotations

import ctypes
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nbcopilot.engine import device
from nbcopilot.engine.device import Placement
from nbcopilot.engine.loading import load_model
from nbcopilot.engine.model import Segment
from nbcopilot.engine.native import binding, build, pack
from nbcopilot.engine.native_model import NativeModel
from nbcopilot.models.store import ensure

from .conftest import qwen2, saved

# Set: the kernels are built with AddressSanitizer and UndefinedBehaviorSanitizer.
SANITIZED = "SANITIZED_KERNELS"


def flags_of_this_processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.read_text() if cpuinfo.is_file() else ""


# What a user's machine may have; each is compiled and run where this processor can.
TARGETS = {
    "native": ["-march=native"],
    "avx2": ["-mavx2", "-mfma", "-mf16c"],
    "avx2-vnni": ["-mavx2", "-mfma", "-mf16c", "-mavx512f", "-mavx512vl", "-mavx512vnni"],
}
NEEDS = {"native": "avx2", "avx2": "avx2", "avx2-vnni": "avx512_vnni"}
HERE = [target for target in TARGETS if NEEDS[target] in flags_of_this_processor()]


@pytest.fixture(scope="session", params=HERE)
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kernels built for one kind of processor."""
    command = build.compiler()
    assert command, "no C compiler"
    path = tmp_path_factory.mktemp("kernels") / f"{request.param}.so"
    flags = [flag for flag in build.FLAGS if not flag.startswith("-march")] + TARGETS[request.param]
    # test_sanitizers.py runs this file once more, in a process that watches memory.
    flags += build.LEVELS["sanitized"] if os.environ.get(SANITIZED) else ("-Wall", "-Wextra", "-Werror")
    sources = [str(build.HERE / name) for name in build.SOURCES]
    subprocess.run([*command, *flags, "-o", str(path), *sources, "-lm"], check=True)
    return path


def linear_of(library: Path, weight: binding.Linear, x: np.ndarray) -> np.ndarray:
    """x W^T by the kernels; x (rows, inputs) float32."""

    class Bytes(ctypes.Structure):
        _fields_ = [("values", ctypes.c_void_p), ("scales", ctypes.c_void_p), ("sums", ctypes.c_void_p), ("k", ctypes.c_int), ("group", ctypes.c_int)]  # fmt: skip

    lib: Any = ctypes.CDLL(str(library))
    lib.nbc_pool_new.restype = ctypes.c_void_p
    lib.nbc_pool_free.argtypes = [ctypes.c_void_p]
    rows, inputs = x.shape
    values = np.zeros((rows, inputs), np.int8)
    scales, sums = np.zeros((rows, inputs // 32), np.float32), np.zeros((rows, inputs // 32), np.int32)
    packed = Bytes(values.ctypes.data, scales.ctypes.data, sums.ctypes.data, inputs, weight.group)
    for row in range(rows):
        lib.quantize_row(ctypes.c_void_p(x.ctypes.data + row * inputs * 4), ctypes.byref(packed), row)
    out = np.zeros((rows, weight.n), np.float32)
    pool = lib.nbc_pool_new(2)
    lib.linear_run(
        ctypes.c_void_p(pool), ctypes.byref(weight), ctypes.byref(packed), rows, ctypes.c_void_p(out.ctypes.data), 0
    )
    lib.nbc_pool_free(pool)
    return out


def rounded(x: np.ndarray, group: int) -> np.ndarray:
    """What the kernels make of their inputs: 127 steps up to the largest of each group, of each row by itself."""
    parts = x.reshape(len(x), -1, group)
    step = np.abs(parts).max(axis=2, keepdims=True) / np.float32(127)
    return (np.rint(parts / step) * step).reshape(x.shape)


@pytest.mark.parametrize(("outputs", "inputs"), [(16, 32), (48, 64), (80, 896), (320, 128)])
@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 9])
def test_8_bit_linear_is_the_product_of_what_was_rounded(library: Path, outputs: int, inputs: int, rows: int) -> None:
    random = np.random.default_rng(0)
    weight = random.standard_normal((outputs, inputs)).astype(np.float32)
    x = random.standard_normal((rows, inputs)).astype(np.float32)
    x[:, 3] *= 50  # an outlier, as language models have them
    values, scales = pack.pack8(weight)
    bias = random.standard_normal(outputs).astype(np.float32)
    linear = binding.Linear(
        values.ctypes.data, scales.ctypes.data, None, bias.ctypes.data, 1.0, 8, outputs, inputs, pack.group_size(inputs)
    )
    got = linear_of(library, linear, x)
    wanted = rounded(x, pack.group_size(inputs)) @ pack.unpack8(values, scales).T + bias
    assert np.abs(pack.unpack8(values, scales) - weight).max() < 0.02
    np.testing.assert_allclose(got, wanted, rtol=1e-3, atol=1e-4 * np.abs(wanted).max())


@pytest.mark.parametrize("rows", [1, 4, 6])
def test_4_bit_linear_is_the_product_of_what_was_rounded(library: Path, rows: int) -> None:
    random = np.random.default_rng(0)
    outputs, inputs = 48, 256
    q = random.integers(0, 16, (outputs, inputs), dtype=np.uint8)
    scale = random.uniform(0.001, 0.1, (outputs, inputs // 32)).astype(np.float32)
    lowest = random.uniform(0.0, 0.5, (outputs, inputs // 32)).astype(np.float32)
    values, scales, minima, factor = pack.pack4(q, scale, lowest)
    x = random.standard_normal((rows, inputs)).astype(np.float32)
    linear = binding.Linear(
        values.ctypes.data, scales.ctypes.data, minima.ctypes.data, None, factor, 4, outputs, inputs, 128
    )
    got = linear_of(library, linear, x)
    weight = (q.reshape(outputs, -1, 32) * scale[:, :, None] - lowest[:, :, None]).reshape(outputs, inputs)
    wanted = rounded(x, 128) @ weight.T
    np.testing.assert_allclose(got, wanted, rtol=2e-3, atol=1e-3 * np.abs(wanted).max())  # scales are halves


def test_extreme_bytes_do_not_saturate(library: Path) -> None:
    """All inputs and weights at their limits: pairs of products leave 16 bits where the kernel is careless."""
    inputs = 128
    weight = np.full((16, inputs), 1.0, np.float32)
    weight[1::2] = -1.0
    values, scales = pack.pack8(weight)
    for sign in (1.0, -1.0):
        x = np.full((1, inputs), sign, np.float32)
        linear = binding.Linear(values.ctypes.data, scales.ctypes.data, None, None, 1.0, 8, 16, inputs, inputs)
        got = linear_of(library, linear, x)
        np.testing.assert_allclose(got[0], np.where(np.arange(16) % 2, -1, 1) * sign * inputs, rtol=1e-5)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e-44, 3e38])
def test_inputs_that_are_no_numbers_become_bytes_all_the_same(library: Path, value: float) -> None:
    """Sums of such bytes stay within 32 bits; the answer may be no number, the process goes on."""
    weight = np.ones((16, 128), np.float32)
    values, scales = pack.pack8(weight)
    x = np.zeros((2, 128), np.float32)
    x[0, :] = value
    x[1, 5] = value
    linear = binding.Linear(values.ctypes.data, scales.ctypes.data, None, None, 1.0, 8, 16, 128, 128)
    assert linear_of(library, linear, x).shape == (2, 16)


@pytest.fixture(scope="session")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Qwen2 as the kernels read it."""
    from nbcopilot.engine.convert_native import convert_native

    source = saved(qwen2(), tmp_path_factory.mktemp("source"))
    folder = tmp_path_factory.mktemp("converted")
    convert_native(source, folder)
    return folder


@pytest.mark.parametrize("family", ["qwen2", "llama", "qwen3"])
def test_logits_are_those_of_transformers_but_for_rounding(family: str, library: Path, tmp_path: Path) -> None:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

    from nbcopilot.engine.convert_native import convert_native

    sizes = {"vocab_size": 320, "hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 512}  # fmt: skip
    torch.manual_seed(0)
    model: Any = {
        "qwen2": lambda: qwen2(initializer_range=0.05),
        "llama": lambda: LlamaForCausalLM(LlamaConfig(**sizes)),
        "qwen3": lambda: Qwen3ForCausalLM(Qwen3Config(**sizes, head_dim=64, tie_word_embeddings=True)),
    }[family]()
    (tmp_path / "converted").mkdir()
    convert_native(saved(model, tmp_path / "source"), tmp_path / "converted")
    native = NativeModel(tmp_path / "converted", binding.Library(library), 2)
    ids = list(range(6, 306))
    got = native.forward([Segment(native.new_cache(len(ids)), ids, wanted=len(ids))])
    native.close()
    with torch.inference_mode():
        wanted = model.eval()(torch.tensor([ids])).logits[0].numpy()
    assert np.linalg.norm(got - wanted) < 0.04 * np.linalg.norm(wanted)


@settings(
    max_examples=4 if os.environ.get(SANITIZED) else 25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 10**9), threads=st.integers(1, 3))
def test_a_row_gives_the_same_bits_in_any_company(seed: int, threads: int, library: Path, converted: Path) -> None:
    """Sequences cut into pieces of any size, computed beside others in any order: bit for bit the same logits."""
    model = NativeModel(converted, binding.Library(library), threads)
    random = np.random.default_rng(seed)
    sequences = [[int(i) for i in random.integers(6, 320, length)] for length in (150, 70, 9)]
    alone = []
    for ids in sequences:
        cache = model.new_cache(len(ids))
        alone.append(np.concatenate([model.forward([Segment(cache, [id], 1)]) for id in ids]))
    caches = [model.new_cache(len(ids)) for ids in sequences]
    got: list[list[np.ndarray]] = [[] for _ in sequences]
    while left := [n for n, ids in enumerate(sequences) if caches[n].length < len(ids)]:
        chosen = random.permutation(left)[: random.integers(1, len(left) + 1)]
        pieces = [sequences[n][caches[n].length :][: random.integers(1, 40)] for n in chosen]
        rows = model.forward([Segment(caches[n], p, wanted=len(p)) for n, p in zip(chosen, pieces, strict=True)])
        for number, piece in zip(chosen, pieces, strict=True):
            got[number].append(rows[: len(piece)])
            rows = rows[len(piece) :]
    model.close()
    for wanted, parts in zip(alone, got, strict=True):
        assert np.array_equal(wanted, np.concatenate(parts))


def test_blocks_and_forks_carry_the_past_bit_for_bit(library: Path, converted: Path) -> None:
    model = NativeModel(converted, binding.Library(library), 1)
    ids = [int(i) for i in np.random.default_rng(0).integers(6, 320, 60)]
    first = model.new_cache(80)
    model.forward([Segment(first, ids)])
    second, third = model.new_cache(128), model.new_cache(80)
    for start in range(0, 48, 16):
        second.put_block(start, first.block(start, start + 16))
    model.forward([Segment(second, ids[48:])])
    third.copy_from(first, 0, 60)
    rows = model.forward([Segment(cache, [7]) for cache in (first, second, third)])
    model.close()
    assert np.array_equal(rows[0], rows[1]) and np.array_equal(rows[0], rows[2])


def test_no_compiler_is_said_and_torch_takes_over(
    qwen_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(build, "compiler", lambda: None)
    monkeypatch.setattr(device, "cache_folder", lambda: tmp_path)
    loaded = load_model(ensure(str(qwen_folder)), Placement("cpu", "int8"), 1)
    assert loaded.model.kind == "torch" and loaded.reason.startswith("no C compiler")


def test_a_compiler_that_fails_gives_its_first_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("the kernels are for x86-64")
    monkeypatch.setenv("CC", "false")
    with pytest.raises(build.BuildError, match="false failed"):
        build.library(tmp_path)
    monkeypatch.setenv("CC", "/no/such/compiler")
    with pytest.raises(build.BuildError, match="did not run"):
        build.library(tmp_path)


def test_the_library_is_built_once_for_a_processor(tmp_path: Path) -> None:
    if platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("the kernels are for x86-64")
    first = build.library(tmp_path)
    stamp = first.stat().st_mtime_ns
    assert build.library(tmp_path) == first and first.stat().st_mtime_ns == stamp
    assert binding.Library(first).isa.startswith("avx")
    plain = build.library(tmp_path, "avx2")
    assert plain != first and binding.Library(plain).isa == "avx2"
    with pytest.raises(build.BuildError, match="`sse`, it takes off and avx2"):
        build.library(tmp_path, "sse")


def test_a_lesser_processor_can_be_tried(qwen_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("the kernels are for x86-64")
    monkeypatch.setenv("NBCOPILOT_KERNELS", "avx2")
    model = load_model(ensure(str(qwen_folder)), Placement("cpu", "int8"), 1).model
    assert model.kind == "native avx2"
    model.close()
