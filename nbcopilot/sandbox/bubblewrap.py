"""The command line that puts a process into namespaces of its own with bubblewrap: the best level.

Everything is unshared (user, mount, process, network, IPC, host name, cgroup); the system, the interpreter and the
notebook's folder are there read-only; home, /tmp and the scratch folder are empty, in memory and bounded.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence

from nbcopilot.sandbox.mounts import Surroundings, hidden

SCRATCH = "/run/scratch"
HOME = "/run/home"
_SYSTEM = ("/usr", "/lib", "/lib64", "/lib32", "/bin", "/sbin")
_ETC = (
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "alternatives",
    "localtime",
    "timezone",
    "fonts",
    "mime.types",
    "ssl/certs",
)


def program() -> str | None:
    """Path of bwrap, or None."""
    return shutil.which("bwrap")


def command(place: Surroundings, disk_mb: int) -> list[str]:
    """bwrap and its options, up to the `--` that the program follows. `disk_mb` bounds each writable folder."""
    size = str(disk_mb << 20)
    line = [
        program() or "bwrap",
        "--unshare-all",
        "--new-session",
        "--as-pid-1",
        "--cap-drop",
        "ALL",
        "--hostname",
        "sandbox",
    ]
    for path in _SYSTEM:
        line += ["--symlink", os.readlink(path), path] if os.path.islink(path) else ["--ro-bind-try", path, path]
    for name in _ETC:
        line += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    line += ["--proc", "/proc", "--dev", "/dev", "--size", size, "--tmpfs", "/dev/shm", "--remount-ro", "/dev"]
    line += ["--size", size, "--tmpfs", "/tmp", "--size", size, "--tmpfs", HOME, "--size", size, "--tmpfs", SCRATCH]
    line += [*_interpreter(place), *_font_cache()]
    folders = (*place.local, *([place.data] if place.data else []))
    for folder in folders:
        line += ["--ro-bind-try", folder, folder, *_masks(folder)]
    # Once more what the folders have covered: a `.venv` beside the notebook is hidden, and the interpreter.
    line += _interpreter(place, below=folders)
    return [*line, "--remount-ro", "/", "--chdir", SCRATCH]


def _interpreter(place: Surroundings, below: Sequence[str] = ("/",)) -> Iterator[str]:
    """Options that show the interpreter and its packages, as far as they lie in one of the folders `below`."""
    libraries = [p for p in os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep) if os.path.isdir(p)]
    store = ["/nix/store"] if any(p.startswith("/nix/store") for p in place.python) else []
    package = os.path.join(place.package, "nbcopilot")
    for path in (*store, *place.python, *libraries, package):
        if not path.startswith(("/usr/", "/lib")) and any(
            path.startswith(folder.rstrip("/") + "/") for folder in below
        ):
            yield from ("--ro-bind-try", path, path)


def _masks(folder: str) -> Iterator[str]:
    """Options that cover hidden entries and sockets of a folder: .env, .git, .ssh when it is the home folder."""
    for path in hidden(folder):
        if os.path.islink(path):
            continue  # it leads outside what is mounted, or to what is masked itself
        if os.path.isdir(path):
            yield from ("--size", "4096", "--tmpfs", path)
        else:
            yield from ("--ro-bind", os.devnull, path)


def _font_cache() -> Iterator[str]:
    """Matplotlib's list of fonts, so that it is not made again for every sandbox (a second and more)."""
    cache = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "matplotlib")
    if os.path.isdir(cache):
        for name in os.listdir(cache):
            if name.startswith("fontlist") and name.endswith(".json"):
                yield from ("--ro-bind", os.path.join(cache, name), f"{HOME}/.cache/matplotlib/{name}")
