"""Which part of a folder a run may see."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nbcopilot.sandbox.worker.visible import is_hidden, tree

SECRETS = """.env .git .netrc .npmrc id_rsa id_ed25519 id_work id_rsa.pub server.pem tls.key store.p12 cert.pfx putty.ppk login.keystore
prod.env token token.json token.pickle access_token github_token.txt api_key.txt API-KEY credentials credentials.json credentials.csv
aws_credentials secrets.toml secrets.yaml my-secrets.json client_secret_123.json service-account-prod.json kaggle.json
kernel-5e1c3a.json jpserver-41.json jpserver-41-open.html nbserver-7.json jupyter_cookie_secret passwords.txt users.htpasswd
terraform.tfstate vault.kdbx rootkey.csv me_accessKeys.csv wallet.dat cookies.sqlite""".split()  # noqa: SIM905
DATA = """data.csv tokens.csv tokenizer.json id_map.csv ids.txt keys.csv secrets.py keyboard.csv environment.yml token_counts.parquet
idle.txt kernel.py kernels.json secretary.csv credentials_analysis.ipynb passwords.csv public_keys.csv cookies.csv environ.csv""".split()  # noqa: SIM905


@pytest.mark.parametrize("name", SECRETS)
def test_keys_tokens_and_connection_files_are_hidden(name: str) -> None:
    assert is_hidden(name) and is_hidden(name.upper())


@pytest.mark.parametrize("name", DATA)
def test_data_that_only_sounds_like_it_is_not(name: str) -> None:
    assert not is_hidden(name)


def test_a_folder_is_whole_when_nothing_in_it_is_hidden(tmp_path: Path) -> None:
    for path in ("a/b/c.csv", "d/e/.env", "d/f/g.csv", "top.csv"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    (tmp_path / "a" / "in").symlink_to("../top.csv")
    (tmp_path / "a" / "out").symlink_to("/etc")
    found = tree(str(tmp_path))
    top = os.path.realpath(tmp_path)
    assert {path[len(top) + 1 :] for path in found.files} == {"a/b/c.csv", "d/f/g.csv", "top.csv"}
    whole = {path[len(top) + 1 :]: complete for path, complete in found.folders.items()}
    assert whole == {"a": True, "a/b": True, "d": False, "d/e": False, "d/f": True}
    assert found.links == {f"{top}/a/in": f"{top}/top.csv"}


def test_what_lies_beyond_the_limit_is_not_visible(tmp_path: Path) -> None:
    (tmp_path / "many").mkdir()
    (tmp_path / "one").mkdir()
    for number in range(50):
        (tmp_path / "many" / f"{number:02}").touch()
    (tmp_path / "one" / "x").touch()
    found = tree(str(tmp_path), limit=20)
    assert len(found.files) < 20 and not found.folders[os.path.realpath(tmp_path / "many")]
