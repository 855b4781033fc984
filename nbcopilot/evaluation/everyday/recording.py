"""Records with which arguments generated tests call a function; imported by the test file itself, in a forked child.

One JSON line a fact: {"call", "function", "parameter", "type", "confused", "rich", "fits"}. `confused`: the type is none
that the function is for. `rich`: more than one element (null for scalars). `fits`: what the item's rule says of a call.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

CONTAINERS = ("DataFrame", "Series", "list", "tuple", "dict", "set", "ndarray", "str")
RULE = "!"


def record_calls(module: dict[str, Any], params: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Wrap the functions, classes and methods that `params` names in `module`; facts go to `path`."""
    numbers = itertools.count()
    for name, spec in params.items():
        owner, _, method = name.rpartition(".")
        tell = functools.partial(_tell, module, name, spec, path, numbers)
        if owner:
            setattr(module[owner], method, _wrapped(getattr(module[owner], method), tell, 1))
        elif inspect.isclass(module.get(name)):
            module[name].__init__ = _wrapped(module[name].__init__, tell, 1)
        elif name in module:
            module[name] = _wrapped(module[name], tell, 0)


def _wrapped(function: Callable[..., Any], tell: Callable[..., None], skip: int) -> Callable[..., Any]:
    @functools.wraps(function)
    def recorded(*args: Any, **kwargs: Any) -> Any:
        tell(function, skip, args, kwargs)
        return function(*args, **kwargs)

    return recorded


def _tell(
    module: Mapping[str, Any],
    name: str,
    spec: Mapping[str, Any],
    path: Path,
    numbers: itertools.count[int],
    function: Callable[..., Any],
    skip: int,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> None:
    try:
        bound = inspect.signature(function).bind(*args, **kwargs)
    except TypeError:
        return
    given = dict(list(bound.arguments.items())[skip:])
    number = next(numbers)
    facts = []
    if spec.get(RULE):
        bound.apply_defaults()
        try:
            fits: bool | None = bool(eval(spec[RULE], dict(module), {"a": bound.arguments}))
        except Exception:
            fits = None
        facts.append({"parameter": RULE, "type": "", "confused": False, "rich": None, "fits": fits})
    for parameter, value in given.items():
        confused = _confused(value, spec.get(parameter))
        kind = type(value).__name__
        facts.append({"parameter": parameter, "type": kind, "confused": confused, "rich": _rich(value), "fits": None})
    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps({"call": number, "function": name, **fact}) + "\n" for fact in facts)


def _confused(value: Any, allowed: Any) -> bool:
    if not allowed:
        return False
    kinds = [kind.__name__ for kind in type(value).__mro__]
    return not any(kind in kinds for kind in allowed) or (isinstance(value, bool) and "bool" not in allowed)


def _rich(value: Any) -> bool | None:
    if type(value).__name__ not in CONTAINERS:
        return None
    try:
        return len(value) > 1
    except TypeError:
        return None
