"""Inline completion with the cursor before a line and in the middle of one of its words, with token healing and without.

    python benchmarks/half_words.py complete.jsonl [--model ID] [--limit 84] [--resume FILE]

Every gap of a single line is asked twice: as it is, and with the beginning of that line typed already, up to the
middle of a word of four letters or more (chosen by the item's name). Each with an engine that heals and with one that
does not, in turn. Right is what runs with the item's test; exact is what stood there. Prints a table and, as the
last line, JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from nbcopilot.cli.bench import processor
from nbcopilot.config import Config
from nbcopilot.engine.local import load
from nbcopilot.evaluation.suites import complete
from nbcopilot.evaluation.systems import COMPLETION_TOKENS, Answer
from nbcopilot.evaluation.tasks import CompleteItem
from nbcopilot.serve.complete import Completer, Gap

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
    for item in items:
        yield "before a line", item
        half = half_word(item)
        if half is not None:
            yield "in a word", half


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="qwen2.5-coder-0.5b")
    parser.add_argument("--limit", type=int, default=84)
    parser.add_argument("--resume", type=Path, default=None, help="journal: what it holds is not asked again")
    args = parser.parse_args()
    config = Config(model=args.model)
    rows = (
        [json.loads(line) for line in args.resume.read_text().splitlines()]
        if args.resume and args.resume.is_file()
        else []
    )
    done = {(row["id"], row["cursor"], row["healed"]) for row in rows}
    items = complete.read(args.data, "complete")[: args.limit]
    with (
        closing(load(args.model, config, heal=True)) as healing,
        closing(load(args.model, config, heal=False)) as plain,
    ):
        info = healing.describe()
        for cursor, item in asked(items):
            (question,) = complete.questions(item)
            for healed, engine in ((True, healing), (False, plain)):
                if (item.id, cursor, healed) in done:
                    continue
                began = time.monotonic()
                *_, last = Completer().suggest(engine, Gap(item.prefix, item.suffix, max_tokens=COMPLETION_TOKENS))
                seconds = time.monotonic() - began
                judged = question.judge(Answer(last.text, last.usage))
                row = {"id": item.id, "cursor": cursor, "healed": healed, "passed": judged.ok, "exact": judged.detail["exact"],
                       "seconds": round(seconds, 3), "text": last.text, "reference": item.reference, "line": (item.prefix.rpartition("\n")[2])}  # fmt: skip
                rows.append(row)
                if args.resume:
                    with args.resume.open("a") as journal:
                        journal.write(json.dumps(row) + "\n")
    found: dict[str, dict[str, dict[str, int]]] = defaultdict(dict)
    for cursor in ("before a line", "in a word"):
        for healed in (False, True):
            part = [row for row in rows if row["cursor"] == cursor and row["healed"] == healed]
            counts = {
                "asked": len(part),
                "passed": sum(r["passed"] for r in part),
                "exact": sum(r["exact"] for r in part),
            }
            found[cursor]["healed" if healed else "plain"] = counts
            print(
                f"{cursor:16}{'healed' if healed else 'plain':8}{counts['passed']:>4} of {counts['asked']} pass, {counts['exact']} exact"
            )
    conditions = {"model": args.model, "sha256": info.sha256, "precision": info.precision, "computes": info.detail["computes"],
                  "processor": processor(), "items": f"the first {len(items)} of {args.data.name}"}  # fmt: skip
    print(json.dumps({"benchmark": "half_words", "conditions": conditions, "found": found}))


if __name__ == "__main__":
    main()
