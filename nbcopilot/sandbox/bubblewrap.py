"""The command line that puts a process into namespaces of its own with bubblewrap: the best level.

Everything is unshared (user, mount, process, network, IPC, host name, cgroup); the system, the interpreter and the
notebook's folder are there read-only; home, /tmp and the scratch folder are empty, in memory and bounded.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence

from nbcopilot.sandbox.mounts import Surroundings
from nbcopilot.sandbox.worker.visible import Tree

SCRATCH = "/run/scratch"
HOME = "/run/home"
FOLDER_BYTES = str(1 << 20)  # of the empty folder that the mounts of visible files are put into
MAX_MOUNTS, MAX_LINKS = 1000, 200  # what lies beyond is not shown
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
    # Read-only, for root owns the kernel's settings in there inside as outside.
    line += [
        "--proc",
        "/proc",
        "--remount-ro",
        "/proc",
        "--dev",
        "/dev",
        "--size",
        size,
        "--tmpfs",
        "/dev/shm",
        "--remount-ro",
        "/dev",
    ]
    line += ["--size", size, "--tmpfs", "/tmp", "--size", size, "--tmpfs", HOME, "--size", size, "--tmpfs", SCRATCH]
    line += [*_interpreter(place), *_font_cache()]
    for option in shown(place):
        line += option
    # Once more what the folders have covered: a `.venv` beside the notebook is hidden, and the interpreter.
    line += _interpreter(place, below=place.folders)
    for folder in place.folders:
        line += ["--remount-ro", os.path.realpath(folder)]
    return [*line, "--remount-ro", "/", "--chdir", SCRATCH]


def state(place: Surroundings) -> list[tuple[str, ...]]:
    """What `shown` rests on: a sandbox in which it is no longer true must start anew."""
    found = []
    for option in shown(place):
        path = option[1]
        # A file that was replaced is another one; notebooks are, whenever they are saved, and no run needs them.
        with contextlib.suppress(OSError):
            if option[0] == "--ro-bind-try" and not path.endswith(".ipynb") and os.path.isfile(path):
                option = [*option, str(os.stat(path).st_ino)]
        found.append(tuple(option))
    return found


def shown(place: Surroundings) -> list[list[str]]:
    """Options that show what is visible of the notebook's folder and the user's modules, and nothing else of them."""
    options: list[list[str]] = []
    for folder, found in zip(place.folders, place.trees(), strict=True):
        options += [["--size", FOLDER_BYTES, "--tmpfs", found.top], *_entries(found, MAX_MOUNTS - len(options))]
        if found.top != folder:
            options.append(["--symlink", found.top, folder])
    return options


def _entries(found: Tree, most: int) -> list[list[str]]:
    """A mount for each visible file, and for each folder in which all is visible one in place of its files."""
    whole = {path for path, complete in found.folders.items() if complete}
    tops = [path for path in whole if os.path.dirname(path) not in whole]
    mounts = [*tops, *(path for path in found.files if os.path.dirname(path) not in whole)]
    links = [path for path in found.links if os.path.dirname(path) not in whole]
    kept = [["--ro-bind-try", path, path] for path in sorted(mounts, key=_depth)[: max(0, most)]]
    return [*kept, *(["--symlink", found.links[path], path] for path in links[:MAX_LINKS])]


def _depth(path: str) -> tuple[int, str]:
    return path.count(os.sep), path


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


def _font_cache() -> Iterator[str]:
    """Matplotlib's list of fonts, so that it is not made again for every sandbox (a second and more)."""
    cache = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "matplotlib")
    if os.path.isdir(cache):
        for name in os.listdir(cache):
            if name.startswith("fontlist") and name.endswith(".json"):
                yield from ("--ro-bind", os.path.join(cache, name), f"{HOME}/.cache/matplotlib/{name}")
