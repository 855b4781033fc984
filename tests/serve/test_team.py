"""Several users of one server: who comes in, what each may use, what is told of it, and what nobody learns of others."""

from __future__ import annotations

import contextlib
import json
import logging
import stat
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from prometheus_client.parser import text_string_to_metric_families
from serving import Served, eventually, served

from nbcopilot.engine.fake import FakeEngine
from nbcopilot.errors import EngineUnavailableError, QuotaError, UsageError
from nbcopilot.inference import Chunk, Message, Prompt, Sampling
from nbcopilot.serve import keys_file, ledger, request_log
from nbcopilot.serve.keys import METRICS, KeyStore, Limits
from nbcopilot.serve.ledger import Ledger
from nbcopilot.serve.server import Public

pytestmark = pytest.mark.server
SECRET_WORDS = "violet marmalade"
HTTP = httpx.Client(timeout=60, verify=False, limits=httpx.Limits(max_keepalive_connections=0))


@dataclass
class Team:
    """A server with keys, over a fake that says one word for each of the question's."""

    engine: FakeEngine
    store: KeyStore = field(default_factory=KeyStore)
    running: Served | None = None

    def key(self, name: str, **limits: int) -> str:
        return self.store.add(name, Limits(**limits))[1]

    @property
    def public(self) -> Public:
        return Public("127.0.0.1", 0, keys=self.store)

    @property
    def server(self) -> Served:
        assert self.running is not None
        return self.running

    def post(self, key: str, path: str = "chat/completions", **body: Any) -> httpx.Response:
        body = body or {"messages": [{"role": "user", "content": f"say {SECRET_WORDS} now"}]}
        return HTTP.post(f"{self.server.url}/v1/{path}", json=body, headers=bearer(key))

    def get(self, path: str, key: str) -> httpx.Response:
        return HTTP.get(f"{self.server.url}{path}", headers=bearer(key))

    def noted(self) -> bool:
        """Whether all requests that have ended are in the books."""
        return eventually(lambda: not (self.server.state.jobs or self.server.state.accounts.is_busy))

    def used(self, name: str) -> int:
        assert self.noted()
        return Ledger(self.store.path).used(next(key.id for key in self.store.all() if key.name == name))


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} if key else {}


def echo(prompt: Prompt) -> str:
    return prompt.messages[-1].content if prompt.messages else f"{prompt.text}x = 1\n"


@pytest.fixture
def team() -> Iterator[Team]:
    made = Team(FakeEngine(echo))
    made.store.add("first")
    with served(lambda name: made.engine, public=made.public) as made.running:
        yield made


# --------------------------------------------------------------------------- who comes in


def test_a_key_made_while_the_server_runs_opens_it_and_a_revoked_one_is_refused_at_once(team: Team) -> None:
    key = team.key("ada")
    assert team.post(key).status_code == 200
    team.store.revoke("ada")
    refused = team.post(key)
    assert refused.status_code == 401 and "was revoked on" in refused.json()["error"]["message"]
    with pytest.raises(EngineUnavailableError, match=r"refuses the key \(401\): The key .* was revoked on"):
        team.server.engine(api_key=key).describe()


def test_a_server_whose_last_key_is_revoked_or_whose_file_is_gone_is_closed(team: Team) -> None:
    key = team.key("ada")
    assert team.post("").status_code == 401
    team.store.revoke("ada")
    team.store.revoke("first")
    assert team.post("").status_code == 401 and team.post(key).status_code == 401
    team.store.path.unlink()
    assert team.post("").status_code == 401 and team.post(key).status_code == 401


def test_without_keys_programs_of_this_machine_come_in_until_the_first_key_is_made() -> None:
    store = KeyStore()
    with served(lambda name: FakeEngine(echo), public=Public("127.0.0.1", 0, keys=store)) as running:
        assert HTTP.get(f"{running.url}/v1/models").status_code == 200
        assert HTTP.get(f"{running.url}/metrics").status_code == 200
        store.add("ada")
        assert HTTP.get(f"{running.url}/v1/models").status_code == 401
    with pytest.raises(UsageError, match="listens on this machine only"):
        Public("0.0.0.0", 0, keys=KeyStore(store.path.with_name("none"))).check()
    Public("0.0.0.0", 0, keys=store).check()


