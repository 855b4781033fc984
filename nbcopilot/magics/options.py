"""What stands on a magic's line -> Options. Options come first; the first word that is not one starts literal text.

Nothing is split by a shell's rules: quotes and braces in the text are the user's.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from nbcopilot.config import Config, with_changes
from nbcopilot.errors import UsageError

# How many times the time of an answer --think-longer gives.
LONGER = 5


@dataclass(frozen=True)
class Option:
    """One option: its spellings, the type of its value (None: a flag), and its line of help."""

    names: tuple[str, ...]
    kind: type | None
    help: str

    @property
    def key(self) -> str:
        return self.names[-1].lstrip("-").replace("-", "_")


COMMON = (
    Option(("-m", "--model"), str, "model id, folder, .gguf file or hub id"),
    Option(("-t", "--temperature"), float, "0 is greedy (the default)"),
    Option(("--top-p",), float, "nucleus sampling"),
    Option(("--top-k",), int, "keep the k likeliest tokens"),
    Option(("--min-p",), float, "drop tokens below this share of the likeliest"),
    Option(("--repetition-penalty",), float, "above 1 discourages repeats"),
    Option(("--beams",), int, "beam search width"),
    Option(("-n", "--candidates"), int, "answers to choose from, in one batch"),
    Option(("--max-tokens",), int, "longest answer"),
    Option(("--answer-seconds",), float, "time until an answer is shown; 0 is no limit"),
    Option(("--think-longer",), None, "give an answer five times the time"),
    Option(("--seed",), int, "seed of the sampler"),
    Option(("--few-shot",), int, "worked examples in the prompt"),
    Option(("--think",), None, "plan in prose before the code"),
    Option(("--show-context",), None, "print what would be sent, why, and its tokens"),
    Option(("--dry-run",), None, "show the answer; write no cell (%nbcopilot accept writes it)"),
    Option(("--no-check",), None, "do not validate"),
    Option(("--no-run",), None, "%%testgen: do not run the cell first"),
    Option(("--replace",), None, "replace this cell in place of adding one below"),
    Option(("--again",), None, "ask anew, though the answer is there already"),
    Option(("--wait",), None, "block until the cells are written"),
    Option(("-h", "--help"), None, "this list"),
)
_BY_NAME = {name: option for option in COMMON for name in option.names}


@dataclass(frozen=True)
class Options:
    """Parsed options: settings that were given, flags, and the literal text after them."""

    values: dict[str, Any] = field(default_factory=dict)
    flags: frozenset[str] = frozenset()
    text: str = ""

    def config(self, base: Config) -> Config:
        """`base` with the given settings. Raises ConfigError for a value out of range."""
        changes = dict(self.values)
        if "think" in self.flags:
            changes["think"] = True
        if "no_check" in self.flags:
            changes["check"] = False
        changed = with_changes(base, **changes)
        if "think_longer" in self.flags:
            changed = with_changes(changed, answer_seconds=LONGER * changed.answer_seconds)
        return changed


def parse(line: str, magic: str) -> Options:
    """Options of `line`. Raises UsageError for an unknown option, a missing or an impossible value."""
    values: dict[str, Any] = {}
    flags: set[str] = set()
    rest = line.strip()
    while rest.startswith("-"):
        word, _, rest = rest.partition(" ")
        rest = rest.lstrip()
        if word == "--":
            break
        name, equals, value = word.partition("=")
        option = _BY_NAME.get(name)
        if option is None:
            if not name.lstrip("-")[:1].isalpha():
                rest = f"{word} {rest}".strip()  # a minus that starts text, such as -1
                break
            near = difflib.get_close_matches(name, _BY_NAME, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"{magic} --help lists them"
            raise UsageError(f"{magic} has no option {name}", hint=hint)
        if option.kind is None:
            flags.add(option.key)
            continue
        if not equals:
            value, _, rest = rest.partition(" ")
            rest = rest.lstrip()
        values[option.key] = _value(option, value, magic)
    return Options(values, frozenset(flags), rest)


def _value(option: Option, text: str, magic: str) -> Any:
    assert option.kind is not None
    name = option.names[-1]
    if not text:
        raise UsageError(f"{name} needs a value", hint=f"for example: {magic} {name} {_EXAMPLE[option.kind]}")
    try:
        return option.kind(text.strip("\"'"))
    except ValueError:
        raise UsageError(f"{name} is {text!r}", hint=f"it takes {_KIND[option.kind]}") from None


_EXAMPLE = {str: "qwen2.5-coder-0.5b", float: "0.2", int: "4"}
_PLACE = {str: "NAME", float: "X", int: "N"}
_KIND = {float: "a number", int: "a whole number", str: "a text"}


def help_text(magic: str, forms: Sequence[str] = ()) -> str:
    """What the magic takes (`forms`, a line each), then the options, one a line."""
    rows = [f"  {', '.join(o.names) + (' ' + _PLACE[o.kind] if o.kind else ''):28} {o.help}" for o in COMMON]
    return "\n".join([*(forms or [f"{magic} [options]"]), "", *rows])
