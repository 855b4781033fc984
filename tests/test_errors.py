"""Errors carry a sentence and a hint everywhere, also across processes."""

from __future__ import annotations

import pickle

from nbcopilot.errors import EditConflictError, NbcopilotError


def test_error_survives_pickling_with_its_hint() -> None:
    error = pickle.loads(pickle.dumps(EditConflictError("cell 3 changed", hint="run it again")))
    assert type(error) is EditConflictError
    assert str(error) == "Cell 3 changed. Run it again"
    assert (error.code, error.exit_code) == ("edit-conflict", 1)


def test_ipython_shows_one_sentence_in_place_of_a_traceback() -> None:
    assert NbcopilotError("no model", hint="pull one")._render_traceback_() == ["nbcopilot: No model. Pull one"]
