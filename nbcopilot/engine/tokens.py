"""Text to token ids and back: prompts rendered by the model's own chat template, answers streamed whole characters.

Reads tokenizer.json and chat.json of a converted folder. Knows nothing of weights.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer, decoders

from nbcopilot.engine.healing import MOST_BACK, Vocabulary, spelled
from nbcopilot.engine.templating import Template, TemplateRefused
from nbcopilot.engine.tokenizer_file import open_tokenizer, read_chat
from nbcopilot.errors import EmptyPromptError, EngineError
from nbcopilot.inference import Message, Prompt

# prefix, suffix, middle: Qwen and StarCoder 2, StarCoder, DeepSeek, Code Llama, CodeGemma.
_FILL = [
    ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
    ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),
    ("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),
    ("▁<PRE>", "▁<SUF>", "▁<MID>"),
]
# Tokens that begin something else than the answer, in any of the known vocabularies.
_ENDS = (
    "<|im_end|>", "<|im_start|>", "<|endoftext|>", "<|end_of_text|>", "<|eot_id|>", "<|end|>", "<file_sep>",
    "<|file_sep|>", "<|repo_name|>", "<|fim_pad|>", "<｜end▁of▁sentence｜>", "<EOT>",
)  # fmt: skip
# Around special-token text that a user wrote: it is sent as plain characters and cannot end a turn.
_GUARD = "\ue0f7"
_PLAIN = """{% for m in messages %}{{ m['role'] | capitalize }}: {{ m['content'] }}

