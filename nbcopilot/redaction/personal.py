"""Personal data by form and check digits: e-mail addresses, telephone and card numbers, IBANs, national identity numbers.

Off unless `redact_personal` is set. Check digits are python-stdnum's. A number whose check digits one in ten numbers has
is believed only where a word nearby says what it is. Names of people are not looked for: that takes a language model.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from typing import NamedTuple

from nbcopilot.redaction.rule import Judgement, Rule, Span, believe, rule

# How far before a number the word may stand that says what it is.
NEAR = 60


class _National(NamedTuple):
    """A national number: python-stdnum's module, its form, and the words that must stand near ("" when it is sure)."""

    module: str
    form: str
    near: str = ""


_NATIONAL = (
    _National("us.ssn", r"\d{3}-\d{2}-\d{4}"),
    _National("us.ssn", r"\d{9}", r"ssn|social security"),
    _National("gb.nhs", r"\d{3}[ -]?\d{3}[ -]?\d{4}", r"nhs"),
    _National("gb.nino", r"[A-CEGHJ-PR-TW-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D]"),
    _National("de.idnr", r"\d{2} ?\d{3} ?\d{3} ?\d{3}", r"steuer|tax|idnr|identifikation"),
    _National("fr.nir", r"[12] ?\d{2} ?(?:0[1-9]|1[0-2]|[2-9]\d) ?\d[\dAB] ?\d{3} ?\d{3} ?\d{2}"),
    _National("es.dni", r"\d{8}-?[A-Z]"),
    _National("es.nie", r"[XYZ]-?\d{7}-?[A-Z]"),
    _National("it.codicefiscale", r"[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]"),
    _National("nl.bsn", r"\d{4}\.?\d{2}\.?\d{3}", r"bsn|burgerservice|sofi"),
    _National(
        "be.nn", r"\d{2}\.?\d{2}\.?\d{2}-?\d{3}[.-]?\d{2}", r"rijksregister|registre national|national|nn\b|insz|niss"
    ),
    _National("pl.pesel", r"\d{11}", r"pesel"),
    _National("se.personnummer", r"(?:\d{2})?\d{6}[-+]\d{4}"),
    _National("dk.cpr", r"\d{6}-\d{4}", r"cpr|person"),
    _National("fi.hetu", r"\d{6}[-+A]\d{3}[0-9A-FHJ-NPR-Y]"),
    _National("no.fodselsnummer", r"\d{6} ?\d{5}", r"f(?:ø|o|oe)dsel|person"),
    _National("ch.ssn", r"756\.?\d{4}\.?\d{4}\.?\d{2}"),
    _National("pt.nif", r"\d{9}", r"nif\b|contribuinte"),
    _National("br.cpf", r"\d{3}\.\d{3}\.\d{3}-\d{2}"),
    _National("br.cpf", r"\d{11}", r"cpf"),
    _National("in_.aadhaar", r"\d{4}[ -]?\d{4}[ -]?\d{4}", r"aadhaar|uidai"),
    _National("ca.sin", r"\d{3}[ -]?\d{3}[ -]?\d{3}", r"\bsin\b|social insurance|\bnas\b"),
    _National("au.tfn", r"\d{3} ?\d{3} ?\d{2,3}", r"tfn|tax file"),
    _National("cn.ric", r"\d{17}[\dX]"),
)


def _valid(module: str, near: str) -> Judgement:
    words = re.compile(near, re.IGNORECASE) if near else None

    def accept(match: re.Match[str]) -> bool:
        if words is not None and not words.search(match.string, max(0, match.start() - NEAR), match.start()):
            return False
        return bool(importlib.import_module(f"stdnum.{module}").is_valid(match[0]))

    return accept


def _card(match: re.Match[str]) -> bool:
    digits = re.sub(r"\D", "", match[0])
    return len(set(digits)) > 1 and _valid("luhn", "")(re.match(r"\d+", digits) or match)


def _no_placeholder(match: re.Match[str]) -> bool:
    return not re.search(r"@(?:example|test|localhost)\b|\Agit@|\Anoreply@|@\d+x\.", match[0], re.IGNORECASE)


_EDGE, _END = r"(?<![\w.+-])", r"(?![\w]|[.-]\d)"

RULES: tuple[Rule, ...] = (
    rule("email", "@", r"(?<![\w.+%-])[\w.+%-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,4}[A-Za-z]{2,24}(?![\w@-])", _no_placeholder),
    rule("iban", "", rf"{_EDGE}[A-Z]{{2}}\d{{2}}(?: ?[A-Z0-9]{{4}}){{2,7}}(?: ?[A-Z0-9]{{1,4}})?(?!\w)", _valid("iban", "")),
    rule("card", "", rf"{_EDGE}(?:[2-6]\d{{3}}(?:[ -]?\d{{4}}){{2}}[ -]?\d{{1,7}}|3[47]\d{{2}}[ -]?\d{{6}}[ -]?\d{{5}}){_END}", _card),
    rule("phone", "+", r"(?<![\w+])\+[1-9]\d{0,2}(?:[ ./-]{0,2}\(?\d{1,5}\)?){2,6}(?![\w]|[.]\d)", lambda match: 9 <= len(re.sub(r"\D", "", match[0])) <= 15),
    rule("phone", "( - .", r"(?<![\w.+(-])(?:1[ .-])?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[.-])[2-9]\d{2}[ .-]\d{4}(?![\w-]|[.]\d)", believe),
    rule("phone", "tel phone mobil fax call handy telefon whatsapp móvil portable",
         r"(?i:\b(?:tel|phone|mobile?|fax|call|handy|telefon|téléphone|teléfono|whatsapp|móvil|portable)\w{0,8})[ .:='\"]{1,6}(?:nr|no|number)?[ .:='\"]{0,4}(?P<secret>\(?0?\d[\d ()./-]{6,18}\d)(?!\w)"),
    *(rule(f"id-{national.module[:2]}", "", rf"{_EDGE}{national.form}{_END}", _valid(national.module, national.near)) for national in _NATIONAL),
)  # fmt: skip


def spans(text: str, lowered: str) -> Iterator[Span]:
    """The personal data in `text`; `lowered` is the text in lower case, of the same length."""
    for one in RULES:
        yield from one.spans(text, lowered)
