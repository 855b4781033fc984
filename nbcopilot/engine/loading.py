"""A model's name -> a model in memory with its tokenizer. Converts once, later loads take about a second.

`prepare` fills the store's folder for one source, format and precision; `load_model` reads it back.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError

from nbcopilot.engine import convert
from nbcopilot.engine.checkpoint import GGUFCheckpoint
from nbcopilot.engine.device import OVERHEAD_BYTES, Placement, require_memory
from nbcopilot.engine.jobs import Model
from nbcopilot.engine.shape import Shape
from nbcopilot.engine.tokenizer_file import write_tokenizer
from nbcopilot.engine.tokens import Tokens
from nbcopilot.engine.transformer import Transformer
from nbcopilot.errors import ModelCorruptError
from nbcopilot.models.fetch import Progress
from nbcopilot.models.files import tree_bytes
from nbcopilot.models.store import LocalModel, Store


@dataclass(frozen=True)
class Loaded:
    """A model that can compute, its tokenizer, and the bytes of its weights."""

    model: Model
    tokens: Tokens
    weight_bytes: int
    native: bool


def prepare(source: LocalModel, precision: str, progress: Progress | None = None, store: Store | None = None) -> Path:
    """The folder that `load_model` reads: converted weights and tokenizer, or the tokenizer only for other shapes.

    Keyed by the source's hash, the format version and the precision; made once for all processes.
    Raises ModelCorruptError, UnknownModelError, DiskFullError.
    """
    store = store or Store()
    if shape_of(source.path) is None:
        return store.convert(
            source, "tokenizer", convert.FORMAT, lambda folder: write_tokenizer(source.path, folder), progress
        )

    def build(folder: Path) -> None:
        convert.convert(source.path, folder, precision, progress)

    return store.convert(source, precision, convert.FORMAT, build, progress)


def shape_of(path: Path) -> Shape | None:
    """The shape of the model at `path`, or None when only transformers computes it."""
    if path.is_file():
        return Shape.read(GGUFCheckpoint(path).config)
    try:
        return Shape.read(json.loads((path / "config.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError) as exc:
        raise ModelCorruptError(f"{path}/config.json cannot be read: {exc}", hint="name a transformers folder") from exc


def load_model(source: LocalModel, placement: Placement, progress: Progress | None = None) -> Loaded:
    """The model in memory. Raises OutOfMemoryError before anything is loaded, ModelCorruptError."""
    folder = prepare(source, placement.precision, progress)
    try:
        return _load(source, folder, placement)
    except (SafetensorError, KeyError) as exc:
        raise ModelCorruptError(
            f"the converted copy of {source.ref.id} is damaged: {exc}", hint=f"`nbcopilot models rm {source.ref.id}`"
        ) from exc


def _load(source: LocalModel, folder: Path, placement: Placement) -> Loaded:
    torch.set_num_threads(placement.threads)
    converted = (folder / "config.json").is_file()
    weight_bytes = tree_bytes(folder if converted else source.path)
    require_memory(weight_bytes + OVERHEAD_BYTES, source.ref.id, placement.device)
    tokens = Tokens(folder)
    if converted:
        shape = Shape(**json.loads((folder / "config.json").read_text(encoding="utf-8")))
        model: Model = Transformer(folder, shape, placement.device, placement.dtype)
    else:
        from nbcopilot.engine.generic import GenericModel

        model = GenericModel(source.path, placement.device, placement.dtype, int8=placement.precision == "int8")
    return Loaded(model, tokens, weight_bytes, converted)
