"""Nothing that a notebook, a file name or a model says commands the terminal: every command, every kind of character."""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
from pathlib import Path

import nbformat
import pytest

from nbcopilot.cli import screen, terminal
from nbcopilot.cli.main import COMMANDS, main
from nbcopilot.engine import fake
from nbcopilot.hashing import text_hash
from nbcopilot.printable import printable, printable_with_colours

KINDS = {
    "title": "\x1b]0;PWNED\x07",
    "clipboard": "\x1b]52;c;Y3VybCBldmlsfHNo\x07",
    "clear": "\x1b[2J\x1b[H",
    "colour": "\x1b[8mhidden\x1b[0m",
    "eight bits": "\x9b2J\x9d0;PWNED\x9c",
    "backspace": "safe\b\b\b\bevil",
    "return": "safe\revil",
    "delete": "a\x7fb",
    "override": "\u202egnp.exe\u202c",
    "isolate": "\u2066a\u2069\u2067b\u2068",
    "marks": "\u200e\u200f\u061c",
    "separators": "a\u2028b\u2029c",
    "invisible": "a\u200bb\ufeffc\u2060d",
    "tags": "a\U000e0041\U000e0042",
}
FORBIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]"
)


def hostile(folder: Path, bad: str) -> Path:
    """A notebook that says `bad` wherever a notebook can, its file name included."""
    name = "".join(char for char in bad if char not in "/\x00")
    cell = nbformat.v4.new_code_cell(f"x = 1  # {bad}")  # type: ignore[no-untyped-call]
    digest = text_hash("x")
    cell.metadata["nbcopilot"] = {
        "schema": 1, "role": "code", "group": bad, "source_cell": None, "created": bad, "version": bad,
        "model": {"id": f"{bad}qwen", "sha256": bad, "engine": bad}, "sampling": {"temperature": 0},
        "checks": {"run": bad, "syntax": bad}, "answer_sha256": digest, "prompt_sha256": digest,
    }  # fmt: skip
    broken = nbformat.v4.new_code_cell(f"def f(:  # {bad}")  # type: ignore[no-untyped-call]
    title = nbformat.v4.new_markdown_cell(f"# {bad}")  # type: ignore[no-untyped-call]
    path = folder / f"n{name}.ipynb"
    path.write_text(json.dumps(nbformat.v4.new_notebook(cells=[title, cell, broken], metadata={"title": bad})))  # type: ignore[no-untyped-call]
    (folder / f"m{name}.ipynb").write_text(bad)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_no_command_prints_what_commands_a_terminal(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    bad = KINDS[kind]
    path = hostile(tmp_path, bad)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        fake.FakeEngine, "from_id", lambda name: fake.FakeEngine([f"```python\nx = 1  # {bad}\n```"] * 9)
    )
    escaped = "".join(f"\\U{ord(char):08x}" for char in bad)
    (tmp_path / "nbcopilot.toml").write_text(f'seed = 1\npolicy = "../{escaped}"\n')
    lines = [
        ["audit", "."],
        ["audit", "--json", "."],
        ["replay", str(path)],
        ["replay", "--json", str(path)],
        ["document", ".", "--check"],
        ["document", ".", "--dry-run", "--model", "fake"],
        ["strip", ".", "--dry-run"],
        ["generate", f"a list {bad}", "--model", "fake", "--no-check"],
        ["generate", "a list", "--model", "fake", "--no-check", "--json"],
        ["explain", f"{path}#2", "--model", "fake", "--no-check"],
        ["fix", f"{path}#3", "--model", "fake", "--no-check"],
        ["generate", "x", "--notebook", f"{bad.replace(chr(0), '')}.ipynb", "--model", "fake"],
        ["generate", "x", "--model", f"fa{bad}ke"],
        ["document", f"no{bad}.ipynb", "--check"],
        ["models", "pull", f"no{bad}"],
        ["trust", f"no{bad}"],
        ["doctor", "--model", f"no{bad}"],
        [f"com{bad}mand"],
        ["audit", f"--op{bad}tion"],
    ]
    for words in lines:
        with contextlib.suppress(SystemExit):
            main(words)
        captured = capfd.readouterr()
        said = captured.out + captured.err
        assert said and not FORBIDDEN.search(said), (words, FORBIDDEN.search(said), said[:300])
        assert "Traceback" not in said
        if "--json" in words:
            json.loads(captured.out.splitlines()[-1])


def test_the_bar_shows_escapes_and_still_moves_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    shown = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", shown)
    with screen.guarded(), terminal.Bar() as bar:
        for note in KINDS.values():
            bar(1, 10, f"a{note}")
        print(KINDS["title"], file=sys.stderr)
    assert "\x1b[" in shown.getvalue()
    assert "PWNED\x07" not in shown.getvalue() and "\x1b]" not in shown.getvalue()
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x80-\x9f]", shown.getvalue())


def test_escapes_are_readable_and_text_stays() -> None:
    assert printable("a\x1b[2Jb\u202ec\td\ne") == "a\\x1b[2Jb\\u202ec\td\ne"
    assert printable("one\r\ntwo") == "one\ntwo"
    for text in ("Größe – naïve · 北京 · שלום · 👩‍💻 · नमस्ते", "", "|/-\\ 100 %"):
        assert printable(text) == text
    for text in KINDS.values():
        assert printable(printable(text)) == printable(text)
        assert not FORBIDDEN.search(printable(text))
    line = json.dumps({"a": "".join(KINDS.values())}, ensure_ascii=False)
    assert json.loads(printable(line)) == json.loads(line)


def test_only_colours_pass_where_colours_may() -> None:
    assert printable_with_colours("\x1b[32mok\x1b[0m") == "\x1b[32mok\x1b[0m"
    for name in ("title", "clipboard", "clear", "eight bits", "override"):
        assert not FORBIDDEN.search(printable_with_colours(KINDS[name]))
    assert "\x1b[8m" not in printable_with_colours(KINDS["colour"])


def test_streams_are_put_back_and_no_command_brings_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    before = sys.stdout, sys.stderr
    assert main(["trust", "--list"]) == 0
    assert (sys.stdout, sys.stderr) == before
    package = Path(screen.__file__).parent
    for name in {*COMMANDS.values(), "batching", "terminal", "progress"}:
        text = (package / f"{name}.py").read_text(encoding="utf-8")
        for word in ("sys.__std", "stdout.buffer", "stderr.buffer", "os.write(", "Console("):
            assert word not in text, f"{name}.py goes around the screen: {word}"
