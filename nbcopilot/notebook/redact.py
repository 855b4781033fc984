"""`redact(text)` where notebooks' code looks for it; the rules are in nbcopilot/redaction."""

from nbcopilot.redaction import redact

__all__ = ["redact"]
