"""A model's name -> a model in memory with its tokenizer. Converts once; later loads map a file.

`prepare` fills the store's folder for one source, format and precision; `load_model` reads it back.
Which code computes: the kernels for int8 on a CPU, torch for other precisions and devices (and where there is no
compiler), transformers for shapes that neither knows.
"""

from __future__ import annotations

import filecmp
from dataclasses import dataclass
from pathlib import Path

from nbcopilot.engine import device
from nbcopilot.engine.device import OVERHEAD_BYTES, Placement, require_memory
from nbcopilot.engine.draft_model import DraftModel
from nbcopilot.engine.model import Model
from nbcopilot.engine.model_config import ModelConfig, json_object
from nbcopilot.engine.native.binding import Library
from nbcopilot.engine.native.pack import fits
from nbcopilot.engine.native_model import NativeModel
from nbcopilot.engine.tokens import Tokens
from nbcopilot.errors import EngineError, ModelCorruptError
from nbcopilot.models.fetch import Progress
from nbcopilot.models.files import tree_bytes
from nbcopilot.models.store import LocalModel, Store, ensure

# Part of the folders' names: raise it with every change of what `convert` or `convert_native` writes.
FORMAT = 2
# Precisions of the store: what the kernels read, and a tokenizer beside a model that transformers loads itself.
NATIVE, TOKENIZER = "int8-native", "tokenizer"
# Model -> the smaller one that guesses for it.
DRAFTS = {f"qwen2.5-coder-{size}": "qwen2.5-coder-0.5b" for size in ("1.5b", "3b", "7b", "14b", "32b")}
# Ids that a draft chooses among: byte-pair ids are in the order of their frequency, and the head is a quarter of the
# 0.5b's bytes.
DRAFT_IDS = 32768


@dataclass(frozen=True)
class Loaded:
    """A model that can compute, its tokenizer, the bytes of its weights, and why it is not the fastest kind ("")."""

    model: Model
    tokens: Tokens
    weight_bytes: int
    reason: str = ""
    folder: Path = Path()


def prepare(source: LocalModel, precision: str, progress: Progress | None = None, store: Store | None = None) -> Path:
    """The folder that `load_model` reads: converted weights and tokenizer, or the tokenizer only for other shapes.

    precision: "int8-native", "int8", "float32", "bfloat16", "float16" or "tokenizer". Keyed by the source's hash, the
    format version and the precision; made once for all processes.
    Raises ModelCorruptError, UnknownModelError, DiskFullError.
    """
    store = store or Store()

    def build(folder: Path) -> None:
        if precision == NATIVE:
            from nbcopilot.engine.convert_native import convert_native

            convert_native(source.path, folder, progress)
        elif precision == TOKENIZER:
            from nbcopilot.engine.tokenizer_file import write_tokenizer

            write_tokenizer(source.path, folder)
        else:
            from nbcopilot.engine.convert import convert

            convert(source.path, folder, precision, progress)

    return store.convert(source, precision, FORMAT, build, progress)


def load_model(source: LocalModel, placement: Placement, threads: int, progress: Progress | None = None) -> Loaded:
    """The model in memory. Raises OutOfMemoryError before anything is loaded, ModelCorruptError, UnknownModelError."""
    library, reason = None, ""
    if placement.precision == "int8":
        library, reason = device.kernels()
    shape = None if source.path.is_file() else _folder_shape(source.path)
    other = source.path.is_dir() and shape is None
    if other:
        return _with_transformers(source, placement, progress)
    if library is not None and (shape is None or fits(shape)):
        return _native(source, library, threads, progress)
    return _with_torch(source, placement, progress, reason)


def load_draft(source: LocalModel, beside: Loaded, progress: Progress | None = None) -> DraftModel | None:
    """A smaller model of the same family that guesses for `beside`, when it is on this machine and memory allows."""
    small = DRAFTS.get(source.ref.id)
    library, _ = device.kernels()
    if small is None or library is None or not isinstance(beside.model, NativeModel):
        return None
    try:
        folder = prepare(ensure(small), NATIVE, progress)
        require_memory((folder / "weights.bin").stat().st_size + OVERHEAD_BYTES, small, "cpu")
        if not filecmp.cmp(folder / "tokenizer.json", beside.folder / "tokenizer.json", shallow=False):
            return None
        model = NativeModel(folder, Library(library), 1, most_ids=DRAFT_IDS, beside=beside.model)
    except (EngineError, KeyError, ValueError, OSError):
        return None  # a draft saves time, no more
    return DraftModel(small, model)


def _native(source: LocalModel, library: Path, threads: int, progress: Progress | None) -> Loaded:
    folder = prepare(source, NATIVE, progress)
    weight_bytes = (folder / "weights.bin").stat().st_size
    require_memory(weight_bytes + OVERHEAD_BYTES, source.ref.id, "cpu")
    try:
        model = NativeModel(folder, Library(library), threads)
    except (KeyError, ValueError) as exc:
        raise _damaged(source, exc) from exc
    return Loaded(model, Tokens(folder), weight_bytes, folder=folder)


def _with_torch(source: LocalModel, placement: Placement, progress: Progress | None, reason: str) -> Loaded:
    from safetensors import SafetensorError

    from nbcopilot.engine.transformer import Transformer

    folder = prepare(source, placement.precision, progress)
    weight_bytes = tree_bytes(folder)
    require_memory(weight_bytes + OVERHEAD_BYTES, source.ref.id, placement.device)
    try:
        shape = ModelConfig.stored(json_object(folder / "config.json"))
        return Loaded(Transformer(folder, shape, placement), Tokens(folder), weight_bytes, reason)
    except (SafetensorError, KeyError, ValueError, TypeError) as exc:
        raise _damaged(source, exc) from exc


def _with_transformers(source: LocalModel, placement: Placement, progress: Progress | None) -> Loaded:
    from nbcopilot.engine.generic import GenericModel

    folder = prepare(source, TOKENIZER, progress)
    weight_bytes = tree_bytes(source.path)
    require_memory(weight_bytes + OVERHEAD_BYTES, source.ref.id, placement.device)
    return Loaded(GenericModel(source.path, placement), Tokens(folder), weight_bytes, "transformers computes this kind")


def _folder_shape(path: Path) -> ModelConfig | None:
    """The shape of a transformers folder, or None when only transformers computes it."""
    return ModelConfig.read(json_object(path / "config.json"))


def _damaged(source: LocalModel, exc: Exception) -> ModelCorruptError:
    return ModelCorruptError(
        f"the converted copy of {source.ref.id} is damaged: {exc}", hint=f"`nbcopilot models rm {source.ref.id}`"
    )
