"""`nbcopilot rule NB203`: the page of a rule; `--all` lists the rules."""

from __future__ import annotations

import argparse
import json
from typing import Any

from nbcopilot.checks import pages, registry
from nbcopilot.checks.rule import Rule
from nbcopilot.errors import UsageError


def add_parser(commands: Any) -> None:
    """Add the command."""
    sub = commands.add_parser(
        "rule", help="explain a rule by its code", description="Prints the page of a rule: what it does, and why."
    )
    sub.add_argument("rules", nargs="*", metavar="CODE", help="a code such as NB203, or a rule's name")
    sub.add_argument("--all", action="store_true", help="list all rules, those of installed packages too")
    sub.add_argument("--json", action="store_true", help="one JSON object as the last line of stdout")


def run(args: argparse.Namespace) -> int:
    """Print pages or the list."""
    known = registry.rules()
    if not args.rules and not args.all:
        raise UsageError("No rule was named", hint="nbcopilot rule NB203, or nbcopilot rule --all")
    chosen = list(known.values()) if args.all else [_named(word) for word in args.rules]
    if args.json:
        print(json.dumps({"rules": [_as_json(rule) for rule in chosen], "broken": registry.broken()}))
    elif args.all:
        width = max(len(rule.name) for rule in chosen)
        for rule in chosen:
            print(f"{rule.code}  {rule.name:<{width}}  {rule.severity:<7}  {pages.title(rule)}")
    else:
        print("\n".join(pages.page(rule) for rule in chosen), end="")
    return 0


def _named(word: str) -> Rule:
    rule = registry.get(word) or next((r for r in registry.rules().values() if r.name == word.lower()), None)
    if rule is None:
        near = registry.nearest(word)
        hint = f"Did you mean {near}?" if near else "nbcopilot rule --all lists the rules"
        raise UsageError(f"There is no rule {word}", hint=hint)
    return rule


def _as_json(rule: Rule) -> dict[str, Any]:
    return {
        "code": rule.code,
        "name": rule.name,
        "severity": rule.severity,
        "area": rule.area,
        "title": pages.title(rule),
        "page": pages.page(rule),
    }
