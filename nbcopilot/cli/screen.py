"""Where all that a command prints passes: control and bidirectional characters are shown as escapes.

`guarded()` puts a stream of ours in the place of sys.stdout and sys.stderr while a command runs, so that no command
can forget it; bars and tables go through `console()`, which may move the cursor itself but lets no text do it.
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TextIO, cast

from nbcopilot.printable import printable, printable_with_colours

if TYPE_CHECKING:
    from rich.console import Console


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
    before = sys.stdout, sys.stderr
    for stream in before:
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")  # the name of a file may be no text
    sys.stdout, sys.stderr = (cast("TextIO", _guard(stream)) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


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
