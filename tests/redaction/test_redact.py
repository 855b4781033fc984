"""Secrets go, the shape of the text stays, and ordinary notebooks are left alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbcopilot.errors import NotebookError
from nbcopilot.notebook import document
from nbcopilot.redaction import redact

# Built from parts, so that no scanner takes this file for a leak.
RANDOM = "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3zA5"
HEX = "0123456789abcdef" * 4
AWS = "AKIA" + "IOSFODNN7EXAMPLE"
GITHUB = "ghp_" + RANDOM
JWT = "eyJhbGciOiJIUzI1NiJ9" + "." + "eyJzdWIiOiIxMjM0NTY3ODkwIn0" + "." + "sIgNaTuRe"
KEY = "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIEowIBAAKCAQEA\nabc123\n-----END RSA " + "PRIVATE KEY-----"

# text, what it becomes
CASES = [
    ("kubectl create secret generic db --from-literal=password=" + RANDOM[:15], "kubectl create secret generic db --from-literal=password=<redacted:secret>"),
    (f'aws_access_key_id = "{AWS}"', 'aws_access_key_id = "<redacted:aws-key>"'),
    ("aws_secret_access_key = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'", "aws_secret_access_key = '<redacted:secret>'"),
    (f'token = "{GITHUB}"', 'token = "<redacted:github-token>"'),
    ("glpat-" + RANDOM[:20], "<redacted:gitlab-token>"),
    ("slack = 'xox" + "b-123456789012-abcdefABCDEF'", "slack = '<redacted:slack-token>'"),
    (f'openai.api_key = "sk-proj-{RANDOM}"', 'openai.api_key = "<redacted:openai-key>"'),
    (f"client = Anthropic(api_key='sk-ant-api03-{RANDOM}')", "client = Anthropic(api_key='<redacted:openai-key>')"),
    ("login('hf_" + "abcdefghijklmnopqrstuvwxyzABCDEFGH')", "login('<redacted:huggingface-token>')"),
    ("genai.configure('AIza" + RANDOM[:35] + "')", "genai.configure('<redacted:google-key>')"),
    ("sk_" + "live_" + RANDOM[:24], "<redacted:stripe-key>"),
    ("SG." + RANDOM[:22] + "." + (RANDOM + RANDOM)[:43], "<redacted:sendgrid-key>"),
    (f'jwt = "{JWT}"', 'jwt = "<redacted:jwt>"'),
    (f"key = '''{KEY}'''", f"key = '''{KEY[:31]}<redacted:private-key>{KEY[-29:]}'''"),
    ('password = "hunter2"', 'password = "<redacted:secret>"'),
    ("db_passwd: 's3cret!'", "db_passwd: '<redacted:secret>'"),
    ('{"password": "letmein", "x": 1}', '{"password": "<redacted:secret>", "x": 1}'),
    ('def f(password: str = "hunter2", n=1): ...', 'def f(password: str = "<redacted:secret>", n=1): ...'),
    ('if password == "hunter2": pass', 'if password == "<redacted:secret>": pass'),
    ('os.environ["API_KEY"] = "abc123def"', 'os.environ["API_KEY"] = "<redacted:secret>"'),
    ('os.getenv("API_KEY", "abc123xyz789")', 'os.getenv("API_KEY", "<redacted:secret>")'),
    (f"ACCESS_TOKEN = '{RANDOM}'", "ACCESS_TOKEN = '<redacted:secret>'"),
    ("create_engine('postgresql://bob:s3cr3t@db:5432/x')", "create_engine('postgresql://bob:<redacted:password>@db:5432/x')"),
    ("'Server=x;User Id=z;Password=abc!123;'", "'Server=x;User Id=z;Password=<redacted:secret>;'"),
    (f'{{"Authorization": "Bearer {RANDOM}"}}', '{"Authorization": "Bearer <redacted:bearer-token>"}'),
    ('requests.get(u, auth=("bob", "pa55word!"))', 'requests.get(u, auth=("bob", "<redacted:password>"))'),
    ("export MY_SECRET=abc123def456", "export MY_SECRET=<redacted:secret>"),
    ("%env API_KEY=abc123xyz", "%env API_KEY=<redacted:secret>"),
    ("DB_PASSWORD=tiger123\nHOST=db", "DB_PASSWORD=<redacted:secret>\nHOST=db"),
    ("!mysql -u root --password=abc123xyz", "!mysql -u root --password=<redacted:secret>"),
]  # fmt: skip

LEFT_ALONE = [
    "pad_token = '<pad>'; tokenizer.unk_token = \"[UNK]\"; max_tokens: 5; token = 'hello'",
    "password = os.environ['PW']; password = getpass('Password: '); password=''",
    'api_key = "YOUR_API_KEY"; secret = "<your secret here>"; token="xxxxxxxxxxxxxxxxxxxx"',
    f'sha = "{HEX}"; commit = "{HEX[:40]}"',
    "primary_key = 'customer_id2'; key = 'value'; df['key1'] = 'abc'; sort_key = 'name2'",
    "url = 'http://localhost:8888/x@y'; f'postgres://{user}:{pw}@{host}'",
    "<div id='sk-container-id-1' class='sk-top-container sk-estimator-doc-link'>",
    "password_field = 'login-password'; token_path = '/home/x/token1.json'; secret_name = 'prod/db1'",
    "bearer of good news; the authorization was given on 2024-01-01",
    "image = 'iVBORw0KGgoAAAANSUhEUgAAAoAAAAHgCAYAAAA10dzkAAAABHNCSVQICAgIfAhkiAAAAAlwSFlzAAAPYQAAD2E'",
    "TOKEN = get_token(); SECRET_KEY = settings.key2; x = 'a' * 40",
]


@pytest.mark.parametrize(("text", "clean"), CASES)
def test_secrets_are_replaced_and_the_shape_is_kept(text: str, clean: str) -> None:
    assert redact(text) == (clean, 1)


@pytest.mark.parametrize("text", LEFT_ALONE)
def test_what_is_no_secret_is_left_alone(text: str) -> None:
    assert redact(text) == (text, 0)


@pytest.mark.parametrize(("text", "clean"), CASES)
def test_a_second_pass_changes_nothing(text: str, clean: str) -> None:
    assert redact(redact(text)[0]) == (redact(text)[0], 0)


PARTS = st.sampled_from([text for text, _ in CASES] + LEFT_ALONE) | st.text(max_size=30) | st.sampled_from(
    ["password", "=", ": ", "'", '"', "://", "@", "token", "\n", "-----BEGIN ", "PRIVATE KEY-----", "<redacted:x>", "Bearer ", "--token "]
)  # fmt: skip


@given(st.lists(PARTS, max_size=12).map("".join))
def test_any_text_is_redacted_once_and_for_all(text: str) -> None:
    once, _ = redact(text)
    assert redact(once) == (once, 0)
    assert redact(text)[0] == once


def test_real_notebooks_hold_no_false_alarm(evals_folder: Path) -> None:
    found = []
    for path in sorted((evals_folder / "notebooks").rglob("*.ipynb")):
        try:
            notebook = document.read(path).snapshot()
        except NotebookError:
            continue
        for cell in notebook.cells:
            for text in (cell.source, *(output.text for output in cell.outputs)):
                clean, count = redact(text)
                assert redact(clean) == (clean, 0)
                if count:
                    found.append((path.name, count))
    # One notebook of the 115 holds a real key, four times.
    assert sum(count for _, count in found) == 4 and {name for name, _ in found} == {"Exercises_solutions.ipynb"}


@pytest.mark.parametrize(
    "text",
    ["password" * 5000, "password = '" + "\\" * 50_000, ("-----BEGIN RSA " + "PRIVATE KEY-----") * 1500, "a://" * 12_000, "a:" * 25_000,
     "auth=(" * 8000, "A" * 50_000 + "1", "eyJ" * 15_000, "1a" * 25_000, "password: " + "a b" * 15_000, "token='" * 7000, "Bearer " * 8000],
)  # fmt: skip
def test_no_text_makes_it_slow(text: str) -> None:
    redact(text)  # a pattern that backtracks would run into the time limit of the suite


def test_threads_agree() -> None:
    text = "\n".join(text for text, _ in CASES)
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: redact(text), range(32)))) == 1
