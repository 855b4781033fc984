"""Step 5, Completion -> Candidate: the code or markdown of an answer, whatever the model wrapped it in.

Prose never lands in a code cell and a class is never split. Reads text only; whether the code is right is for the
checks that follow.
"""

from __future__ import annotations

import ast
import re
from dataclasses import replace

from nbcopilot.answers.fences import Block, split, strip_prompts
from nbcopilot.answers.prose import salvage, strip_chatter, whole_sentences
from nbcopilot.hashing import text_hash
from nbcopilot.inference import Completion, Prompt
from nbcopilot.notebook import cellnames, syntax
from nbcopilot.types import Candidate

_SHELL = frozenset(
    {"bash", "sh", "shell", "zsh", "fish", "console", "terminal", "powershell", "cmd", "bat", "shell-session"}
)
_OUTPUT = frozenset(
    {"output", "out", "text", "txt", "plaintext", "plain", "stdout", "none", "log", "result", "traceback"}
)
_OTHER = frozenset(
    {"json", "html", "css", "csv", "markdown", "md", "yaml", "toml", "xml", "latex", "diff", "ini", "mermaid"}
)
_INSTALL = re.compile(
    r"^\s*[!%]?\s*(?:python3? -m )?(?:pip3?|conda|mamba|uv|apt|apt-get|brew)\s+(?:pip\s+)?(?:install|add)\b.*$"
)
_ALTERNATIVE = re.compile(
    r"\b(alternativ\w*|another (way|approach|option|version|method)|or,? you can|you (can|could) also|different approach)\b",
    re.IGNORECASE,
)
_SHOWS_OUTPUT = re.compile(
    r"\b(outputs?|prints?|results?|returns?|produces?|displays?|shows?)\b[^\n]{0,40}:\s*\**\s*$", re.IGNORECASE
)
_SENTENCES = re.compile(r"(?:\s*[A-Za-z][^=\[\]{}\n]*[:.!]\s*(?:\n|\Z))+")
_WHOLE_FENCE = re.compile(
    r"\A\s*(`{3,}|~{3,})[ \t]*(markdown|md|text|txt|)[ \t]*\n(.*?)(?:\n[ \t]*\1[ \t]*)?\s*\Z", re.DOTALL
)

_DEFINITION = re.compile(r"^(?:(?:async[ \t]+)?def|class)[ \t]+(\w+)\b", re.MULTILINE)


def extract(completion: Completion, prompt: Prompt) -> Candidate:
    """The Candidate in a completion; its text is "" when there is nothing usable.

    `complete` is False when the answer was cut before its code ended. A cut tail (usage, a further test) is
    dropped when whole definitions remain without it; `notes` says so.
    """
    return replace(_extract(completion, prompt), answer_sha256=text_hash(completion.text))


def _extract(completion: Completion, prompt: Prompt) -> Candidate:
    opened = _said_once(_open_part(prompt.prefill), completion.text, prompt.language)
    text = completion.text if _starts_over(opened, completion.text, prompt.language) else opened + completion.text
    cut = completion.finish != "stop"
    if prompt.answer == "text":
        return Candidate(completion.text, "text", index=completion.index, complete=not cut)
    if prompt.answer == "markdown":
        text = _markdown(text)
        return Candidate(whole_sentences(text) if cut else text, "markdown", index=completion.index, complete=not cut)
    code, prose, open_end = _code(text, prompt.language)
    if not (cut and open_end):
        return Candidate(code, "code", prose, completion.index)
    kept = _without_cut_tail(code) if syntax.is_python(prompt.language) else None
    if kept is None:
        note = "the answer was cut before its end; allow more with --max-tokens"
        return Candidate(code, "code", prose, completion.index, complete=False, notes=(note,))
    lost = len(code.splitlines()) - len(kept.splitlines())
    note = (
        f"the answer was cut; its unfinished last {lost} line{'s' if lost > 1 else ''} (after the definitions) left out"
    )
    return Candidate(kept, "code", prose, completion.index, complete=False, notes=(note,))


def _open_part(prefill: str) -> str:
    """The prefill from its last fence on: what stands before it is ours, not the model's prose."""
    fence = re.search(r"^[ \t]*(?:`{3,}|~{3,})[^`\n]*\n(?:(?!^[ \t]*(?:```|~~~)).*\n?)*\Z", prefill, re.MULTILINE)
    return prefill[fence.start() :] if fence else prefill


