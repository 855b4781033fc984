"""The Python of a notebook cell."""

from __future__ import annotations


def cell_source(source: str) -> str:
    """Plain Python of a cell: magics and help lines are dropped. Raises RuntimeError for a shell line."""
    lines = []
    for line in source.splitlines():
        bare = line.lstrip()
        if bare.startswith("!"):
            raise RuntimeError("shell commands are not run")
        lines.append(line[: len(line) - len(bare)] + "pass" if bare.startswith("%") else line)
    return "\n".join(lines) + "\n"
