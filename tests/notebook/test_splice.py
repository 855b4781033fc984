"""Writing a changed value leaves every untouched byte as it was."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbcopilot.notebook.jsontext import parse, same
from nbcopilot.notebook.splice import Style, dumps, splice, style_of

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
STYLES = [
    {"indent": 1}, {"indent": 2, "ensure_ascii": False}, {"indent": None}, {"indent": "\t"}, {"indent": 0},
    {"indent": None, "separators": (",", ":")}, {"indent": 1, "sort_keys": True}, {"indent": 4, "separators": (",", ":")},
]  # fmt: skip


def rewritten(text: str, new: Any) -> str:
    old, span = parse(text)
    style = style_of(text, old, span)
    return text[: span.start] + splice(text, old, span, new, style) + style.final


@given(VALUES, st.sampled_from(STYLES))
def test_dumps_agrees_with_json_in_the_same_style(value: Any, options: dict[str, Any]) -> None:
    indent = options["indent"]
    separators = options.get("separators") or ((", ", ": ") if indent is None else (",", ": "))
    style = Style(
        indent=indent if indent is None or isinstance(indent, str) else " " * indent,
        item_separator=separators[0],
        key_separator=separators[1],
        ensure_ascii=options.get("ensure_ascii", True),
        sort_keys=options.get("sort_keys", False),
    )
    assert dumps(value, style) == json.dumps(value, **options) or "\\u" in dumps(value, style)


@given(VALUES, VALUES, st.sampled_from(STYLES))
def test_a_splice_holds_the_new_value(old: Any, new: Any, options: dict[str, Any]) -> None:
    assert same(parse(rewritten(json.dumps(old, **options), new))[0], parse(json.dumps(new))[0])


@given(VALUES, st.text(alphabet=" \n\t", max_size=3), st.text(alphabet=" \n", max_size=2))
def test_an_unchanged_value_keeps_every_byte(value: Any, before: str, after: str) -> None:
    text = before + json.dumps(value, indent=1) + after
    assert rewritten(text, parse(text)[0]) == text


@pytest.mark.parametrize("options", STYLES)
def test_taking_out_what_was_put_in_restores_the_bytes(options: dict[str, Any]) -> None:
    value = {"cells": [{"id": "a", "n": [1, 2]}, {"id": "b", "n": []}], "z": {"deep": {"x": 1.5}}}
    text = json.dumps(value, **options) + "\n"
    ours = {"id": "new", "metadata": {"nbcopilot": {"role": "summary"}}, "source": ["é\n", "x"]}
    more = rewritten(text, {**value, "cells": [ours, value["cells"][0], ours, value["cells"][1], ours]})
    assert len(parse(more)[0]["cells"]) == 5
    read = parse(more)[0]
    assert rewritten(more, {**read, "cells": [cell for cell in read["cells"] if cell["id"] != "new"]}) == text


def test_an_edited_element_leaves_its_neighbours_and_its_own_other_keys_alone() -> None:
    text = '{"cells": [ {"id":"a",  "n":1.0e5}, {"id" : "b", "n":2 ,"k":[1,2]} ]}'
    value, _ = parse(text)
    value["cells"][1]["n"] = 3
    assert rewritten(text, value) == text.replace('"n":2', '"n":3')


def test_repeated_keys_survive_a_change_elsewhere() -> None:
    assert rewritten('{"a":1,"a":2,"b":3}', {"a": 2, "b": 4}) == '{"a":1,"a":2,"b":4}'


def test_new_keys_go_where_a_sorted_file_has_them() -> None:
    assert rewritten('{\n "a": 1,\n "c": {\n  "x": 1,\n  "y": 2\n }\n}', {"a": 1, "c": {"x": 1, "y": 2}, "b": 0}) == (
        '{\n "a": 1,\n "b": 0,\n "c": {\n  "x": 1,\n  "y": 2\n }\n}'
    )


def test_lone_surrogates_are_written_as_escapes() -> None:
    assert dumps("\ud83d", Style()) == '"\\ud83d"'
    assert dumps("😀é", Style()) == '"😀é"'


def test_values_that_json_cannot_hold_are_refused() -> None:
    for value in ({1: 2}, {1, 2}, object()):
        with pytest.raises(TypeError):
            dumps(value, Style())


@pytest.mark.parametrize(
    ("text", "ascii_only"),
    [
        ('"\\u00e9 x"', True),  # an escape that only an ASCII writer makes
        ('"\\u001b[0m"', False),  # every writer escapes control characters
        ('"\\u003ca>"', False),  # Colab escapes "<" and nothing else
        ('"\\\\u00e9"', False),  # a backslash and letters
        ('"\\ud83d\\ude00"', True),
        ('"\\ud83d x"', False),  # half a pair can only be written as an escape
        ('"é"', False),
    ],
)
def test_ascii_style_is_recognised(text: str, ascii_only: bool) -> None:
    whole = f'{{"a": {text}}}'
    assert style_of(whole, *parse(whole)).ensure_ascii is ascii_only
