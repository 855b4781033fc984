"""The line of a magic: options first, then literal text."""

from __future__ import annotations

import pytest

from nbcopilot.config import Config
from nbcopilot.errors import ConfigError, UsageError
from nbcopilot.magics import options


def test_options_end_where_text_begins() -> None:
    parsed = options.parse("-n 3 --temperature=0.5 --think plot {'a': 1} --model is \"text\" here", "%%generate")
    assert parsed.values == {"candidates": 3, "temperature": 0.5}
    assert parsed.flags == {"think"}
    assert parsed.text == "plot {'a': 1} --model is \"text\" here"


def test_two_dashes_end_the_options() -> None:
    assert options.parse("-n 2 -- --model of the world", "%%generate").text == "--model of the world"


@pytest.mark.parametrize("text", ["-1 and -2", "- a list", "-"])
def test_minus_that_is_no_option_is_text(text: str) -> None:
    assert options.parse(text, "%%generate").text == text


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--temprature 1", "Did you mean --temperature?"),
        ("--zzzz", "--help lists them"),
        ("--temperature", "--temperature needs a value"),
        ("--temperature hot", "It takes a number"),
        ("-n three", "It takes a whole number"),
    ],
)
def test_wrong_option_is_a_sentence(line: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        options.parse(line, "%%generate")
    assert said in str(caught.value)


def test_value_out_of_range_names_the_range() -> None:
    with pytest.raises(ConfigError, match="It takes 0 to 5"):
        options.parse("--temperature 9", "%%generate").config(Config())


def test_every_option_is_in_the_help() -> None:
    shown = options.help_text("%%generate")
    assert all(name in shown for option in options.COMMON for name in option.names)
