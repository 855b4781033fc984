"""Write requirements/lock.txt: every package that `make install` brings, pinned and with the hashes of all its files.

    python scripts/lock.py [--upgrade]

One file for Python 3.10 to 3.14 on every platform (environment markers choose). torch is left out, with what only its
CUDA builds need: which build is right depends on the machine; see docs/decisions. Needs `uv` (the `release` extra).
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements" / "lock.txt"
# The torch that the lock goes with; the Makefile installs it.
TORCH = "torch==2.13.0"
EXTRAS = ("demo", "test", "browser", "batch", "hub")
OLDEST = "3.10"
# Parts of torch's CUDA builds.
ACCELERATOR = ("nvidia-", "cuda-", "triton")
HEAD = """# Written by scripts/lock.py from pyproject.toml: do not edit. `make lock` writes it anew.
# Installed with --require-hashes --no-deps: nothing comes in that is not listed here. torch is not (docs/decisions).
"""


def main() -> int:
    """Resolve, leave out what goes with torch's build, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--upgrade", action="store_true", help="take newer versions than the lock has")
    args = parser.parse_args()
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    if uv is None:
        raise SystemExit('uv is not here: pip install -e ".[release]"')
    with tempfile.TemporaryDirectory() as folder:
        constraints, made = Path(folder) / "constraints.txt", Path(folder) / "lock.txt"
        constraints.write_text(f"{TORCH}\n")
        if LOCK.is_file() and not args.upgrade:
            shutil.copyfile(LOCK, made)  # what is pinned stays where it may
        command = [uv, "pip", "compile", str(ROOT / "pyproject.toml"), "--universal", "--python-version", OLDEST]
        command += ["--generate-hashes", "--no-header", "--no-annotate", "--no-emit-package", "torch", "--quiet"]
        command += ["--constraints", str(constraints), "--output-file", str(made)]
        command += [part for extra in EXTRAS for part in ("--extra", extra)]
        done = subprocess.run([*command, *(["--upgrade"] if args.upgrade else [])], cwd=ROOT, check=False)
        if done.returncode:
            return done.returncode
        LOCK.parent.mkdir(exist_ok=True)
        LOCK.write_text(HEAD + without_accelerators(made.read_text()))
    return 0


def without_accelerators(text: str) -> str:
    """The lock without the entries that only a CUDA build of torch needs; an entry goes on over indented lines."""
    kept, keep = [], True
    for line in text.splitlines(keepends=True):
        if not line.startswith((" ", "#", "\n")):
            keep = not line.startswith(ACCELERATOR)
        if keep:
            kept.append(line)
    return "".join(kept)


if __name__ == "__main__":
    sys.exit(main())