{% endfor %}Assistant: """


class Tokens:
    """The tokenizer of one model. Thread-safe. Raises ModelCorruptError for files that are none."""

    def __init__(self, folder: Path) -> None:
        self._tokenizer: Tokenizer = open_tokenizer(folder / "tokenizer.json")
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._chat = chat = read_chat(folder / "chat.json")
        self._template = Template(chat["template"] or _PLAIN)
        known = {token.content: id for id, token in self._tokenizer.get_added_tokens_decoder().items()}
        added = self._tokenizer.get_added_tokens_decoder().items()
        self.special = frozenset(i for i, token in added if token.special or re.fullmatch(r"<\|.*\|>", token.content))
        marks = [*_ENDS, *(mark for triple in _FILL for mark in triple)]
        self.ends = frozenset(chat["end_ids"]) | {known[mark] for mark in marks if mark in known}
        written = sorted({token.content for _, token in added if token.content.strip()}, key=len, reverse=True)
        self._marks = re.compile("|".join(map(re.escape, written)) or r"(?!)")
        self._fill = next((triple for triple in _FILL if all(mark in known for mark in triple)), None)
        self._added = frozenset(known.values())
        self._after_text = known[self._fill[1]] if self._fill else None
        self._lock = threading.Lock()
        self._vocabulary: Vocabulary | None = None

    @property
    def has_fill(self) -> bool:
        """Whether the model has fill-in-the-middle tokens."""
        return self._fill is not None

    def count(self, text: str) -> int:
        """Tokens of `text`, without special tokens around it; special-token text in it is plain text."""
        return len(self.encode(self._guarded(text)))

    def encode(self, text: str) -> list[int]:
        """Ids of a rendered prompt: special tokens written out in it are read as such, but for guarded ones."""
        # A lone surrogate (from a notebook's JSON) has no UTF-8 form; it becomes a question mark.
        parts = text.encode("utf-8", "replace").decode("utf-8").split(_GUARD)
        ids: list[int] = []
        for number, part in enumerate(parts):
            # Cut after its first character, special-token text matches no special token.
            for piece in (part,) if number % 2 == 0 else (part[:1], part[1:]):
                ids += self._tokenizer.encode(piece, add_special_tokens=False).ids if piece else []
        return ids

    def _guarded(self, text: str) -> str:
        return self._marks.sub(lambda match: f"{_GUARD}{match[0]}{_GUARD}", text.replace(_GUARD, ""))

    def decode(self, ids: Sequence[int]) -> str:
        """Text of `ids` without special tokens; bytes that are no whole character come out as U+FFFD."""
        return str(self._tokenizer.decode([i for i in ids if i not in self.special], skip_special_tokens=True))

    def piece(self, id: int) -> str:
        """Text of one token as it is shown beside its score."""
        return str(self._tokenizer.decode([id], skip_special_tokens=False))

    def prompt_ids(self, prompt: Prompt) -> list[int]:
        """What the model reads for `prompt`. Raises EmptyPromptError."""
        text = self.render(prompt)
        ids = self.encode(text)
        bos = self._chat["bos"]
        if self._chat["add_bos"] and bos and not text.startswith(bos):
            ids = self.encode(bos) + ids
        if not ids:
            raise EmptyPromptError("the prompt is empty", hint="write what you want below the magic")
        return ids

    def healed(self, ids: list[int]) -> tuple[list[int], bytes]:
        """(`ids` of a gap without the last tokens of what stands before it, their bytes): see `healing`.

        The answer is to begin with those bytes. (ids, b"") where the text ends between words, or cannot be cut.
        """
        if not isinstance(self._tokenizer.decoder, decoders.ByteLevel):
            return ids, b""
        end = ids.index(self._after_text) if self._after_text in ids else len(ids)
        count, taken = self.vocabulary().back([self._spelled(id) for id in ids[max(0, end - MOST_BACK) : end]])
        return ([*ids[: end - count], *ids[end:]], taken) if count < len(ids) else (ids, b"")

    def vocabulary(self) -> Vocabulary:
        """All tokens by their bytes; made at the first call, in a quarter of a second."""
        with self._lock:
            if self._vocabulary is None:
                self._vocabulary = Vocabulary([self._spelled(id) for id in range(self._tokenizer.get_vocab_size())])
            return self._vocabulary

    def _spelled(self, id: int) -> bytes:
        return b"" if id in self._added else spelled(self._tokenizer.id_to_token(id) or "")

    def render(self, prompt: Prompt) -> str:
        """The prompt as one text: chat template, the two sides of a gap, or raw text (special tokens in it count)."""
        if prompt.messages:
            return self._conversation(prompt.messages) + self._guarded(prompt.prefill)
        if prompt.suffix is None or self._fill is None:
            return (prompt.text or "") + prompt.prefill
        before, after, middle = self._fill
        text, suffix, prefill = map(self._guarded, (prompt.text or "", prompt.suffix, prompt.prefill))
        return f"{before}{text}{after}{suffix}{middle}{prefill}"

    def _conversation(self, messages: Sequence[Message]) -> str:
        turns = [{"role": m.role, "content": self._guarded(m.content)} for m in messages]
        if messages[0].role == "system":
            return self._with_template(turns)
        text = self._with_template(turns)
        # A template that puts in a system turn of its own (Qwen: "You are Qwen ...") gets an empty one instead.
        head = text.partition(turns[0]["content"])[0] if turns[0]["content"] else ""
        if "system" in head:
            return self._with_template([{"role": "system", "content": ""}, *turns])
        return text

    def _with_template(self, turns: list[dict[str, str]]) -> str:
        try:
            return self._template.render(turns, self._chat["bos"], self._chat["eos"])
        except TemplateRefused as exc:
            if turns[0]["role"] == "system" and len(turns) > 1:
                # Some templates know no system turn: its text goes before the first question.
                first, second, *rest = turns
                merged = {**second, "content": f"{first['content']}\n\n{second['content']}".strip()}
                return self._with_template([merged, *rest])
            raise EngineError(f"the model's chat template cannot be used: {exc}", hint="pick another model") from exc


class TextStream:
    """Ids in, text out, whole characters only. Starts after the tokens of the prompt, whose tail gives the context."""

    # Sentencepiece decoders strip a space at the start of what they get: some ids before hide that.
    _CONTEXT = 6

    def __init__(self, tokens: Tokens, prompt: Sequence[int]) -> None:
        self._tokens = tokens
        self._ids = [i for i in prompt[-self._CONTEXT :] if i not in tokens.special]
        self._shown = tokens.decode(self._ids)

    def push(self, id: int) -> str:
        """The text that `id` completes; "" while a character is still in pieces."""
        if id in self._tokens.special:
            return ""
        self._ids.append(id)
        text = self._tokens.decode(self._ids)
        if text.endswith("�") and len(self._ids) < 64:
            return ""
        new = text[len(self._shown) :]
        self._ids = self._ids[-self._CONTEXT :]
        self._shown = self._tokens.decode(self._ids)
        return new

    def flush(self) -> str:
        """What is left at the end: bytes of a broken character as U+FFFD."""
        new = self._tokens.decode(self._ids)[len(self._shown) :]
        self._shown += new
        return new
