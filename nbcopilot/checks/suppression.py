"""Which diagnostics are told, and how severe they are: `select`, `ignore` and `severity` of the settings, comments in cells.

As ruff does it: `select` and `ignore` take codes or their beginnings ("NB2"), `ignore` wins; a comment
`# nbcopilot: ignore[NB205]` in the user's own cell silences codes for that cell, `# nbcopilot: ignore` all of them. A
comment in an answer silences nothing: the model wrote it. What protects (NB4xx) cannot be silenced.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import get_args

from nbcopilot.checks import registry
from nbcopilot.config import Config
from nbcopilot.errors import ConfigError
from nbcopilot.types import Task
from nbcopilot.verdict import Diagnostic, Severity

_COMMENT = re.compile(r"#\s*nbcopilot:\s*ignore(?:\[([^\]]*)\])?", re.IGNORECASE)


def kept(found: Iterable[Diagnostic], config: Config, task: Task) -> tuple[Diagnostic, ...]:
    """The diagnostics that settings and the user's cell leave, with the severity that the settings give them."""
    select, ignore, levels = words(config.select), words(config.ignore), severities(config.severity)
    here = commented(task.target.source, task.instruction)
    return tuple(
        replace(one, severity=levels[one.code]) if one.code in levels and _may_change(one) else one
        for one in found
        if not _may_change(one)
        or ((not select or _covers(select, one.code)) and not _covers(ignore, one.code) and not _covers(here, one.code))
    )


def _may_change(diagnostic: Diagnostic) -> bool:
    rule = registry.get(diagnostic.code)
    return rule is None or rule.suppressible


def _covers(prefixes: Iterable[str], code: str) -> bool:
    return any(code.startswith(prefix) for prefix in prefixes)


def words(setting: str) -> tuple[str, ...]:
    """The codes of a setting such as "NB205, NB3", as they are now. An unknown one is a ConfigError."""
    found = tuple(registry.current(word) for word in re.split(r"[\s,;]+", setting) if word.strip())
    for word in found:
        if not any(code.startswith(word) for code in registry.rules()):
            raise _unknown(word)
    return found


def severities(setting: str) -> dict[str, Severity]:
    """The severities of a setting such as "NB205=warning, NB301=error". Anything else is a ConfigError."""
    found: dict[str, Severity] = {}
    for word in re.split(r"[\s,;]+", setting):
        code, _, level = word.partition("=")
        if not code:
            continue
        if registry.get(code) is None:
            raise _unknown(code)
        if level not in get_args(Severity):
            raise ConfigError(f"The severity of {code} is {level!r}", hint="It takes " + ", ".join(get_args(Severity)))
        found[registry.current(code)] = level  # type: ignore[assignment]  # one of the literals, as was just seen
    return found


def _unknown(word: str) -> ConfigError:
    near = registry.nearest(word)
    hint = f"Did you mean {near}?" if near else "`nbcopilot rule --all` lists all codes"
    return ConfigError(f"There is no rule {word}", hint=hint)


def commented(*sources: str) -> frozenset[str]:
    """The codes that comments in the user's own text silence; "NB" stands for all."""
    return frozenset(code for source in sources for comment in _comments(source) for code in _codes(comment))


def _codes(comment: str) -> Iterator[str]:
    match = _COMMENT.search(comment)
    if match is None:
        return
    if match[1] is None:
        yield "NB"
    else:
        yield from (registry.current(code) for code in re.split(r"[\s,;]+", match[1]) if code.strip())


def _comments(source: str) -> Iterator[str]:
    """Comments as Python reads them; in what is no Python, lines that begin with `#`."""
    if "nbcopilot" not in source:
        return
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT:
                yield token.string
    except (tokenize.TokenError, SyntaxError, ValueError):
        yield from (line.strip() for line in source.splitlines() if line.lstrip().startswith("#"))
