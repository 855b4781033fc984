"""Keys and counts in their file: what is kept of a key, who may read it, several processes, damage, the clock."""

from __future__ import annotations

import argparse
import json
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nbcopilot.cli import keys as cli
from nbcopilot.errors import ConfigError, UsageError
from nbcopilot.serve import keys_file, ledger
from nbcopilot.serve.keys import KeyStore, Limits
from nbcopilot.serve.ledger import Ledger, Used


@pytest.fixture
def store() -> KeyStore:
    return KeyStore()


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    cli.add_parser(parser.add_subparsers(dest="command"))
    return cli.run(parser.parse_args(["keys", *words]))


def at(monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    """Set the clock of the ledger to `moment`, UTC."""
    seconds = float(time.mktime(time.strptime(f"{moment} UTC", "%Y-%m-%d %H:%M %Z"))) - time.timezone
    monkeypatch.setattr(ledger.time, "time", lambda: seconds)
    gmtime = time.gmtime
    monkeypatch.setattr(ledger.time, "gmtime", lambda at=None: gmtime(seconds if at is None else at))


def test_a_key_is_shown_once_and_kept_as_a_fingerprint_only_its_owner_can_read(
    store: KeyStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("add", "ada", "--tokens-per-day", "1000", "--concurrent", "2") == 0
    out, err = capsys.readouterr()
    text = out.strip()
    (key,) = store.all()
    assert store.find(text) == key and key.limits == Limits(1000, 2) and key.id in err and text not in err
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    assert text.rpartition("_")[2].encode() not in store.path.read_bytes()
    run("list")
    run("list", "--json")
    shown = capsys.readouterr().out
    assert key.id in shown and text not in shown and text[13:] not in shown
    assert json.loads(shown.splitlines()[-1])["keys"][0]["tokens_per_day"] == 1000


def test_only_the_whole_key_is_recognised(store: KeyStore) -> None:
    key, text = store.add("ada")
    other = store.add("bob")[1]
    for wrong in (
        "",
        text[:-1],
        text + "A",
        text.upper(),
        f"nbc_{key.id}_{other[13:]}",
        f"nbc_00000000_{text[13:]}",
        "ä" * 56,
    ):
        assert store.find(wrong) is None, wrong
    assert store.find(text) == key


def test_a_revoked_key_stays_known_and_its_name_is_free(store: KeyStore, capsys: pytest.CaptureFixture[str]) -> None:
    first, text = store.add("ada")
    assert run("revoke", "ada") == 0
    found = store.find(text)
    assert found is not None and found.revoked is not None and store.any()
    second, _ = store.add("ada")
    assert store.revoke(second.id).name == "ada" and first.id != second.id
    with pytest.raises(UsageError, match=r"There is no key `ada`. nbcopilot keys add NAME makes one"):
        store.revoke("ada")
    store.add("eve")
    with pytest.raises(UsageError, match=r"There is no key `bob`. There is eve"):
        store.revoke("bob")


@pytest.mark.parametrize("name", ["", " ", "a\nb", "\x1b[31m", "x" * 65, " ada"])
def test_a_name_that_is_none_is_one_sentence(store: KeyStore, name: str) -> None:
    with pytest.raises(UsageError, match="is no name for a key"):
        store.add(name)
    assert not store.path.exists()


@pytest.mark.parametrize("option", ["--tokens-per-day", "--concurrent"])
@pytest.mark.parametrize("value", ["0", "-5", str(2**63)])
def test_a_limit_that_refuses_everything_or_nothing_is_one_sentence(option: str, value: str) -> None:
    with pytest.raises(UsageError, match=f"`{option}` is {value}. It takes 1 or more"):
        run("add", "ada", option, value)


def test_processes_that_add_at_once_all_succeed_but_for_the_name_they_share(store: KeyStore) -> None:
    code = (
        "import sys; from nbcopilot.serve.keys import KeyStore; from nbcopilot.errors import UsageError\n"
        "store = KeyStore()\n"
        "for n in range(10): store.add(f'{sys.argv[1]}-{n}')\n"
        "try: store.add('shared'); print('made')\n"
        "except UsageError: print('taken')\n"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, f"p{n}"], stdout=subprocess.PIPE, text=True) for n in range(3)
    ]
    said = sorted(process.communicate()[0].strip() for process in running)
    assert said == ["made", "taken", "taken"]
    assert len({key.name for key in store.all()}) == 31


def test_a_file_that_cannot_be_believed_is_one_sentence(store: KeyStore) -> None:
    _, text = store.add("ada")
    good = store.path.read_bytes()
    store.path.chmod(0o644)
    with pytest.raises(ConfigError, match=r"is open to others \(mode 644\). chmod 600"):
        store.find(text)
    store.path.chmod(0o600)
    for bad in (b"no database at all, but text of some length" * 30, good[:4096] + b"\xff" * (len(good) - 4096)):
        store.path.write_bytes(bad)
        with pytest.raises(ConfigError, match=r"is damaged: .*backup"):
            store.find(text)
        with pytest.raises(ConfigError, match="is damaged"):
            store.add("bob")
    store.path.write_bytes(good)
    assert store.find(text) is not None
    with sqlite3.connect(store.path) as file:
        file.execute("PRAGMA user_version = 9")
    with pytest.raises(ConfigError, match="newer nbcopilot"):
        store.find(text)
    store.path.unlink()
    store.path.mkdir()
    with pytest.raises(ConfigError, match="is not an ordinary file"):
        store.any()


def test_a_write_that_another_process_holds_up_is_one_sentence(
    store: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add("ada")
    monkeypatch.setattr(keys_file, "WAIT_SECONDS", 0.1)
    with (
        keys_file.opened(store.path, write=True),
        pytest.raises(ConfigError, match="cannot be used: database is locked"),
    ):
        store.add("bob")
    assert [key.name for key in store.all()] == ["ada"]


def test_what_was_used_counts_by_utc_day_and_outlives_the_process(
    store: KeyStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    key, _ = store.add("ada")
    at(monkeypatch, "2026-11-29 23:59")
    assert ledger.seconds_to_midnight() == 60
    Ledger(store.path).note([Used(key.id, ledger.today(), 1, 30, 12, 16), Used(key.id, ledger.today(), 1, 1, 1, 0)])
    assert Ledger(store.path).used(key.id) == 44 and Ledger(store.path).used("other") == 0
    at(monkeypatch, "2026-11-30 00:00")
    assert Ledger(store.path).used(key.id) == 0 and ledger.seconds_to_midnight() == 86_400
    run("usage", "--json")
    (found,) = json.loads(capsys.readouterr().out)["usage"]
    assert found["name"] == "ada" and found["requests"] == 2 and found["tokens"] == 44 and found["cached_tokens"] == 16
    run("usage")
    assert "2026-11-29" in capsys.readouterr().out


def test_a_clock_that_goes_back_finds_the_count_of_that_day_again(
    store: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = Ledger(store.path)
    at(monkeypatch, "2026-11-29 23:59")
    book.note([Used("k", ledger.today(), 1, 100, 0, 0)])
    at(monkeypatch, "2026-11-30 00:01")
    book.note([Used("k", ledger.today(), 1, 7, 0, 0)])
    at(monkeypatch, "2026-11-29 12:00")
    assert book.used("k") == 100 and ledger.seconds_to_midnight() == 12 * 3600


def test_nothing_is_made_by_looking(store: KeyStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list") == run("usage") == 0
    said = capsys.readouterr().out
    assert "There are no keys. nbcopilot keys add NAME makes one" in said and "Nothing was used yet" in said
    assert not Path(store.path).exists()
