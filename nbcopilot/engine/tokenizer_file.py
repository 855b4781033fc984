"""A model's tokenizer as one tokenizer.json, and its chat settings as plain values, from whatever the source has.

`write_tokenizer(source, folder)` is step 2 of `convert`. What it writes is read by `tokens`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from nbcopilot.engine.gguf_file import GGUFFile
from nbcopilot.engine.model_config import bounded, json_object, wrong
from nbcopilot.errors import EngineError, ModelCorruptError

_GPT2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
# How text is split before the merges, by `tokenizer.ggml.pre`: the patterns of the models' own tokenizer.json.
_SPLITS = {
    "qwen2": [_LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")],
    "llama-bpe": [_LLAMA3],
    "smollm": [r"\p{N}", _GPT2],
    "starcoder": [r"\p{N}", _GPT2],
    "gpt-2": [_GPT2],
}
# What a tokenizer without tokenizer.json is kept in; transformers reads these.
_OLD_FILES = ("tokenizer.model", "vocab.json", "vocab.txt", "spiece.model", "sentencepiece.bpe.model", "tekken.json")
# Bytes of a tokenizer.json; 250,000 tokens take some 30 MB.
TOKENIZER_BYTES = 256 << 20
_CHAT: dict[str, tuple[type, ...]] = {
    "template": (str, type(None)), "end_ids": (list,), "bos": (str,), "eos": (str,), "add_bos": (bool,),
}  # fmt: skip
_CONTROL, _USER_DEFINED, _UNUSED = 3, 4, 5


def write_tokenizer(source: Path, folder: Path) -> None:
    """Write tokenizer.json and chat.json (eos ids, chat template) into `folder`. Raises ModelCorruptError."""
    with _readable(f"the tokenizer of {source.name}", "the folder needs a tokenizer.json"):
        chat = _from_gguf(source, folder) if source.is_file() else _from_folder(source, folder)
    (folder / "chat.json").write_text(json.dumps(chat, indent=1), encoding="utf-8")
    open_tokenizer(folder / "tokenizer.json")
    read_chat(folder / "chat.json")


def open_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer in a tokenizer.json of up to TOKENIZER_BYTES. Raises ModelCorruptError."""
    with _readable(str(path), "the model's tokenizer is damaged: pull the model again"):
        if (size := path.stat().st_size) > TOKENIZER_BYTES:
            raise ValueError(f"it has {size} bytes, {TOKENIZER_BYTES} are allowed")
        return Tokenizer.from_file(str(path))


def read_chat(path: Path) -> dict[str, Any]:
    """What `write_tokenizer` says of conversations, each value of its kind. Raises ModelCorruptError.

    Keys: template (str or None), end_ids (whole numbers), bos and eos (str), add_bos (bool).
    """
    chat = json_object(path)
    for key, kinds in _CHAT.items():
        if key not in chat or not isinstance(chat[key], kinds):
            raise wrong(f"{key} in {path.name} is {str(chat.get(key, 'missing'))[:40]}")
    chat["end_ids"] = [bounded(f"an end id in {path.name}", id, 0) for id in chat["end_ids"]]
    return chat


@contextmanager
def _readable(what: str, hint: str) -> Iterator[None]:
    """Whatever tokenizers and transformers raise about a file becomes one sentence."""
    try:
        yield
    except EngineError:
        raise
    except Exception as exc:
        fact = (str(exc).splitlines() or [type(exc).__name__])[0]
        raise ModelCorruptError(f"{what} cannot be read: {fact[:300]}", hint=hint) from exc
    except BaseException as exc:  # a panic of the Rust library is no Exception
        if type(exc).__name__ != "PanicException":
            raise
        raise ModelCorruptError(f"{what} cannot be read: {exc}", hint=hint) from exc


def _from_folder(source: Path, folder: Path) -> dict[str, Any]:
    if (source / "tokenizer.json").is_file():
        shutil.copyfile(source / "tokenizer.json", folder / "tokenizer.json")
    elif not any((source / name).is_file() for name in _OLD_FILES):
        raise ValueError("there is none")
    else:
        from transformers import AutoTokenizer

        AutoTokenizer.from_pretrained(source, trust_remote_code=False, local_files_only=True).backend_tokenizer.save(
            str(folder / "tokenizer.json")
        )
    settings = _json(source / "tokenizer_config.json")
    template = settings.get("chat_template")
    if isinstance(template, list):
        template = next((entry["template"] for entry in template if entry.get("name") == "default"), None)
    if (source / "chat_template.jinja").is_file():
        template = (source / "chat_template.jinja").read_text(encoding="utf-8")
    ends: list[int] = []
    for file in ("generation_config.json", "config.json"):
        found = _json(source / file).get("eos_token_id")
        ends += found if isinstance(found, list) else [found] if found is not None else []
    return {
        "template": template,
        "end_ids": sorted(set(ends)),
        "bos": _text(settings.get("bos_token")),
        "eos": _text(settings.get("eos_token")),
        "add_bos": bool(settings.get("add_bos_token", False)),
    }


def _from_gguf(source: Path, folder: Path) -> dict[str, Any]:
    values = GGUFFile(source).metadata
    split = _SPLITS.get(str(values.get("tokenizer.ggml.pre", "")))
    if values.get("tokenizer.ggml.model") == "gpt2" and split is not None:
        _byte_level(values, split).save(str(folder / "tokenizer.json"))
    else:
        from transformers import AutoTokenizer

        found = AutoTokenizer.from_pretrained(
            source.parent, gguf_file=source.name, trust_remote_code=False, local_files_only=True
        )
        found.backend_tokenizer.save(str(folder / "tokenizer.json"))
    tokens = values["tokenizer.ggml.tokens"]
    bos, eos = values.get("tokenizer.ggml.bos_token_id"), values.get("tokenizer.ggml.eos_token_id")
    return {
        "template": values.get("tokenizer.chat_template"),
        "end_ids": [] if eos is None else [eos],
        "bos": "" if bos is None else tokens[bos],
        "eos": "" if eos is None else tokens[eos],
        "add_bos": bool(values.get("tokenizer.ggml.add_bos_token", False)),
    }


def _byte_level(values: dict[str, Any], split: list[str]) -> Tokenizer:
    tokens, kinds = values["tokenizer.ggml.tokens"], values["tokenizer.ggml.token_type"]
    merges = [tuple(merge.split(" ", 1)) for merge in values["tokenizer.ggml.merges"]]
    vocab = {token: i for i, token in enumerate(tokens) if kinds[i] != _UNUSED}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges, fuse_unk=False))
    if values.get("tokenizer.ggml.pre") == "qwen2":
        tokenizer.normalizer = normalizers.NFC()
    steps = [pre_tokenizers.Split(Regex(pattern), behavior="isolated") for pattern in split]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [*steps, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    for kind, special in ((_CONTROL, True), (_USER_DEFINED, False)):
        added = [AddedToken(t, special=special, normalized=False) for i, t in enumerate(tokens) if kinds[i] == kind]
        (tokenizer.add_special_tokens if special else tokenizer.add_tokens)(added)
    return tokenizer


def _json(path: Path) -> dict[str, Any]:
    return json_object(path) if path.is_file() else {}


def _text(token: Any) -> str:
    return str(token.get("content", "")) if isinstance(token, dict) else str(token or "")
