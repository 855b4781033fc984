"""What the magics do with bad input, in a real kernel: one sentence with a hint, no traceback, the kernel stays usable.

The same for the command line: tests/cli/test_cells.py, test_document.py and test_models.py. Interrupt, undefined
`{{name}}` and objects whose repr raises or hangs: test_magics_in_kernel.py. Memory: tests/engine.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from driver import FrontEnd, text_of

pytestmark = pytest.mark.kernel


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontEnd]:
    env = {**os.environ, "NBCOPILOT_MODEL": "fake", "NBCOPILOT_CACHE_DIR": str(tmp_path_factory.mktemp("empty"))}
    with FrontEnd(nbformat.v4.new_notebook(), cwd=tmp_path_factory.mktemp("work"), env=env) as opened:
        opened.run("%load_ext nbcopilot")
        yield opened


def refused(front: FrontEnd, source: str) -> str:
    """What is said of a cell that must be refused without a trace in the notebook."""
    before = len(front.nb.cells)
    cell = front.run(source)
    shown = text_of(cell)
    assert [o.output_type for o in cell.outputs].count("error") == 1 and "Traceback" not in shown, shown
    assert len(front.nb.cells) == before + 1, "a refused request writes nothing"
    assert "2" in text_of(front.run("1 + 1")), "the kernel is still there"
    return shown


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("%%generate --model qwen2.5-coder-0.5b\nx", "`nbcopilot models pull qwen2.5-coder-0.5b` (491 MB"),
        ("%%generate --model no-such-model\nx", "`nbcopilot models list` shows all"),
        ("%%generate --model /no/such/file.gguf\nx", "/no/such/file.gguf"),
        ("%%generate --temprature 1\nx", "Did you mean --temperature?"),
        ("%%generate\n" + "x" * 200_000, "The request alone is"),
        ("%explain 9999", "No cell [9999] has run"),
        ("%nbcopilot config temprature=1", "Did you mean `temperature`?"),
        ("%nbcopilot config temperature=99", "It takes 0 to 5"),
        ("%%testgen --no-run\nx = 1", "There is no function or class to test in that cell. Name one"),
    ],
)
def test_a_request_that_cannot_be_is_one_sentence(front: FrontEnd, source: str, says: str) -> None:
    assert says in refused(front, source)


def test_code_that_fails_before_its_tests_is_shown_once(front: FrontEnd) -> None:
    shown = re.sub(r"\x1b\[[\d;]*m", "", text_of(front.run("%%testgen\n1 / 0")))
    assert shown.count("ZeroDivisionError: division by zero") == 1 and "run_cell_magic" not in shown, shown
    assert "nbcopilot: The code failed, so no tests were written. Mend it first" in shown


def test_help_says_what_the_magic_takes(front: FrontEnd) -> None:
    shown = text_of(front.run("%testgen --help"))
    assert "%testgen [options] NAME" in shown and "--few-shot N" in shown
    assert "accept" in text_of(front.run("%nbcopilot help"))


def test_settings_of_the_session_are_said_and_used(front: FrontEnd) -> None:
    assert "temperature = 0.3 for this session" in text_of(front.run("%nbcopilot config temperature=0.3"))
    assert "0.3                      this session" in text_of(front.run("%nbcopilot config"))
    front.run("%nbcopilot config temperature=0")


def test_reject_drops_what_a_dry_run_offered(front: FrontEnd) -> None:
    front.run("%%generate --dry-run\na function greet")
    assert "dropped; nothing was written" in text_of(front.run("%nbcopilot reject"))
    assert "nothing waits" in text_of(front.run("%nbcopilot accept"))


def test_a_broken_project_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "nbcopilot.toml").write_text("temprature = 1\n")
    with FrontEnd(nbformat.v4.new_notebook(), cwd=tmp_path, env={**os.environ, "NBCOPILOT_MODEL": "fake"}) as front:
        front.run("%load_ext nbcopilot")
        shown = refused(front, "%%generate\nx")
        assert "nbcopilot.toml" in shown and "Did you mean `temperature`?" in shown