def _starts_over(opened: str, text: str, language: str) -> bool:
    """Whether the model took no notice of the fence that was opened for it: prose first, then a fence of its own."""
    own = re.search(r"^[ \t]*(?:`{3,}|~{3,})[ \t]*\w*[ \t]*$", text, re.MULTILINE)
    if own is None or not opened.lstrip().startswith(("```", "~~~")) or not syntax.is_python(language):
        return False
    head, tail = text[: own.start()], text[own.end() :]
    if not re.search(r"^[ \t]*(?:`{3,}|~{3,})", tail, re.MULTILINE) and own[0].strip("`~ \t") == "":
        return False  # a bare fence that no other follows closes ours
    if re.search(r"^[ \t]*(?:```|~~~)", head, re.MULTILINE) or not head.strip():
        return False  # it closed ours first, or opened the same one again
    return not syntax.parses(opened.partition("\n")[2] + head) and not salvage(head)[0]


def _said_once(opened: str, text: str, language: str) -> str:
    """`opened` without an unfinished definition at its end that the model begins again rather than going on with."""
    again = _DEFINITION.match(text.lstrip("\n"))
    if again is None or not syntax.is_python(language) or syntax.parses(opened.partition("\n")[2]):
        return opened
    begun = list(_DEFINITION.finditer(opened))
    return opened[: begun[-1].start()] if begun and begun[-1][1] == again[1] else opened


# --------------------------------------------------------------------------- code


def _code(text: str, language: str) -> tuple[str, str, bool]:
    """(code, the prose around it, whether the code runs to the very end of the answer)."""
    blocks, after = split(text)
    prose = "\n".join(part.strip() for part in (*(b.lead for b in blocks), after) if part.strip())
    if not blocks:
        return _unfenced(text, language)
    python = syntax.is_python(language)
    kept = [block for block in blocks if _wanted(block, language, blocks)]
    if not kept and python and any(parts := [salvage(part)[0] for part in (*(b.lead for b in blocks), after)]):
        # Only shell and output is fenced; the code stands between.
        return "\n\n".join(part for part in parts if part), prose, False
    texts = [_clean(block.text, language) for block in kept]
    code = _join(texts, [block.lead for block in kept]) if python else "\n\n".join(texts)
    if python and not syntax.parses(code):
        readable, words = salvage(code)
        if syntax.parses(readable) if readable else _SENTENCES.fullmatch(code):  # prose inside the fence
            code, prose = readable, f"{words}\n{prose}".strip()
    return code, prose, bool(kept) and not blocks[-1].closed and kept[-1] is blocks[-1]


def _unfenced(text: str, language: str) -> tuple[str, str, bool]:
    text = _clean(re.sub(r"\A\s*`([^`\n]+)`\s*\Z", r"\1", text), language)
    if not syntax.is_python(language):
        code = strip_chatter(text)
        return code, "", True
    code, prose = salvage(text)
    return code, prose, bool(code) and text.rstrip().endswith(code.rstrip()[-40:])


def _wanted(block: Block, language: str, blocks: list[Block]) -> bool:
    """Whether a block is part of the program: not shell, not output, not an install line, not another language."""
    tag, body = block.language, block.text
    if not body.strip():
        return False
    if not syntax.is_python(language):
        same = [b for b in blocks if b.language == language.lower()]
        return tag == language.lower() or (not same and tag not in _SHELL | _OUTPUT)
    if tag in _SHELL or tag in _OUTPUT or tag in _OTHER:
        return False
    if all(_INSTALL.match(line) for line in body.splitlines() if line.strip() and not line.lstrip().startswith("#")):
        return False
    tagged = any(b.language and syntax.is_python(b.language) for b in blocks)
    if tag and not syntax.is_python(tag):
        # A word after the fence that is no language we know ("```code") counts when nothing better is there.
        return not tagged and syntax.parses(_clean(body, language))
    if tag:
        return not (_is_bare_value(body) and _SHOWS_OUTPUT.search(block.lead.rstrip()))
    if tagged or block is not next(b for b in blocks if not b.language):
        return (
            syntax.parses(_clean(body, language))
            and not _is_bare_value(body)
            and not _SHOWS_OUTPUT.search(block.lead.rstrip())
        )
    return True


