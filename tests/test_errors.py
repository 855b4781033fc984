"""Errors carry a sentence and a hint everywhere, also across processes."""

from __future__ import annotations

import pickle

import pytest

from nbcopilot.errors import EditConflictError, NbcopilotError, sentence


def test_error_survives_pickling_with_its_hint() -> None:
    error = pickle.loads(pickle.dumps(EditConflictError("cell 3 changed", hint="run it again")))
    assert type(error) is EditConflictError
    assert str(error) == "Cell 3 changed. Run it again"
    assert (error.code, error.exit_code) == ("edit-conflict", 1)


def test_ipython_shows_one_sentence_in_place_of_a_traceback() -> None:
    assert NbcopilotError("no model", hint="pull one")._render_traceback_() == ["nbcopilot: No model. Pull one"]


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("omit --resume to start again", "Omit --resume to start again"),
        ("omit -k", "Omit -k"),
        ("try: nbcopilot doctor", "Try: nbcopilot doctor"),
        ("pip install --upgrade jupytext", "pip install --upgrade jupytext"),
        ("nbcopilot models pull small", "nbcopilot models pull small"),
        ("notes/a.ipynb is not there", "notes/a.ipynb is not there"),
        ("--since needs git", "--since needs git"),
        ("", ""),
    ],
)
def test_a_sentence_starts_with_a_capital_letter_and_code_stays_as_it_is(said: str, shown: str) -> None:
    assert sentence(said) == shown
