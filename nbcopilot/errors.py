"""The one tree of errors, split by who can mend it.

    NbcopilotError                        code               exit
    ├── UsageError                        usage              2    what was typed
    │   ├── ConfigError                   config             2    a setting or a config file
    │   ├── EmptyPromptError              empty-prompt       2
    │   ├── PromptTooLargeError           prompt-too-large   2
    │   └── UndefinedNameError            undefined-name     2    {{name}} in a prompt
    ├── NotebookError                     notebook           2    the file or the open notebook
    │   ├── NotebookNotFoundError         not-found          2
    │   ├── NotebookInvalidError          invalid-notebook   2
    │   ├── CellNotFoundError             cell-not-found     2
    │   ├── UnsafePathError               unsafe-path        2    a link that leads out, or no ordinary file
    │   ├── NotebookWriteError            write-failed       1
    │   └── EditConflictError             edit-conflict      1    changed since it was read; nothing was overwritten
    ├── EngineError                       engine             3    the machine or the model
    │   ├── UnknownModelError             unknown-model      3
    │   ├── ModelNotFoundError            model-missing      3    known, not pulled yet
    │   ├── ModelCorruptError             model-corrupt      3
    │   ├── DownloadError                 download           3
    │   ├── DiskFullError                 disk-full          3
    │   ├── OutOfMemoryError              out-of-memory      3
    │   ├── ContextOverflowError          context-overflow   3
    │   ├── QuotaError                    quota              3    a server that is shared gives this user no more now
    │   └── EngineUnavailableError        engine-unavailable 3
    ├── CheckError                        check              1    a check could not run (a failing check is a Verdict)
    │   └── SandboxUnavailableError       no-sandbox         1
    └── InternalError                     internal           1    us: please report it

Every error has a message (what happened, with the values) and a hint (what to type next). Surfaces map
`.code` and `.exit_code`; they never show a traceback for one of these.
"""

from __future__ import annotations

# First words of a sentence that stay as they are: a command to type, the name of a program.
_PROGRAMS = frozenset({"apt", "chmod", "git", "jupyter", "nbcopilot", "npm", "pip", "python"})


def sentence(text: str) -> str:
    """`text` with a capital letter at its start, unless that is code, a path, an option or the name of a program."""
    first = text.partition(" ")[0]
    is_code = not first.rstrip(",:;").isalpha() or first in _PROGRAMS
    return text if is_code else text[:1].upper() + text[1:]


def sentences(message: str, hint: str = "") -> str:
    """What happened and what to type next, as people read it: the one place that puts the two together."""
    if not hint:
        return sentence(message)
    end = "" if message.endswith((".", "?", "!", ":")) else "."
    return f"{sentence(message)}{end} {sentence(hint)}"


class NbcopilotError(Exception):
    """Base of all errors that nbcopilot raises on purpose: a sentence and a hint."""

    code = "error"
    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return sentences(self.message, self.hint)

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only hint must survive pickling: batch workers send errors across processes.
        return (_rebuild, (type(self), self.message, self.hint))

    def _render_traceback_(self) -> list[str]:
        """IPython's hook: one sentence in place of a traceback."""
        return [f"nbcopilot: {self}"]


def _rebuild(cls: type[NbcopilotError], message: str, hint: str) -> NbcopilotError:
    return cls(message, hint=hint)


class UsageError(NbcopilotError):
    """What was typed cannot be understood."""

    code, exit_code = "usage", 2


class ConfigError(UsageError):
    """A configuration file, environment variable or call holds an unknown key or an impossible value."""

    code = "config"


class EmptyPromptError(UsageError):
    """There is nothing to answer."""

    code = "empty-prompt"


class PromptTooLargeError(UsageError):
    """The instruction alone does not fit into the model's context."""

    code = "prompt-too-large"


class UndefinedNameError(UsageError):
    """A `{{name}}` in the prompt is not defined, or its expression fails."""

    code = "undefined-name"


class NotebookError(NbcopilotError):
    """The notebook cannot be used as asked."""

    code, exit_code = "notebook", 2


class NotebookNotFoundError(NotebookError):
    """No such file, folder or match."""

    code = "not-found"


class NotebookInvalidError(NotebookError):
    """The file is not JSON, not a notebook, or of a format that cannot be read."""

    code = "invalid-notebook"


class CellNotFoundError(NotebookError):
    """No cell with this id or number, or no definition with this name."""

    code = "cell-not-found"


class UnsafePathError(NotebookError):
    """A link leads out of the folder, or what is there is no ordinary file; nothing was read or written."""

    code = "unsafe-path"


class NotebookWriteError(NotebookError):
    """The file could not be written; the original is as it was."""

    code, exit_code = "write-failed", 1


class EditConflictError(NotebookError):
    """The target changed since it was read; nothing was overwritten."""

    code, exit_code = "edit-conflict", 1


class EngineError(NbcopilotError):
    """The model or the machine cannot do it."""

    code, exit_code = "engine", 3


class UnknownModelError(EngineError):
    """Not in the catalog, not a folder, not a .gguf file, not a hub id."""

    code = "unknown-model"


class ModelNotFoundError(EngineError):
    """The model is known but not on this machine yet."""

    code = "model-missing"


class ModelCorruptError(EngineError):
    """Bytes that do not match their hash or cannot be loaded."""

    code = "model-corrupt"


class DownloadError(EngineError):
    """The carrier could not be reached or gave something else; the store is as it was."""

    code = "download"


class DiskFullError(EngineError):
    """No room for the model; the store is as it was."""

    code = "disk-full"


class OutOfMemoryError(EngineError):
    """Not enough memory for the model or the request."""

    code = "out-of-memory"


class ContextOverflowError(EngineError):
    """The prompt is longer than the model's context even without optional snippets."""

    code = "context-overflow"


class QuotaError(EngineError):
    """The key has used the tokens of its day, or as many of its requests run as may. `retry_seconds`: when to ask again."""

    code = "quota"

    def __init__(self, message: str, *, hint: str = "", retry_seconds: int = 0) -> None:
        super().__init__(message, hint=hint)
        self.retry_seconds = retry_seconds


class EngineUnavailableError(EngineError):
    """The engine cannot be started or reached, or went away in the middle of an answer."""

    code = "engine-unavailable"


class CheckError(NbcopilotError):
    """A check could not run. Code that fails a check is a Verdict, not this."""

    code = "check"


class SandboxUnavailableError(CheckError):
    """The sandbox could not be started at the level that the policy asks for."""

    code = "no-sandbox"


class InternalError(NbcopilotError):
    """A fault of nbcopilot itself."""

    code = "internal"
