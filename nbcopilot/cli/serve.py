"""`nbcopilot serve | stop | status`: the resident engine, in the foreground, ended, and looked at."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbcopilot import features, places
from nbcopilot.cli import configured
from nbcopilot.errors import EngineUnavailableError, UsageError
from nbcopilot.models.catalog import human_bytes
from nbcopilot.serve import client, request_log, runtime
from nbcopilot.serve.keys import KeyStore, Limits

if TYPE_CHECKING:
    from nbcopilot.serve import server

PORT = 8321
NOT_RUNNING, STILL_RUNNING = 3, 1


def add_parser(commands: Any) -> None:
    """Add the three commands."""
    serve = commands.add_parser("serve", help="run the engine in the foreground, also for other programs")
    serve.add_argument(
        "--host",
        default="127.0.0.1",
        help="where to listen besides the private socket; other than this machine needs keys",
    )
    serve.add_argument("--port", type=int, default=PORT, help=f"0 takes a free one and says which (default {PORT})")
    serve.add_argument(
        "--key-file", type=Path, help="file with the bearer key that requests over the network must carry"
    )
    serve.add_argument("--key", default="", help="the key itself; others can see it in the list of processes")
    serve.add_argument("--allow-origin", action="append", default=[], metavar="URL", help="web page that may ask")
    serve.add_argument("--hub", action="store_true", help="as a service of a JupyterHub, which knows the users")
    serve.add_argument("--tokens-per-day", type=int, metavar="N", help="of each user of the Hub")
    serve.add_argument("--concurrent", type=int, metavar="N", help="requests at a time of each user of the Hub")
    serve.add_argument("--request-log", metavar="FILE", help="one JSON line a request, without its text; - for stderr")
    serve.add_argument("--model")
    serve.add_argument("--precision")
    stop = commands.add_parser("stop", help="stop the resident engine after its running requests")
    stop.add_argument("--now", action="store_true", help="cancel running requests")
    status = commands.add_parser("status", help="what the resident engine holds and does")
    status.add_argument("--json", action="store_true", help="one JSON object as the last line of stdout")


def run(args: argparse.Namespace) -> int:
    """Run one of the three; `status` exits 3 when no engine runs, `stop` 1 when it does not end in time."""
    return {"serve": _serve, "stop": _stop, "status": _status}[args.command](args)


def _serve(args: argparse.Namespace) -> int:
    from nbcopilot.serve import server

    config = configured.load({"model": args.model, "precision": args.precision})
    features.require(config, "serve")
    public = _public(args)
    public.check()
    if args.request_log:
        request_log.write_to(args.request_log)
    place = runtime.folder()
    _make_room(place)
    lock = runtime.acquire(place, wait_seconds=5.0)
    if lock is None:
        raise EngineUnavailableError("another engine has just started", hint="nbcopilot status")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)

    def announce(ready: Mapping[str, Any]) -> None:
        where = f"http://{public.host}:{ready['port']}{public.prefix.rstrip('/')}/v1"
        print(f"{config.model} answers at {where} and in your notebooks; Ctrl+C stops it", file=sys.stderr)

    try:
        server.serve(place, config, announce, public=public)
    finally:
        lock.release()
    return 0


def _public(args: argparse.Namespace) -> server.Public:
    """Where to listen, and who comes in."""
    from nbcopilot.serve import server

    origins, keys = tuple(args.allow_origin), _user_keys()
    limits = Limits(args.tokens_per_day, args.concurrent)
    if not args.hub:
        if limits != Limits():
            raise UsageError("limits for all are those of a Hub's users", hint="nbcopilot keys add NAME takes them")
        return server.Public(args.host, args.port, _key(args), origins, keys)
    from nbcopilot.serve import hub

    users = (hub.HubUsers(limits),)
    host, port, prefix = hub.address()
    return server.Public(host, port, _key(args), origins, keys, users, prefix)


def _user_keys() -> KeyStore | None:
    """The keys of users; None where there is no home folder that could hold them."""
    return KeyStore() if places.settings_folder() is not None else None


def _key(args: argparse.Namespace) -> str:
    """The key of the command line, of a file, or of the environment variable NBCOPILOT_SERVE_KEY."""
    if args.key and args.key_file:
        raise UsageError("there is a key and a file with a key", hint="give --key-file alone")
    if args.key_file is None:
        if args.key:
            print("nbcopilot: others can see --key in the list of processes; --key-file hides it", file=sys.stderr)
        return str(args.key or os.environ.get("NBCOPILOT_SERVE_KEY", ""))
    try:
        key = args.key_file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as exc:
        raise UsageError(f"the key file {args.key_file} cannot be read: {exc}", hint="put one line into it") from exc
    if not key:
        raise UsageError(f"the key file {args.key_file} is empty", hint="put the key into it")
    return str(key)


def _make_room(place: Path) -> None:
    """A background engine gives way after its requests; one in another foreground is the user's own."""
    record = client.alive(place)
    if record is None:
        return
    if record.foreground:
        raise EngineUnavailableError(f"an engine is served already (process {record.pid})", hint="stop that one first")
    print("the background engine makes room, after its running requests ...", file=sys.stderr)
    if not client.stop(place, wait_seconds=client.DRAIN_SECONDS)[0]:
        raise EngineUnavailableError("the background engine still answers", hint="nbcopilot stop --now")


