"""Every rule takes time in proportion to the text: four times the text may not take more than some six times as long.

Ratios of CPU time, not limits in seconds: they hold on any machine. What a rule looks for, and near misses of it, is
repeated until a rule without a left boundary, or with two repeats side by side, would show.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from nbcopilot.redaction import detectors, forms, named, personal, redact, tables, tokens
from nbcopilot.redaction.rule import Rule, Span, lower

SMALL, LARGE = 15_000, 60_000
# Below this nothing is measured but noise; a quadratic rule takes seconds for LARGE.
FLOOR = 0.04
SEEDS = [
    "a", "1", "ACGT", "a1", "A-", "é", "\n", " ", "\\", "{", "(", "://", "a://", "a://b:", "a.b.", "x@", "a=b;", "%",
    "password", "password=", "password='", "password=(", "?sig=", "key: ", "a,password\n", "|password|\n", "auth=('a','", "-u a:",
    "eyJabcdefgh.", "-----BEGIN RSA PRIV" + "ATE KEY-----", "AKIA0123456789ABCDEF ", "mysql -p", "machine a ", "a:11:b:c:", "49 30 ",
]  # fmt: skip
RULES: list[Rule] = [*tokens.RULES, *forms.RULES, *detectors.rules(), *personal.RULES]


def repeated(seed: str, length: int) -> str:
    return (seed * (length // len(seed) + 1))[:length]


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def assert_linear(work: Callable[[str], object], seed: str, tail: str = "") -> None:
    large = repeated(seed, LARGE) + tail
    took = seconds(lambda: work(large))
    if took > FLOOR:
        small = repeated(seed, SMALL) + tail
        ratio = 99.0
        for _ in range(4):  # another process may have had the caches
            ratio = min(ratio, took / max(seconds(lambda: work(small)), 1e-4))
            if ratio < 7:
                return
            took = min(took, seconds(lambda: work(large)))
        raise AssertionError(f"{seed!r}: {took:.2f} s, and four times the text takes {ratio:.1f} times as long")


@pytest.mark.parametrize("rule", RULES, ids=[f"{i}-{rule.label}" for i, rule in enumerate(RULES)])
def test_every_rule_is_linear(rule: Rule) -> None:
    tail = "\n" + " ".join(rule.hints)  # so that the rule is tried at all
    for seed in [*SEEDS, *rule.hints, *(f"{hint}a" for hint in rule.hints[:3])]:
        assert_linear(lambda text: list(rule.spans(text, lower(text))), seed, tail)


@pytest.mark.parametrize("finder", [named.spans, tables.spans, detectors.spans], ids=["named", "tables", "detectors"])
def test_every_finder_is_linear(finder: Callable[[str, str], Iterator[Span]]) -> None:
    for seed in SEEDS:
        assert_linear(lambda text: list(finder(text, lower(text))), seed)


@pytest.mark.parametrize("seed", ["ACGT", "a", "1", "aB3", "a://", "password ", "key1 = 'x'\n"])
def test_all_rules_together_are_linear(seed: str) -> None:
    assert_linear(redact, seed, "  # https://example.org")


def test_a_secret_at_the_border_of_two_windows_is_found() -> None:
    secret = "ghp_" + "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3zA5"
    for before in range(63_950, 64_010, 3):
        text = "x " * (before // 2) + f"password = 'hunter2hunter' {secret}\n" + "y " * 5000
        clean, count = redact(text)
        assert secret not in clean and "hunter2hunter" not in clean and count == 2
