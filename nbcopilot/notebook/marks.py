"""Marks in the text of a cell: directives at its top that must stay there, and regions that students do not get.

Quarto, MyST, nbdev (`#|`), Colab forms (`#@`), Databricks (`# MAGIC`); nbgrader, otter-grader.
"""

from __future__ import annotations

import re

# What stands in place of a region that is left out.
SECRET = "..."
_DIRECTIVE = re.compile(
    r"\s*(?:#\s*\||#@|//\s*\||--\s*\||%%?\s*\||# MAGIC\b|# COMMAND\b|# DBTITLE\b"
    # nbdev before its second version: a comment that is nothing else
    r"|#\s*(?:default_exp|exporti|exports|export|hide_input|hide_output|hide|collapse_\w+|default_cls_lvl)\b[^\n]*$)"
)
_BEGIN = re.compile(
    r"(?i)^(?P<indent>\s*)(?:#+|//|--)\s*BEGIN (?P<what>SOLUTION|HIDDEN TESTS?|MARK SCHEME|TESTS? HIDDEN)\b"
)
_END = "(?i)^\\s*(?:#+|//|--)\\s*END {}\\b"
_SOLUTION_LINE = re.compile(
    r"(?i)^(?P<indent>\s*)(?P<to>[\w.\[\]'\", ]+=)?(?P<value>.*\S)\s*#\s*SOLUTION(?:\s+NO PROMPT)?\s*$"
)
_OTTER = re.compile(r"(?i)^\s*#\s*(?:HIDDEN|SEED)\s*$")


def directives(source: str) -> tuple[str, str]:
    """(the lines at the top that say how the cell is treated, each with its line end; the rest)."""
    lines = source.splitlines(keepends=True)
    end = next((i for i, line in enumerate(lines) if not _DIRECTIVE.match(line)), len(lines))
    return "".join(lines[:end]), "".join(lines[end:])


def without_secrets(source: str) -> str:
    """`source` without solutions and hidden tests; itself when it has none. A region without an end goes to the end."""
    if not re.search(r"(?i)BEGIN |# *SOLUTION|# *HIDDEN", source):
        return source
    kept: list[str] = []
    end: re.Pattern[str] | None = None
    for line in source.split("\n"):
        if end is not None:
            end = None if end.match(line) else end
            continue
        if match := _BEGIN.match(line):
            kept.append(f"{match['indent']}{SECRET}")
            end = re.compile(_END.format(re.escape(match["what"])))
        elif match := _SOLUTION_LINE.match(line):
            kept.append(
                f"{match['indent']}{(match['to'] or '').strip()} {SECRET}".replace("  ", " ")
                if match["to"]
                else f"{match['indent']}{SECRET}"
            )
        elif _OTTER.match(line):
            kept.append(SECRET)
            break
        else:
            kept.append(line)
    return "\n".join(kept)
