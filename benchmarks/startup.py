"""What nbcopilot costs at the start: `import nbcopilot` and `%load_ext nbcopilot`, beside `python -c pass`.

Each program runs in fresh interpreters, interleaved, so that a busy machine slows all of them; the median counts.
Limits: 100 ms for the import, 200 ms for the extension, neither may load torch. The last line is one JSON object.

    python benchmarks/startup.py [--runs 15]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time

LIMITS_MS = {"import": 100, "load_ext": 200}
HEAVY = "('torch', 'transformers', 'huggingface_hub')"

# The extension is loaded into a shell that is there already, as in a kernel: only the load itself is timed.
LOAD_EXT = """
import time
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell()
shell.history_manager.enabled = False
started = time.perf_counter()
shell.run_line_magic("load_ext", "nbcopilot")
print(time.perf_counter() - started)
"""


def seconds(code: str) -> float:
    """Wall time of a fresh interpreter that runs `code`."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    return time.perf_counter() - started


def loading_seconds() -> float:
    """Seconds of `%load_ext nbcopilot` in a new shell."""
    done = subprocess.run([sys.executable, "-c", LOAD_EXT], check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


def heavy_modules(code: str) -> list[str]:
    """Which of torch, transformers and the hub client are loaded after `code`."""
    probe = f"{code}\nimport sys\nprint([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", probe], check=True, capture_output=True, text=True)
    return list(json.loads(done.stdout.splitlines()[-1].replace("'", '"')))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    times: dict[str, list[float]] = {"pass": [], "import": [], "load_ext": []}
    for _ in range(runs):
        times["pass"].append(seconds("pass"))
        times["import"].append(seconds("import nbcopilot"))
        times["load_ext"].append(loading_seconds())
    bare = statistics.median(times["pass"])
    added = {"import": statistics.median(times["import"]) - bare, "load_ext": statistics.median(times["load_ext"])}
    loaded = {"import": heavy_modules("import nbcopilot"), "load_ext": heavy_modules(LOAD_EXT)}

    print(f"python -c pass: {1000 * bare:.0f} ms (median of {runs})\n")
    print("| what | ms added | limit | ratio to `python -c pass` | heavy modules |\n| --- | --- | --- | --- | --- |")
    for name, limit in LIMITS_MS.items():
        print(
            f"| {name} | {1000 * added[name]:.0f} | {limit} | {added[name] / bare:.2f} | {', '.join(loaded[name]) or 'none'} |"
        )
    ok = all(1000 * added[name] <= limit and not loaded[name] for name, limit in LIMITS_MS.items())
    row = {name: {"ms": round(1000 * added[name], 1), "ratio": round(added[name] / bare, 3)} for name in LIMITS_MS}
    print(
        json.dumps(
            {"bench": "startup", "pass_ms": round(1000 * bare, 1), **row, "heavy": loaded, "runs": runs, "ok": ok}
        )
    )
    return 0 if ok else 1


if __name__ == "__main__":
    raise SystemExit(main())
