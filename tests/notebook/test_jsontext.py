"""JSON is read without losing what Python's own reader loses, at any depth."""

from __future__ import annotations

import copy
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbcopilot.notebook.jsontext import Literal, parse, same

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES, st.sampled_from([None, 0, 1, 2, "\t"]), st.booleans())
def test_reads_what_json_reads(value: object, indent: int | str | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    assert same(parse(text)[0], json.loads(text))


@given(st.text())
def test_any_text_is_a_value_or_a_value_error(text: str) -> None:
    try:
        ours = parse(text)[0]
    except ValueError:
        with pytest.raises(ValueError):
            json.loads(text)
    else:
        assert same(ours, json.loads(text)) or ours == json.loads(text)  # 0E0 keeps its spelling


@pytest.mark.parametrize(
    "text", ["", "{", "[1,]", '{"a":1,}', "{'a':1}", "[1 2]", "nul", "01", "[1]]", '"\n"', "-", '{"a" 1}']
)
def test_faults_are_named_with_their_place(text: str) -> None:
    with pytest.raises(json.JSONDecodeError) as caught:
        parse(text)
    assert caught.value.lineno >= 1


def test_depth_does_not_matter() -> None:
    depth = 20_000
    value, _ = parse("[" * depth + '{"a": 1}' + "]" * depth)
    twin, _ = parse("[" * depth + '{"a": 1}' + "]" * depth)
    other, _ = parse("[" * depth + '{"a": 2}' + "]" * depth)
    assert same(value, twin) and not same(value, other)


@pytest.mark.parametrize("text", ["1e400", "-1E+05", "1.10", "-0", "9" * 5000, "1e-7"])
def test_numbers_keep_their_spelling_through_copies_and_pickles(text: str) -> None:
    number, _ = parse(text)
    assert isinstance(number, Literal)
    for twin in (copy.deepcopy(number), pickle.loads(pickle.dumps(number))):
        assert twin.text == text


def test_same_tells_types_apart_and_knows_nan() -> None:
    assert not same(1, True) and not same(1, 1.0) and not same(0, None) and not same([], {})
    assert same({"a": float("nan"), "b": [1]}, {"b": [1], "a": float("nan")})
    assert not same(Literal("1.10"), 1.1)


def test_spans_hold_repeated_keys() -> None:
    text = '{"a": 1, "a": [2]}'
    value, span = parse(text)
    assert value == {"a": [2]}
    assert [(key, text[child.start : child.end]) for key, _, child in span.members or []] == [("a", "1"), ("a", "[2]")]
