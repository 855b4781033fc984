"""How often each rule speaks: on right answers of every development suite, and on plausible wrong ones.

    python benchmarks/rule_rates.py --data FOLDER [--out FILE]

FOLDER holds generate.jsonl, stateful/exercise.jsonl, fix.jsonl and everyday/. Every reference is checked as an answer
of a model would be, run in the sandbox. A rule that is an error on a right answer is wrong, and one that speaks on the
items of a single suite is suspect of being fitted to it: tests/rules/test_rates.py holds both on the recorded result.
Prints a table, and one JSON object as its last line.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nbcopilot._version import __version__
from nbcopilot.checks import registry
from nbcopilot.config import Config
from nbcopilot.evaluation import suites
from nbcopilot.evaluation.suites import Question
from nbcopilot.judge import Judge
from nbcopilot.types import Candidate
from nbcopilot.verdict import Verdict

FILES = {
    "humaneval": "generate.jsonl",
    "mbpp": "generate.jsonl",
    "stateful": "stateful/exercise.jsonl",
    "fix": "fix.jsonl",
    "everyday": "everyday",
}
CONFIG = Config(check_total_seconds=60)


def answers(suite: str, folder: Path) -> Iterator[tuple[Question, str, bool]]:
    """(question, a whole answer, whether it is right) of a suite: references, and wrong ones where there are any."""
    found = suites.find(suite)
    items = found.read(folder / FILES[suite])
    try:
        for item in items:
            kind = getattr(item, "kind", "generate") if suite == "everyday" else "generate"
            if kind != "generate":
                continue
            for question in found.questions(item):
                if question.excluded or question.reference is None:
                    continue
                yield question, question.reference.text, True
                if suite == "everyday":
                    step = item.raw["steps"][item.step]
                    yield from ((question, text, True) for text in step.get("also", ()))
                    yield from ((question, text, False) for text in step["wrong"])
    finally:
        found.close(items)


def checked(question: Question, answer: str) -> Verdict:
    """What the checks say of an answer that no model wrote."""
    return Judge(CONFIG).check(Candidate(answer), question.task, question.notebook)[1]


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--limit", type=int, default=10**9, help="answers of each suite")
    args = parser.parse_args()
    sizes: dict[str, dict[str, int]] = {}
    right: dict[str, Counter[str]] = {}
    wrong: Counter[str] = Counter()
    rejected: list[dict[str, Any]] = []
    for suite in FILES:
        right[suite], counts = Counter(), Counter()
        for number, (question, answer, is_right) in enumerate(answers(suite, args.data)):
            if number >= args.limit:
                break
            verdict = checked(question, answer)
            counts["right" if is_right else "wrong"] += 1
            (right[suite] if is_right else wrong).update({diagnostic.code for diagnostic in verdict.diagnostics})
            if is_right and verdict.errors:
                told = [registry.line(diagnostic) for diagnostic in verdict.errors]
                rejected.append({"suite": suite, "id": question.id, "errors": told})
        sizes[suite] = dict(counts)
        print(f"{suite}: {dict(counts)}", flush=True)
    rules = {
        code: {"right": {suite: right[suite][code] for suite in FILES if right[suite][code]}, "wrong": wrong[code]}
        for code in registry.rules()
    }
    print(f"\n{'rule':<8}" + "".join(f"{suite:>12}" for suite in FILES) + f"{'wrong':>12}")
    for code, rates in rules.items():
        print(
            f"{code:<8}" + "".join(f"{rates['right'].get(suite, 0):>12}" for suite in FILES) + f"{rates['wrong']:>12}"
        )
    print(f"\nright answers that are rejected: {len(rejected)}")
    for one in rejected:
        print(f"  {one['suite']} {one['id']}: {'; '.join(one['errors'])}"[:200])
    result = {"version": __version__, "answers": sizes, "rules": rules, "rejected": rejected}
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({"answers": sizes, "rejected": len(rejected)}))


if __name__ == "__main__":
    main()
