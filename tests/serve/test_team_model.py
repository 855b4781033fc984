"""Two keys and a real model: what the prompts of one have warmed is computed anew for the other."""

from __future__ import annotations

import httpx
import pytest
from serving import served

from nbcopilot.config import Config
from nbcopilot.engine import local
from nbcopilot.models.store import Store
from nbcopilot.serve.keys import KeyStore
from nbcopilot.serve.server import Public

MODEL = "smollm2-135m"
pytestmark = [pytest.mark.model, pytest.mark.server]
TEXT = "The quarterly figures of the northern branch: " + " ".join(str(n * 37 % 101) for n in range(10))


def test_a_prefix_that_one_key_has_warmed_gives_another_no_cached_token() -> None:
    Store().pull(MODEL)
    store = KeyStore()
    ada, bob = (store.add(name)[1] for name in ("ada", "bob"))
    with served(lambda name: local.load(MODEL, Config()), public=Public("127.0.0.1", 0, keys=store)) as running:
        sent = httpx.Client(base_url=f"{running.url}/v1/", timeout=300, verify=False)

        def cached(key: str, **changes: object) -> tuple[str, int]:
            body = {"prompt": TEXT, "max_tokens": 1, "temperature": 0, **changes}
            answer = sent.post("completions", json=body, headers={"Authorization": f"Bearer {key}"}).json()
            details = answer["usage"]["prompt_tokens_details"]
            return answer["choices"][0]["text"], details["cached_tokens"]

        first, none = cached(ada)
        again, some = cached(ada)
        assert (none, again) == (0, first) and some >= 16
        # Not with a name or an owner of its own choice either.
        assert cached(bob, nbcopilot={"client": ada[4:12], "owner": ada[4:12]}, n=2) == (first, 0)
        assert cached(bob) == cached(ada) == (first, some)
