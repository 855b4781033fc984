"""What the steps of a session ask to be compared: which validators and options are known, and with what they begin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TEMPLATES: dict[str, tuple[str, ...]] = {
    "empty": (),
    "basic": ("crash",),
    "intact": ("crash", "namespace_intact"),
    "comparison": ("crash", "namespace_intact", "result"),
}
VALIDATORS = ("crash", "namespace_intact", "namespace_check", "result", "stream")
# Of a comparison of two values (`compare.difference`).
OPTIONS = ("value_only", "ignore_index", "ignore_order", "type_only", "atol", "compare_fn")


def checks_of(validator: Mapping[str, Any]) -> dict[str, Any]:
    """The checks that a step asks for, with their options: the template's, plus or overridden by its own."""
    own = {key: value for key, value in validator.items() if key != "template"}
    return {**dict.fromkeys(TEMPLATES[validator.get("template", "comparison")]), **own}


def unsupported(validator: Mapping[str, Any]) -> str:
    """Why answers to a step cannot be judged, by the name of what is not known; "" when they can."""
    template = validator.get("template", "comparison")
    if template not in TEMPLATES:
        return f"the validator template `{template}` is not supported"
    for name, options in checks_of(validator).items():
        if name not in VALIDATORS:
            return f"the validator `{name}` is not supported"
        compared = options.items() if name == "namespace_check" and isinstance(options, Mapping) else [(name, options)]
        for where, value in compared:
            if name in ("result", "namespace_check") and (unknown := _unknown(value)):
                return f"the option `{unknown}` of {name} ({where}) is not supported"
    return ""


def _unknown(options: Any) -> str:
    """The first option that is not known; "" for none."""
    if options is None:
        return ""
    if not isinstance(options, Mapping):
        return repr(options)
    inner = options.get("compare_fn")
    names = [*options, *(inner if isinstance(inner, Mapping) else ())]
    return next((str(name) for name in names if name not in OPTIONS), "")
