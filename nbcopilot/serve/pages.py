"""The pages of the server as limits, metrics and logs see them: a name each, who may ask for it, whether it takes tokens."""

from __future__ import annotations

from dataclasses import dataclass

from nbcopilot.serve.callers import OWN
from nbcopilot.serve.keys import ASK, METRICS


@dataclass(frozen=True)
class Page:
    """`needs` is what a caller must be allowed; `generates`: it takes a seat and tokens."""

    name: str
    needs: str = ASK
    generates: bool = False


_OTHER = Page("other")
_PAGES = {
    "/metrics": Page("metrics", METRICS),
    "/v1/models": Page("models"),
    "/v1/chat/completions": Page("chat", generates=True),
    "/v1/completions": Page("completions", generates=True),
    "/v1/nbcopilot/complete": Page("complete", generates=True),
    "/v1/nbcopilot/tokenize": Page("tokenize"),
    "/v1/nbcopilot/load": Page("load"),
    "/v1/nbcopilot/status": Page("status", OWN),
    "/v1/nbcopilot/shutdown": Page("shutdown"),  # refuses everybody but the owner by itself
}


def page_of(path: str) -> Page:
    """The page at `path`; all that are not there are one, so that a caller cannot make up names."""
    return _PAGES["/v1/models"] if path.startswith("/v1/models/") else _PAGES.get(path, _OTHER)
