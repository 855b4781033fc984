"""What each setting is: its type, default, bounds, and what a project's file may do with it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from nbcopilot import urls
from nbcopilot.errors import ConfigError

# The values of `engine` that are no URL.
LOCAL_ENGINES = ("auto", "in-process")


# What can be switched off by `off`.
FEATURES = ("generate", "explain", "testgen", "fix", "document", "ghost-text", "sidebar", "serve")
# Sandbox levels, the weakest first.
LEVELS = ("rlimits", "landlock", "bubblewrap")


# What a project that is not trusted may do with a setting: anything; nothing; only lower it; only name a model of the
# catalog; only add a policy file of its own. True and False: only set it so, which is the stricter value.
FREE, TRUSTED, LOWER, NAMED, ADD = "free", "trusted", "lower", "named", "add"


def _setting(
    default: Any,
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    project: str | bool = FREE,
) -> Any:
    meta = {"help": help, "low": low, "high": high, "choices": choices, "project": project}
    return field(default=default, metadata=meta)


@dataclass(frozen=True)
class Config:
    """All settings with their defaults. `help(Config)` and `%nbcopilot config` list them."""

    model: str = _setting(
        "auto", "model id, folder, .gguf file or hub id; auto picks by free memory; fake is scripted", project=NAMED
    )
    engine: str = _setting(
        "auto", "auto (resident engine), in-process, or the URL of an OpenAI-compatible server", project=TRUSTED
    )
    api_key: str = _setting("", "bearer key for a remote engine", project=TRUSTED)
    device: str = _setting("auto", "where the model runs", choices=("auto", "cpu", "cuda", "mps"))
    precision: str = _setting("auto", "weights in memory", choices=("auto", "int8", "float32", "bfloat16", "float16"))
    threads: int = _setting(
        0, "CPU threads of the engine; 0 follows what the machine has free", low=0, high=1024, project=TRUSTED
    )
    download_from: str = _setting(
        "auto",
        "where weights come from; none refuses to download any",
        choices=("auto", "hub", "index", "none"),
        project=TRUSTED,
    )
    temperature: float = _setting(0.0, "0 is greedy", low=0, high=5)
    top_p: float = _setting(1.0, "nucleus sampling; 1 is off", low=0, high=1)
    top_k: int = _setting(0, "keep the k likeliest tokens; 0 is off", low=0, high=1_000_000)
    min_p: float = _setting(0.0, "drop tokens below this share of the likeliest; 0 is off", low=0, high=1)
    repetition_penalty: float = _setting(1.0, "above 1 discourages repeats", low=0.1, high=10)
    beams: int = _setting(1, "beam search width; 1 is off", low=1, high=16)
    candidates: int = _setting(1, "answers to choose from", low=1, high=32)
    max_tokens: int = _setting(768, "longest answer, in tokens", low=1, high=32768)
    seed: int = _setting(0, "seed of the sampler", low=0)
    few_shot: int = _setting(0, "worked examples in the prompt", low=0, high=8)
    think: bool = _setting(False, "let the model plan in prose before the code")
    context_tokens: int = _setting(3072, "budget of the context in tokens; 0 uses all that the model takes", low=0)
    dataframe_rows: int = _setting(
        0, "rows of a DataFrame that may be sent; 0 sends the schema only", low=0, high=20, project=LOWER
    )
    grounding: str = _setting(
        "all",
        "what a request is grounded in: off; facts (measured columns); plan (and links in the prompt); openings (and first "
        "lines of the answer); all (and checks of intent)",
        choices=("off", "facts", "plan", "openings", "all"),
    )
    column_values: str = _setting(
        "auto",
        "may listed values, ranges and one example of a column be sent? auto: only to a model on this machine",
        choices=("auto", "always", "never"),
        project=TRUSTED,
    )
    redact: bool = _setting(
        True, "replace secrets in prompts and in anything written; always on for an engine elsewhere", project=True
    )
    redact_personal: bool = _setting(
        False, "replace e-mail addresses, phone, card and bank numbers and national ids too", project=True
    )
    check: bool = _setting(True, "validate what is generated before it is shown as done", project=True)
    check_seconds: float = _setting(10.0, "wall time of one sandboxed run", low=0.1, high=3600, project=TRUSTED)
    check_memory_mb: int = _setting(4096, "memory of one sandboxed run", low=64, project=TRUSTED)
    check_fork: bool = _setting(
        False, "run checks in a fork of the live kernel where that is safe: sees every variable", project=False
    )
    outcomes: bool = _setting(
        True, "show what an answer gave when it was run: values, figures, what it changes", project=False
    )
    answer_seconds: float = _setting(
        20.0,
        "time until an answer is shown; generation and checks keep to it, further answers take the rest; 0 is no limit",
        low=0,
        high=3600,
        project=TRUSTED,
    )
    check_total_seconds: float = _setting(
        30.0, "wall time of all checks of one request", low=0.1, high=3600, project=TRUSTED
    )
    repairs: int = _setting(2, "repair rounds after a failed check", low=0, high=2)
    retry_samples: int = _setting(
        3,
        "new answers sampled in one batch with the first repair; up to four times as many with the second",
        low=0,
        high=16,
    )
    consensus_samples: int = _setting(
        6, "further answers to a short request for a next cell, to choose what most of them agree on", low=0, high=16
    )
    label: bool = _setting(True, "one line in every generated cell that names the model and the checks")
    insert_via: str = _setting("auto", "how cells reach an open notebook", choices=("auto", "comm", "payload", "copy"))
    idle_minutes: float = _setting(
        30.0, "the resident engine stops after this long without a request", low=0.01, project=TRUSTED
    )
    cache_mb: int = _setting(1024, "memory of the engine's prefix cache", low=0, project=TRUSTED)
    keep_prompts: bool = _setting(
        True, "keep prompts in the cache folder, so that replay can ask the same again", project=False
    )
    select: str = _setting(
        "", "codes of the rules that are told, such as `NB2, NB301`; empty tells all", project=TRUSTED
    )
    ignore: str = _setting("", "codes of rules that are not told, such as `NB205`", project=TRUSTED)
    severity: str = _setting("", "other severities for rules, such as `NB205=warning`", project=TRUSTED)
    keep_days: float = _setting(30.0, "remove kept prompts after so many days; 0 never", low=0, project=TRUSTED)
    keep_mb: float = _setting(50.0, "room for kept prompts; the oldest go first; 0 is no limit", low=0, project=TRUSTED)
    policy: str = _setting("", "path of a policy file that forbids kinds of code in what is offered", project=ADD)
    sandbox: str = _setting(
        "rlimits",
        "the weakest sandbox in which generated code may run",
        choices=LEVELS,
        project=TRUSTED,
    )
    off: str = _setting("", f"features that are switched off, of: {', '.join(FEATURES)}", project=TRUSTED)


@dataclass(frozen=True)
class Setting:
    """One effective setting: its value and where it came from."""

    name: str
    value: Any
    origin: str

    @property
    def is_locked(self) -> bool:
        """Whether an administrator has set it, or bounded what it may be."""
        return self.origin.endswith(LOCKED)


# How the origin of a locked setting ends.
LOCKED = " (locked)"
FIELDS = {f.name: f for f in fields(Config)}
# Settings under the names of the release before: these work until the next one, and a notice says so.
RENAMED = {
    "opinions": "consensus_samples",
    "redraws": "retry_samples",
    "carrier": "download_from",
    "route": "insert_via",
}
_TYPES: dict[str, type] = {name: type(f.default) for name, f in FIELDS.items()}


def known(key: str, origin: str) -> str:
    """The setting that `key` names, by its present or its former name. Raises ConfigError with the nearest name."""
    key = RENAMED.get(key, key)
    if key in FIELDS:
        return key
    near = difflib.get_close_matches(key, FIELDS, n=1, cutoff=0.4)
    hint = f"did you mean `{near[0]}`?" if near else "`%nbcopilot config` lists all settings"
    raise ConfigError(f"unknown setting `{key}` in {origin}", hint=hint)


def former_names_first(values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The items of one layer in the order to apply them: a present name counts over the former one beside it."""
    return sorted(values.items(), key=lambda item: item[0] not in RENAMED)


