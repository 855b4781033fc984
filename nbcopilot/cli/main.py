"""The command line: one module a group of commands, one table of them, one place where errors become exit codes.

Exit codes: 0 done, 1 the work found something wrong, 2 bad usage or input, 3 model or engine unavailable,
130 interrupted, 143 terminated.
"""

from __future__ import annotations

import argparse
import errno
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from nbcopilot import places
from nbcopilot._version import __version__
from nbcopilot.cli import screen
from nbcopilot.errors import NbcopilotError

# Command -> the module of nbcopilot.cli that has `add_parser(subparsers)` and `run(args) -> int`.
COMMANDS = {
    "document": "document",
    "strip": "strip",
    "finish": "finish",
    "generate": "cells",
    "explain": "cells",
    "testgen": "cells",
    "fix": "fix",
    "test": "test",
    "replay": "replay",
    "forget": "forget",
    "audit": "audit",
    "trust": "trust",
    "config": "config",
    "rule": "rule",
    "models": "models",
    "doctor": "doctor",
    "serve": "serve",
    "keys": "keys",
    "stop": "serve",
    "status": "serve",
    "eval": "evaluate",
    "bench": "bench",
}


class Parser(argparse.ArgumentParser):
    """argparse in our form: one sentence and a hint, exit 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"nbcopilot: {message}. {self.prog} --help lists what it takes\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. Never prints a traceback for an NbcopilotError."""
    with screen.guarded():
        try:
            places.working_folder()
            return _run(sys.argv[1:] if argv is None else list(argv))
        except NbcopilotError as exc:
            print(f"nbcopilot: {exc}", file=sys.stderr)
            return exc.exit_code
        except KeyboardInterrupt as exc:
            from nbcopilot.batch.signals import exit_code

            print("nbcopilot: interrupted", file=sys.stderr)
            return exit_code(exc)
        except BrokenPipeError:
            # The reader of our output went away (| head): not an error, but Python must not complain at exit.
            screen.silence_stdout()
            return 0
        except OSError as exc:  # a part of the system that lacks or refuses, wherever it was met
            print(f"nbcopilot: {_said(exc)}", file=sys.stderr)
            screen.silence_stdout()
            return 1


def _said(exc: OSError) -> str:
    """What the system refused, and where, in one line."""
    reason = (exc.strerror or str(exc) or type(exc).__name__).lower()
    hint = " (no space is left: free some)" if exc.errno == errno.ENOSPC else ""
    return f"{exc.filename}: {reason}{hint}" if exc.filename else f"the system says: {reason}{hint}"


def _run(words: Sequence[str]) -> int:
    args = parser(words).parse_args(words)
    if args.command is None:
        parser().print_help()
        return 2
    return int(import_module(f"nbcopilot.cli.{COMMANDS[args.command]}").run(args))


def parser(words: Sequence[str] = ()) -> Parser:
    """The whole command line, or (it starts faster) the part of it that `words` need."""
    top = Parser(prog="nbcopilot", description="A notebook-native copilot whose model runs locally.")
    top.add_argument("--version", action="version", version=f"nbcopilot {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    needed = [COMMANDS[words[0]]] if words and words[0] in COMMANDS else dict.fromkeys(COMMANDS.values())
    for module in needed:
        import_module(f"nbcopilot.cli.{module}").add_parser(commands)
    return top
