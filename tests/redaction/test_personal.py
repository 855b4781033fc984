"""Personal data goes when it is asked for: by form, by check digits, and beside the word that says what it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from nbcopilot.cli.main import main
from nbcopilot.config import Config
from nbcopilot.context.gather import gather
from nbcopilot.engine.fake import FakeEngine
from nbcopilot.engine.outgoing import RedactingEngine
from nbcopilot.inference import Chunk, Message, Prompt, Sampling
from nbcopilot.redaction import redact
from nbcopilot.types import Notebook, Target, Task

DATA = [
    ("email", "mail anna.meier+x@firma-nord.de today", "anna.meier+x@firma-nord.de"),
    ("phone", "call +49 30 1234567", "+49 30 1234567"),
    ("phone", "ring (415) 555-0132 now", "(415) 555-0132"),
    ("phone", "Telefon: 030 / 12 34 56 78", "030 / 12 34 56 78"),
    ("iban", "IBAN DE89 3704 0044 0532 0130 00", "DE89 3704 0044 0532 0130 00"),
    ("iban", "to GB82WEST12345698765432.", "GB82WEST12345698765432"),
    ("card", "card 4111 1111 1111 1111", "4111 1111 1111 1111"),
    ("card", "378282246310005,12/27", "378282246310005"),
    ("id-us", "SSN 536-90-4399", "536-90-4399"),
    ("id-gb", "NHS number 943 476 5919", "943 476 5919"),
    ("id-de", "Steuer-ID: 36 574 261 809", "36 574 261 809"),
    ("id-fr", "NIR 2 95 10 99 126 111 93", "2 95 10 99 126 111 93"),
    ("id-es", "DNI 54362315K", "54362315K"),
    ("id-es", "X2482300W", "X2482300W"),
    ("id-it", "CF RCCMNL83S18D969H", "RCCMNL83S18D969H"),
    ("id-nl", "BSN 1112.22.333", "1112.22.333"),
    ("id-pl", "PESEL: 44051401359", "44051401359"),
    ("id-se", "personnummer 880320-0016", "880320-0016"),
    ("id-fi", "131052-308T", "131052-308T"),
    ("id-ch", "AHV 756.9217.0769.85", "756.9217.0769.85"),
    ("id-br", "390.533.447-05", "390.533.447-05"),
    ("id-in", "Aadhaar 2341 2341 2346", "2341 2341 2346"),
]
ORDINARY = [
    "x = 4111111111111112", "GB82WEST12345698765433", "DNI 54362315A", "390.533.447-06", "accuracy 0.943476591900", "loss: 943 476 5919",
    "2026-11-29 15:00:18", "12345678901", "id 536904399", "3.14159265358979", "[4 8 15 16 23 42]", "10.0.0.1:8888", "np.array([1111, 2222, 333])",
    "git@github.com:org/repo.git", "df.groupby('a')@x", "user@localhost", "1 234 567 890", "model-2024-08-06", "aaf4c61ddc5e8a2dabede0f3b482cd9aea9434d", "123-45-67890", "0.111222333",
    "0000 0000 0000 0000", "shape=(1000, 2000)", "phone_model = 'x12'", "1e-10 + 5", "2026112915001800",
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text", "value"), DATA)
def test_personal_data_is_replaced_when_it_is_asked_for(kind: str, text: str, value: str) -> None:
    clean, count = redact(text, personal=True)
    assert (value not in clean, count) == (True, 1), clean
    assert f"<redacted:{kind}>" in clean
    assert redact(clean, personal=True) == (clean, 0)
    assert redact(text) == (text, 0)


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_numbers_and_names_stay(text: str) -> None:
    assert redact(text, personal=True) == (text, 0)


def test_the_setting_reaches_the_context_and_the_engine() -> None:
    address = "anna@firma-nord.de"
    task, notebook = Task("explain", target=Target(f"mail('{address}')")), Notebook()
    shown = gather(task, notebook, count=len, budget=2000, config=Config(redact_personal=True))
    assert address not in shown.task.target.source
    assert address in gather(task, notebook, count=len, budget=2000, config=Config()).task.target.source

    class Engine:
        def generate(self, prompt: Prompt, *args: object, **more: object) -> list[Prompt]:
            return [prompt]

    sent = RedactingEngine(Engine(), personal=True).generate(Prompt((Message("user", address),)), None)  # type: ignore[arg-type]
    assert address not in str(list(sent))


def test_the_setting_reaches_what_batch_sends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address, seen = "anna@firma-nord.de", []
    monkeypatch.setenv("NBCOPILOT_MODEL", "fake")
    generate_batch = FakeEngine.generate_batch

    def listen(self: FakeEngine, prompts: Sequence[Prompt], sampling: Sampling) -> Iterator[tuple[int, Chunk]]:
        seen.extend(prompts)
        return generate_batch(self, prompts, sampling)

    monkeypatch.setattr(FakeEngine, "generate_batch", listen)
    for personal in ("false", "true"):
        monkeypatch.setenv("NBCOPILOT_REDACT_PERSONAL", personal)
        path = tmp_path / f"{personal}.ipynb"
        nbformat.write(new_notebook(cells=[new_code_cell(f"total = 1\nmail('{address}', total)", id="a")]), path)
        seen.clear()
        assert main(["document", str(path), "--in-place", "--jobs", "1"]) == 0
        assert seen and (address in str(seen)) == (personal == "false")
