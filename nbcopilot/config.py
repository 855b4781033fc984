"""Settings as they count: defaults < user file < project file < NBCOPILOT_* < the call.

The user file is `config.toml` in the platform's configuration folder; the project file is `nbcopilot.toml`, or
`[tool.nbcopilot]` in `pyproject.toml`, upwards from the working directory to the project's root (project.py). What
decides where text goes or what protects counts from a project file only in a folder that the user trusts (trust.py);
in any other it can only make things stricter. An unknown key is a ConfigError that names the nearest valid one.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from nbcopilot import locks, paths, places, project, urls
from nbcopilot.config_schema import (
    FIELDS,
    FREE,
    LOCKED,
    LOWER,
    NAMED,
    Setting,
    convert,
    former_names,
    former_names_first,
    known,
)
from nbcopilot.config_schema import RENAMED as RENAMED
from nbcopilot.config_schema import Config as Config
from nbcopilot.errors import ConfigError
from nbcopilot.locks import Locks
from nbcopilot.project import Project, read_toml, trust_line
from nbcopilot.trust import user_folder as user_folder


@dataclass(frozen=True)
class Effective:
    """What counts for one folder: every setting in declaration order, and what was not taken, a sentence each.

    `untrusted`: the folder whose settings would count if the user trusted it; None when nothing waits for that.
    """

    settings: tuple[Setting, ...]
    notices: tuple[str, ...] = ()
    untrusted: Path | None = None

    @property
    def config(self) -> Config:
        """The values alone."""
        return Config(**{setting.name: setting.value for setting in self.settings})


def load(overrides: Mapping[str, Any] | None = None, *, folder: Path | None = None) -> Config:
    """The effective Config for `folder` (default: the working directory). Raises ConfigError."""
    return effective(overrides, folder=folder).config


def explain(overrides: Mapping[str, Any] | None = None, *, folder: Path | None = None) -> list[Setting]:
    """Every setting with the origin of its value, in declaration order. Raises ConfigError."""
    return list(effective(overrides, folder=folder).settings)


def effective(overrides: Mapping[str, Any] | None = None, *, folder: Path | None = None) -> Effective:
    """Settings and notices for `folder` (default: the working directory). Raises ConfigError."""
    found = {name: Setting(name, f.default, "default") for name, f in FIELDS.items()}
    key = _Key()
    notices: list[str] = []
    own = user_folder()
    user = own / "config.toml" if own is not None else None
    if user is not None and _is_file(user):
        notices += _apply(found, _toml(user), str(user))
        key.follow(found, is_now=False)
    place = project.find(folder or places.working_folder())
    ignored = [place.notice, _apply_project(found, place)]
    notices += [*ignored, *former_names(place.values, place.origin)]
    untrusted = place.folder if any(ignored) else None
    key.follow(found, is_now=False)
    # Only names that are settings: NBCOPILOT_CONFIG_DIR, NBCOPILOT_CACHE_DIR and the like are the machine's.
    environ = {k[10:].lower(): v for k, v in os.environ.items() if k.startswith("NBCOPILOT_")}
    for name in (*(environ.keys() & RENAMED.keys()), *(environ.keys() & FIELDS.keys())):
        notices += _apply(found, {name: environ[name]}, f"NBCOPILOT_{name.upper()}")
    key.follow(found, is_now=True)
    notices += _apply(found, {k: v for k, v in (overrides or {}).items() if v is not None}, "the call")
    key.follow(found, is_now=True)
    chosen = dict(found)
    for one in (held := locks.read()):
        notices.append(_apply_locks(found, chosen, one))
    for one in held:
        for name in one.names:
            one.require(name, found[name].value)
    notices.append(key.withheld(found))
    return Effective(tuple(found.values()), tuple(notice for notice in notices if notice), untrusted)


def _apply(found: dict[str, Setting], values: Mapping[str, Any], origin: str) -> list[str]:
    """Put the values of one layer over those found so far; a notice for each former name. Raises ConfigError."""
    for key, raw in former_names_first(values):
        name = known(key, origin)
        found[name] = Setting(name, convert(name, raw, origin), origin)
    return former_names(values, origin)


def _apply_locks(found: dict[str, Setting], chosen: Mapping[str, Setting], locked: Locks) -> str:
    """Put what an administrator has locked over all else; what was changed of the user's, as one sentence.

    Raises ConfigError for a value that the call asks for, and for one that nothing can take the place of.
    """
    changed = []
    for name in locked.names:
        if chosen[name].origin == "the call":
            locked.require(name, chosen[name].value)
        value = locked.settled(name, found[name].value)
        is_set = name in locked.fixed or value != found[name].value
        origin = "" if is_set else f"{found[name].origin.removesuffix(LOCKED)}, within "
        found[name] = Setting(name, value, f"{origin}{locked.origin}{LOCKED}")
        if chosen[name].origin != "default" and value != chosen[name].value:
            changed.append(name)
    return f"{', '.join(changed)}: set by {locked.origin} for all users of this machine" if changed else ""


def _apply_project(found: dict[str, Setting], place: Project) -> str:
    """Put what a project may say over the settings; what was ignored of it, as one sentence. Raises ConfigError."""
    ignored = []
    for key, raw in former_names_first(place.values):
        name = known(key, place.origin)
        value = convert(name, raw, place.origin)
        may_set = place.is_trusted or _may_set(name, value, found[name].value)
        if name == "policy" and place.folder is not None:
            value, may_set = _policy(str(found[name].value), str(value), place.folder, is_trusted=place.is_trusted)
        if may_set:
            found[name] = Setting(name, value, place.origin)
        elif value != found[name].value:
            ignored.append(name)
    if not ignored or place.folder is None:
        return ""
    what = f"{', '.join(ignored[:-1])} and {ignored[-1]}" if len(ignored) > 1 else ignored[0]
    verb = "is" if len(ignored) == 1 else "are"
    return (
        f"{what} in {place.origin} {verb} ignored, because you have not trusted its folder: {trust_line(place.folder)}"
    )


def _may_set(name: str, value: Any, present: Any) -> bool:
    """Whether a project that is not trusted may change a setting from `present` to `value`."""
    rule = FIELDS[name].metadata["project"]
    if isinstance(rule, bool):
        return bool(value is rule)
    if rule == LOWER:
        return bool(value <= present)
    if rule == NAMED:
        return str(value).lower() in _model_names()
    return bool(rule == FREE)


def _policy(present: str, own: str, folder: Path, *, is_trusted: bool) -> tuple[str, bool]:
    """(the policy files when a project in `folder` names its `own`, whether they count).

    A trusted project's replaces the user's, and "" takes it away. That of any other project is added, so that both
    hold, if it lies in the project's folder.
    """
    path = os.path.join(folder, os.path.expanduser(own)) if own else ""
    if is_trusted:
        return path, True
    if not own:
        return present, True
    if not paths.is_inside(folder, path):
        return path, False
    return os.pathsep.join(filter(None, (present, path))), True


@lru_cache(maxsize=1)
def _model_names() -> frozenset[str]:
    """What a project may call a model: names that our own catalog knows, which say nothing about where to load from."""
    path = Path(__file__).parent / "models" / "catalog.toml"
    known = _toml(path)["models"]
    names = [name for id, entry in known.items() for name in (id, *entry.get("aliases", ()))]
    return frozenset({"auto", "fake", *names})


class _Key:
    """Which engine the api_key belongs to: the one that was set where the key was. It is sent to no other."""

    def __init__(self) -> None:
        self._setting = Setting("api_key", "", "default")
        self._engine, self._is_now = "", False

    def follow(self, found: Mapping[str, Setting], *, is_now: bool) -> None:
        """Look at the settings after a layer; is_now: what the user says for this process."""
        if found["api_key"] != self._setting:
            self._setting, self._engine, self._is_now = found["api_key"], str(found["engine"].value), is_now

    def withheld(self, found: dict[str, Setting]) -> str:
        """Take a key away that belongs to another engine, and say so."""
        engine = str(found["engine"].value)
        if not self._setting.value or not urls.is_url(engine):
            return ""
        is_bound = urls.is_url(self._engine)
        if urls.origin(self._engine) == urls.origin(engine) if is_bound else self._is_now:
            return ""
        found["api_key"] = Setting("api_key", "", "withheld")
        where = self._setting.origin
        if is_bound:
            why = f"it belongs to {urls.origin(self._engine)}"
        else:
            why = f'no engine stands beside it; write engine = "{engine}" there if it is meant for that server'
        return f"the api_key of {where} is not sent to {urls.origin(engine)}: {why}"


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a folder that may not be looked into
        return False


def _toml(path: Path) -> dict[str, Any]:
    try:
        return read_toml(path.read_bytes(), path)
    except OSError as exc:
        raise ConfigError(f"{path} cannot be read: {exc}", hint="mend the file or move it away") from exc


def with_changes(config: Config, **changes: Any) -> Config:
    """A copy with the settings that are not None changed and validated; another engine gets no key. Raises ConfigError."""
    made: dict[str, Any] = {}
    for key, value in former_names_first(changes):
        if value is not None:
            name = known(key, "the call")
            made[name] = convert(name, value, "the call")
    for locked in locks.read():
        for name, value in made.items():
            locked.require(name, value)
    engine = made.get("engine", config.engine)
    if (
        urls.is_url(engine)
        and "api_key" not in made
        and not (urls.is_url(config.engine) and urls.origin(config.engine) == urls.origin(engine))
    ):
        made["api_key"] = ""
    return dataclasses.replace(config, **made)
