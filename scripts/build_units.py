"""Writes nbcopilot/grounding/units.json: names of calendar units in many languages, from the CLDR data in Babel.

    python scripts/build_units.py

Only single words are taken; a word that means two units in different languages is left out.
"""

from __future__ import annotations

import json
from pathlib import Path

import babel
from babel import Locale

from nbcopilot.grounding.words import fold

UNITS = {"minute": "min", "hour": "h", "day": "D", "week": "W", "month": "M", "quarter": "Q", "year": "Y"}
LANGUAGES = [
    "en",
    "de",
    "es",
    "fr",
    "pt",
    "it",
    "nl",
    "pl",
    "ru",
    "uk",
    "cs",
    "sv",
    "da",
    "nb",
    "fi",
    "tr",
    "el",
    "ro",
    "hu",
    "zh",
    "ja",
    "ko",
    "id",
    "vi",
    "ar",
    "he",
    "hi",
    "fa",
]
# Words of three letters are taken from these alone: elsewhere they are too often articles of another language.
SHORT = LANGUAGES[:6]
TARGET = Path(__file__).parent.parent / "nbcopilot" / "grounding" / "units.json"


def main() -> None:
    """Collect and write."""
    single: dict[str, set[str]] = {}
    plural: dict[str, set[str]] = {}
    for language in LANGUAGES:
        data = Locale.parse(language)._data
        for unit, code in UNITS.items():
            for key, pattern in data["unit_patterns"].get(f"duration-{unit}", {}).get("long", {}).items():
                form = fold(str(pattern).replace("{0}", "")).strip()
                short = len(form) <= 3 and form.isascii() and language not in SHORT
                if key != "per" and form and " " not in form and not short:
                    # Languages without a plural have the one form "other".
                    alone = len(data["unit_patterns"][f"duration-{unit}"]["long"]) <= 2
                    (single if key == "one" or alone else plural).setdefault(form, set()).add(code)
    table = {"one": _by_unit(single), "many": _by_unit({f: u for f, u in plural.items() if f not in single})}
    source = f"Unicode CLDR, duration units, by Babel {babel.__version__} (Unicode License v3)"
    TARGET.write_text(json.dumps({"source": source, **table}, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _by_unit(found: dict[str, set[str]]) -> dict[str, list[str]]:
    units: dict[str, list[str]] = {code: [] for code in UNITS.values()}
    for form in sorted(found):
        if len(found[form]) == 1:
            units[next(iter(found[form]))].append(form)
    return units


if __name__ == "__main__":
    main()
