"""URLs of engines: what is this machine, in every spelling, and on every surface that says where text goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from nbcopilot import urls
from nbcopilot.config import Config, Effective, Setting, load
from nbcopilot.engine.remote import RemoteEngine
from nbcopilot.errors import ConfigError
from nbcopilot.server.state import State
from nbcopilot.session import Session

HERE = [
    "http://127.0.0.1/v1",
    "http://127.0.0.1:8000/v1",
    "http://127.9.9.9:8000",
    "http://localhost:8000/v1",
    "HTTP://LOCALHOST:8000/v1",
    "https://[::1]:8000/v1",
]
ELSEWHERE = [
    "http://127.0.0.1.attacker.example/v1",
    "http://localhost.attacker.example/v1",
    "https://attacker.example/v1?x=//localhost",
    "https://attacker.example/#//127.0.0.1",
    "https://attacker.example//127.0.0.1/v1",
    "https://attacker.example:8000/localhost",
    "http://notlocalhost/v1",
    "http://localhost-attacker.example/v1",
    "http://127.0.0.1.nip.io:8000/v1",
    "http://0.0.0.0:8000/v1",
    "http://10.0.0.7:8000/v1",
    "http://[2001:db8::1]:8000/v1",
    "http://xn--localhost-.example/v1",
]
REFUSED = [
    "http://[::1].attacker.example/v1",
    "http://[::1]attacker/v1",
    "http://attacker[::1]/v1",
    "http://127.0.0.1@attacker.example/v1",
    "http://localhost:8000@attacker.example/v1",
    "http://user:password@127.0.0.1:8000/v1",
    "http://@127.0.0.1/v1",
    "http://attacker.example\\@127.0.0.1/v1",
    "http://127.0.0.1\t.attacker.example/v1",
    "http://127.0.0.1\n/v1",
    "http:///v1",
    "http://:8000/v1",
    "http://127.0.0.1:port/v1",
    "http://127.0.0.1:99999/v1",
    "http://[::1/v1",
    "ftp://127.0.0.1/v1",
    "file:///etc/passwd",
    "127.0.0.1:8000",
    "localhost",
    "//127.0.0.1/v1",
]


def said(url: str) -> dict[str, bool]:
    """What each surface thinks: is text staying on this machine?"""
    config = Config(engine=url, model="m")
    session = Session(config)
    engine = session._open(config)  # makes no request
    remote = getattr(engine, "_engine", engine)  # what is elsewhere stands behind the redaction
    assert isinstance(remote, RemoteEngine)
    status = State(lambda: Effective(tuple(Setting(n, v, "") for n, v in vars(config).items()))).status()
    return {
        "urls": urls.is_local(url),
        "notice": "goes to this machine" in session.notices[0],
        "engine": not remote._http.trust_env,
        "server": bool(status["local"]),
    }


@pytest.mark.parametrize("url", HERE)
def test_this_machine_is_known_everywhere(url: str) -> None:
    assert set(said(url).values()) == {True}, said(url)


@pytest.mark.parametrize("url", ELSEWHERE)
def test_another_machine_is_never_called_this_one(url: str) -> None:
    assert set(said(url).values()) == {False}, said(url)


@pytest.mark.parametrize("url", REFUSED)
def test_what_cannot_be_judged_is_refused_with_a_sentence(url: str) -> None:
    assert not urls.is_local(url)
    for use in (urls.split, urls.origin, RemoteEngine, lambda text: load({"engine": text})):
        with pytest.raises(ConfigError) as caught:
            use(url)
        assert caught.value.hint and "\n" not in str(caught.value) and "\t" not in str(caught.value)
        assert "password" not in str(caught.value)


def test_where_text_goes_names_the_host_and_nothing_that_may_be_secret() -> None:
    session = Session(Config(engine="https://models.example/v1?key=hunter2", model="m"))
    session._open(session.config)
    assert "https://models.example:443" in session.notices[0] and "hunter2" not in session.notices[0]


def test_spellings_of_one_server_have_one_origin() -> None:
    same = ("https://Models.Example/v1", "https://models.example:443", "https://models.example./v1/")
    assert {urls.origin(url) for url in same} == {"https://models.example:443"}
    assert urls.origin("http://models.example") != urls.origin("https://models.example")


def test_no_other_module_judges_a_url_by_its_text() -> None:
    package = Path(urls.__file__).parent
    words = (
        '"//127',
        '"//localhost',
        "'//localhost",
        'startswith("http',
        'startswith(("http',
        'in ("localhost"',
        '== "localhost"',
    )
    wrong = [
        f"{path.relative_to(package)}: {word}"
        for path in package.rglob("*.py")
        for word in words
        if path.name != "urls.py" and word in path.read_text(encoding="utf-8")
    ]
    # Links in a report, in a secret and in the model's markdown, not engines.
    links = ("batch/page.py", "redaction/named.py", "context/sanitize.py")
    assert not [one for one in wrong if not one.startswith(links)]
