"""Settings, each declared once: defaults < user file < project file < NBCOPILOT_* < the call.

The user file is `config.toml` in the platform's configuration folder; the project file is the nearest
`nbcopilot.toml`, or `[tool.nbcopilot]` in the nearest `pyproject.toml`, upwards from the working directory.
An unknown key is a ConfigError that names the nearest valid one.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from nbcopilot import urls
from nbcopilot.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover
    import tomli as tomllib


# The values of `engine` that are no URL.
LOCAL_ENGINES = ("auto", "in-process")


def _setting(
    default: Any, help: str, *, low: float | None = None, high: float | None = None, choices: tuple[str, ...] = ()
) -> Any:
    return field(default=default, metadata={"help": help, "low": low, "high": high, "choices": choices})


@dataclass(frozen=True)
class Config:
    """All settings with their defaults. `help(Config)` and `%nbcopilot config` list them."""

    model: str = _setting("auto", "model id, folder, .gguf file or hub id; auto picks by free memory; fake is scripted")
    engine: str = _setting("auto", "auto (resident engine), in-process, or the URL of an OpenAI-compatible server")
    api_key: str = _setting("", "bearer key for a remote engine")
    device: str = _setting("auto", "where the model runs", choices=("auto", "cpu", "cuda", "mps"))
    precision: str = _setting("auto", "weights in memory", choices=("auto", "int8", "float32", "bfloat16", "float16"))
    threads: int = _setting(0, "CPU threads of the engine; 0 follows what the machine has free", low=0, high=1024)
    carrier: str = _setting("auto", "where weights come from", choices=("auto", "hub", "index"))
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
    dataframe_rows: int = _setting(0, "rows of a DataFrame that may be sent; 0 sends the schema only", low=0, high=20)
    redact: bool = _setting(True, "replace secrets in prompts and in anything written")
    check: bool = _setting(True, "validate what is generated before it is shown as done")
    check_seconds: float = _setting(10.0, "wall time of one sandboxed run", low=0.1, high=3600)
    check_memory_mb: int = _setting(4096, "memory of one sandboxed run", low=64)
    check_fork: bool = _setting(
        False, "run checks in a fork of the live kernel where that is safe: sees every variable"
    )
    check_total_seconds: float = _setting(30.0, "wall time of all checks of one request", low=0.1, high=3600)
    repairs: int = _setting(2, "repair rounds after a failed check", low=0, high=2)
    redraws: int = _setting(
        3,
        "answers drawn anew in one batch with the first repair; up to four times as many with the second",
        low=0,
        high=16,
    )
    opinions: int = _setting(
        6, "further answers to a short request for a next cell, to choose what most of them agree on", low=0, high=16
    )
    label: bool = _setting(True, "one line in every generated cell that names the model and the checks")
    route: str = _setting("auto", "how cells reach an open notebook", choices=("auto", "comm", "payload", "copy"))
    idle_minutes: float = _setting(30.0, "the resident engine stops after this long without a request", low=0.01)
    cache_mb: int = _setting(1024, "memory of the engine's prefix cache", low=0)
    keep_prompts: bool = _setting(True, "keep prompts in the cache folder, so that replay can ask the same again")
    policy: str = _setting("", "path of a policy file that forbids kinds of code in what is offered")


@dataclass(frozen=True)
class Setting:
    """One effective setting: its value and where it came from."""

    name: str
    value: Any
    origin: str


_FIELDS = {f.name: f for f in fields(Config)}
_TYPES: dict[str, type] = {name: type(f.default) for name, f in _FIELDS.items()}


def user_folder() -> Path:
    """The platform's configuration folder of nbcopilot (`NBCOPILOT_CONFIG_DIR` overrides it)."""
    override = os.environ.get("NBCOPILOT_CONFIG_DIR")
    if override:
        return Path(override)
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA", Path.home())) / "nbcopilot"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "nbcopilot"
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "nbcopilot"


def load(overrides: Mapping[str, Any] | None = None, *, folder: Path | None = None) -> Config:
    """The effective Config for `folder` (default: the working directory). Raises ConfigError."""
    return Config(**{s.name: s.value for s in explain(overrides, folder=folder)})


def explain(overrides: Mapping[str, Any] | None = None, *, folder: Path | None = None) -> list[Setting]:
    """Every setting with the origin of its value, in declaration order."""
    found = {name: Setting(name, f.default, "default") for name, f in _FIELDS.items()}
    for values, origin in _layers(overrides or {}, folder or Path.cwd()):
        for key, raw in values.items():
            name = _known(key, origin)
            found[name] = Setting(name, _convert(name, raw, origin), origin)
    return list(found.values())


def _layers(overrides: Mapping[str, Any], folder: Path) -> list[tuple[Mapping[str, Any], str]]:
    layers: list[tuple[Mapping[str, Any], str]] = []
    user = user_folder() / "config.toml"
    if user.is_file():
        layers.append((_toml(user), str(user)))
    for parent in (folder.resolve(), *folder.resolve().parents):
        own, shared = parent / "nbcopilot.toml", parent / "pyproject.toml"
        if own.is_file():
            layers.append((_toml(own), str(own)))
            break
        if shared.is_file():
            section = _toml(shared).get("tool", {}).get("nbcopilot")
            if section is not None:
                layers.append((section, f"{shared} [tool.nbcopilot]"))
                break
    # Only names that are settings: NBCOPILOT_CONFIG_DIR, NBCOPILOT_CACHE_DIR and the like are the machine's.
    environ = {
        k[10:].lower(): v for k, v in os.environ.items() if k.startswith("NBCOPILOT_") and k[10:].lower() in _FIELDS
    }
    layers += [({key: value}, f"NBCOPILOT_{key.upper()}") for key, value in environ.items()]
    layers.append(({k: v for k, v in overrides.items() if v is not None}, "the call"))
    return layers


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise ConfigError(f"{path} cannot be read: {exc}", hint="mend the file or move it away") from exc


def _known(key: str, origin: str) -> str:
    if key in _FIELDS:
        return key
    near = difflib.get_close_matches(key, _FIELDS, n=1, cutoff=0.4)
    hint = f"did you mean `{near[0]}`?" if near else "`%nbcopilot config` lists all settings"
    raise ConfigError(f"unknown setting `{key}` in {origin}", hint=hint)


def _convert(key: str, raw: Any, origin: str) -> Any:
    kind = _TYPES[key]
    meta = _FIELDS[key].metadata
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


def _require_url(engine: str, origin: str) -> None:
    try:
        urls.split(engine)
    except ConfigError as exc:
        hint = f"{exc.hint}; {' and '.join(LOCAL_ENGINES)} are the other values"
        raise ConfigError(f"`engine` in {origin}: {exc.message}", hint=hint) from exc


_BOOLEANS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


def with_changes(config: Config, **changes: Any) -> Config:
    """A copy with the settings that are not None changed and validated. Raises ConfigError."""
    return dataclasses.replace(
        config, **{_known(k, "the call"): _convert(k, v, "the call") for k, v in changes.items() if v is not None}
    )
