"""Stage 2: Context -> Prompt.

Order is most-stable-first: system, project, markdown and upstream cells, variables, passages, error, then the
request itself, so that the second question about the same notebook shares the longest prefix with the first.
Does not count tokens and does not choose: `context` did.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import replace

from nbcopilot.checks import registry
from nbcopilot.inference import Message, Prompt
from nbcopilot.notebook import syntax
from nbcopilot.prompts.templates import EXAMPLES, GROUNDED_CELLS, KINDS, NEXT_CELLS, SYSTEM, TESTS
from nbcopilot.types import Candidate, Context, Snippet, Task
from nbcopilot.verdict import Diagnostic, Verdict

# Tokens of a context beside which there is room for worked examples too.
MIN_TOKENS_FOR_EXAMPLES = 1024

HEADINGS = {
    "project": "Project",
    "markdown": "Text in the notebook",
    "cell": "Earlier cells of the notebook",
    "variable": "Variables in memory",
    "passage": "From the project's files",
    "output": "Outputs",
    "error": "The error",
}


def render(context: Context, *, failed: Sequence[tuple[Candidate, Verdict]] = (), opening: str = "") -> Prompt:
    """The Prompt for `context`; `failed` are earlier answers with what the checks found (the repair turns).

    opening: first lines of the code, which the model goes on from.
    """
    task, language = context.task, context.language
    kind = KINDS[task.kind]
    messages = [Message("system", SYSTEM)]
    if (
        _inside(context)
        and task.kind == "generate"
        and language == "python"
        and not 0 < context.budget < MIN_TOKENS_FOR_EXAMPLES
    ):
        for around, asked, answer in GROUNDED_CELLS if _is_grounded(context) else NEXT_CELLS:
            request = f"{around}\n\n## The request\n\n{_ask(task, language, inside=True)}\n\n{asked}"
            messages.append(Message("user", request))
            messages.append(Message("assistant", f"{_lead(task, language, inside=True)}{_fence(answer, language)}"))
    if task.kind == "testgen" and not 0 < context.budget < MIN_TOKENS_FOR_EXAMPLES:
        asked, answer = TESTS
        of_another = replace(task, target=replace(task.target, names=("top_share",)))
        messages.append(Message("user", f"{_ask(of_another, language)}\n\n{_fence(asked, language)}"))
        messages.append(Message("assistant", f"{_lead(task, language)}{_fence(answer, language)}"))
    for asked, answer in EXAMPLES.get(task.kind, ())[: task.few_shot]:
        messages.append(Message("user", f"{_ask(task, language)}\n\n{asked}"))
        messages.append(Message("assistant", f"{_lead(task, language)}{_fence(answer, 'python')}"))
    messages += _turns(context)
    messages.append(Message("user", "\n\n".join(part for part in (_background(context), _request(context)) if part)))
    if failed:
        candidate, verdict = failed[-1]
        messages.append(Message("assistant", _fence(candidate.text, language)))
        messages.append(Message("user", complaint(verdict)))
    if kind.answer != "code" or task.think:
        return Prompt(messages=tuple(messages), answer=kind.answer, language=language)
    return Prompt(
        messages=tuple(messages),
        prefill=f"{_lead(task, language, inside=_inside(context))}```{_tag(language)}\n{_opening(task, language) or opening}",
        stop=("\n```",),
        answer="code",
        language=language,
    )


def render_plainly(context: Context) -> Prompt:
    """The request in the user's own words and no more, below the same background: another way to put it.

    What the model gets wrong when it is asked one way it often gets right when it is asked another way.
    """
    messages = [Message("user", context.task.instruction.strip("\n"))]
    background = _background(context)
    if background or context.turns:
        messages = [
            Message("system", SYSTEM),
            *_turns(context),
            Message("user", f"{background}\n\n## The request\n\n{messages[0].content}"),
        ]
    return Prompt(messages=tuple(messages), stop=("\n```\n",), answer="code", language=context.language)


def _turns(context: Context) -> list[Message]:
    """The conversation so far: what was asked, and what was answered as the notebook has it now."""
    found = []
    for turn in context.turns:
        text = _fence(turn.text, context.language) if turn.answer == "code" else turn.text
        found += [Message("user", turn.asked), Message("assistant", text)]
    return found


def complaint(verdict: Verdict) -> str:
    """The repair turn: what the checks found, and the request for the whole code again."""
    found = [_told(diagnostic) for diagnostic in verdict.errors]
    # An error's message can quote data: it must not start a chat turn either.
    lines = [f"- {re.sub(r'<(?=/?data>|[|])', '< ', message)}" for message in found]
    return (
        "That code was run and did not work:\n"
        + "\n".join(lines)
        + "\n\nFind the cause and answer with the whole corrected code in one code block."
    )


def _told(diagnostic: Diagnostic) -> str:
    """A diagnostic as the model reads it: the sentence, the line, and what may have been meant."""
    where = f" (line {diagnostic.line})" if diagnostic.line else ""
    hint = registry.hint(diagnostic)
    return registry.message(diagnostic) + where + (f"; {hint}" if hint else "")


def _background(context: Context) -> str:
    """The snippets that are not the target, grouped by kind in the order in which they were gathered."""
    sections: list[str] = []
    previous = ""
    for snippet in context.snippets:
        if snippet.kind in ("target", "turn"):
            continue
        kind = "cell" if snippet.kind == "request" else snippet.kind
        if kind != previous:
            sections.append(f"## {HEADINGS.get(kind, kind.capitalize())}")
            previous = kind
        sections.append(_quote(snippet, context.language))
    return "\n\n".join(sections)


def _request(context: Context) -> str:
    task, language = context.task, context.language
    source = next((s.text for s in context.snippets if s.kind == "target"), task.target.source)
    parts = ["## The request", _ask(task, language, inside=True)] if _inside(context) else [_ask(task, language)]
    if task.kind == "generate":
        if context.grounding.plan:
            parts.append("What the request refers to:\n" + "\n".join(f"- {x}" for x in context.grounding.plan))
        if context.turns:
            parts.append(_FOLLOWS[context.turns[-1].state == "taken"])
        parts.append(_instruction(task.instruction, language))
    else:
        parts.append(_fence(source, language))
        if task.instruction:
            parts.append(task.instruction)
    if task.think:
        parts.append("First think in a few short sentences about the steps and the edge cases, then answer.")
    return "\n\n".join(parts)


# What stands above a request that follows up on an answer, by whether that answer is in the notebook.
_FOLLOWS = {
    True: "This follows up on your last answer, which is in the notebook and has run.",
    False: "This follows up on your last answer, which is not in the notebook: the names that it defines are not there.",
}


def _instruction(text: str, language: str) -> str:
    """An instruction that is the head of a program (a signature with its docstring) is shown as code."""
    head = text.lstrip()
    if language == "python" and head.startswith(("def ", "async def ", "class ", "from ", "import ", "@")):
        return _fence(text, language)
    return text.strip()


def _opening(task: Task, language: str) -> str:
    """The head of a function that the instruction ends with: the answer goes on below it, and need not repeat it."""
    head = task.instruction.strip("\n").rstrip()
    if task.kind != "generate" or language != "python" or "```" in head:
        return ""
    tree = syntax.plain_tree(head)
    last = tree.body[-1] if tree is not None and tree.body else None
    if not isinstance(last, (ast.FunctionDef, ast.AsyncFunctionDef)) or ast.get_docstring(last) is None:
        return ""
    return f"{head}\n" if len(last.body) == 1 else ""


def _is_grounded(context: Context) -> bool:
    """Whether the request is linked to something that was measured."""
    return bool(context.grounding.links or context.grounding.tables)


def _inside(context: Context) -> bool:
    """Whether there is a notebook around the request."""
    return len(context.snippets) > 1


def _ask(task: Task, language: str, *, inside: bool = False) -> str:
    names = ", ".join(f"`{name}`" for name in task.target.names) or "the functions and classes"
    kind = KINDS[task.kind]
    if task.instruction.strip() and kind.question:
        return kind.question.format(language=language.capitalize())
    return ((inside and kind.next_ask) or kind.ask).format(language=language.capitalize(), names=names)


def _lead(task: Task, language: str, *, inside: bool = False) -> str:
    kind = KINDS[task.kind]
    return ((inside and kind.next_lead) or kind.lead).format(language=language.capitalize())


def _quote(snippet: Snippet, language: str) -> str:
    if snippet.kind in ("cell", "passage"):  # the name stands outside: a small model would copy a comment
        return f"{snippet.source}:\n{_fence(snippet.text, language)}"
    if snippet.kind == "request":
        return f"{snippet.source}:\n<data>\n{snippet.text}\n</data>"
    if snippet.kind == "variable" and not _FREE_TEXT.search(snippet.text):
        return f"- {snippet.text}"
    return f"<data>\n{snippet.text}\n</data>"


# A run of words, or a mark of ours that was broken up, is no schema: what speaks to the model is data like any other.
_FREE_TEXT = re.compile(r"(?:[^\W\d_]+[ '’-]){3}[^\W\d_]+|< (?:/?data>|\|)")


def _fence(text: str, language: str) -> str:
    """`text` in a code fence that is longer than any run of backticks inside it."""
    longest = max((len(run) for run in _backtick_runs(text)), default=0)
    ticks = "`" * max(3, longest + 1)
    return f"{ticks}{_tag(language)}\n{text.rstrip()}\n{ticks}"


def _backtick_runs(text: str) -> list[str]:
    runs, run = [], ""
    for char in text + "\n":
        if char == "`":
            run += char
        elif run:
            runs.append(run)
            run = ""
    return runs


def _tag(language: str) -> str:
    return language.lower().replace(" ", "") or "text"
