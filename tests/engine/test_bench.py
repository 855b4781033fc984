"""`nbcopilot bench` on a tiny model: real workers, real requests; the numbers mean nothing here."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from serving import eventually

from nbcopilot.cli.main import main
from nbcopilot.engine.bench import figures, limits, prompts
from nbcopilot.errors import EngineUnavailableError, UsageError

from .conftest import Opener


def last_line(text: str) -> dict[str, Any]:
    return dict(json.loads(text.splitlines()[-1]))


def test_every_figure_is_measured_and_kept_for_the_next_run(
    long_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "samples.json"
    line = ["bench", "--model", str(long_folder), "--keep", str(kept), "--threads", "1"]
    assert main([*line, "--rounds", "1", "--soak", "12"]) == 0
    out = capsys.readouterr().out
    found = last_line(out)
    assert set(found["absolute"]) >= {*figures.RATES, *figures.SECONDS, "peak_bytes"}
    assert found["against"] is None and set(found["ratios"].values()) - {found["ratios"]["memory"]} == {None}
    assert "warm_first_token" in out and found["limit"]["bytes_per_token"] > 0
    assert found["limit"]["soak"]["requests"] == 12
    assert main([*line, "--rounds", "1", "--only", "free", "--json"]) == 0
    again = last_line(capsys.readouterr().out)
    counts = {figure: sides["nbcopilot"]["count"] for figure, sides in again["absolute"].items()}
    assert counts["decode_free"] == 2 and counts["prefill"] == 1


def test_samples_of_other_conditions_are_not_mixed(tmp_path: Path) -> None:
    path = tmp_path / "samples.json"
    figures.keep(path, {"threads": 1}, {"prefill": {"nbcopilot": [1.0]}})
    assert figures.load(path, {"threads": 1}) == {"prefill": {"nbcopilot": [1.0]}}
    with pytest.raises(UsageError, match="other conditions"):
        figures.load(path, {"threads": 2})
    path.write_text("[]")
    with pytest.raises(UsageError, match="holds no samples"):
        figures.load(path, {})


@pytest.mark.parametrize(("option", "words"), [("--rounds=-1", "take 0 or more"), ("--only=speed", "knows no 'speed'")])
def test_wrong_option_is_one_sentence(option: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", option]) == 2
    assert words in capsys.readouterr().err


def test_ratio_above_one_means_that_we_are_faster() -> None:
    sides = {"prefill": (300.0, 100.0), "warm_first_token": (0.1, 0.2), "peak_bytes": (150.0, 180.0)}
    samples = {name: {"nbcopilot": [ours], "llama.cpp": [theirs]} for name, (ours, theirs) in sides.items()}
    found = figures.ratios(samples, weight_bytes=100)
    assert (found["prefill"], found["warm_first_token"], found["memory"], found["batch8"]) == (3.0, 2.0, 1.5, None)


def test_peer_that_is_missing_is_said_and_we_are_measured_alone(
    long_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["bench", "--model", str(long_folder), "--rounds", "0", "--against", "llama.cpp", "--peer-python"]
    assert main([*line, sys.executable]) == 0
    assert "llama.cpp reads .gguf files only" in capsys.readouterr().err
    assert not figures.has_llama_cpp("/no/such/python")


def test_worker_that_cannot_start_is_one_sentence() -> None:
    program = figures.Program("llama.cpp", (sys.executable, "-c", "raise SystemExit(1)"), "m", 1)
    with pytest.raises(EngineUnavailableError, match=r"llama\.cpp ended without an answer"):
        figures.Child(program)


def test_memory_over_many_requests_is_told(long_folder: Path, opened: Opener) -> None:
    engine = opened(long_folder, cache_mb=1)
    found = limits.soak(engine, prompts.own_cells(), 20, lambda text: None)
    assert set(found["points"]) == {"first", "cache_full", "half", "last"}
    assert found["peak_bytes"] >= found["points"]["last"]["own_bytes"] > 0
    # The last request was given up: what it had read may just be on its way into the cache.
    assert eventually(lambda: 0 < engine.describe().detail["cache_bytes"] <= 1_000_000)


def test_slope_of_memory_counts_neither_the_cache_nor_pages_of_files() -> None:
    """The cache fills up to its limit, files are read, 1 kB a request leaks."""
    held = [
        limits.Held(n + 1, 10**8 + min(n * 10**6, 10**8) + n * 1000, n * 5000, min(n * 10**6, 10**8))
        for n in range(500)
    ]
    found = limits.over_time(held, 10**8)
    assert found["slopes_bytes_per_request"] == {"own_bytes": 1000, "file_bytes": 5000}
    assert found["points"]["cache_full"]["requests"] == 96
    assert found["points"]["last"]["own_bytes"] == 10**8 + 499_000


def test_growth_is_fitted_over_the_lengths_that_the_model_takes(long_folder: Path, opened: Opener) -> None:
    found = limits.growth(opened(long_folder), prompts.own_cells(), (64, 256, 100_000))
    assert len(found["rows"]) == 2 and set(found["exponents"]) == {"prefill_seconds", "token_seconds"}


def test_edited_notebook_differs_in_the_middle_only() -> None:
    notes = prompts.own_cells()
    edited = notes.edited("1")
    assert len(notes.cells) == len(edited.cells)
    assert [a == b for a, b in zip(notes.cells, edited.cells, strict=True)].count(False) == 1
    assert edited.cells[0] == notes.cells[0] and edited.cells[-1] == notes.cells[-1]
