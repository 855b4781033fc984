"""`make demo`: the main job on a real model, from an empty cache, with a check that nothing of the user's was touched.

1. pulls the 0.5b model, 2. documents one notebook, 3. generates a function and its tests into a second one,
4. checks that user cells, outputs and ids are unchanged, 5. renders both to HTML, 6. prints where to look.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "demo_output"
MODEL = "qwen2.5-coder-0.5b"
BEFORE = ROOT / "demo_notebooks" / "04_an_undocumented_analysis.ipynb"
FUNCTION = (
    "Write a function count_words(text) that returns a dict mapping each word of text, in lower case, to how often it occurs. "
    "Words are separated by spaces. Example: count_words('a b A') == {'a': 2, 'b': 1}"
)


def main() -> int:
    """Run the demo; exit 0 only when every step held."""
    began = time.monotonic()
    OUT.mkdir(exist_ok=True)
    step("1. the model", MODEL)
    nbcopilot("models", "pull", MODEL)

    step("2. document a notebook", BEFORE.name)
    nbcopilot("document", str(BEFORE), "-o", str(OUT), "--model", MODEL)
    documented = OUT / BEFORE.name

    step("3. generate a function and its tests into a second notebook", "count_words.ipynb")
    notebook = OUT / "count_words.ipynb"
    start = ROOT / "demo_notebooks" / "data" / "count_words.ipynb"
    shutil.copyfile(start, notebook)
    nbcopilot("generate", FUNCTION, "--notebook", str(notebook), "--write", "--model", MODEL, code=(0, 1))
    nbcopilot("testgen", f"{notebook}::count_words", "--write", "--model", MODEL, code=(0, 1))

    step("4. what the user owns is unchanged", "")
    unchanged(BEFORE, documented)
    unchanged(start, notebook)

    step("5. render", "")
    python("-m", "nbconvert", "--to", "html", "--log-level", "WARN", str(documented), str(notebook))

    print(f"\nDone in {time.monotonic() - began:.0f} s. Open these in a browser, or the notebooks in JupyterLab:")
    for path in (documented, notebook):
        print(f"  {path.relative_to(ROOT)}\n  {path.with_suffix('.html').relative_to(ROOT)}")
    print("Next: .venv/bin/jupyter lab, and in a cell: %load_ext nbcopilot")
    return 0


def step(title: str, what: str) -> None:
    print(f"\n== {title}" + (f": {what}" if what else ""), flush=True)


def nbcopilot(*args: str, code: tuple[int, ...] = (0,)) -> None:
    """The command as a user types it. Exit 1 (a check found something) is an outcome where `code` allows it."""
    python("-m", "nbcopilot", *args, code=code)


def python(*args: str, code: tuple[int, ...] = (0,)) -> None:
    done = subprocess.run([sys.executable, *args], cwd=ROOT, check=False)
    if done.returncode not in code:
        sys.exit(f"`{' '.join(args[1:3])}` ended with exit code {done.returncode}; the demo stops here")


def unchanged(before: Path, after: Path) -> None:
    """Every cell of `before` stands in `after`, in order, with the same id, source, outputs and metadata."""
    old, new = (json.loads(path.read_text(encoding="utf-8"))["cells"] for path in (before, after))
    users = [cell for cell in new if "nbcopilot" not in cell["metadata"]]
    added = len(new) - len(users)
    if users != old or not added:
        sys.exit(f"{after.name}: {'user cells were changed' if added else 'no cell was added'}; the demo stops here")
    print(f"{after.name}: {len(old)} cells as they were, {added} added and labelled")


if __name__ == "__main__":
    sys.exit(main())
