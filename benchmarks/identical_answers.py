"""Greedy answers with drafts, kept prefixes and batching against plain decoding, token by token, on a real model.

    python benchmarks/identical_answers.py [--model ID] [--count 50] [--tokens 16] [NOTEBOOK ...]

Prints a table and, as the last line, JSON. Needs the model in the store.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from nbcopilot.cli.bench import processor
from nbcopilot.config import Config
from nbcopilot.engine.bench import identity, prompts
from nbcopilot.engine.bench.prompts import Notes
from nbcopilot.engine.local import LocalEngine, load

CHARACTERS = 100  # of a cell: prompts of 30 to 400 tokens


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", nargs="*", type=Path)
    parser.add_argument("--model", default="qwen2.5-coder-0.5b")
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--tokens", type=int, default=16)
    args = parser.parse_args()
    computes = ""

    def opened(setting: identity.Setting) -> LocalEngine:
        nonlocal computes
        config = Config(model=args.model, threads=setting.threads, cache_mb=setting.cache_mb)
        engine = load(args.model, config, draft=setting.draft)
        computes = str(engine.describe().detail["computes"])
        return engine

    notes = prompts.read_cells(args.notebooks) if args.notebooks else prompts.own_cells()
    notes = Notes(tuple(cell[:CHARACTERS] for cell in notes.cells))
    report = identity.compare(opened, identity.fifty(notes, args.count), args.tokens)
    for name, row in report.items():
        print(f"{name:28}{row['same_tokens']:>4} of {row['answers']} the same, {row['same_scores']} bit for bit")
    conditions = {"model": args.model, "computes": computes, "processor": processor(), "max_tokens": args.tokens}
    print(json.dumps({"benchmark": "identical_answers", "conditions": conditions, "settings": report}))


if __name__ == "__main__":
    main()
