"""Inline completion with the cursor before a line and in the middle of one of its words, with token healing and without.

    python benchmarks/half_words.py complete.jsonl --resume FILE [--model ID] [--limit 84]

Every gap of a single line is asked with the beginning of that line typed already, up to the middle of a word of four
letters or more (chosen by the item's name), and as it is. Each of an engine that heals and of one that does not, in
turn; where there is nothing to heal their prompts are the same, and so are the answers. Right is what runs with the
item's test; exact is what stood there. Prints a table and, as the last line, JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from nbcopilot.cli.bench import processor
from nbcopilot.config import Config
from nbcopilot.engine.local import LocalEngine, load
from nbcopilot.evaluation.suites import complete
from nbcopilot.evaluation.systems import COMPLETION_TOKENS, Answer
from nbcopilot.evaluation.tasks import CompleteItem
from nbcopilot.serve.complete import Completer, Gap, prompt

WORD = re.compile(r"[A-Za-z_]{4,}")


def half_word(item: CompleteItem) -> CompleteItem | None:
    """`item` with the cursor in the middle of a word of its line; None where there is none."""
    line = item.reference.rstrip("\n")
    words = list(WORD.finditer(line))
    if not words or "\n" in line:
        return None
    word = random.Random(item.id).choice(words)
    at = word.start() + len(word[0]) // 2
    return replace(item, prefix=item.prefix + line[:at], suffix="\n" + item.suffix, reference=line[at:])


def asked(items: list[CompleteItem]) -> Iterator[tuple[str, CompleteItem]]:
    """(where the cursor is, the gap) of every question."""
    yield from (("in a word", half) for half in map(half_word, items) if half is not None)
    yield from (("before a line", item) for item in items)


def answered(item: CompleteItem, engine: LocalEngine) -> dict[str, Any]:
    """What the engine suggests in the gap, and what the judge says of it."""
    (question,) = complete.questions(item)
    *_, last = Completer().suggest(engine, gap_of(item))
    judged = question.judge(Answer(last.text, last.usage))
    return {"text": last.text, "passed": judged.ok, "exact": judged.detail["exact"], "reference": item.reference}


def gap_of(item: CompleteItem) -> Gap:
    return Gap(item.prefix, item.suffix, max_tokens=COMPLETION_TOKENS)


def table(rows: list[dict[str, Any]]) -> dict[str, dict[str, dict[str, int]]]:
    """Counts by where the cursor was and by engine."""
    found: dict[str, dict[str, dict[str, int]]] = {}
    for row in rows:
        counts = found.setdefault(row["cursor"], {}).setdefault(row["engine"], {"asked": 0, "passed": 0, "exact": 0})
        counts["asked"] += 1
        counts["passed"] += row["passed"]
        counts["exact"] += row["exact"]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="qwen2.5-coder-0.5b")
    parser.add_argument("--limit", type=int, default=84)
    parser.add_argument("--resume", type=Path, required=True, help="journal: what it holds is not asked again")
    args = parser.parse_args()
    config = Config(model=args.model)
    rows = [json.loads(line) for line in args.resume.read_text().splitlines()] if args.resume.is_file() else []
    done = {(row["id"], row["cursor"], row["engine"]): row for row in rows}
    items = complete.read(args.data, "complete")[: args.limit]
    with ExitStack() as stack:
        engines = {
            name: stack.enter_context(closing(load(args.model, config, heal=name == "healing")))
            for name in ("plain", "healing")
        }
        info = engines["healing"].describe()
        for cursor, item in asked(items):
            for name, engine in engines.items():
                if (item.id, cursor, name) in done:
                    continue
                other = done.get((item.id, cursor, "plain"))
                # An answer that has begun (with a line end) is not healed.
                same = other is not None and prompt(gap_of(item)).prefill
                row = {
                    **(other if same and other else answered(item, engine)),
                    "id": item.id,
                    "cursor": cursor,
                    "engine": name,
                }
                done[item.id, cursor, name] = row
                with args.resume.open("a") as journal:
                    journal.write(json.dumps(row) + "\n")
    found = table(list(done.values()))
    for cursor, sides in found.items():
        for name, counts in sides.items():
            print(f"{cursor:16}{name:10}{counts['passed']:>4} of {counts['asked']} pass, {counts['exact']} exact")
    conditions = {
        "model": args.model, "sha256": info.sha256, "precision": info.precision, "computes": info.detail["computes"],
        "processor": processor(), "items": f"the first {len(items)} of {args.data.name}",
    }  # fmt: skip
    print(json.dumps({"benchmark": "half_words", "conditions": conditions, "found": found}))


if __name__ == "__main__":
    main()
