"""The messages of the comm route: what goes over `nbcopilot:cells`, as JSON, both ways.

Both sides are tested against tests/data/wire/*.json. A message is one object with `schema` and `type`:

    kernel -> front end   hello    are you there? (sent once when the extension is loaded)
                          begin    a request runs in a thread: show a Stop button below its cell; with `asks`: say
                                   whether its answer is in the notebook already
                          edit     write these cells
                          output   what stands below the cell that asked, for a page that was loaded since
                          undo     take back the cells of this group
    front end -> kernel   ready    I am here; with `client`: a page that was loaded since offers to write the cells
                          known    what the notebook holds of the answer already
                          stop     cancel the request at the next token
                          applied  done: the ids of the new cells
                          refused  nothing was changed, and why

An unknown `schema` or `type` is refused, never guessed at. This module only builds and reads; comm.py sends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from nbcopilot.errors import InternalError
from nbcopilot.types import CellEdit

SCHEMA = 1
TARGET = "nbcopilot:cells"

Reason = Literal["conflict", "edited", "no-cell", "read-only", "schema", "failed"]
REASONS: tuple[Reason, ...] = ("conflict", "edited", "no-cell", "read-only", "schema", "failed")


@dataclass(frozen=True)
class Ready:
    """A front end that can write cells: its name and version, for the message to the user.

    `client` is the id of a page that was loaded while a request ran, and that offers to take its cells.
    """

    frontend: str
    version: str
    client: str = ""


@dataclass(frozen=True)
class Stop:
    """The user pressed Stop."""

    group: str


@dataclass(frozen=True)
class Known:
    """What the notebook holds of the answer to a request: "none", or the ids of its cells, "untouched" or "edited"."""

    group: str
    state: Literal["none", "untouched", "edited"]
    cells: tuple[str, ...] = ()


@dataclass(frozen=True)
class Applied:
    """The front end wrote the cells of `group`; `cells` are their ids, `replaced` the ids that are gone."""

    group: str
    cells: tuple[str, ...]
    replaced: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refused:
    """The front end wrote nothing. `cells` are the ids in the way, `detail` one sentence.

    `sources` are the texts of those cells as they are now, for showing how an answer differs from them.
    """

    group: str
    reason: Reason
    cells: tuple[str, ...] = ()
    detail: str = ""
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Asks:
    """What a request asks for, as the metadata of its answer has it: by this a page finds the answer."""

    request_hash: str
    source_cell: str | None
    source_hash: str
    role: str


Answer = Ready | Stop | Known | Applied | Refused


def hello() -> dict[str, Any]:
    """Asks whether a front end that can write cells is listening."""
    return {"schema": SCHEMA, "type": "hello"}


def begin_message(group: str, cell_id: str | None, asks: Asks | None = None) -> dict[str, Any]:
    """Tells the front end that a request of `cell_id` runs beside the cells; its comm closes when it ends.

    asks: have it say, as Known, what the notebook holds of the answer.
    """
    message = {"schema": SCHEMA, "type": "begin", "group": group, "cell_id": cell_id}
    return {**message, "asks": asdict(asks)} if asks is not None else message


def edit_message(
    edit: CellEdit,
    *,
    cell_id: str | None = None,
    overwrite: bool = False,
    client: str = "",
) -> dict[str, Any]:
    """Asks the front end to write `edit` in one undo step.

    `after` is null for the top. `replaces` are ids to replace in place; `previous` lets the front end, which alone
    has the notebook, find cells of an earlier run by their metadata (same source_cell and role) and replace them
    too, unless the user edited them (source hash differs from their `cell_hash`) and `overwrite` is false:
    then it refuses with "edited". `cell_id` is the cell that runs, for a front end to scroll to. With `client` it is
    for that page alone.
    """
    addressed: dict[str, Any] = {"client": client} if client else {}
    if edit.keeps:
        addressed["keeps"] = True
    return {
        "schema": SCHEMA,
        "type": "edit",
        "group": edit.group,
        "cell_id": cell_id,
        "after": edit.after,
        "replaces": list(edit.replaces),
        "previous": None if edit.keeps else _previous(edit),
        "expected": dict(edit.expected),
        "overwrite": overwrite,
        "cells": [{"kind": c.kind, "source": c.source, "metadata": _plain(c.metadata)} for c in edit.cells],
        **addressed,
    }


def output_message(client: str, cell_id: str | None, data: Mapping[str, str]) -> dict[str, Any]:
    """Gives the page `client`, which has not seen it come, what stands below the cell that asked: a mime bundle."""
    return {"schema": SCHEMA, "type": "output", "client": client, "cell_id": cell_id, "data": dict(data)}


def undo_message(group: str, *, force: bool = False) -> dict[str, Any]:
    """Asks the front end to remove the cells of `group` and put back what they replaced; `force` also edited ones."""
    return {"schema": SCHEMA, "type": "undo", "group": group, "force": force}


def ready(frontend: str, version: str, client: str = "") -> dict[str, Any]:
    """The front end's answer to hello, or, with `client`, what a page says that was loaded while a request ran."""
    message = {"schema": SCHEMA, "type": "ready", "frontend": frontend, "version": version}
    return {**message, "client": client} if client else message


