"""Live objects as bounded text: what they are, how big, which columns; never their data unless asked for.

Decides by type and runs no method that a user can define: `__repr__`, `__len__`, `__getattr__` and the like can
raise, hang or change something. Two exceptions run in a thread with a time limit: `__llm__`, which a user writes for
this very purpose (text for the model), and a user's subclass of a library type such as DataFrame.
"""

from __future__ import annotations

import contextlib
import threading
import types
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from nbcopilot.notebook.describe import Detail, describe
from nbcopilot.notebook.inspecting import bases, class_name, is_trusted, members, root_of
from nbcopilot.notebook.libraries import describe_library
from nbcopilot.types import Variable

# Longest text of one summary, in characters: about 400 tokens.
MAX_SUMMARY = 1600
# Wall time of one user-defined `__llm__` or foreign subclass.
HOOK_SECONDS = 0.3

# IPython puts these into the namespace; a user may reuse all but the first two.
_HISTORY = ("In", "Out")
_SHELL_FUNCTIONS = ("exit", "quit", "open", "get_ipython")


def hidden_names(user_ns: Mapping[str, Any]) -> frozenset[str]:
    """Names in `user_ns` that are IPython's own or private: not the user's."""
    return frozenset(name for name, value in list(user_ns.items()) if _is_hidden(name, value))


def _is_hidden(name: Any, value: Any) -> bool:
    if type(name) is not str or name.startswith("_") or not name.isidentifier() or name in _HISTORY:
        return True
    if name not in _SHELL_FUNCTIONS:
        return False
    function = value.__func__ if type(value) is types.MethodType else value
    if type(function) is types.FunctionType:
        return "IPython" in function.__code__.co_filename
    return root_of(type(value)) in ("IPython", "_sitebuiltins") or type(value) is types.BuiltinFunctionType


def summarize(
    user_ns: Mapping[str, Any], names: Iterable[str] | None = None, *, rows: int = 0, focus: str = ""
) -> tuple[Variable, ...]:
    """One Variable for each of `names` (None: every name that is the user's), in their order.

    `rows` > 0 adds that many rows of a DataFrame; `focus` is the text of the request: columns that it mentions are
    listed first when a frame has more than fit. Names that are not defined are passed over. Never raises, has no
    side effects, and blocks for at most HOOK_SECONDS on an object with code of the user's to run.
    """
    hidden = hidden_names(user_ns) if names is None else frozenset()
    detail = Detail(rows=rows, focus=focus)
    wanted = [name for name in (list(user_ns) if names is None else names) if name not in hidden]
    return tuple(_variable(name, user_ns[name], detail) for name in wanted if name in user_ns)


def _variable(name: str, value: Any, detail: Detail) -> Variable:
    kind, text = _described(value, detail)
    text = text if len(text) <= MAX_SUMMARY else f"{text[: MAX_SUMMARY - 2].rstrip()} …"
    return Variable(name=name, type=class_name(type(value)), kind=kind, summary=text)


def _described(value: Any, detail: Detail) -> tuple[str, str]:
    cls = type(value)
    hook = _llm_hook(value)
    if hook is not None:
        said = bounded(cls, hook, HOOK_SECONDS)
        text = said.strip() if isinstance(said, str) else ""
        return "object", f"{class_name(cls)}: {text}" if text else class_name(cls)
    try:
        found = None
        if is_trusted(cls):
            found = describe_library(value, detail)
        elif any(is_trusted(base) and root_of(base) not in ("builtins", "collections") for base in bases(cls)):
            found = bounded(cls, lambda: describe_library(value, detail), HOOK_SECONDS)
        return found or describe(value)
    except Exception:  # a broken object of a known library: its type is still worth saying
        return "object", class_name(cls)


def _llm_hook(value: Any) -> Callable[[], Any] | None:
    """The `__llm__` that the class of `value` defines, bound, found without touching the instance."""
    for base in bases(type(value)):
        if root_of(base) == "builtins":
            continue
        function = members(base).get("__llm__")
        if isinstance(function, types.FunctionType):
            return types.MethodType(function, value)
    return None


# Classes whose code has not ended yet: not tried again before, or each request would leave one more thread behind.
_stuck: weakref.WeakSet[type] = weakref.WeakSet()


def bounded(cls: type, function: Callable[[], Any], seconds: float) -> Any:
    """What `function`, code of class `cls`, gives within `seconds`, else None; what it raises is swallowed."""
    if cls in _stuck:
        return None
    result: list[Any] = []
    ended = threading.Event()

    def run() -> None:
        # The user's own code: even SystemExit must not travel on.
        with contextlib.suppress(BaseException):
            result.append(function())
        ended.set()
        _stuck.discard(cls)

    threading.Thread(target=run, name="nbcopilot-bounded", daemon=True).start()
    if not ended.wait(seconds):
        _stuck.add(cls)
        if ended.is_set():  # in between
            _stuck.discard(cls)
    return result[0] if result else None