def test_a_file_of_keys_that_is_damaged_lets_nobody_in(team: Team, caplog: pytest.LogCaptureFixture) -> None:
    key = team.key("ada")
    team.store.path.write_bytes(b"x" * 8192)
    refused = team.post(key)
    assert refused.status_code == 503 and refused.json()["error"]["code"] == "keys_unavailable"
    assert str(team.store.path) not in refused.text and str(team.store.path) in caplog.text


@pytest.mark.parametrize("path", ["/v1/models?api_key={}", "/v1/models?x=1&key=%6Ebc{}", "/{}/v1/models", "/health/{}"])
def test_a_key_in_an_address_is_refused_even_beside_the_right_header(team: Team, path: str) -> None:
    key = team.key("ada")
    refused = team.get(path.format(key[3:] if "%6E" in path else key), key)
    assert refused.status_code == 400 and "revoke it" in refused.json()["error"]["message"] and key not in refused.text


def test_a_key_opens_what_it_is_for(team: Team) -> None:
    key, reader = team.key("ada"), team.store.add("prometheus", purpose=METRICS)[1]
    assert team.get("/metrics", reader).status_code == 200
    assert [team.get(path, key).status_code for path in ("/metrics", "/v1/nbcopilot/status")] == [403, 403]
    assert [team.get("/v1/models", reader).status_code, team.post(reader).status_code] == [403, 403]
    assert team.post(key, "nbcopilot/shutdown", now=True).status_code == 403
    assert "nbcopilot keys add NAME --metrics" in team.get("/metrics", key).json()["error"]["message"]


# --------------------------------------------------------------------------- what each may use


