"""One reader for every cell: what is Python, what IPython makes of it, and what cannot be read at all."""

from __future__ import annotations

import ast
import warnings

import pytest

from nbcopilot.batch.survey import has_code
from nbcopilot.checking import check
from nbcopilot.config import Config
from nbcopilot.notebook import dependencies, syntax
from nbcopilot.notebook.syntax import steadily
from nbcopilot.types import Candidate, Notebook, Task

UNREADABLE = [
    "x = (", "x == = 1", "(" * 5000, "-" * 100_000 + "1", "x = " + "1+" * 50_000 + "1", "\0", "\ud800 = 1", "%%time\nx = (",
]  # fmt: skip


def test_a_parser_that_another_thread_confused_is_asked_again() -> None:
    asked: list[str] = []

    def confused(source: str, *, times: int) -> ast.Module:
        asked.append(source)
        if len(asked) <= times:
            raise SystemError("AST constructor recursion depth mismatch")
        return ast.parse(source)

    assert ast.unparse(steadily(confused, "x = 1", times=1)) == "x = 1" and len(asked) == 2
    asked.clear()
    with pytest.raises(SystemError):
        steadily(confused, "x = 1", times=2)


@pytest.mark.parametrize("failure", [SystemError, MemoryError, RecursionError, ValueError])
def test_whatever_the_parser_raises_is_a_syntax_error(
    monkeypatch: pytest.MonkeyPatch, failure: type[Exception]
) -> None:
    def broken(*args: object, **options: object) -> ast.Module:
        raise failure("no")

    monkeypatch.setattr(ast, "parse", broken)
    with pytest.raises(SyntaxError):
        syntax.parse_plain("x = 1")
    assert syntax.plain_tree("x = 2") is None
    assert syntax.expression("x") is None


@pytest.mark.parametrize("source", UNREADABLE, ids=range(len(UNREADABLE)))
def test_what_cannot_be_read_raises_syntax_error_or_is_none(source: str) -> None:
    with pytest.raises(SyntaxError):
        syntax.parse(source)
    assert syntax.tree(source) is None
    assert syntax.plain_tree(source) is None
    assert syntax.expression(source) is None
    assert not syntax.parses(source)


@pytest.mark.parametrize("name", sorted(syntax.PYTHON_CELL_MAGICS))
def test_every_part_looks_through_the_same_cell_magics(name: str) -> None:
    source = f"%%{name} -n 1\nmade = missing + 1\n"
    assert syntax.foreign_magic(source) is None
    assert syntax.look_through(source) == "\nmade = missing + 1\n"
    assert "missing" in dependencies.names(source).used  # what the context is gathered by
    found = check(Candidate(source), Task("generate", "make it"), Notebook(), Config()).diagnostics
    assert [(one.code, one.line) for one in found] == [("NB101", 2)]  # what answers are checked by
    assert has_code(source, "python") is (name != "testgen")  # what is documented


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("%%bash\nls", "bash"),
        ("%%!\nls", "!"),
        ("\n# why\n%%html\n<b>", "html"),
        ("%%time\n%%writefile a.py\nx", "writefile"),
        ("%%time?", None),
        ("%time f()", None),
        ("x = 1\n%%bash", None),
    ],
)
def test_the_cell_magic_of_another_language(source: str, name: str | None) -> None:
    assert syntax.foreign_magic(source) == name
    assert (syntax.tree(source) is None) is (name is not None)


@pytest.mark.parametrize(
    "source",
    [
        "%matplotlib inline\nx = 1", "!pip list\nx = 1", "! ls\nx = 1", "!!ls", "files = !ls\nx = 1", "t = %timeit -o f()\nx = 1",
        "df?\nx = 1", "?df\nx = 1", "df.groupby??", "if x:\n    %time f()", ">>> x = 1\n>>> x", "await f()", "async with a as b:\n    pass", "  x = 1\n  y = 2",
    ],
)  # fmt: skip
def test_ipython_syntax_is_read(source: str) -> None:
    assert syntax.parses(source)
    assert syntax.tree(source) is not None


@pytest.mark.parametrize("source", ["What is this?", "Is it so?\nYes.", "x = 1\nIs this right?", "/usr/bin/env python"])
def test_sentences_are_not_taken_for_calls_for_help(source: str) -> None:
    assert not syntax.parses(source)


@pytest.mark.parametrize(
    "source", ["# ok?\nx = 1", "x = 'why?'", "x = f(a)  # right?", "print('%d' %\n  x)", "ok = (a\n  != b)"]
)
def test_a_question_mark_or_an_operator_at_an_edge_is_plain_python(source: str) -> None:
    assert syntax.transform(source) == source
    assert has_code(source, "python")
    assert not any(syntax.is_magic_call(node) for node in syntax.parse(source).body)


@pytest.mark.parametrize(
    "source", ["# ok?", "%matplotlib inline", "!ls", "df?", "'''why'''", "%%testgen\nf", "%load_ext a\n?f"]
)
def test_comments_magics_and_shell_lines_alone_are_no_code(source: str) -> None:
    assert not has_code(source, "python")


def test_magics_are_blanked_and_everything_else_keeps_its_place() -> None:
    source = "%time f()\nx = !ls  # all\nif x:\n    !rm a\ny = x['a' \n % 3]  # why?\ndf.head?"
    blank = syntax.blank_magics(source)
    module = syntax.plain_tree(blank)
    assert module is not None
    assert [len(line) for line in blank.split("\n")] == [len(line) for line in source.split("\n")]
    assert "% 3]  # why?" in blank
    name = next(n for n in ast.walk(module) if isinstance(n, ast.Name) and n.id == "y")
    assert (name.lineno, name.col_offset) == (5, 0)


def test_parsing_warns_of_nothing_and_what_only_the_compiler_sees_is_told() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        module = syntax.parse("x = '\\d'\nawait x")
        syntax.compiles(module)
    with pytest.raises(SyntaxError):
        syntax.compiles(syntax.parse("return 1"))


def test_literals() -> None:
    assert syntax.literal("[1, 'a']") == [1, "a"]
    for text in ("f(1)", "[", "x", "{[]: 1}", "(" * 5000):
        with pytest.raises(SyntaxError):
            syntax.literal(text)
