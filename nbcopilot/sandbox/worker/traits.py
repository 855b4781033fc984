"""What is telling about inputs and outcomes, in words of which names of tests are made: an empty list, a negative number, repeated keys.

Words are about types, sizes and relations. Nothing is known of any domain.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from nbcopilot.sandbox.worker.forms import OMITTED, Form, Parameter


def of_inputs(form: Form, values: Sequence[Any]) -> list[str]:
    """Traits of the arguments, likeliest to tell first: `empty_text`, `default_window`, `end_below_start`."""
    found: list[str] = []
    given = [(p, v) for p, v in zip(form.parameters, values, strict=True)]
    for parameter, value in given:
        found += [f"{trait}" for trait in _of_one(parameter, value)]
    plain = [(p.name, v) for p, v in given if v is not OMITTED]
    for i, (name, value) in enumerate(plain):
        for other, second in plain[i + 1 :]:
            if name != other:
                found += _related(name, value, other, second)
    return list(dict.fromkeys(found))


def of_outcome(value: Any, values: Sequence[Any], error: str = "") -> str:
    """The outcome in words: `raises_value_error`, `is_negative`, `gives_none`."""
    if error:
        return "raises_" + "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(error))
    if value is None:
        return "gives_none"
    if isinstance(value, bool) or type(value).__name__ == "bool_":
        return "holds" if value else "does_not_hold"
    if isinstance(value, (int, float)):
        return "gives_nan" if value != value else "is_zero" if value == 0 else "is_negative" if value < 0 else ""
    size = _size(value)
    if size == 0:
        return "is_empty"
    if any(type(v) is type(value) and _same(v, value) for v in values):
        return "is_unchanged"
    return ""


def _of_one(parameter: Parameter, value: Any) -> list[str]:
    name = parameter.name.strip("_").lower()
    if value is OMITTED:
        return [f"default_{name}"] if not parameter.spread else [f"no_{name}"]
    found: list[str] = []
    if value is None:
        return [f"missing_{name}"]
    if isinstance(value, bool):
        return [f"{name}" if value else f"without_{name}"]
    if isinstance(value, (int, float)):
        if value != value or math.isinf(value):
            return [f"infinite_{name}" if value == value else f"nan_{name}"]
        found += [f"zero_{name}"] if value == 0 else [f"negative_{name}"] if value < 0 else []
        found += [f"fractional_{name}"] if value != int(value) else []
    elif isinstance(value, str):
        found += _of_text(name, value)
    elif (size := _size(value)) is not None:
        found += [f"empty_{name}"] if size == 0 else [f"single_{name}"] if size == 1 else []
        found += _of_many(name, value)
    if parameter.optional:
        found.append(f"given_{name}")
    return found


def _of_text(name: str, value: str) -> list[str]:
    if not value:
        return [f"empty_{name}"]
    if not value.strip():
        return [f"blank_{name}"]
    tests = {
        "digits_only": value.isdigit(), "spaces_around": value != value.strip(), "accents": not value.isascii(),
        "uppercase": value.isupper(), "lines": "\n" in value, "several_words": len(value.split()) > 1,
        "digits": any(c.isdigit() for c in value) and not value.isdigit(), "no_digits": not any(c.isdigit() for c in value),
        "punctuation": any(not c.isalnum() and not c.isspace() for c in value),
    }  # fmt: skip
    return [f"{name}_with_{trait}" for trait, there in tests.items() if there]


def _of_many(name: str, value: Any) -> list[str]:
    found = []
    if hasattr(value, "columns"):
        try:
            found += [f"gaps_in_{name}"] if value.isna().any().any() else []
            found += [f"repeated_rows_in_{name}"] if value.duplicated().any() else []
        except (TypeError, ValueError):
            return found
        return found
    try:
        items = list(value.values()) if isinstance(value, dict) else list(value)
    except TypeError:
        return found
    if not isinstance(value, (set, frozenset, dict)) and len(items) > 1:
        try:
            keys = [i if not isinstance(i, list) else tuple(i) for i in items]
            found += [f"repeated_{name}"] if len(set(keys)) < len(keys) else []
        except TypeError:
            pass
    if any(i is None or i != i for i in items if isinstance(i, (type(None), float))):
        found.append(f"gaps_in_{name}")
    numbers = [i for i in items if isinstance(i, (int, float)) and not isinstance(i, bool)]
    if numbers and len(numbers) == len(items):
        found += [f"negative_{name}"] if any(n < 0 for n in numbers) else []
        found += [f"sorted_{name}" if numbers == sorted(numbers) else f"unsorted_{name}"] if len(numbers) > 1 else []
    texts = [i for i in items if isinstance(i, str)]
    found += [f"empty_text_in_{name}"] if any(not t for t in texts) else []
    found += [f"accents_in_{name}"] if any(not t.isascii() for t in texts) else []
    return found


def _related(name: str, value: Any, other: str, second: Any) -> list[str]:
    if type(value) is not type(second) or isinstance(value, bool):
        return []
    if _size(value) is not None and not isinstance(value, str):
        return [f"{name}_and_{other}_of_different_length"] if _size(value) != _size(second) else []
    try:
        if bool(value == second):
            return [f"{name}_equal_to_{other}"]
        return (
            [f"{name}_below_{other}" if value < second else f"{name}_above_{other}"]
            if not isinstance(value, str)
            else []
        )
    except Exception:
        return []


def _size(value: Any) -> int | None:
    try:
        return len(value)
    except TypeError:
        return None


def _same(one: Any, other: Any) -> bool:
    try:
        same = one == other
        return bool(same.all().all() if hasattr(same, "columns") else same.all() if hasattr(same, "all") else same)
    except Exception:
        return False
