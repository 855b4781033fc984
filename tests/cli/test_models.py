"""`nbcopilot models …`: what is printed where, and the exit codes."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest
from carriers import DATA, SHA256, Index, put

from nbcopilot.cli import models as command
from nbcopilot.errors import ModelNotFoundError
from nbcopilot.models.catalog import ModelRef
from nbcopilot.models.store import Store


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers(dest="command"))
    return command.run(parser.parse_args(["models", *words]))


def last_json(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    value = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert isinstance(value, dict)
    return value


def test_list_shows_catalog_default_and_store(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list") == 0
    out = capsys.readouterr().out
    assert "qwen2.5-coder-1.5b  1.1 GB" in out and "`auto` is " in out and str(store.root) in out


def test_pull_list_verify_rm_as_json(
    tiny: ModelRef, index: Index, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("pull", "tiny", "--no-convert", "--json") == 0
    pulled = last_json(capsys)
    assert (pulled["id"], pulled["sha256"]) == ("tiny", SHA256)
    assert Path(str(pulled["path"])).read_bytes() == DATA

    assert run("list", "--json") == 0
    listed = last_json(capsys)["models"]
    assert isinstance(listed, list)
    assert [(m["bytes"], m["pulled"]) for m in listed if m["id"] == "tiny"] == [(len(DATA), True)]

    assert run("verify", "--json") == 0
    assert last_json(capsys)["ok"] is True

    assert run("rm", "tiny", "--json") == 0
    freed = last_json(capsys)["freed_bytes"]
    assert isinstance(freed, int) and freed >= len(DATA) and store.models() == ()


def test_progress_and_notes_go_to_stderr_only(
    tiny: ModelRef, index: Index, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    run("pull", "tiny", "--no-convert")
    out, err = capsys.readouterr()
    assert out == f"tiny is ready: {store.root / 'tiny' / 'source.gguf'}\n"
    assert err.startswith("tiny: 121 kB, Apache-2.0\n")


def test_verify_of_damaged_bytes_is_exit_1_with_the_way_to_mend_it(
    tiny: ModelRef, index: Index, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    put(store).write_bytes(b"short")
    assert run("verify", "tiny") == 1
    err = capsys.readouterr().err
    assert f"tiny: source.gguf has 5 bytes, not {len(DATA)}" in err and "`nbcopilot models pull tiny`" in err


def test_verify_without_models_says_so(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("verify") == 0
    assert capsys.readouterr().out == "No model is pulled\n"


def test_verify_of_a_missing_model_is_an_error(tiny: ModelRef, store: Store) -> None:
    with pytest.raises(ModelNotFoundError):
        run("verify", "tiny")


@pytest.mark.parametrize(
    ("at", "says"),
    [
        (0, "interrupted; nothing was kept"),
        (50_000, "interrupted; 40 kB are kept, `nbcopilot models pull tiny` goes on"),
    ],
)
def test_interrupted_pull_says_what_is_kept(
    tiny: ModelRef, index: Index, store: Store, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch, at: int, says: str,
) -> None:  # fmt: skip
    def interrupt(bar: command.Bar, done: int, total: int, note: str) -> None:
        if done >= at:
            raise KeyboardInterrupt

    monkeypatch.setattr(command.Bar, "__call__", interrupt)
    assert run("pull", "tiny", "--download-from", "index") == 130
    assert says in capsys.readouterr().err


def test_pull_without_an_id_takes_the_configured_model(
    tiny: ModelRef, index: Index, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NBCOPILOT_MODEL", "tiny")
    assert run("pull", "--no-convert", "--download-from", "index") == 0
    assert store.models()[0].id == "tiny"


def test_a_former_option_works_and_says_what_it_is_called_now(
    tiny: ModelRef, index: Index, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("pull", "tiny", "--no-convert", "--carrier", "index") == 0
    assert "--carrier is now called --download-from" in capsys.readouterr().err
    assert run("pull", "tiny", "--no-convert", "--download-from", "index") == 0
    assert "is now called" not in capsys.readouterr().err
