"""Where all that a command prints passes: control and bidirectional characters are shown as escapes.

`guarded()` puts a stream of ours in the place of sys.stdout and sys.stderr while a command runs, so that no command
can forget it; bars and tables go through `console()`, which may move the cursor itself but lets no text do it.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TextIO, cast

from nbcopilot.errors import sentence
from nbcopilot.printable import printable, printable_with_colours

if TYPE_CHECKING:
    from rich.console import Console


# What to do with a character that the encoding lacks, such that writing it cannot fail.
_SAFE = ("backslashreplace", "replace", "ignore", "xmlcharrefreplace", "namereplace")


class Guarded:
    """A text stream whose writes are escaped; all else is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self.inner = stream
        self.escape: Callable[[str], str] = printable

    def write(self, text: str) -> int:
        """Write `text` escaped."""
        self.inner.write(self.escape(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write each of `lines` escaped."""
        for line in lines:
            self.write(line)

    def __iter__(self) -> Iterator[str]:
        return iter(self.inner)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Escape what goes to sys.stdout and sys.stderr meanwhile."""
    open_standard_streams()
    before = sys.stdout, sys.stderr
    for stream in before:
        if isinstance(stream, io.TextIOWrapper) and stream.errors not in _SAFE:
            stream.reconfigure(errors="backslashreplace")  # the name of a file may be no text
    sys.stdout, sys.stderr = (cast("TextIO", _guard(stream)) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def open_standard_streams() -> None:
    """Give standard streams that are closed a place that holds nothing, so that no file of ours gets their number."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
    missing = {"stdin": "r", "stdout": "w", "stderr": "w"}
    for name, mode in missing.items():
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115  # for good


def notice(text: str) -> None:
    """One sentence to whoever waits, on stderr: stdout is for results."""
    print(f"nbcopilot: {sentence(text)}", file=sys.stderr, flush=True)


def silence_stdout() -> None:
    """Let nothing more go to a standard output that takes nothing: Python must not complain of it at exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def allow_colours() -> None:
    """Let colours pass from now on: for pytest, which colours its own report."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, Guarded):
            stream.escape = printable_with_colours


def console() -> Console:
    """A console of rich on the real stderr, whose texts are escaped."""
    from rich.console import Console
    from rich.segment import Segment

    class Escaping(Console):
        def render(self, renderable: Any, options: Any = None) -> Any:
            for segment in super().render(renderable, options):
                yield segment if segment.control else Segment(printable(segment.text), segment.style)

    return Escaping(file=sys.stderr.inner if isinstance(sys.stderr, Guarded) else sys.stderr)


def _guard(stream: Any) -> Any:
    return stream if stream is None or isinstance(stream, Guarded) else Guarded(stream)
