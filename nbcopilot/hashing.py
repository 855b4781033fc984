"""The one way in which texts are hashed where they must be the same later: cells, prompts, answers."""

from __future__ import annotations

import hashlib


def text_hash(text: str) -> str:
    """`sha256:` and the hex digest of `text` in UTF-8; lone surrogates are kept apart, not refused."""
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
