"""Braces in prompts: literal, unless they are doubled (jupyter-ai#27)."""

from __future__ import annotations

import pytest

from nbcopilot.errors import UndefinedNameError
from nbcopilot.magics.interpolate import LIMIT, interpolate


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "{'a': 1}",
        '{"a": 1}',
        "{k: v for k, v in d.items()}",
        "f'{x!r:>10}'",
        "{s.x} {df[0]}",
        '{"a": {"b": {}}}',
        "\\frac{a}{b}",
        "{% for x in y %}{{ not python ! }}",
    ],
)
def test_single_braces_are_literal(text: str) -> None:
    assert interpolate(text, {}) == text


def test_double_braces_insert_values() -> None:
    namespace = {"n": 3, "s": "a {b}", "items": [1, 2]}
    assert interpolate("{{n}} {{ s }} {{len(items)}}", namespace) == "3 a {b} 2"


def test_value_with_braces_is_not_expanded_again() -> None:
    assert interpolate("{{s}}", {"s": "{{n}}", "n": 1}) == "{{n}}"


def test_undefined_name_is_a_sentence() -> None:
    with pytest.raises(UndefinedNameError, match=r"\{\{nope\}\} in the prompt: NameError") as caught:
        interpolate("use {{nope}}", {})
    assert "\\{{nope}}" in caught.value.hint


def test_backslash_keeps_the_braces() -> None:
    assert interpolate("\\{{n}}", {"n": 1}) == "{{n}}"


def test_long_value_is_bounded_and_says_so() -> None:
    shown = interpolate("{{s}}", {"s": "x" * (LIMIT + 5)})
    assert len(shown) < LIMIT + 40 and "5 characters more" in shown