def stop(group: str) -> dict[str, Any]:
    """The front end's wish to cancel a request that has begun."""
    return {"schema": SCHEMA, "type": "stop", "group": group}


def known(group: str, state: str, cells: Sequence[str] = ()) -> dict[str, Any]:
    """The front end's answer to a begin that asks."""
    return {"schema": SCHEMA, "type": "known", "group": group, "state": state, "cells": list(cells)}


def applied(group: str, cells: Sequence[str], replaced: Sequence[str] = ()) -> dict[str, Any]:
    """The front end's answer to edit and undo when it did it."""
    return {"schema": SCHEMA, "type": "applied", "group": group, "cells": list(cells), "replaced": list(replaced)}


def refused(
    group: str, reason: Reason, cells: Sequence[str] = (), detail: str = "", sources: Sequence[str] = ()
) -> dict[str, Any]:
    """The front end's answer to edit and undo when it changed nothing."""
    return {
        "schema": SCHEMA,
        "type": "refused",
        "group": group,
        "reason": reason,
        "cells": list(cells),
        "detail": detail,
        **({"sources": list(sources)} if sources else {}),
    }


def read_answer(data: Mapping[str, Any]) -> Answer:
    """What the front end said. Raises InternalError for a message that this version does not know."""
    kind, group = data.get("type"), str(data.get("group", ""))
    if data.get("schema") == SCHEMA:
        if kind == "ready":
            return Ready(*(str(data.get(key, "")) for key in ("frontend", "version", "client")))
        if kind == "stop":
            return Stop(group)
        if kind == "known" and data.get("state") in ("none", "untouched", "edited"):
            return Known(group, data["state"], _ids(data.get("cells")))
        if kind == "applied":
            return Applied(group, _ids(data.get("cells")), _ids(data.get("replaced")))
        if kind == "refused":
            reason = data.get("reason")
            known: Reason = reason if reason in REASONS else "failed"
            return Refused(
                group, known, _ids(data.get("cells")), str(data.get("detail", "")), _ids(data.get("sources"))
            )
    raise InternalError(
        f"the front end sent a message of schema {data.get('schema')!r} and type {kind!r}",
        hint="the JupyterLab extension and the Python package are of different versions: reload the page",
    )


def _previous(edit: CellEdit) -> dict[str, Any] | None:
    records = [cell.metadata.get("nbcopilot", {}) for cell in edit.cells]
    source = next((r.get("source_cell") for r in records if r.get("source_cell")), None)
    if source is None:
        return None
    return {"source_cell": source, "roles": sorted({str(r["role"]) for r in records if "role" in r})}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _ids(value: Any) -> tuple[str, ...]:
    return tuple(str(item) for item in value) if isinstance(value, list | tuple) else ()
