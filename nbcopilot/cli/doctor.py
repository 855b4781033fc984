"""`nbcopilot doctor`: what nbcopilot finds on this machine, what it would use, and why."""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbcopilot._version import __version__
from nbcopilot.cli import configured
from nbcopilot.config_schema import Setting
from nbcopilot.errors import NbcopilotError
from nbcopilot.urls import is_url

if TYPE_CHECKING:
    from nbcopilot.models.store import Store

NO_MODEL = 3
_PACKAGES = ("torch", "transformers", "huggingface_hub", "jupyterlab", "notebook", "ipykernel")
_DEVICE = ("device", "computes", "threads", "problem")


def add_parser(commands: Any) -> None:
    """Add `doctor`."""
    sub = commands.add_parser("doctor", help="check this machine: hardware, sandbox, and which model would be used")
    sub.add_argument("--model", help="ask for this model instead of the configured one")
    sub.add_argument("--json", action="store_true", help="one JSON object as the last line of stdout")


def run(args: argparse.Namespace) -> int:
    """Print the findings; exit 3 when no model could be used."""
    found = examine(configured.effective({"model": args.model}).settings)
    print(json.dumps(found) if args.json else text(found))
    return 0 if found["model"]["usable"] else NO_MODEL


def examine(effective: Sequence[Setting]) -> dict[str, Any]:
    """All findings, as they go into `--json`."""
    from nbcopilot.models import machine
    from nbcopilot.models.store import Store

    store, memory, processors = Store(), machine.memory(), machine.processors()
    values = {setting.name: setting.value for setting in effective}
    return {
        "nbcopilot": __version__,
        "python": {"version": platform.python_version(), "path": sys.executable, "platform": platform.platform()},
        "packages": {name: _version(name) for name in _PACKAGES},
        "processors": {
            "logical": processors.logical,
            "allowed": processors.allowed,
            "container_quota": processors.quota,
            "usable": processors.usable,
        },
        "memory": {"total": memory.total, "free": memory.free, "limit": memory.limit},
        "device": _ask("nbcopilot.engine.device", "describe"),
        "model": _model(values, store, memory.free),
        "pulled": {model.id: model.describe() for model in store.models()},
        "store": {"path": str(store.root), "free": _free_disk(store.root)},
        "sandbox": _ask("nbcopilot.sandbox.start", "describe_level"),
        "settings": {
            s.name: {"value": "…" if s.name == "api_key" and s.value else s.value, "origin": s.origin}
            for s in effective
        },
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _ask(module: str, function: str) -> dict[str, Any]:
    """What a part of nbcopilot says of itself; a part that fails is a finding, not the end."""
    try:
        said = getattr(import_module(module), function)()
    except Exception as exc:
        return {"problem": f"cannot be told: {type(exc).__name__}: {exc}"}
    return dict(said)


def _words(said: dict[str, Any]) -> str:
    """A finding in one line: names of what is true, `name value` of the rest, nothing of what is not there."""
    words = []
    for key, value in said.items():
        if value is True:
            words.append(key)
        elif value not in (None, False, ""):
            words.append(value if isinstance(value, str) else f"{key} {value}")
    return ", ".join(words)


def _model(values: dict[str, Any], store: Store, free_bytes: int) -> dict[str, Any]:
    """Which model answers, why, and whether it could answer now."""
    from nbcopilot.models.catalog import AUTO, FAKE, default_model

    if is_url(values["engine"]):
        return _remote(values["engine"], values["model"])
    name, reason = values["model"], "named in the settings"
    if name == AUTO:
        name, reason = default_model(free_bytes, store.pulled())
    try:
        model = store.ensure(name)
    except NbcopilotError as exc:
        return {"id": name, "reason": reason, "usable": False, "problem": str(exc)}
    return {"id": model.ref.id, "reason": reason, "usable": True, "path": "" if name == FAKE else str(model.path)}


def _remote(url: str, model: str) -> dict[str, Any]:
    from nbcopilot.engine.outgoing import unreachable

    found = {"id": model, "reason": f"served at {url}", "usable": True}
    problem = unreachable(url, model=model)
    return found | ({"usable": False, "problem": f"{url} does not answer: {problem}"} if problem else {})


def _free_disk(folder: Path) -> int:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return shutil.disk_usage(there).free


def text(found: dict[str, Any]) -> str:
    """The findings for people."""
    packages = ", ".join(f"{name} {number or 'missing'}" for name, number in found["packages"].items())
    cpu, memory, model = found["processors"], found["memory"], found["model"]
    limits = f", the container may use {cpu['container_quota']:g}" if cpu["container_quota"] is not None else ""
    whose = " (the container's limit)" if memory["limit"] == "container" else ""
    own = {name: s for name, s in found["settings"].items() if s["origin"] != "default"}
    rows = [
        ("nbcopilot", f"{found['nbcopilot']}, Python {found['python']['version']} ({found['python']['path']})"),
        ("packages", packages),
        ("processors", f"{cpu['usable']} usable of {cpu['logical']}{limits}"),
        ("memory", f"{memory['free'] / 1e9:.1f} GB free of {memory['total'] / 1e9:.1f} GB{whose}"),
        ("device", _words({key: found["device"].get(key) for key in _DEVICE})),
        ("model", f"{model['id']}: {model['reason']}"),
        ("pulled", "; ".join(f"{id}: {state}" for id, state in found["pulled"].items()) or "nothing"),
        ("store", f"{found['store']['path']}, {found['store']['free'] / 1e9:.1f} GB free on its disk"),
        ("sandbox", _words(found["sandbox"])),
        ("settings", "; ".join(f"{n} = {s['value']} ({s['origin']})" for n, s in own.items()) or "all defaults"),
        ("verdict", "ready" if model["usable"] else f"no model can be used: {model['problem']}"),
    ]
    return "\n".join(f"{name:<11} {value}" for name, value in rows)