def _is_bare_value(body: str) -> bool:
    """Whether the text is only literals and names, as printed results are."""
    tree = syntax.plain_tree(body)
    if tree is None:
        return False
    quiet = (
        ast.Constant,
        ast.Name,
        ast.List,
        ast.Tuple,
        ast.Dict,
        ast.Set,
        ast.UnaryOp,
        ast.Load,
        ast.USub,
        ast.expr_context,
    )
    return all(isinstance(s, ast.Expr) and all(isinstance(n, quiet) for n in ast.walk(s.value)) for s in tree.body)


def _clean(text: str, language: str) -> str:
    """The text without a leading language word, interactive prompts and blank edges."""
    lines = text.replace("\r\n", "\n").split("\n")
    while lines and not lines[0].strip():
        lines.pop(0)
    word = language.lower() or "python"
    if len(lines) > 1 and lines[0].strip().rstrip(":").lower() in {
        word,
        *(syntax.PYTHON_NAMES if syntax.is_python(language) else ()),
    }:
        lines.pop(0)
    return strip_prompts("\n".join(lines)).strip("\n").rstrip()


def _join(texts: list[str], leads: list[str]) -> str:
    """One program of several blocks: earlier versions of the same definitions and alternatives left out."""
    kept: list[str] = []
    for text, lead in zip(texts, leads, strict=True):
        if kept and _ALTERNATIVE.search(lead) and _same_ground(text, kept):
            continue
        kept = [earlier for earlier in kept if not _supersedes(text, earlier)]
        if text not in kept:
            kept.append(text)
    whole = "\n\n".join(kept)
    if len(kept) > 1 and not syntax.parses(whole):
        # A method shown alone, indented to be put into the class above it, joins without a gap; an unreadable
        # block beside readable ones is dropped.
        readable = [text for text in kept if syntax.parses(text)]
        return "\n\n".join(readable) if readable else kept[0]
    return whole


def _same_ground(text: str, kept: list[str]) -> bool:
    """Whether an alternative stands on its own: it does not build on what the kept blocks define."""
    tree, others = syntax.tree(text), [syntax.tree(k) for k in kept]
    if tree is None:
        return True
    theirs = {name for other in others if other for name in cellnames.defined(other, imports=False)}
    return not (theirs & {m.name for m in cellnames.undefined(tree)})


def _supersedes(later: str, earlier: str) -> bool:
    """Whether `later` defines again all that `earlier` defines, without building on it."""
    new, old = syntax.tree(later), syntax.tree(earlier)
    if new is None or old is None:
        return False
    theirs = cellnames.defined(old, imports=False)
    if not theirs:
        # Imports alone, or calls alone: superseded only when the later block repeats them.
        return bool(old.body) and {ast.dump(s) for s in old.body} <= {ast.dump(s) for s in new.body}
    return theirs <= cellnames.defined(new) and not (theirs & {m.name for m in cellnames.undefined(new)})


def _without_cut_tail(code: str) -> str | None:
    """The code without its unfinished last statement, when that is clearly safe; None otherwise.

    Safe: what remains parses, holds a definition, and the lost statement is no definition that the rest uses.
    """
    lines = code.split("\n")
    starts = [i for i, line in enumerate(lines) if line[:1].strip() and line[0] not in ")]}#@"]
    if not starts:
        return None
    last = starts[-1]
    while last > 0 and lines[last - 1].startswith("@"):
        last -= 1
    kept, tail = "\n".join(lines[:last]).rstrip(), lines[starts[-1]]
    tree = syntax.tree(kept)
    if tree is None or not any(isinstance(s, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) for s in tree.body):
        return None
    opened = re.match(r"(?:async\s+)?(?:def|class)\s+(\w+)", tail)
    if opened and (
        opened[1] in {m.name for m in cellnames.undefined(tree)}
        or not opened[1].startswith(("test_", "main", "example", "Test"))
    ):
        return None
    return kept


# --------------------------------------------------------------------------- markdown


def _markdown(text: str) -> str:
    """Markdown as it should stand in a cell: no fence around the whole, no chat around it, fences closed."""
    text = text.replace("\r\n", "\n").strip()
    whole = _WHOLE_FENCE.match(text)
    if whole and (
        whole[2] in ("markdown", "md") or not re.search(rf"^[ \t]*{re.escape(whole[1])}", whole[3], re.MULTILINE)
    ):
        text = whole[3].strip()
    text = strip_chatter(text)
    fences = [line.strip() for line in text.split("\n") if re.match(r"\s*(```|~~~)", line)]
    if len(fences) % 2:
        text += "\n" + re.match(r"`+|~+", fences[-1])[0]  # type: ignore[index]  # it starts with a fence
    return text.strip()
