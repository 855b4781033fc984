"""Secrets and, where it is asked for, personal data out of text; the shape of the text is kept.

`key = "AKIA…"` becomes `key = "<redacted:aws-key>"`. Used before anything leaves for an engine, before prompts are kept,
and before anything is written. Random-looking text alone is not taken for a secret: hashes, ids and data stay.
How well it does is in docs/decisions/009-redaction.md.
"""

from nbcopilot.redaction.prompts import redact_prompt
from nbcopilot.redaction.redact import find, redact, redact_pair

__all__ = ["find", "redact", "redact_pair", "redact_prompt"]
