"""What speaks for ending a suggestion after a line: that the whole is a program and goes on as the model did.

`Place` is the gap; `best_end` chooses among the ends of what was said, `is_doubtful` says whether even the best one
does not fit, `worth` compares several answers. Pure text; code that does not parse is judged without that.
"""

from __future__ import annotations

import ast
import builtins
import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache

from nbcopilot.notebook import syntax

CLOSERS = ")]}\"'`:,; \t"
LEAVING = re.compile(r"(return|raise|break|continue)\b")
CONTINUING = re.compile(r"(else|elif|except|finally|case)\b|[)\]}]")
# Nothing but a promise: what instruct models write where they would rather be asked.
EMPTY = re.compile(r"#|pass$|\.\.\.$")
PARSE_CHARACTERS = 20_000
ALIKE = 0.75
UNIT = 4


@dataclass(frozen=True)
class Place:
    """The text around the cursor. `multiline` None lets the place decide."""

    prefix: str
    suffix: str
    multiline: bool | None = None

    @property
    def line(self) -> str:
        """The text of the cursor's line, left of it."""
        return self.prefix.rpartition("\n")[2]

    @property
    def rest(self) -> str:
        """The text of the cursor's line, right of it."""
        return self.suffix.partition("\n")[0]

    @property
    def at_line_start(self) -> bool:
        """Whether nothing but indentation stands left of the cursor."""
        return not self.line.strip()

    @property
    def following(self) -> list[str]:
        """The lines after the cursor's, or from the cursor on when it stands before a line, without empty ones."""
        lines = self.suffix.split("\n")
        whole = lines if self.at_line_start and not self.line else lines[1:]
        return [line for line in whole if line.strip()]

    @property
    def one_line(self) -> bool:
        """Whether the answer ends with the cursor's line: something other than closing signs follows on it."""
        if self.multiline is not None:
            return not self.multiline
        return bool(self.rest.strip(CLOSERS)) and not (self.at_line_start and not self.line)


def best_end(lines: tuple[str, ...], place: Place, *, ended: bool) -> int:
    """How many of the lines said go before the suffix: the count with the best grounds, the first of equals.

    `ended`: the model ended by itself after the last line. 0 when what was said is what follows already.
    """
    if is_repeated(list(lines), place):
        return 0
    counts = [at for at in range(1, len(lines) + 1) if lines[at - 1].strip()]
    return max(counts, key=lambda count: (_grounds(lines, count, place, ended), -count), default=0)


def goes_on_alike(lines: tuple[str, ...], count: int, place: Place) -> bool:
    """Whether the lines said after the first `count` are nearly those that follow the cursor."""
    return _alike(lines, count, place) >= ALIKE


def is_repeated(said: list[str], place: Place) -> bool:
    """Whether the lines said are those that follow the cursor."""
    rows, follows = [line.strip() for line in said if line.strip()], place.following
    both = min(2, len(follows))
    return len(rows) >= both and rows[:both] == [line.strip() for line in follows[:both]]


def is_doubtful(text: str, place: Place) -> bool:
    """Whether `text` hardly belongs at `place`: nothing, no code, or what follows would not run after it."""
    if place.one_line:
        return False
    if not place.following:
        return place.at_line_start and bool(text.strip()) and (_is_empty(text) or is_outside(text, place))
    if not text.strip() or _flaws(text, place):
        return True
    return not _read(_whole(text, place)).parses and _could_parse(place)


def is_wrong(text: str, place: Place) -> bool:
    """Whether what follows the cursor could not be reached any more: better no suggestion than this one."""
    return bool(text.strip() and place.following) and not place.one_line and _flaws(text, place) >= 1


def least_indent(place: Place) -> int:
    """The indentation that the first line at the cursor must have at least; 0 where it is free.

    After a line that opens a block it is the block's; between lines that are both indented it is not the outermost.
    """
    if not place.at_line_start:
        return 0
    before = [line for line in place.prefix.split("\n") if line.strip()]
    if not before:
        return 0
    after = indent_of(place.following[0]) if place.following else None
    if before[-1].rstrip().endswith(":"):
        return indent_of(before[-1]) + UNIT
    if after is None:
        # After the head of a function, docstring and all, its body is still to come.
        return indent_of(before[-1]) if before[-1].rstrip().endswith(('"""', "'''")) else 0
    return min(indent_of(before[-1]), after, UNIT)


