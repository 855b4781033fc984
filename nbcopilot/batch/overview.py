"""The top of a notebook and its sections: title, overview, key findings, columns, headings where the subject changes.

Findings and columns are those of the material; title, overview and headings are the model's, grounded in what the
groups say.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import replace

from nbcopilot.batch import claims, prompting, structure, summary_cleanup
from nbcopilot.batch.findings.results import Result
from nbcopilot.batch.survey import Group, metadata_of
from nbcopilot.batch.texts import Text, Writer
from nbcopilot.notebook.document import source_text
from nbcopilot.write.grounding import facts, ground
from nbcopilot.write.markdown import headings
from nbcopilot.write.provenance import ours

TITLE_TOKENS = 24
OVERVIEW_TOKENS = 90
MAX_FINDINGS = 5
MAX_FINDINGS_A_CELL = 2
# A notebook of fewer groups is read at one glance.
MIN_SECTION_GROUPS = 5
GROUPS_A_SECTION = 3
# A notebook of so many groups gets a table of contents.
LONG_GROUPS = 9


def top(writer: Writer, texts: Mapping[Group, Text]) -> tuple[str, Text]:
    """(title, overview) of the notebook; `texts` are the new summaries."""
    reading, groups = writer.reading, writer.found.groups
    lines = [_line(writer, group, texts) for group in groups]
    name_it, tell_it = prompting.top_prompts(
        reading.page, [writer.safe(line) for line in lines if line], count=writer.engine.count, budget=writer.budget
    )
    if writer.found.combined:  # the one summary is the overview
        title = _title(writer, writer.asker.answers([name_it], TITLE_TOKENS)[0])
        return title, next(iter(texts.values()), Text("", {}))
    named, told = writer.asker.answers([name_it, tell_it], OVERVIEW_TOKENS)
    known = facts([*lines, *(s for group in groups for s in reading.sources(group))], counts=[len(groups)])
    said = [
        one
        for one in writer.kept(told, known)
        if claims.is_tied(one, reading.words) and not any(summary_cleanup.repeats(one, [line], 0.75) for line in lines)
    ]
    agreed = said and writer.agrees(tell_it, " ".join(said))
    text = summary_cleanup.bounded(said, 2) if agreed else _data(writer)
    checks = {"grounding": "ok"} if agreed else {"grounding": "ok", "source": "syntax"}
    table = _columns(writer) if writer.options.glossary or writer.style.glossary else ()
    overview = Text(
        writer.safe(text),
        checks,
        tell_it.hash,
        findings=_findings(writer),
        sections=_contents(writer, texts),
        table=table,
        spoken=reading.page.spoken,
    )
    return _title(writer, named), overview


def with_headings(writer: Writer, texts: Mapping[Group, Text]) -> dict[Group, Text]:
    """`texts` with a heading on the first one of each section, where the notebook has no sections of its own."""
    found = dict(texts)
    if not writer.style.sections or writer.found.has_sections or len(writer.found.groups) < MIN_SECTION_GROUPS:
        return found
    sections = [[group for group in part if group in texts] for part in _sections(writer)]
    sections = [part for part in sections if part]
    is_new = all(group.state in ("missing", "needless") for group in writer.found.groups)
    if len(sections) < 2 or not is_new:
        return found
    prompts = [
        prompting.section_prompt(writer.reading.page, [writer.safe(texts[group].text) for group in part])
        for part in sections
    ]
    for part, answer in zip(sections, writer.asker.answers(prompts, TITLE_TOKENS), strict=True):
        heading = summary_cleanup.heading(answer)
        if heading and ground(heading, writer.reading.everything).text:
            found[part[0]] = replace(found[part[0]], heading=writer.safe(heading))
    return found


def _title(writer: Writer, answer: str) -> str:
    """The title that the model gives, else one from the name of the file."""
    title = summary_cleanup.heading(answer)
    if not title or ground(title, writer.reading.everything).dropped:
        title = structure.title_from(writer.reading.page.title)
    return writer.safe(title)


def _line(writer: Writer, group: Group, texts: Mapping[Group, Text]) -> str:
    """One line on a group for the overview: the new summary, the present one, or the user's explanation."""
    if group in texts:
        text = texts[group].text
    elif group.summary is not None:
        text = source_text(writer.reading.items[group.summary])
    else:
        text = " ".join(writer.facts_of(group))
    plain = re.sub(r"<sub>.*?</sub>|<[^>]*>|^#+\s.*$|\s+", " ", text, flags=re.M).strip()
    return plain if len(plain) <= 240 else plain[:240].rsplit(" ", 1)[0] + " …"


