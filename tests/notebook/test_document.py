"""Notebook files are read faithfully, whatever they hold, and written back byte for byte."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbcopilot.errors import NotebookError, NotebookInvalidError, NotebookNotFoundError
from nbcopilot.notebook import document
from nbcopilot.notebook.jsontext import parse, same

NOTEBOOKS = Path(__file__).parent.parent / "data" / "notebooks"
REFUSED = {
    "empty": "is empty",
    "latin1": "is not UTF-8: byte 0xf6",
    "html_error_page": "is not JSON: expected a value (line 1, column 1)",
    "json_list": "it holds a list",
    "only_braces": 'neither "nbformat" nor "cells"',
    "nbformat_5": "newer than nbformat 4",
    "merge_conflict": "is not JSON",
}
READ = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb") if path.stem not in REFUSED)


def read(name: str) -> document.NotebookFile:
    return document.read(NOTEBOOKS / f"{name}.ipynb")


def with_summaries(file: document.NotebookFile) -> dict[str, object]:
    """The node with a cell of ours above every cell."""
    cells: list[dict[str, object]] = []
    for i, cell in enumerate(file.cells):
        cells += [
            file.new_cell("markdown", f"größer {i}\n\nend", {"nbcopilot": {"schema": 1}}, cell_id=f"ours-{i}"),
            cell,
        ]
    return {**file.content, "cells": cells}


def without_summaries(file: document.NotebookFile) -> dict[str, object]:
    return {**file.content, "cells": [cell for cell in file.cells if "nbcopilot" not in cell.get("metadata", {})]}


@pytest.mark.parametrize("name", READ)
def test_an_unchanged_notebook_is_written_byte_for_byte(name: str) -> None:
    file = read(name)
    assert file.dumps(file.node) == file.raw


@pytest.mark.parametrize("name", READ)
def test_cells_put_in_and_taken_out_leave_no_trace(name: str) -> None:
    file = read(name)
    more = document.loads(file.dumps(with_summaries(file)))
    assert len(more.cells) == 2 * len(file.cells)
    back = more.dumps(without_summaries(more))
    if file.convertible_only:
        assert same(parse(back.decode())[0]["cells"], file.content["cells"])
    else:
        assert back == file.raw


def test_every_real_notebook_is_kept_byte_for_byte(evals_folder: Path) -> None:
    paths = sorted((evals_folder / "notebooks").rglob("*.ipynb"))
    assert len(paths) > 100
    refused = []
    for path in paths:
        try:
            file = document.read(path)
        except NotebookError as error:
            refused.append(path.name)
            assert error.hint and "\n" not in str(error)
            continue
        assert file.dumps(file.node) == file.raw, path
        file.snapshot()
        if not file.convertible_only:
            more = document.loads(file.dumps(with_summaries(file)))
            assert more.dumps(without_summaries(more)) == file.raw, path
    assert set(refused) == {"json_list.ipynb", "nbformat_5_future.ipynb", "not_json.ipynb", "only_braces.ipynb"}


@pytest.mark.parametrize(("name", "said"), REFUSED.items())
def test_what_is_no_notebook_is_said_in_one_sentence_with_a_hint(name: str, said: str) -> None:
    with pytest.raises(NotebookInvalidError) as caught:
        read(name)
    assert said in caught.value.message and "\n" not in str(caught.value) and caught.value.hint


def test_a_missing_notebook_names_the_nearest_one() -> None:
    with pytest.raises(NotebookNotFoundError, match=r"Did you mean .*plain\.ipynb"):
        document.read(NOTEBOOKS / "plian.ipynb")


def test_a_folder_is_not_a_notebook() -> None:
    with pytest.raises(NotebookNotFoundError, match="is a folder"):
        document.read(NOTEBOOKS)


def test_a_path_that_cannot_be_is_an_error_of_ours() -> None:
    with pytest.raises(NotebookNotFoundError):
        document.read("no\0tebook.ipynb")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("duplicate_ids", "repeated cell ids: dup"),
        ("missing_ids_and_metadata", '"metadata" is missing'),
        ("missing_ids_and_metadata", "1 of 1 cells have no id"),
    ],
)
def test_what_the_schema_would_refuse_is_read_and_named(name: str, problem: str) -> None:
    assert problem in read(name).problems


def test_every_cell_has_an_id_of_its_own() -> None:
    assert read("duplicate_ids").cell_ids == ("dup", "#1", "own")
    assert read("missing_ids_and_metadata").cell_ids == ("#0",)


def test_old_formats_are_converted_and_never_written_over() -> None:
    file = read("v3_two_worksheets")
    assert file.convertible_only and file.version == (3, 0)
    cells = file.snapshot().cells
    assert [cell.kind for cell in cells] == ["markdown", "code", "markdown"]
    assert cells[0].source == "## Old heading" and cells[1].outputs[0].text == "1"
    assert file.cell_ids == read("v3_two_worksheets").cell_ids  # converted twice, the same ids
    assert read("v2").snapshot().cells[0].source == "a = 1"
    new = json.loads(file.dumps(with_summaries(file)))
    assert new["nbformat"] == 4 and len(new["cells"]) == 6


def test_an_old_notebook_that_nbformat_cannot_convert_is_said() -> None:
    with pytest.raises(NotebookInvalidError, match="nbformat 3 and cannot be converted"):
        document.loads(b'{"nbformat": 3, "metadata": {}, "worksheets": [{"cells": [{"cell_type": "code"}]}]}')


def test_deep_metadata_is_no_problem() -> None:
    deep = '{"a":' * 20_000 + "1" + "}" * 20_000
    data = f'{{"cells": [], "metadata": {deep}, "nbformat": 4, "nbformat_minor": 5}}'.encode()
    file = document.loads(data)
    assert file.dumps(file.node) == data
    changed = file.dumps({**file.node, "cells": [file.new_cell("code", "x", cell_id="a")]})
    assert deep.encode() in changed


def test_utf16_and_marks_are_kept() -> None:
    assert read("utf16").encoding == "utf-16-le"
    file = read("bom")
    assert file.dumps({**file.node, "cells": []}).startswith(b"\xef\xbb\xbf{")


def test_new_cells_look_like_the_files_own() -> None:
    assert read("plain").new_cell("markdown", "a\nb", cell_id="x") == {
        "cell_type": "markdown", "id": "x", "metadata": {}, "source": ["a\n", "b"],
    }  # fmt: skip
    assert read("two_spaces_string_sources").source_value("a\nb") == "a\nb"
    old = document.loads(b'{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 4}')
    assert "id" not in old.new_cell("code", "x", cell_id="x")


def test_the_snapshot_knows_order_outputs_and_the_last_error() -> None:
    notebook = read("hidden_state").snapshot(cursor=1)
    assert notebook.cursor == 1 and [cell.executed for cell in notebook.cells] == [7, 3, 4]
    assert notebook.error is not None
    assert (notebook.error.name, notebook.error.cell_id) == ("NameError", "h1")
    assert read("plain").snapshot().cells[2].outputs[0].text == "14.0"


@pytest.mark.parametrize(
    "cell",
    [
        {"cell_type": "code", "source": None, "outputs": None},
        {
            "cell_type": "code",
            "source": ["a", 1, None],
            "outputs": ["x", {}, {"output_type": "error", "traceback": "x"}],
        },
        {"cell_type": 3, "source": {"a": 1}, "metadata": []},
        {
            "cell_type": "code",
            "source": "x",
            "execution_count": True,
            "outputs": [{"output_type": "stream", "text": 5}],
        },
        {"cell_type": "code", "source": "x", "outputs": [{"output_type": "display_data", "data": {"text/html": None}}]},
    ],
)
def test_cells_that_break_the_schema_do_not_break_the_snapshot(cell: dict[str, object]) -> None:
    data = json.dumps({"cells": [cell, "no cell"], "metadata": 3, "nbformat": 4, "nbformat_minor": 5}).encode()
    assert len(document.loads(data).snapshot().cells) == 1


@given(st.binary(max_size=200))
def test_any_bytes_are_a_notebook_or_a_notebook_error(data: bytes) -> None:
    try:
        document.loads(data)
    except NotebookInvalidError as error:
        assert error.hint


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "cell_type": st.sampled_from(["code", "markdown", "raw"]),
                "source": st.text() | st.lists(st.text(max_size=20)),
            },
            optional={
                "id": st.text(max_size=5),
                "metadata": st.dictionaries(st.text(), st.floats() | st.text()),
                "outputs": st.none(),
            },
        ),
        max_size=6,
    ),
    st.sampled_from([None, 0, 1, 2, "\t"]),
    st.booleans(),
    st.sampled_from(["", "\n", "\r\n"]),
)
def test_any_notebook_survives(
    cells: list[dict[str, object]], indent: int | str | None, ascii_only: bool, final: str
) -> None:
    node = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    data = (json.dumps(node, indent=indent, ensure_ascii=ascii_only) + final).encode("utf-8", "surrogatepass")
    try:
        data.decode()
    except UnicodeDecodeError:  # half a surrogate pair as bytes is no UTF-8
        with pytest.raises(NotebookInvalidError):
            document.loads(data)
        return
    file = document.loads(data)
    assert file.dumps(file.node) == data
    assert len(set(file.cell_ids)) == len(file.cells)
    more = document.loads(file.dumps({**file.node, "cells": [*file.cells, file.new_cell("code", "é", cell_id="zz")]}))
    assert more.dumps({**more.node, "cells": more.cells[:-1]}) == data or not cells
