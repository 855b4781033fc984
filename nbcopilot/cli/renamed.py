"""Options of the command line that have a new name; the former one works until the next release, with a notice."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any


class Renamed(argparse.Action):
    """Stores the value; an option under any but its first name says what it is called now."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Store the value under the name of the option."""
        present = self.option_strings[0]
        if option_string != present:
            said = f"{option_string} is now called {present}; the former name stops working with the next release"
            print(f"nbcopilot: {said}", file=sys.stderr)
        setattr(namespace, self.dest, values)