def _data(writer: Writer) -> str:
    """Which data the notebook reads and how much there is: what the overview says at least."""
    found = [writer.reading.material(group) for group in writer.found.groups] if writer.reading.is_english else []
    said = [sentence for one in found for sentence in one.sentences(kinds=("data",), findings=False)]
    return summary_cleanup.bounded([summary_cleanup.escaped(one) for one in said], 2) if said else ""


def _findings(writer: Writer) -> tuple[tuple[str, int], ...]:
    """(sentence, position of the cell) of what came out, in the order of the notebook; printed words before values."""
    found: list[Result] = []
    for group in writer.found.groups:
        for one in writer.reading.material(group).findings:
            of_this_cell = sum(other.cell == one.cell for other in found)
            if (writer.reading.is_english or one.own_words) and of_this_cell < MAX_FINDINGS_A_CELL:
                found.append(one)
    best = sorted(range(len(found)), key=lambda at: (not found[at].own_words, at))[:MAX_FINDINGS]
    return tuple((writer.safe(summary_cleanup.escaped(found[at].text)), found[at].cell) for at in sorted(best))


def _contents(writer: Writer, texts: Mapping[Group, Text]) -> tuple[tuple[str, int], ...]:
    """(heading, position of a cell) of the sections of a long notebook: the user's own, else those that were made."""
    if len(writer.found.groups) < LONG_GROUPS:
        return ()
    items = writer.reading.items
    own = [
        (title, at)
        for at, item in enumerate(items)
        if isinstance(item, dict) and item.get("cell_type") == "markdown" and ours(metadata_of(item)) is None
        for level, title in headings(source_text(item))[:1]
        if level == writer.found.section_level
    ]
    made = [
        (texts[group].heading, group.cells[0])
        for group in writer.found.groups
        if group in texts and texts[group].heading
    ]
    found = own or made
    return tuple((summary_cleanup.escaped(title), at) for title, at in found) if len(found) > 1 else ()


def _columns(writer: Writer) -> tuple[tuple[str, str], ...]:
    """(column, what it is) of the columns that the notebook computes, in order."""
    found: dict[str, str] = {}
    for group in writer.found.groups:
        for step in writer.reading.material(group).steps:
            if step.kind == "column":
                found.setdefault(step.subject, writer.safe(step.text.partition("` ")[2].removeprefix("is ")))
    return tuple(found.items())


def _sections(writer: Writer) -> list[list[Group]]:
    """The groups cut where one shares the fewest names with those before it (TextTiling, Hearst 1997, on names)."""
    groups = writer.found.groups
    used = [_vocabulary(writer, group) for group in groups]
    ties = []
    for at in range(1, len(groups)):
        before, after = set().union(*used[max(0, at - 2) : at]), set().union(*used[at : at + 2])
        ties.append((len(before & after) / max(1, min(len(before), len(after))), at))
    wanted = max(1, len(groups) // GROUPS_A_SECTION)
    cuts: list[int] = []
    for _, at in sorted(ties):
        if len(cuts) < wanted - 1 and all(abs(at - cut) > 1 for cut in (*cuts, 0, len(groups))):
            cuts.append(at)
    bounds = [0, *sorted(cuts), len(groups)]
    return [list(groups[start:end]) for start, end in itertools.pairwise(bounds)]


def _vocabulary(writer: Writer, group: Group) -> set[str]:
    return {word for source in writer.reading.sources(group) for word in re.findall(r"[^\W\d]\w{2,}", source)}