def former_names(values: Mapping[str, Any], origin: str) -> list[str]:
    """A notice for each setting of a layer that still stands under its former name."""
    return [
        f"`{key}` in {origin} is now called `{RENAMED[key]}`; the former name stops working with the next release"
        for key in values
        if key in RENAMED
    ]


def convert(key: str, raw: Any, origin: str) -> Any:
    """The value of a setting as it was written somewhere. Raises ConfigError when it takes no such value."""
    kind = _TYPES[key]
    meta = FIELDS[key].metadata
    if key == "off":
        return _features(raw, origin)
    try:
        if kind is bool:
            value = raw if isinstance(raw, bool) else _BOOLEANS[str(raw).strip().lower()]
        elif isinstance(raw, bool):
            raise ValueError
        else:
            value = kind(raw)
    except (KeyError, TypeError, ValueError):
        names = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
        raise ConfigError(f"`{key}` in {origin} is {raw!r}", hint=f"it takes {names[kind]}") from None
    low, high, choices = meta["low"], meta["high"], meta["choices"]
    if (low is not None and value < low) or (high is not None and value > high) or value != value:
        top = f" to {high:g}" if high is not None else " or more"
        raise ConfigError(f"`{key}` in {origin} is {raw}", hint=f"it takes {low:g}{top}")
    if choices and value not in choices:
        raise ConfigError(f"`{key}` in {origin} is {raw!r}", hint="it takes " + ", ".join(choices))
    if key == "engine" and raw not in LOCAL_ENGINES:
        _require_url(str(raw), origin)
    return value


def _features(raw: Any, origin: str) -> str:
    """The names of a list, or of a text parted by commas, each once and in our order. Raises ConfigError."""
    words = raw.replace(",", " ").split() if isinstance(raw, str) else raw
    if not isinstance(words, list) or not set(map(str, words)) <= set(FEATURES):
        raise ConfigError(f"`off` in {origin} is {raw!r}", hint="it takes " + ", ".join(FEATURES))
    return ", ".join(name for name in FEATURES if name in words)


def _require_url(engine: str, origin: str) -> None:
    try:
        urls.split(engine)
    except ConfigError as exc:
        hint = f"{exc.hint}; {' and '.join(LOCAL_ENGINES)} are the other values"
        raise ConfigError(f"`engine` in {origin}: {exc.message}", hint=hint) from exc


_BOOLEANS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