def _stop(args: argparse.Namespace) -> int:
    stopped, running = client.stop(runtime.folder(), now=args.now)
    if not stopped:
        print(f"still answering {running} requests; `nbcopilot stop --now` cancels them", file=sys.stderr)
        return STILL_RUNNING
    print("stopped" if running == 0 or not args.now else f"stopped; {running} requests were cancelled", file=sys.stderr)
    return 0


def _status(args: argparse.Namespace) -> int:
    found = client.status(runtime.folder())
    if args.json:
        print(json.dumps({"running": found is not None, **(found or {})}))
    else:
        print(text(found) if found else "No resident engine is running. The first request starts one")
    return 0 if found else NOT_RUNNING


def text(found: Mapping[str, Any]) -> str:
    """The status as aligned lines."""
    queue, speed = found["queue"], found["tokens_per_second"]
    waiting = ", ".join(f"{count} {name}" for name, count in queue["waiting"].items() if count) or "none"
    lines = [
        ("engine", f"version {found['version']}, process {found['pid']}, up {_duration(found['uptime_seconds'])}"),
        ("memory", human_bytes(found["memory_bytes"])),
        ("running", f"{queue['running']} (waiting: {waiting})"),
        ("answers", f"{found['answers']} ({found['tokens']} tokens)" + (f", {speed:g} tokens/s" if speed else "")),
    ]
    for model in found["models"] or [None]:
        lines.append(("model", _model(model) if model else "none loaded yet"))
    inline = found["inline"]
    lines.append(("inline", f"{inline['requests']} requests, {inline['from_memory']} answered from memory"))
    return "\n".join(f"{name:<9}{value}" for name, value in lines)


def _model(model: Mapping[str, Any]) -> str:
    parts = [f"{model['id']} ({model['precision']} on {model['device']}, {model['context_tokens']} tokens of context)"]
    detail = model["detail"]
    if "weight_bytes" in detail:
        parts.append(f"weights {human_bytes(detail['weight_bytes'])}")
    for name, what in (("cache", "kept prefixes"), ("answer", "running answers")):
        if detail.get(f"{name}_limit_bytes"):
            now, most = (human_bytes(detail[f"{name}_{kind}"]) for kind in ("bytes", "limit_bytes"))
            parts.append(f"{what} {now} of at most {most}")
    if model["running"]:
        parts.append(f"{model['running']} running")
    return ", ".join(parts)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