def is_outside(text: str, place: Place) -> bool:
    """Whether the first line of `text` left the block that the cursor is in."""
    first = next((line for line in (place.line + text).split("\n") if line.strip()), "")
    return bool(first) and indent_of(first) < least_indent(place)


def worth(text: str, place: Place) -> float:
    """How well a whole answer fits; higher is better."""
    if not text.strip():
        return 0.0
    if not place.following:
        return 1.0 - _is_empty(text) - is_outside(text, place)
    program = _read(_whole(text, place))
    return 2.0 * program.parses - 2.0 * _flaws(text, place) - 0.5 * len(program.unbound)


def indent_of(line: str) -> int:
    """Width of the indentation of `line`."""
    return len(line) - len(line.lstrip())


# --------------------------------------------------------------------------- grounds


def _grounds(lines: tuple[str, ...], count: int, place: Place, ended: bool) -> float:
    """How much speaks for ending after `count` lines; the weights were tried on the benchmark's development half."""
    by_itself = ended and count == len(lines)
    return worth("\n".join(lines[:count]), place) + _alike(lines, count, place) + 0.3 * by_itself - 0.02 * count


def _alike(lines: tuple[str, ...], count: int, place: Place) -> float:
    """Likeness (0 to 1) of the two lines said after `count` to the two that follow the cursor."""
    follows = place.following[:2]
    said = [line.strip() for line in lines[count:] if line.strip()][:2]
    return sum(_likeness(a, b.strip()) for a, b in zip(said, follows, strict=False)) / len(follows)


def _flaws(text: str, place: Place) -> float:
    """What is wrong whatever the language: code that is never reached, a line that follows anyway, only a comment."""
    lines = [line for line in text.split("\n") if line.strip()]
    first, last = place.following[0], lines[-1]
    # What stands after `return` on the same level is never reached.
    unreachable = (
        LEAVING.match(last.strip()) is not None
        and indent_of(last if len(lines) > 1 else place.line + last) == indent_of(first)
        and not CONTINUING.match(first.strip())
    )
    repeats = len(first.strip()) > 6 and any(line.strip() == first.strip() for line in lines)
    return unreachable + 0.5 * repeats + 0.5 * _is_empty(text) + is_outside(text, place)


def _is_empty(text: str) -> bool:
    """Whether `text` holds no code that does something."""
    return all(EMPTY.match(line.strip()) for line in text.split("\n") if line.strip())


def _could_parse(place: Place) -> bool:
    """Whether anything at all could make a program of what stands around the gap."""
    indent = " " * indent_of(place.following[0])
    line_start = "" if place.at_line_start and not place.line else "\n"
    fillers = (f"{indent}pass", f"{indent[4:]}if True:", f"{indent[4:]}try:")
    return any(_read(place.prefix + line_start + filler + "\n" + place.suffix).parses for filler in fillers)


@lru_cache(maxsize=256)
def _likeness(a: str, b: str) -> float:
    return SequenceMatcher(None, a, b, autojunk=False).ratio()


def _whole(text: str, place: Place) -> str:
    newline = "\n" if place.at_line_start and not place.suffix.startswith("\n") else ""
    return place.prefix + text.rstrip("\n") + newline + place.suffix


# --------------------------------------------------------------------------- reading Python


@dataclass(frozen=True)
class _Program:
    parses: bool
    unbound: frozenset[str] = frozenset()


@lru_cache(maxsize=256)
def _read(text: str) -> _Program:
    """Whether `text` is Python (magics and shell lines of a notebook count as such), and its names without a value."""
    if len(text) > PARSE_CHARACTERS:
        return _Program(False)
    tree = syntax.plain_tree(syntax.blank_magics(text))
    if tree is None:
        return _Program(False)
    # `n += 1` needs an `n`.
    increased = {id(node.target) for node in ast.walk(tree) if isinstance(node, ast.AugAssign)}
    loaded: set[str] = set()
    bound = set(dir(builtins))
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            (loaded if isinstance(node.ctx, ast.Load) or id(node) in increased else bound).add(node.id)
        elif isinstance(node, ast.alias):
            bound.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        else:
            bound.add(getattr(node, "name", None) or "")  # definitions, exceptions, patterns
    return _Program(True, frozenset(loaded - bound))
