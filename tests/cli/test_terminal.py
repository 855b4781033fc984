"""Progress and questions: a bar and an answer on a terminal, plain lines and no question elsewhere."""

from __future__ import annotations

import io
import os
import sys

import pytest

from nbcopilot.cli import terminal


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_off_a_terminal_there_is_one_line_a_tenth(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "QUIET_SECONDS", 0.0)
    with terminal.Bar() as bar:
        for done in range(0, 1001, 5):
            bar(done * 10**6, 1000 * 10**6, "model")
    out, err = capsys.readouterr()
    assert out == "" and len(err.splitlines()) == 11
    assert err.splitlines()[5] == " 50 % of 1000 MB  model"


def test_a_count_of_steps_is_not_called_bytes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "QUIET_SECONDS", 0.0)
    with terminal.Bar() as bar:
        bar(30, 300, "converting to int8")
    assert capsys.readouterr().err == " 10 %  converting to int8\n"


def test_what_is_quick_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    with terminal.Bar() as bar:
        bar(1, 1, "model")
    assert capsys.readouterr() == ("", "")


def test_waiting_is_said_once(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "QUIET_SECONDS", 0.0)
    with terminal.Bar() as bar:
        for _ in range(3):
            bar(0, 0, "another process is at it, waiting")
    assert capsys.readouterr().err == "another process is at it, waiting\n"


def test_on_a_terminal_one_bar_shows_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setitem(os.environ, "TERM", "xterm")
    with terminal.Bar() as bar:
        bar(5 * 10**6, 10 * 10**6, "model: part 1 of 2")
        bar(10 * 10**6, 10 * 10**6, "model: checked")
    assert "model: checked" in screen.getvalue() and "10/10 MB" in screen.getvalue()


@pytest.mark.parametrize(
    ("typed", "meant"), [("\n", True), ("y\n", True), ("YES\n", True), ("n\n", False), ("", False), ("what\n", False)]
)
def test_enter_is_yes_and_everything_else_is_no(monkeypatch: pytest.MonkeyPatch, typed: str, meant: bool) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    monkeypatch.setattr(sys, "stderr", Terminal())
    ask = terminal.asker()
    assert ask is not None and ask("Pull it now?") is meant


def test_nobody_is_asked_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert terminal.asker() is None
