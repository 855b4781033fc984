"""Makes demo_notebooks/*.ipynb from scripts/demos/*.py: a real run on the 1.5b model, stored with its outputs.

    .venv/bin/python scripts/build_demos.py [NAME ...]

Each source is a notebook in percent format. It runs in a real kernel; cells that nbcopilot writes are inserted where
JupyterLab's extension would insert them, and run as well. Not part of `make test`: it takes minutes a notebook.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from driver import FrontEnd  # noqa: E402

MODEL = os.environ.get("NBCOPILOT_MODEL", "qwen2.5-coder-1.5b")
# Documented after the run by `nbcopilot document`, as (source, target).
DOCUMENTED = {
    "04_an_undocumented_analysis": "04_ridge_regression_on_diabetes",
    "05_generative_models": "05_generative_models",
}


def main(names: list[str]) -> int:
    """Build the named demos (default: all)."""
    for path in sorted((ROOT / "scripts" / "demos").glob("*.py")):
        if names and not any(path.stem.startswith(name) for name in names):
            continue
        build(path)
    return 0


def build(path: Path) -> None:
    """Run one source and store the notebook."""
    target = ROOT / "demo_notebooks" / f"{path.stem}.ipynb"
    print(f"{path.stem} …", flush=True)
    notebook = read_percent(path.read_text(encoding="utf-8"))
    env = {**os.environ, "NBCOPILOT_MODEL": MODEL, "MPLBACKEND": "module://matplotlib_inline.backend_inline"}
    with FrontEnd(notebook, comm=True, cwd=target.parent, env=env) as front:
        front.run_all(follow=True)
        for index, cell in enumerate(front.nb.cells):
            failed = [o for o in cell.get("outputs", ()) if o.output_type == "error"]
            if failed and "raises-exception" not in cell.metadata.get("tags", []):
                print(f"  cell {index} failed: {failed[0].ename}: {failed[0].evalue}\n{cell.source}", file=sys.stderr)
    # Tracebacks name the files of this machine.
    text = nbformat.writes(front.nb).replace(f"{Path(sys.prefix).parent}/", "")
    target.write_text(text + "\n", encoding="utf-8")
    if path.stem in DOCUMENTED:
        done = ROOT / "demo_notebooks" / f"{DOCUMENTED[path.stem]}.ipynb"
        if done != target:
            done.write_bytes(target.read_bytes())
        subprocess.run(
            [sys.executable, "-m", "nbcopilot", "document", str(done), "--in-place", "--model", MODEL], check=True
        )


def read_percent(text: str) -> Any:
    """A notebook from `# %%` cells; `# %% [markdown]` cells are comments, `tags=a,b` become cell tags."""
    cells = []
    for number, block in enumerate(re.split(r"^# %%", text, flags=re.M)[1:]):
        head, _, body = block.partition("\n")
        body = body.strip("\n")
        cell_id = f"cell-{number + 1}"
        if "[markdown]" in head:
            source = "\n".join(re.sub(r"^# ?", "", line) for line in body.splitlines())
            cells.append(nbformat.v4.new_markdown_cell(source, id=cell_id))
            continue
        tags = re.search(r"tags=(\S+)", head)
        metadata = {"tags": tags[1].split(",")} if tags else {}
        cells.append(nbformat.v4.new_code_cell(body, id=cell_id, metadata=metadata))
    kernel = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return nbformat.v4.new_notebook(cells=cells, metadata=kernel)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
