"""The magics in a real kernel, driven over the Jupyter protocol, with the fake engine for exact behaviour."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from driver import FrontEnd, text_of
from nbclient import NotebookClient

pytestmark = pytest.mark.kernel


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontEnd]:
    # The time that the checks of a request may take is not what is tested here.
    patient = {"NBCOPILOT_CHECK_SECONDS": "60", "NBCOPILOT_CHECK_TOTAL_SECONDS": "300"}
    env = {**os.environ, "NBCOPILOT_MODEL": "fake", **patient}
    notebook = nbformat.v4.new_notebook()
    with FrontEnd(notebook, cwd=tmp_path_factory.mktemp("work"), env=env) as opened:
        opened.run("%load_ext nbcopilot")
        yield opened


def last(front: FrontEnd) -> str:
    return front.nb.cells[-1].source


def test_generate_adds_a_labelled_code_cell_below(front: FrontEnd) -> None:
    cell = front.run("%%generate\na function add_up that adds two numbers")
    assert not [o for o in cell.outputs if o.output_type == "error"], text_of(cell)
    made = last(front)
    assert made.splitlines()[0].startswith("# nbcopilot") and "fake" in made.splitlines()[0]
    assert "```" not in made


def test_explain_never_runs_the_code(front: FrontEnd) -> None:
    front.run("%%explain\nran_by_explain = 1")
    cell = front.run("'ran_by_explain' in dir()")
    assert "False" in text_of(cell)


def test_testgen_runs_the_cell_first(front: FrontEnd) -> None:
    cell = front.run("%%testgen\ndef double(x):\n    return 2 * x")
    assert not [o for o in cell.outputs if o.output_type == "error"], text_of(cell)
    assert "def test_" in last(front)
    assert "4" in text_of(front.run("double(2)"))


def test_testgen_no_run_does_not(front: FrontEnd) -> None:
    front.run("%%testgen --no-run\ndef never_defined(x):\n    return x")
    assert "False" in text_of(front.run("'never_defined' in dir()"))


def test_line_forms_act_on_names_and_cells(front: FrontEnd) -> None:
    front.run("def clean_data(rows):\n    return [r for r in rows if r]")
    number = front.nb.cells[-1].execution_count
    front.run("%explain clean_data")
    assert last(front).startswith("%%markdown") and "clean_data" in last(front)
    assert not [o for o in front.run(f"%explain {number}").outputs if o.output_type == "error"]
    missing = front.run("%explain clean_dat")
    assert "Did you mean `clean_data`?" in text_of(missing)


@pytest.mark.parametrize("text", ["{}", "{'a': 1}", "f'{x}'", '{"a": {"b": [1]}}', "{k: v for k, v in d.items()}"])
def test_braces_in_a_prompt_pass_unharmed(front: FrontEnd, text: str) -> None:
    shown = text_of(front.run(f"%%generate --show-context\nprint {text} please"))
    assert f"print {text} please" in shown


def test_undefined_interpolation_is_one_sentence(front: FrontEnd) -> None:
    shown = text_of(front.run("%%generate\nplot {{no_such_name}}"))
    assert "nbcopilot: {{no_such_name}} in the prompt: NameError" in shown and "Traceback" not in shown


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("%%generate --temprature 1\nx", "Did you mean --temperature?"),
        ("%%generate --temperature 99\nx", "It takes 0 to 5"),
        ("%%generate\n   ", "There is nothing to generate"),
        ("%%generate --model no-such-model\nx", "no-such-model"),
        ("%%explain\n", "the cell body is empty"),
        ("%nbcopilot stats", "Did you mean `%nbcopilot status`?"),
        ("%testgen nothing_like_this", "No cell defines `nothing_like_this`"),
    ],
)
def test_bad_input_is_one_sentence(front: FrontEnd, source: str, said: str) -> None:
    cell = front.run(source)
    shown = text_of(cell)
    assert said in shown and "Traceback" not in shown, shown


def test_dry_run_writes_only_after_accept(front: FrontEnd) -> None:
    front.run("%%generate --dry-run\na function greet that greets")
    assert last(front).startswith("%%generate")
    front.run("%nbcopilot accept")
    assert last(front).splitlines()[0].startswith("# nbcopilot")


def test_output_shows_model_text_but_never_executes_it(front: FrontEnd) -> None:
    cell = front.run("%%generate\nprint('<script>alert(1)</script>')")
    html = "".join(o.data.get("text/html", "") for o in cell.outputs if "data" in o)
    assert "<script>" not in html


def test_fix_mends_the_cell_that_failed_last(front: FrontEnd) -> None:
    front.run("missing_nam = 3\ntotal = missing_name + 1")
    cell = front.run("%fix")
    shown = text_of(cell)
    assert not [o for o in cell.outputs if o.output_type == "error"], shown
    assert "-total = missing_name + 1" in shown and "+total = missing_nam + 1" in shown, shown
    assert "failed before, passes now" in shown, shown
    assert "nbcopilot" in last(front).splitlines()[0]


def test_fix_after_a_failed_testgen_mends_the_code_below_it(front: FrontEnd) -> None:
    front.run("good = 1")
    front.run("%%testgen\ntotal = missing_name + 1\ndef f():\n    return total")
    failed = front.nb.cells[-1]
    cell = front.run("%fix --dry-run")
    assert not [o for o in cell.outputs if o.output_type == "error"], text_of(cell)
    number = failed.execution_count
    assert f"error of cell [{number}]" in text_of(front.run("%nbcopilot context"))
    front.run("%nbcopilot accept")
    assert "def f()" in last(front), failed.source


def test_explain_a_variable_is_about_the_cell_that_sets_it(front: FrontEnd) -> None:
    front.run("rows = [1, 2, 3]\ntable = dict(enumerate(rows))")
    front.run("other = 1")
    cell = front.run("%explain table")
    assert not [o for o in cell.outputs if o.output_type == "error"], text_of(cell)
    assert "table" in last(front)


def test_an_answer_that_was_cut_says_so(front: FrontEnd) -> None:
    shown = text_of(front.run("%%generate --no-check --max-tokens 5\nwrite is_prime(n)"))
    assert "cut at its limit of 5 tokens" in shown and "--max-tokens allows more" in shown


def test_loading_the_extension_is_no_context(front: FrontEnd) -> None:
    assert "load_ext" not in text_of(front.run("%%generate --show-context\nadd two numbers"))


def test_replace_says_where_it_was_written(front: FrontEnd) -> None:
    cell = front.run("%%generate --replace\nadd two numbers")
    assert "offered in place of this cell" in text_of(cell)
    assert cell.source.startswith("# nbcopilot")


def test_variable_whose_repr_raises_or_hangs_does_no_harm(front: FrontEnd) -> None:
    front.run(
        "import time\nclass Bad:\n    def __repr__(self): raise RuntimeError('no')\n"
        "class Slow:\n    def __repr__(self): time.sleep(600)\nbad, slow = Bad(), Slow()"
    )
    cell = front.run("%%generate\nuse bad and slow", timeout=300)  # half of what the repr would take
    assert not [o for o in cell.outputs if o.output_type == "error"], text_of(cell)


def test_batch_front_ends_wait_for_the_answer(tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook()
    sources = ["%load_ext nbcopilot", "%%generate --model fake:40\nwrite is_prime(n)", "'after'"]
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in sources]
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = text_of(notebook.cells[1])
    assert "offered as the next cell" in shown and "def is_prime" in shown and "tokens in" in shown, shown


def test_a_magic_is_back_before_its_answer_and_stop_ends_it(tmp_path: Path) -> None:
    env = {**os.environ, "NBCOPILOT_MODEL": "fake:2"}
    with FrontEnd(nbformat.v4.new_notebook(), comm=True, cwd=tmp_path, env=env) as front:
        front.run("%load_ext nbcopilot")
        front.execute(front.add("%%generate\nwrite is_prime(n)"), wait=False)
        front.execute(front.add("%%generate\nwrite mean(values)"), wait=False)
        shown = front.execute(front.add("%nbcopilot status"), wait=False)
        assert "2 requests under way" in text_of(shown)
        assert "2 requests stopped" in text_of(front.execute(front.add("%nbcopilot stop"), wait=False))
        idle = "from nbcopilot.magics.background import line\nline(get_ipython()).join(60)"
        assert "True" in text_of(front.run(idle))
        assert "no request is under way" in text_of(front.run("%nbcopilot stop"))
        assert [cell.cell_type for cell in front.nb.cells] == ["code"] * 7, "a stopped request wrote something"


def test_interrupt_keeps_the_text_and_the_kernel(tmp_path_factory: pytest.TempPathFactory) -> None:
    env = {**os.environ, "NBCOPILOT_MODEL": "fake:1"}  # most of a minute for an answer
    with FrontEnd(nbformat.v4.new_notebook(), cwd=tmp_path_factory.mktemp("slow"), env=env) as front:
        front.run("%load_ext nbcopilot")
        streamed = threading.Event()

        def watch(cell: object) -> None:
            if text_of(cell).count(" ") > 3:
                streamed.set()

        def stop() -> None:
            if streamed.wait(120):
                front.interrupt()

        stopper = threading.Thread(target=stop)
        stopper.start()
        cell = front.execute(front.add("%%generate\na function add that adds two numbers"), on_output=watch)
        stopper.join()
        assert streamed.is_set()
        shown = text_of(cell)
        assert "stopped" in shown and "Traceback" not in shown, shown
        assert "5" in text_of(front.run("2 + 3"))


def test_comm_route_writes_typed_cells_and_takes_them_back(tmp_path_factory: pytest.TempPathFactory) -> None:
    env = {**os.environ, "NBCOPILOT_MODEL": "fake"}
    with FrontEnd(nbformat.v4.new_notebook(), comm=True, cwd=tmp_path_factory.mktemp("comm"), env=env) as front:
        front.run("%load_ext nbcopilot")
        front.run("%%explain\ndef double(x):\n    return 2 * x")
        explained = front.nb.cells[-1]
        assert explained.cell_type == "markdown" and explained.metadata.nbcopilot.role == "explanation"
        asked = front.add("%%generate\na function add that adds two numbers")
        front.execute(asked)
        front.execute(asked)  # a second run replaces what the first one wrote
        roles = [cell.metadata.get("nbcopilot", {}).get("role") for cell in front.nb.cells]
        assert roles.count("code") == 1 and front.nb.cells[asked + 1].metadata.nbcopilot.role == "code"
        front.run("%nbcopilot undo")
        assert "code" not in [cell.metadata.get("nbcopilot", {}).get("role") for cell in front.nb.cells]
        nbformat.validate(front.nb)
