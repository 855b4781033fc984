"""Judges explanations and documentation: facts that must be said, statements that are false, sentences that restate code.

Facts and false statements are regular expressions of the item; pure functions over text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

VERBS = (
    "set|assign|import|print|call|create|define|initiali[sz]e|convert|display|load|read|compute|calculate|perform|store|"
    "plot|use|apply|generate|return|drop|add|group|filter|sort|show"
)
LEADING = r"(?:(?:here|first|then|next|finally),?\s+)?"
SUBJECT = r"(?:(?:this|the|it|we)\s*(?:code|cell|line|function|snippet|step|block)?\s+)?"
OPENING = re.compile(rf"^{LEADING}{SUBJECT}(?:{VERBS})(?:s|es)?\b", re.IGNORECASE)
REASONS = (
    r"because|so that|since|so the|so that|in order|otherwise|to avoid|to see|to check|which means|means that|therefore|"
    r"as a result|why|reason|needed|instead|rather than|would|so\b|only|at least|highest|lowest|most\b|least\b|"
    r"shows? that|turns out|\d+[.,]\d+ ?(%|percent|kWh|km|h|EUR)?"
)
REASON = re.compile(rf"\b({REASONS})", re.IGNORECASE)
WORD = re.compile(r"[A-Za-z_]\w{1,}")


def judge_explanation(item: Mapping[str, Any], text: str) -> dict[str, Any]:
    """{"ok", "said", "of", "missing", "false", "restatements"}: right with two thirds of the facts and nothing false."""
    missing = _absent(item["must"], text)
    false = _present(item["must_not"], text)
    said, total = len(item["must"]) - len(missing), len(item["must"])
    restated = len(restatements(text, item["code"]))
    return {
        "ok": not false and said * 3 >= 2 * total,
        "said": said,
        "of": total,
        "missing": missing,
        "false": false,
        "restatements": restated,
    }


def judge_documentation(item: Mapping[str, Any], text: str) -> dict[str, Any]:
    """{"ok", "said", "of", "number", "missing", "false", "restatement_share", "sentences"} of all markdown together.

    Right with half of the facts, one of the numbers (where the item has any), nothing false, and at most half of the
    sentences restating code.
    """
    code = "\n".join(cell["source"] for cell in item["cells"])
    missing, false = _absent(item["facts"], text), _present(item["false"], text)
    said = len(item["facts"]) - len(missing)
    prose = re.sub(r"^#+.*$", "", text, flags=re.MULTILINE)
    sentences = [part for part in re.split(r"(?<=[.!?])\s+|\n+", prose) if len(part.split()) > 2]
    share = len(restatements(prose, code)) / max(1, len(sentences))
    numbers = item.get("numbers") or []
    number = not numbers or any(re.search(rf"(?<![\d.]){re.escape(n)}(?![\d])", text) for n in numbers)
    return {
        "ok": bool(not false and number and 2 * said >= len(item["facts"]) and share <= 0.5),
        "said": said,
        "of": len(item["facts"]),
        "number": number,
        "missing": missing,
        "false": false,
        "restatement_share": round(share, 2),
        "sentences": len(sentences),
    }


def _present(statements: Sequence[Mapping[str, str]], text: str) -> list[str]:
    return [one["say"] for one in statements if re.search(one["re"], text, re.IGNORECASE | re.DOTALL)]


def _absent(statements: Sequence[Mapping[str, str]], text: str) -> list[str]:
    return [one["say"] for one in statements if not re.search(one["re"], text, re.IGNORECASE | re.DOTALL)]


def restatements(text: str, code: str) -> list[str]:
    """Sentences that only say the code again: a verb of programming, names of the code, neither reason nor finding."""
    names = set(WORD.findall(code))
    names |= {name.lower() for name in names}
    found = []
    for sentence in re.split(r"(?<=[.!?:])\s+|\n+", text):
        bare = sentence.strip(" -*#>`\t")
        terms = WORD.findall(bare)
        if len(terms) < 2 or not OPENING.search(bare) or REASON.search(bare):
            continue
        shared = sum(term in names or term.lower() in names for term in terms)
        if shared >= 2 or "`" in bare or '"' in bare or any("_" in term for term in terms):
            found.append(bare)
    return found