def test_tokens_of_a_day_end_survive_a_restart_and_come_back(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    key, other = team.key("ada", tokens_per_day=10), team.key("bob")
    assert team.post(key).status_code == 200
    assert team.used("ada") >= 10
    refused = team.post(key)
    error = refused.json()["error"]
    assert refused.status_code == 429 and 0 < int(refused.headers["retry-after"]) <= 86_400
    assert set(error) >= {"message", "type", "param", "code"} and error["code"] == "rate_limit_exceeded"
    with pytest.raises(openai.RateLimitError):
        openai.OpenAI(base_url=f"{team.server.url}/v1", api_key=key, max_retries=0).completions.create(
            model="fake", prompt="a"
        )
    with pytest.raises(QuotaError, match=r"This key has used its 10 tokens of .* \(UTC\)\. Ask again in"):
        list(team.server.engine(api_key=key).generate(Prompt(messages=(Message("user", "a"),)), Sampling()))
    assert team.post(other).status_code == 200
    with served(lambda name: team.engine, public=team.public) as team.running:
        assert team.post(key).status_code == 429
        monkeypatch.setattr(ledger, "today", lambda: "2126-01-01")
        monkeypatch.setattr("nbcopilot.serve.accounts.today", lambda: "2126-01-01")
        assert team.post(key).status_code == 200


def test_an_answer_takes_no_more_than_is_left_of_the_day(team: Team) -> None:
    key = team.key("ada", tokens_per_day=100)
    words = " ".join(["word"] * 400)
    answer = team.post(key, "completions", prompt=["a", "b"], n=2, max_tokens=5000)
    assert answer.status_code == 200
    team.post(key, messages=[{"role": "user", "content": words}], max_tokens=5000)
    assert max(sampling.max_tokens for sampling in team.engine.samplings[:1]) == 25
    assert team.engine.samplings[-1].max_tokens < 100


class Gated(FakeEngine):
    """Says one chunk and then waits for `go`."""

    def __init__(self) -> None:
        super().__init__(lambda prompt: "word " * 50)
        self.go, self.begun = threading.Event(), 0

    def generate(self, prompt: Prompt, sampling: Sampling, *, candidates: int = 1) -> Iterator[Chunk]:
        self.begun += 1
        with contextlib.closing(super().generate(prompt, sampling, candidates=candidates)) as chunks:  # type: ignore[type-var]
            for chunk in chunks:
                yield chunk
                self.go.wait(60)


@pytest.fixture
def gated() -> Iterator[Team]:
    made = Team(Gated())
    made.store.add("first")
    with served(lambda name: made.engine, public=made.public) as made.running:
        yield made
        made.engine.go.set()  # type: ignore[attr-defined]


def opened(team: Team, key: str) -> Any:
    """A streamed answer of which the first piece has come."""
    official = openai.OpenAI(base_url=f"{team.server.url}/v1", api_key=key, max_retries=0)
    stream = official.chat.completions.create(
        model="fake", messages=[{"role": "user", "content": "one two three"}], stream=True
    )
    next(iter(stream))
    return stream


def test_no_more_requests_of_a_key_run_than_may_and_others_are_not_held_up(gated: Team) -> None:
    key, other = gated.key("ada", concurrent=1), gated.key("bob", concurrent=1)
    stream, theirs = opened(gated, key), opened(gated, other)
    refused = gated.post(key)
    assert refused.status_code == 429 and refused.headers["retry-after"] == "1"
    assert "1 request of this key runs already" in refused.json()["error"]["message"]
    stream.close()
    gated.engine.go.set()  # type: ignore[attr-defined]
    assert eventually(lambda: gated.post(key).status_code == 200)
    theirs.close()


def test_seats_are_free_when_an_answer_has_ended(team: Team) -> None:
    key = team.key("ada", concurrent=1)
    assert [team.post(key).status_code for _ in range(5)] == [200] * 5
    assert team.post(key, messages=[]).status_code == 400
    assert team.post(key).status_code == 200


def test_an_answer_that_its_reader_breaks_off_counts_as_far_as_it_came(gated: Team) -> None:
    stream = opened(gated, gated.key("ada"))
    stream.close()
    assert eventually(lambda: all(job.stopped for job in gated.server.state.jobs))
    gated.engine.go.set()  # type: ignore[attr-defined]
    assert gated.used("ada") >= gated.engine.count("one two three") + 1


def test_typing_counts_too(team: Team) -> None:
    key = team.key("ada")
    said = team.post(key, "nbcopilot/complete", prefix="import numpy\n", suffix="")
    assert said.status_code == 200 and team.used("ada") >= 3


def test_what_cannot_be_written_counts_and_is_written_later(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    key = team.key("ada", tokens_per_day=10)
    with monkeypatch.context() as full, keys_file.opened(team.store.path, write=True):
        full.setattr(keys_file, "WAIT_SECONDS", 0.05)
        assert team.post(key).status_code == 200
        assert team.noted() and team.post(key).status_code == 429
    team.post(team.key("bob"))
    assert team.used("ada") >= 10


# --------------------------------------------------------------------------- what nobody learns of others


def test_what_one_key_was_suggested_is_not_remembered_for_another(team: Team) -> None:
    ada, bob = team.key("ada"), team.key("bob")
    gap = {"prefix": "import numpy\n", "suffix": ""}
    assert team.post(ada, "nbcopilot/complete", **gap).json()["cached"] is False
    assert team.post(ada, "nbcopilot/complete", **gap).json()["cached"] is True
    assert team.post(bob, "nbcopilot/complete", **gap).json()["cached"] is False


def test_prompts_reach_the_engine_under_the_key_that_sent_them(team: Team) -> None:
    ada = team.key("ada")
    gap = {"prefix": "import numpy\n", "suffix": ""}
    team.post(ada)
    team.post(ada, "completions", prompt=["a", "b"], nbcopilot={"owner": "somebody", "client": "else"})
    team.post(ada, "nbcopilot/complete", **gap)
    team.post(ada, "nbcopilot/complete", **gap, warm=True)
    assert len(team.engine.prompts) == 5
    assert {prompt.owner for prompt in team.engine.prompts} == {ada[4:12]}


def test_a_key_cannot_void_what_another_types_by_taking_its_name(gated: Team) -> None:
    ada, bob = gated.key("ada"), gated.key("bob")
    body = {"prefix": "x", "client": "editor-1", "budget_seconds": 30, "max_tokens": 4}
    said: dict[str, str] = {}

    def ask(name: str, key: str) -> None:
        said[name] = gated.post(key, "nbcopilot/complete", **body).json()["finish"]

    threads = [threading.Thread(target=ask, args=pair) for pair in (("ada", ada), ("bob", bob))]
    for at, thread in enumerate(threads):
        thread.start()
        assert eventually(lambda at=at: gated.engine.begun == at + 1)  # type: ignore[misc, attr-defined]
    gated.engine.go.set()  # type: ignore[attr-defined]
    for thread in threads:
        thread.join(60)
    assert "superseded" not in said.values() and len(said) == 2


# --------------------------------------------------------------------------- what is told


def test_metrics_are_what_prometheus_reads_and_name_keys_by_id_only(team: Team) -> None:
    ada, reader = team.key("Ottoline"), team.store.add("prometheus", purpose=METRICS)[1]
    team.post(ada)
    team.post(ada, messages=[])
    team.get(f"/v1/{SECRET_WORDS}", ada)
    team.post("wrong")
    assert team.noted()
    answer = team.get("/metrics", reader)
    assert answer.headers["content-type"].startswith("text/plain")
    samples = [sample for family in text_string_to_metric_families(answer.text) for sample in family.samples]
    found = {(sample.name, frozenset(sample.labels.values())): sample.value for sample in samples}

    def value(name: str, *labels: str) -> float:
        return found[f"nbcopilot_{name}", frozenset(labels)]

    key = ada[4:12]
    assert value("requests_total", "200", key, "chat") == value("requests_total", "400", key, "chat") == 1
    assert value("requests_total", "404", key, "other") == value("requests_total", "401", "chat", "none") == 1
    assert value("tokens_total", key, "completion") > 0 and value("tokens_total", key, "prompt") > 0
    assert value("queue_length", "interactive") == value("running") == 0
    assert value("request_seconds_count", "chat") == 3 and value("first_token_seconds_count", "chat") == 1
    assert ada not in answer.text and "Ottoline" not in answer.text and SECRET_WORDS not in answer.text


def test_the_request_log_has_one_json_line_a_request_and_no_text(
    team: Team, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    ada, place = team.key("Ottoline"), tmp_path / "requests.log"
    request_log.write_to(str(place))
    try:
        team.post(ada)
        team.post(ada, model=SECRET_WORDS, messages=[{"role": "user", "content": SECRET_WORDS}])
        team.get(f"/v1/models/{SECRET_WORDS}", ada)
        team.post(f"{SECRET_WORDS}")
        team.post(ada, "nbcopilot/complete", prefix=SECRET_WORDS)
        assert team.noted()
    finally:
        logging.getLogger("nbcopilot.requests").handlers.clear()
    written = place.read_text("utf-8")
    lines = [json.loads(line) for line in written.splitlines()]
    assert [(line["page"], line["status"]) for line in lines] == [
        ("chat", 200), ("chat", 404), ("models", 404), ("chat", 401), ("complete", 200)
    ]  # fmt: skip
    assert lines[0]["key"] == ada[4:12] and lines[0]["completion_tokens"] > 0 and lines[0]["seconds"] >= 0
    said = [record.getMessage() for record in caplog.records if record.name.startswith("nbcopilot")]
    for words in (*SECRET_WORDS.split(), ada, "Ottoline"):
        assert words not in written and words not in "".join(said)
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    with pytest.raises(UsageError, match="cannot be written"):
        request_log.write_to(str(tmp_path / "none" / "requests.log"))
