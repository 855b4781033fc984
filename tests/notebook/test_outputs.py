"""Outputs become short text: no base64, no escape codes, no megabytes, and the count of what was left out."""

from __future__ import annotations

import base64
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbcopilot.notebook import document
from nbcopilot.notebook.outputs import LIMIT, html_text, short, terminal_text

NOTEBOOKS = Path(__file__).parent.parent / "data" / "notebooks"


def display(**data: Any) -> dict[str, Any]:
    return {"output_type": "display_data", "metadata": {}, "data": {k.replace("__", "/"): v for k, v in data.items()}}


def error(*traceback: str, ename: str = "ValueError", evalue: str = "bad") -> dict[str, Any]:
    return {"output_type": "error", "ename": ename, "evalue": evalue, "traceback": list(traceback)}


def png(width: int, height: int) -> str:
    return base64.b64encode(
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + struct.pack(">II", width, height) + b"x" * 99
    ).decode()


def test_a_plot_is_named_with_its_size_and_no_base64() -> None:
    assert short(display(image__png=png(640, 480), text__plain="<Figure size 640x480>")).text == (
        "<Figure size 640x480>\n[image/png 640x480]"
    )
    assert short(display(image__jpeg="A" * 40_000)).text == "[image/jpeg, 29 kB]"


def test_widgets_are_said_by_their_text() -> None:
    cells = document.read(NOTEBOOKS / "rich_outputs.ipynb").snapshot().cells
    assert cells[0].outputs[0].text == "<Figure size 640x480 with 1 Axes>\n[image/png 640x480]"
    assert cells[1].outputs[0].text == "IntSlider(value=0)"


def test_progress_bars_keep_their_last_state() -> None:
    cells = document.read(NOTEBOOKS / "rich_outputs.ipynb").snapshot().cells
    assert cells[2].outputs[0].text == "100%|##########| 10/10\ndone"
    assert terminal_text("a\rb\r\nab\b\bc\x1b[31mred\x1b[0m\x07") == "b\ncred"


def test_plain_text_is_preferred_over_markup() -> None:
    html = "<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table><script>x()</script>"
    assert short(display(text__html=html, text__plain="a b")).text == "a b"
    assert short(display(text__html=html)).text == "a | b\n1 | 2"
    assert short(display(text__html=html, text__plain="<IPython.core.display.HTML object>")).text == "a | b\n1 | 2"


def test_html_of_any_kind_becomes_text() -> None:
    assert html_text("<style>p {}</style><p>one</p><p>two &amp; <b>three</b></p>") == "one\ntwo & three"
    assert html_text("<![bad <p>x") is not None


def test_long_output_says_how_much_was_left_out() -> None:
    output = short({"output_type": "stream", "name": "stdout", "text": "x" * 10_000})
    assert output.truncated == 10_000 - LIMIT and "8,000 characters left out" in output.text
    assert len(output.text) < LIMIT + 60


def test_a_gigantic_output_is_cut_before_it_is_cleaned() -> None:
    output = short({"output_type": "stream", "text": ["line\r" * 1000 + "\n"] * 4000})
    assert len(output.text) < LIMIT + 100


def test_tracebacks_are_plain_and_keep_both_ends() -> None:
    frames = [f"\x1b[0;32m~/lib/mod{i}.py\x1b[0m in f{i}(x)\n---> {i} f{i + 1}(x)\n" for i in range(40)]
    output = short(
        error("-" * 75, "ValueError  Traceback (most recent call last)", *frames, "\x1b[31mValueError\x1b[0m: bad")
    )
    assert output.kind == "error" and "\x1b" not in output.text
    assert "mod0.py" in output.text and "mod39.py" in output.text and "mod20.py" not in output.text
    assert "37 frames left out" in output.text and output.text.endswith("ValueError: bad") and output.truncated > 0


def test_the_message_survives_any_length() -> None:
    output = short(error("x" * 100_000, evalue="y" * 100_000), limit=400)
    assert "ValueError: yyy" in output.text and len(output.text) < 600


@pytest.mark.parametrize(
    "node",
    [{}, {"output_type": "stream"}, {"output_type": "error"}, {"output_type": "execute_result", "data": {"text/plain": [1, None]}},
     {"output_type": "display_data", "data": {"application/json": {"a": [1] * 3}}}, {"data": {"image/png": "not base64!"}}],
)  # fmt: skip
def test_odd_outputs_do_not_raise(node: dict[str, Any]) -> None:
    short(node)


@given(st.text(), st.integers(40, 200))
def test_any_stream_is_short_and_clean(text: str, limit: int) -> None:
    output = short({"output_type": "stream", "text": text}, limit)
    assert len(output.text) <= limit + 60
    assert not any(char < " " and char not in "\n\t" for char in output.text)
