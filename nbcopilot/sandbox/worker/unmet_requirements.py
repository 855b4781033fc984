"""Why a run that failed cannot be blamed on the code: it needs what a sandbox does not have.

Reads the error and the audit record; returns {"reason", "detail"} as in `verdict.NotRun`, or None.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from nbcopilot.sandbox.worker.audit import Watch
from nbcopilot.sandbox.worker.shell import NO_SHELL

_NETWORK_ERRORS = frozenset({"URLError", "ConnectionError", "gaierror", "MaxRetryError", "ConnectError", "HTTPError", "SSLError",
                             "ClientConnectorError", "NewConnectionError", "TimeoutError", "timeout", "ConnectTimeout", "ProxyError",
                             "APIConnectionError", "LocalEntryNotFoundError", "RemoteDisconnected", "OfflineModeIsEnabled"})  # fmt: skip
_GPU = re.compile(r"\b(cuda|nvidia|cudnn|mps backend|rocm|no gpu|hip)\b", re.IGNORECASE)
_KEY = re.compile(r"\bapi[_ ]?key\b|\baccess[_ ]?token\b|\bcredentials?\b|\bauthenticat", re.IGNORECASE)
_WINDOW = re.compile(
    r"\bdisplay\b|cannot connect to X|\$DISPLAY|could not connect to display|no display", re.IGNORECASE
)


def missing(error: Mapping[str, Any], watch: Watch, *, files_known: bool) -> dict[str, str] | None:
    """What the run would have needed, or None when the error is the code's own.

    files_known: the notebook's folder was there to read from, so that a file that is not in it is missing indeed.
    """
    name, message, bases = str(error["name"]), str(error["message"]), set(error["bases"])
    raised_in = str(error["frames"][-1]) if error["frames"] else ""
    if watch.network and (
        name in _NETWORK_ERRORS
        or (bases & {"OSError", "ConnectionError"} and name != "FileNotFoundError")
        or error["cause"] in _NETWORK_ERRORS
    ):
        return _need("network", str(watch.network[0]))
    if name == "KeyError" and raised_in in ("<frozen os>:__getitem__", os.__file__ + ":__getitem__"):
        return _need("environment", message.strip(chr(39)))
    if name in (
        "AssertionError",
        "RuntimeError",
        "AcceleratorError",
        "InvalidArgumentError",
        "CUDARuntimeError",
    ) and _GPU.search(message):
        return _need("gpu")
    if name.endswith(("AuthenticationError", "NoCredentialsError", "OpenAIError", "DefaultCredentialsError")) or (
        name in ("ValueError", "RuntimeError") and _KEY.search(message) and not _in_own_code(error)
    ):
        return _need("credentials")
    if name == "TclError" and _WINDOW.search(message):
        return _need("window")
    if name == "AttributeError" and message.startswith(NO_SHELL):
        return _need("shell-api", message.rsplit(" ", 1)[-1].strip(chr(39)))
    if name == "FileNotFoundError" and not files_known:
        found = re.search(r"'([^']+)'", message)
        return _need("file", found[1] if found else "")
    if name == "OSError" and "Read-only file system" in message:
        found = re.search(r"'([^']+)'", message)
        return _need("read-only", found[1] if found else "")
    if (
        name in ("PermissionError", "OSError")
        and watch.refused
        and ("Read-only" in message or "sandbox" in message or "ermission" in message)
    ):
        return _need("outside", str(watch.refused[-1]))
    hidden = _hidden_file(message)
    return _need("outside", hidden) if hidden else None


def _hidden_file(message: str) -> str:
    """A file that the message says was refused, that is there, and that nobody here may read; "" when there is none."""
    for path in re.findall(r"""['"](/[^'"\n]+)['"]""", message) if "ermission denied" in message else ():
        try:
            os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
        except PermissionError:
            return str(path)
        except OSError:
            continue
    return ""


def _need(reason: str, detail: str = "") -> dict[str, str]:
    return {"reason": reason, "detail": detail[:200]}


def _in_own_code(error: Mapping[str, Any]) -> bool:
    return not error["frames"] or "site-packages" not in str(error["frames"][-1])
