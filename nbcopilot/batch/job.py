"""The nouns of a batch run: Unit, Job, Item -> Outcome. Everything here can travel to a worker on another machine.

Work is a pure function of an Item (the bytes of one notebook) and a Job (what is asked, of which model), so that it can
be done again anywhere. Does no work itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from nbcopilot._version import __version__
from nbcopilot.batch.texts import Options, Text
from nbcopilot.config import Config
from nbcopilot.errors import ConfigError, NbcopilotError
from nbcopilot.hashing import text_hash
from nbcopilot.inference import Usage
from nbcopilot.types import Role

Command = Literal["document", "check", "strip", "testgen", "audit", "finish"]
State = Literal["ok", "failed", "skipped"]
NEEDS_MODEL = frozenset({"document", "testgen"})


class MismatchError(ConfigError):
    """The client and a worker, or two workers, have other versions of nbcopilot or other models."""


@dataclass(frozen=True)
class Unit:
    """One notebook to work on. `path` is a local path or a URL, `name` its path below the common folder of all: what
    is shown, and mirrored by -o. `within`: the folder in which it was found, which no link may lead out of; "" for a
    notebook that the user named."""

    path: str
    name: str
    within: str = ""


@dataclass(frozen=True)
class Job:
    """What is done to every notebook of a run.

    writes: results are written (to the notebook itself where the place of an Item is its path). with_diff: outcomes
    carry the change as text. model: (id, sha256) that an engine must have, None while that is not known yet.
    """

    command: Command
    config: Config = field(default_factory=Config)
    options: Options = field(default_factory=Options)
    roles: tuple[Role, ...] = ()
    metadata: bool = False  # finish: our metadata goes, too
    writes: bool = True
    with_diff: bool = False
    model: tuple[str, str] | None = None
    version: str = __version__

    def conditions(self) -> dict[str, Any]:
        """What must be the same for results to belong to one run."""
        found: dict[str, Any] = {"command": self.command}
        if self.command in NEEDS_MODEL:
            names = ("model", "precision", "label", "redact", "redact_personal")
            found |= {name: getattr(self.config, name) for name in names} | {"budget": self.options.budget}
            found |= {"style": self.options.style, "glossary": self.options.glossary}
            found["examples"] = text_hash("".join(one.text for one in self.options.examples))
        if self.roles:
            found["roles"] = sorted(self.roles)
        if self.metadata:
            found["metadata"] = True
        return found


@dataclass(frozen=True)
class Part:
    """The texts of some groups of a notebook (positions in `Survey.groups`): one piece of the work on a huge one."""

    groups: tuple[int, ...]
    texts: Mapping[int, Text] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True)
class Item:
    """A Unit with all that the work on it needs. `data` None: whoever works on it reads `unit.path` (shared storage).

    place: where the result will stand ("": nowhere), in the folder `within` ("": wherever it is); earlier: what stands
    there already. part: only the texts of these groups are wanted. parts: the texts that are there already.
    """

    unit: Unit
    data: bytes | None = None
    place: str = ""
    earlier: bytes | None = None
    part: Part | None = None
    parts: tuple[Part, ...] = ()
    within: str = ""

    @property
    def in_place(self) -> bool:
        """Whether the result takes the place of what was read."""
        return self.place in ("", self.unit.path)


@dataclass(frozen=True)
class Outcome:
    """What became of one notebook. `data` is what to write (None: nothing), `read` the sha256 of what was read,
    `diff` the change as text, `lacks` (cell number, problem) of a check, `rows` of an audit.

    cpu_seconds are of the process that did it, since its last report; engine_clock is (which process, its CPU seconds
    so far) of an engine that several workers of one machine share; model is (id, sha256) of who wrote.
    """

    unit: Unit
    state: State = "ok"
    data: bytes | None = None
    read: str = ""
    cells_written: int = 0
    notes: tuple[str, ...] = ()
    error: NbcopilotError | None = None
    diff: str = ""
    lacks: tuple[tuple[int, str], ...] = ()
    rows: tuple[Mapping[str, Any], ...] = ()
    checks: Mapping[str, Any] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    part: Part | None = None
    model: tuple[str, str] | None = None
    worker: str = ""
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    engine_clock: tuple[str, float] | None = None
