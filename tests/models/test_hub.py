"""The hub as a carrier, against a hub of our own on this machine, through the real huggingface_hub."""

from __future__ import annotations

import random
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from carriers import DATA, SHA256, Hub

from nbcopilot.errors import DiskFullError, DownloadError, ModelCorruptError, UnknownModelError
from nbcopilot.models import hub as carrier
from nbcopilot.models.catalog import ModelRef, resolve

pytestmark = pytest.mark.server


def silent(done: int, total: int, note: str) -> None:
    pass


def room(needed: int) -> None:
    pass


def get(ref: ModelRef, folder: Path) -> carrier.HubDownload:
    folder.mkdir(exist_ok=True)
    return carrier.download(ref, folder, silent, room)


def test_file_comes_from_the_pinned_revision(tiny: ModelRef, hub: Hub, tmp_path: Path) -> None:
    found = get(tiny, tmp_path / "staging")
    assert (tmp_path / "staging" / "tiny.gguf").read_bytes() == DATA
    assert found.revision == hub.commit and found.items == (carrier.HubItem("tiny.gguf", len(DATA), SHA256),)
    assert all(f"/resolve/{'0' * 40}/tiny.gguf" in request for request in hub.requests if "/cdn/" not in request)


def test_the_user_s_token_goes_to_the_hub_only(
    tiny: ModelRef, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    get(tiny, tmp_path / "staging")
    assert [request.endswith("with token") for request in hub.requests] == [True, True, False], hub.requests


def test_hub_id_without_a_file_takes_its_only_gguf_and_tells_the_commit(
    tiny: ModelRef, hub: Hub, tmp_path: Path
) -> None:
    hub.commit = "c" * 40
    found = get(resolve("other/Model@v2"), tmp_path / "staging")
    assert found.revision == "c" * 40 and found.items[0].hash == SHA256
    assert hub.requests[0].startswith("GET /api/models/other/Model/revision/v2")


def test_wrong_hash_is_seen_before_the_download(tiny: ModelRef, hub: Hub, tmp_path: Path) -> None:
    hub.claimed["tiny.gguf"] = "e" * 64
    with pytest.raises(ModelCorruptError, match="eeeeeeeeeeee… there, not"):
        get(tiny, tmp_path / "staging")
    assert not (tmp_path / "staging" / "tiny.gguf").exists()


def test_room_is_asked_before_the_download(tiny: ModelRef, hub: Hub, tmp_path: Path) -> None:
    def full(needed: int) -> None:
        raise DiskFullError(f"{needed}")

    with pytest.raises(DiskFullError, match=str(len(DATA))):
        carrier.download(tiny, tmp_path, silent, full)
    assert not (tmp_path / "tiny.gguf").exists()


def test_offline_setting_is_honoured_without_a_request(
    tiny: ModelRef, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DownloadError, match="HF_HUB_OFFLINE is set"):
        get(tiny, tmp_path / "staging")
    assert hub.requests == []


def test_a_file_in_the_hub_s_own_cache_is_used_even_offline(
    tiny: ModelRef, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached = tmp_path / "hf" / "hub" / "models--tiny--Tiny-GGUF" / "snapshots" / ("0" * 40)
    cached.mkdir(parents=True)
    (cached / "tiny.gguf").write_bytes(DATA)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    get(tiny, tmp_path / "staging")
    assert (tmp_path / "staging" / "tiny.gguf").read_bytes() == DATA and hub.requests == []


def test_a_hub_that_refuses_is_unreachable(tiny: ModelRef, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="The hub cannot be reached"):  # HF_ENDPOINT of `tiny` is a closed port
        get(tiny, tmp_path / "staging")


def test_a_hub_that_hangs_is_given_up(
    tiny: ModelRef, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.hang = threading.Event()
    monkeypatch.setattr(carrier, "ANSWER_SECONDS", 0.5)
    with pytest.raises(DownloadError, match="did not answer"):
        get(tiny, tmp_path / "staging")


def test_an_interrupted_file_goes_on_where_it_stopped(tiny: ModelRef, hub: Hub, tmp_path: Path) -> None:
    data = random.Random(1).randbytes(2_000_000)
    hub.files["tiny.gguf"], hub.hang, hub.hang_after = data, threading.Event(), 1_500_000
    ref = resolve("other/Model")

    def interrupt(done: int, total: int, note: str) -> None:
        if done >= 1_000_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        carrier.download(ref, tmp_path, interrupt, room)
    hub.hang.set()
    hub.hang_after = None
    get(ref, tmp_path)
    assert (tmp_path / "tiny.gguf").read_bytes() == data
    assert any("/cdn/tiny.gguf bytes=1" in request for request in hub.requests), hub.requests


def test_a_repository_that_is_not_there_is_an_unknown_model(tiny: ModelRef, hub: Hub, tmp_path: Path) -> None:
    hub.status = 401  # what the hub says of repositories that do not exist or are private
    with pytest.raises(UnknownModelError, match="The hub shows us no repository no/such"):
        get(resolve("no/such"), tmp_path / "staging")
    hub.status = 200
    with pytest.raises(UnknownModelError, match=r"no file other\.gguf in tiny/Tiny-GGUF"):
        get(resolve("tiny/Tiny-GGUF:other.gguf"), tmp_path / "staging")


def test_several_files_need_a_choice(tiny: ModelRef, hub: Hub, tmp_path: Path) -> None:
    hub.files = {"a.Q8_0.gguf": b"a", "b.Q5_0.gguf": b"b"}
    with pytest.raises(UnknownModelError, match=r"a\.Q8_0\.gguf, b\.Q5_0\.gguf.*Name one"):
        get(resolve("org/many"), tmp_path / "staging")


def test_server_faults_are_one_short_sentence(tiny: ModelRef, hub: Hub, tmp_path: Path) -> None:
    hub.status = 418
    with pytest.raises(DownloadError) as caught:
        get(tiny, tmp_path / "staging")
    assert caught.value.message == "the hub answered 418"


def test_gated_repository_says_what_to_do(tiny: ModelRef) -> None:
    error = carrier._error(tiny, {"kind": "gated", "message": "403"})
    assert "licence" in error.message and "hf auth login" in error.hint
    assert isinstance(carrier._error(replace(tiny), {"kind": "disk", "message": ""}), DiskFullError)
