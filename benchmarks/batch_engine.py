"""A real model on twenty notebooks: one at a time against several at once on the resident engine, notebooks an hour.

`--jobs 1 --engine in-process` has one notebook in the model (its own prompts go in together, eight at once);
`--jobs N` has N worker processes that share the resident engine, which batches whatever they ask at the same moment.
Both start cold: loading the model counts. The last line is one JSON object.

    python benchmarks/batch_engine.py --source NOTEBOOKS [--model qwen2.5-coder-0.5b] [--count 20] [--jobs 4]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

COMMAND = [sys.executable, "-c", "import sys; from nbcopilot.cli.main import main; sys.exit(main())"]


def chosen(source: Path, count: int, low: int = 2, high: int = 6) -> list[Path]:
    """Notebooks of nbformat 4 with few code cells, in order of their size: as many as are asked for."""
    found = []
    for path in source.rglob("*.ipynb"):
        try:
            node = json.loads(path.read_text("utf-8"))
            codes = sum(cell["cell_type"] == "code" for cell in node["cells"])
        except (ValueError, KeyError, TypeError):
            continue
        if node.get("nbformat") == 4 and low <= codes <= high:
            found.append((path.stat().st_size, path))
    return [path for _, path in sorted(found)[:count]]


def run(folder: Path, out: Path, runtime: Path, *words: str) -> dict[str, Any]:
    """The report of one run, with its cost."""
    environment = {**os.environ, "NBCOPILOT_RUNTIME_DIR": str(runtime), "SOURCE_DATE_EPOCH": "1795000000"}
    report = out.with_suffix(".json")
    command = [*COMMAND, "document", str(folder), "-o", str(out), "--report", str(report), *words]
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL, env=environment)
    subprocess.run([*COMMAND, "stop"], check=False, capture_output=True, env=environment)
    found = json.loads(report.read_text())
    tokens = found["cost"]["completion_tokens"]
    return {
        "ok": found["ok"],
        "failed": len(found["failed"]),
        "cells_written": found["cells_written"],
        "seconds": found["seconds"],
        "notebooks_per_hour": round(3600 * found["ok"] / found["seconds"]),
        "tokens_per_second": round(tokens / found["seconds"], 1),
        "cost": found["cost"],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--model", default="qwen2.5-coder-0.5b")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=4)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder, runtime = Path(place, "in"), Path(place, "run")
        folder.mkdir()
        runtime.mkdir(mode=0o700)
        books = chosen(args.source, args.count)
        for number, path in enumerate(books):
            shutil.copyfile(path, folder / f"{number:02d}_{path.name}")
        one = run(folder, Path(place, "one"), runtime, "--model", args.model, "--jobs", "1", "--engine", "in-process")
        several = run(folder, Path(place, "several"), runtime, "--model", args.model, "--jobs", str(args.jobs))
        pairs = [(path, Path(place, "several", path.name)) for path in Path(place, "one").glob("*.ipynb")]
        same = sum(path.read_bytes() == other.read_bytes() for path, other in pairs if other.exists())
    rows = {"--jobs 1, in process": one, f"--jobs {args.jobs}, resident engine": several}
    print("| run | notebooks/hour | tokens/s | seconds | CPU s | Wh |\n| --- | --- | --- | --- | --- | --- |")
    for name, row in rows.items():
        cost = row["cost"]
        print(
            f"| {name} | {row['notebooks_per_hour']} | {row['tokens_per_second']} | {row['seconds']} "
            f"| {cost['cpu_seconds']} | {cost['energy_wh']} |"
        )
    ratio = round(several["notebooks_per_hour"] / one["notebooks_per_hour"], 2)
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs"
    print(
        json.dumps(
            {"bench": "batch_engine", "machine": machine, "model": args.model, "count": len(books), **rows}
            | {"ratio": ratio, "identical_notebooks": same}
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
