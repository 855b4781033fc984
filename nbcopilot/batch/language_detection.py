"""The natural language that a notebook's text is written in, by script and by its small words. Rough on purpose."""

from __future__ import annotations

import re

# Less text than this says nothing about the language.
MIN_LETTERS = 40
MIN_WORDS = 12
_SCRIPTS = {
    "Japanese": r"[\u3040-\u30ff]",
    "Korean": r"[\uac00-\ud7af]",
    "Chinese": r"[\u3400-\u9fff]",
    "Russian": r"[\u0400-\u04ff]",
    "Arabic": r"[\u0600-\u06ff]",
    "Hebrew": r"[\u0590-\u05ff]",
    "Greek": r"[\u0370-\u03ff]",
    "Hindi": r"[\u0900-\u097f]",
    "Thai": r"[\u0e00-\u0e7f]",
}
_SMALL_WORDS = {
    "": "the of and to in is that for it with as this are be on we can from by which",
    "German": "der die und das ist den von nicht mit ein eine zu wir sind auf für werden dass im auch",
    "French": "le la les des est et dans pour que une un nous sur avec par qui pas sont ce du",
    "Spanish": "el la los las que de es en un una para con por se del como más está al nos",
    "Portuguese": "o a os as que de é em um uma para com por não do da como mais está dos",
    "Italian": "il la che di è per un una con non del della sono si come nel i gli le questo",
    "Dutch": "de het een van en is dat niet op te voor met zijn deze die we er aan ook naar",
}


def spoken_language(text: str) -> str:
    """The English name of the language of `text`; "" for English, or when there is too little to tell."""
    plain = re.sub(r"```.*?```|`[^`]*`|\$[^$]*\$|https?://\S+|<[^>]*>", " ", text, flags=re.S)
    letters = "" if plain.isascii() else "".join(re.findall(r"[^\W\d_]+", plain))
    for name, pattern in _SCRIPTS.items():
        found = len(re.findall(pattern, letters))
        # Kana decide for Japanese although most letters are kanji.
        if found >= MIN_LETTERS * (0.4 if name in ("Japanese", "Korean", "Chinese") else 1) and found >= len(
            letters
        ) * (0.1 if name == "Japanese" else 0.4):
            return name
    words = re.findall(r"[^\W\d_]+", plain.lower())
    scores = {name: sum(word in small for word in words) for name, small in _WORD_SETS.items()}
    best = max(scores, key=lambda name: scores[name])
    return best if scores[best] >= MIN_WORDS and scores[best] > 2 * scores[""] else ""


_WORD_SETS = {name: frozenset(words.split()) for name, words in _SMALL_WORDS.items()}
