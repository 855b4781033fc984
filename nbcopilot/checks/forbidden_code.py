"""Code held against the policy: an error for every forbidden kind of code or import, a warning for what must be said."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nbcopilot.checks.side_effects import uses
from nbcopilot.notebook import syntax
from nbcopilot.policy import KINDS, Policy
from nbcopilot.types import Finding


def check_policy(code: str, policy: Policy, language: str = "python") -> tuple[Finding, ...]:
    """An error for every forbidden kind or import in the code, a warning for every kind to be said; one per kind."""
    found: dict[str, Finding] = {}
    for use in uses(code, language):
        if use.kind in policy.forbid:
            message = f"line {use.line} {KINDS[use.kind]} (`{use.call}`), which the policy forbids"
            found.setdefault(use.kind, Finding("policy", "error", message, line=use.line))
        elif use.kind in policy.warn:
            message = f"line {use.line} {KINDS[use.kind]} (`{use.call}`)"
            found.setdefault(use.kind, Finding("policy", "warning", message, line=use.line))
    return (*found.values(), *_forbidden_imports(code, policy, language))


def _forbidden_imports(code: str, policy: Policy, language: str) -> Iterator[Finding]:
    if not policy.forbid_imports or not syntax.is_python(language) or not syntax.parses(code):
        return
    for node in ast.walk(syntax.parse(code)):
        modules = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            modules = [node.module or ""]
        for module in modules:
            parts = module.split(".")
            if any(".".join(parts[:size]) in policy.forbid_imports for size in range(1, len(parts) + 1)):
                line = getattr(node, "lineno", None)
                yield Finding("policy", "error", f"line {line} imports `{module}`, which the policy forbids", line=line)
