"""`--show-context` and `%nbcopilot context`: what would be sent, why, and the token counts."""

from __future__ import annotations

import html

from nbcopilot.inference import Prompt
from nbcopilot.notebook.profile.wording import join_text
from nbcopilot.types import Context


def render(context: Context | None, prompt: Prompt | None = None) -> tuple[str, str]:
    """The context as (plain text, HTML); with `prompt`, the very text that the model reads as well."""
    if context is None:
        text = "nothing was sent yet"
        return text, f"<div>{text}</div>"
    kept = [(s.source, s.reason, s.tokens, "sent") for s in context.snippets]
    kept += [(s.source, s.reason, s.tokens, "left out") for s in context.dropped]
    pieces, secrets = len(context.snippets), context.redacted
    head = f"{context.tokens} tokens of {context.budget} in {pieces} piece{'' if pieces == 1 else 's'}"
    head += f", {secrets or 'no'} secret{'' if secrets == 1 else 's'} replaced"
    lines = [head] + [f"  {state:8} {tokens:5}  {source}: {reason}" for source, reason, tokens, state in kept]
    rows = "".join(
        f"<tr><td>{state}</td><td style='text-align:right'>{tokens}</td><td>{html.escape(source)}</td><td>{html.escape(reason)}</td></tr>"
        for source, reason, tokens, state in kept
    )
    rich = f"<div>{head}</div><table><tr><th></th><th>tokens</th><th>what</th><th>why</th></tr>{rows}</table>"
    links = _links(context)
    if links:
        lines += ["", "linked words of the request:", *(f"  {line}" for line in links)]
        rows = "".join(f"<li>{html.escape(line)}</li>" for line in links)
        rich += f"<details open><summary>linked words of the request</summary><ul>{rows}</ul></details>"
    if prompt is not None:
        text = "\n\n".join(f"[{m.role}]\n{m.content}" for m in prompt.messages) + (
            f"\n\n[assistant]\n{prompt.prefill}" if prompt.prefill else ""
        )
        lines += ["", text]
        rich += f"<details open><summary>the prompt</summary><pre style='white-space:pre-wrap'>{html.escape(text)}</pre></details>"
    return "\n".join(lines), rich


def _links(context: Context) -> list[str]:
    """Each link with its score, the joins, and what "it" would be."""
    grounding = context.grounding
    lines = []
    for link in grounding.links:
        place = f"{link.table}[{link.label}]" if link.kind in ("column", "value") else f"{link.kind} {link.label}"
        value = f" == {link.value}" if link.value else ""
        lines.append(f"{link.score:4.2f}  {link.phrase}: {place}{value}")
    lines += [f"      join {join_text(join)}" for join in grounding.joins]
    last = grounding.last
    if last is not None and (last.name or last.source):
        lines.append(f"      the cell above left `{last.name or last.source[:60]}`")
    return lines
