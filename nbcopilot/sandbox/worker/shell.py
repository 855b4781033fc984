"""What IPython gives to a cell besides Python: `get_ipython()`, `display`, a few magics, no history.

Enough for code that a notebook cell has, without starting IPython. Magics that configure the front end do nothing;
magics that time run their code once; installing packages and the rest is refused as "not run".
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

# Nothing to do outside a front end.
_QUIET = frozenset({
    "matplotlib", "config", "load_ext", "reload_ext", "autoreload", "pylab", "precision", "pprint", "xmode", "colors", "alias",
    "autocall", "automagic", "reset_selective", "store", "who", "whos", "who_ls", "history", "hist", "notebook", "unload_ext",
    "pinfo", "pinfo2", "psource", "pdoc", "pfile", "lsmagic", "quickref", "watermark", "logstop", "gui", "tb", "pdb", "memit",
    "nbcopilot", "fix", "explain", "testgen", "document", "chat",
})  # fmt: skip
_INSTALL = ("pip", "conda", "mamba", "uv", "apt", "apt-get", "brew", "npm")


NO_SHELL = "the shell of the sandbox has no"


class NotRunnable(BaseException):
    """Something that only the user's own session can do; the run ends as "not run", not as failed.

    reason: one of `verdict.NotRunReason`; detail: the value of its sentence.
    """

    def __init__(self, reason: str = "keyboard", detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail

    def as_json(self) -> dict[str, str]:
        return {"reason": self.reason, "detail": self.detail}


class Shell:
    """The part of IPython's InteractiveShell that cells use. `execute(source)` runs Python in the namespace."""

    def __init__(self, namespace: dict[str, Any], execute: Callable[[str], Any], *, may_start_programs: bool) -> None:
        self.user_ns = namespace
        self._execute = execute
        self._may_start_programs = may_start_programs
        self.kernel = None

    def run_line_magic(self, name: str, line: str, _stack_depth: int = 1) -> Any:
        if name in _QUIET:
            return None
        if name in ("time", "timeit", "prun"):
            return self._timed(line)
        if name in _INSTALL:
            raise NotRunnable("install")
        if name in ("env", "set_env", "dotenv"):
            raise NotRunnable("environment")
        if name in ("system", "sx", "ls", "cat", "pwd", "cd", "mkdir", "head", "!"):
            return self.getoutput(f"{'' if name in ('system', 'sx', '!') else name} {line}")
        raise NotRunnable("magic", f"%{name}")

    def run_cell_magic(self, name: str, line: str, cell: str) -> Any:
        if name in ("time", "timeit", "capture", "prun"):
            return self._timed(cell)
        if name in (
            "html",
            "markdown",
            "latex",
            "svg",
            "javascript",
            "js",
            "generate",
            "explain",
            "document",
            "fix",
            "chat",
        ):
            return None
        if name in ("writefile", "file"):
            with open(shlex.split(line)[-1], "a" if "-a" in line.split() else "w", encoding="utf-8") as file:
                file.write(cell)
            return None
        if name in ("bash", "sh", "script", "!", "sx", "system"):
            return self.system(cell)
        raise NotRunnable("magic", f"%%{name}")

    def magic(self, line: str) -> Any:
        name, _, rest = line.lstrip("%").partition(" ")
        return self.run_line_magic(name, rest)

    def system(self, command: str) -> None:
        print(self._run(command), end="")

    def getoutput(self, command: str, split: bool = True) -> Any:
        text = self._run(command)
        return text.splitlines() if split else text

    def _run(self, command: str) -> str:
        words = command.split()
        if words and (
            words[0] in _INSTALL or words[:3] == [sys.executable, "-m", "pip"] or words[1:3] == ["-m", "pip"]
        ):
            raise NotRunnable("install")
        if not self._may_start_programs:
            raise NotRunnable("shell")
        done = subprocess.run(
            command, shell=True, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL
        )
        return done.stdout + done.stderr

    def _timed(self, source: str) -> Any:
        words = source.split()
        while words and words[0].startswith("-"):
            words = words[1 if len(words[0]) > 2 or words[0] in ("-q", "-o", "-c") else 2 :]
            source = " ".join(words)
        started = time.perf_counter()
        value = self._execute(source)
        print(f"Wall time: {time.perf_counter() - started:.3g} s")
        return value

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"{NO_SHELL} {name!r}")


def display(*values: Any, **options: Any) -> None:
    """Print a short form of each value, as the front end would show it."""
    for value in values:
        try:
            text = repr(value)
        except Exception as exc:
            text = f"<{type(value).__name__}: its repr raised {type(exc).__name__}>"
        print(text[:4000])
