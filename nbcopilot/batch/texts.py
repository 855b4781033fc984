"""What a model says about groups of cells and about the notebook, cleaned, grounded, and never empty.

    prompts -> generate_batch -> clean -> claims, grounding -> Text (else read off the syntax)

Writes no cell: assemble.py does.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from nbcopilot.batch import claims, prompting, structure, summary_cleanup
from nbcopilot.batch.asking import Asker
from nbcopilot.batch.language_detection import spoken_language
from nbcopilot.batch.prompting import Page
from nbcopilot.batch.survey import Group, Survey, metadata_of
from nbcopilot.engine.protocol import Engine
from nbcopilot.hashing import text_hash
from nbcopilot.inference import Prompt
from nbcopilot.notebook import conventions
from nbcopilot.notebook.dependencies import names
from nbcopilot.notebook.document import NotebookFile, source_text
from nbcopilot.notebook.language import cell_language
from nbcopilot.notebook.outputs import short
from nbcopilot.redaction import redact
from nbcopilot.write.grounding import Facts, facts, ground
from nbcopilot.write.markdown import headings, sentences
from nbcopilot.write.provenance import ours

# Enough for three sentences; a fourth would be dropped.
SUMMARY_TOKENS = 100
# Lines of code up to which two sentences must do.
SHORT_LINES = 8
OUTPUT_CHARS = 400
TEMPLATE_TOKENS = 96


NOTHING = text_hash("")


@dataclass(frozen=True)
class Options:
    """What a run of `document` may vary. `created` is the UTC time for the metadata; `budget` is tokens of a prompt;
    `at_once` prompts go to the engine together; `personal` redacts personal data, too."""

    created: str = "1970-01-01T00:00:00Z"
    label: bool = True
    redact: bool = True
    budget: int = 1400
    at_once: int = 8
    personal: bool = False


@dataclass(frozen=True)
class Text:
    """A text for a cell: `checks` says how it came about, `prompt_sha256` what the model saw (the hash of
    the empty text when it saw nothing)."""

    text: str
    checks: Mapping[str, Any]
    prompt_sha256: str = NOTHING


class Writer:
    """Writes the texts of one notebook. `notes` collects sentences for the user."""

    def __init__(
        self,
        file: NotebookFile,
        found: Survey,
        engine: Engine,
        options: Options,
        stop: threading.Event,
        on_progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        self.file, self.found, self.engine, self.options = file, found, engine, options
        self.asker = Asker(engine, options.at_once, stop, on_progress)
        self.items: list[Any] = file.content["cells"]
        self.budget = min(options.budget, engine.describe().context_tokens - SUMMARY_TOKENS - TEMPLATE_TOKENS)
        self.notes: list[str] = []
        self.page = Page(self._title(), file.language, self._spoken())
        self.defined = [
            {name for source in self.sources(group) for name in names(source, file.language).defined - {"*"}}
            for group in found.groups
        ]
        cells = [self._told_of(at) for at, item in enumerate(self.items) if isinstance(item, dict)]
        outputs = [text for group in found.groups for text in self._outputs(group)]
        self.words = claims.vocabulary([self.page.title, *cells, *outputs])
        self.names = facts([source for group in found.groups for source in self.sources(group)]).names
        self.outlines = [self._safe(structure.outline(self.sources(group), file.language)) for group in found.groups]

    def summaries(self, groups: Sequence[Group]) -> dict[Group, Text]:
        """A Text for each of `groups`: what the model says of it, asked twice if need be, else what its syntax says."""
        asked = [g for g in groups if not structure.is_imports(self.sources(g), self.file.language)]
        texts, weak = self._asked(asked, bare=False)
        again, weaker = self._asked([group for group in asked if group not in texts], bare=True)
        texts = weaker | weak | again | texts
        return {group: texts.get(group) or self._from_syntax(group) for group in groups}

    def top(self, texts: Mapping[Group, Text]) -> tuple[str, Text]:
        """(title, overview) of the notebook; `texts` are the new summaries."""
        lines = [
            self._line(group, texts) or outline for group, outline in zip(self.found.groups, self.outlines, strict=True)
        ]
        imports = [
            line
            for group in self.found.groups
            for line in structure.import_lines(self.sources(group), self.file.language)
        ]
        name_it, tell_it = prompting.top_prompts(
            self.page,
            [self._safe(line) for line in lines if line],
            [self._safe(line) for line in imports],
            count=self.engine.count,
            budget=self.budget,
        )
        if self.found.combined:  # the one summary is the overview
            return self._named(self.asker.answers([name_it], SUMMARY_TOKENS)[0]), next(iter(texts.values()))
        named, told = self.asker.answers([name_it, tell_it], SUMMARY_TOKENS)
        return self._named(named), self._told(told, tell_it, [self._line(group, texts) for group in self.found.groups])

    def _named(self, answer: str) -> str:
        """The title that the model gives, else one from the name of the file."""
        title = summary_cleanup.heading(answer)
        if not title or ground(title, self._everything).dropped:
            title = structure.title_from(self.page.title)
        return self._safe(title)

    def _told(self, answer: str, prompt: Prompt, steps: Sequence[str]) -> Text:
        """The overview that the model gives, else the beginnings of the summaries in `steps`."""
        known = self._everything
        found = self._sentences(answer)
        sources = [source for group in self.found.groups for source in self.sources(group)]
        kept = [s for s in self._kept(found, known) if not claims.wrong(s, sources, self.file.language)]
        if kept and kept[0] == found[0]:
            return Text(self._safe(summary_cleanup.bounded(kept)), {"grounding": "ok"}, prompt.hash)
        # The summaries themselves, the first sentence of each, tell it better than what is left of such an answer.
        firsts = self._kept([sentences(line)[0] for line in steps if line and not line.startswith("Imports ")], known)
        if firsts:
            return Text(self._safe(summary_cleanup.bounded(firsts)), {"grounding": "ok"}, prompt.hash)
        plain = ground(structure.describe(sources, self.file.language), known).text or structure.quoted(sources)
        return Text(self._safe(plain), {"grounding": "ok", "source": "syntax"}, prompt.hash)

    @cached_property
    def _everything(self) -> Facts:
        """What all groups and their outputs say."""
        said = [text for group in self.found.groups for text in (*self.sources(group), *self._outputs(group))]
        return facts(said, counts=[len(self.found.groups)])

    def sources(self, group: Group) -> list[str]:
        """The sources of the cells of a group, as far as readers may be told of them."""
        return [self._told_of(at) for at in group.cells]

    def _told_of(self, at: int) -> str:
        return conventions.told(source_text(self.items[at]), metadata_of(self.items[at]))

    # ------------------------------------------------------------------ one summary

    def _asked(self, groups: Sequence[Group], *, bare: bool) -> tuple[dict[Group, Text], dict[Group, Text]]:
        """What the model says of `groups`: (texts that hold from their first sentence on, texts that lost it).

        Groups of which nothing holds are in neither. bare: the code alone is shown.
        """
        prompts = [self._prompt(group, bare=bare) for group in groups]
        whole: dict[Group, Text] = {}
        weak: dict[Group, Text] = {}
        for group, prompt, answer in zip(groups, prompts, self.asker.answers(prompts, SUMMARY_TOKENS), strict=True):
            found = self._sentences(answer)
            kept = summary_cleanup.standing(self._about(group, found), found[0] if found else "")
            if kept:
                lines = sum(source.count("\n") + 1 for source in self.sources(group))
                text = summary_cleanup.bounded(kept, 2 if lines <= SHORT_LINES else summary_cleanup.MAX_SENTENCES)
                into = whole if kept[0] == found[0] else weak
                into[group] = Text(self._safe(text), {"grounding": "ok"}, prompt.hash)
        return whole, weak

    def _prompt(self, group: Group, *, bare: bool) -> Prompt:
        sources = self.sources(group)
        prompt, whole = prompting.cell_prompt(
            self.page,
            [self._safe(source) for source in sources],
            [] if bare else [self._safe(text) for text in self._outputs(group)],
            [] if bare else self._earlier(group),
            language=self._language(group),
            count=self.engine.count,
            budget=self.budget,
        )
        if not whole and not bare:
            lines = sum(source.count("\n") + 1 for source in sources)
            self.notes.append(f"cell #{group.cells[0] + 1} has {lines} lines; the model saw a part of it")
        return prompt

    def _builds_on(self, group: Group) -> list[int]:
        """The groups above that define what this one uses, the nearest last."""
        used = {name for source in self.sources(group) for name in names(source, self.file.language).used}
        return [i for i in range(self.found.groups.index(group)) if used & self.defined[i]]

    def _earlier(self, group: Group) -> list[str]:
        """Outlines of the groups that this one builds on."""
        outlines = [self.outlines[i] for i in self._builds_on(group) if self.outlines[i]]
        return outlines[-prompting.MAX_OUTLINE :]

    def _about(self, group: Group, found: Sequence[str]) -> list[str]:
        """The sentences that the code of the group bears out; names may come from the cells that it builds on."""
        sources, language = self.sources(group), self._language(group)
        counts = {number for source in sources for number in structure.counts(source, language)} | {len(sources)}
        above = [source for i in self._builds_on(group) for source in self.sources(self.found.groups[i])]
        known = facts([*sources, *self._outputs(group)], names_from=above, counts=counts)
        words = claims.vocabulary([*sources, *self._outputs(group)])
        return [
            sentence
            for sentence in self._kept(found, known)
            if not claims.wrong(sentence, sources, language)
            and (self.page.spoken or not claims.is_vague(sentence, words, first=sentence == found[0]))
        ]

    def _from_syntax(self, group: Group) -> Text:
        sources = self.sources(group)
        known = facts([*sources, *self._outputs(group)])
        plain = ground(structure.describe(sources, self.file.language), known).text or structure.quoted(sources)
        return Text(self._safe(plain), {"grounding": "ok", "source": "syntax"})

    def _sentences(self, answer: str) -> list[str]:
        """The sentences of an answer, with the notebook's names in backticks."""
        return [summary_cleanup.in_backticks(sentence, self.names) for sentence in summary_cleanup.prose(answer)]

    def _kept(self, found: Sequence[str], known: Facts) -> list[str]:
        """The sentences in which every name and number is known."""
        return [
            sentence
            for sentence in found
            if ground(sentence, known).text and (self.page.spoken or not claims.invented(sentence, self.words))
        ]

    def _line(self, group: Group, texts: Mapping[Group, Text]) -> str:
        """One line on a group for the overview: the new summary, the present one, or the user's explanation."""
        if group in texts:
            text = texts[group].text
        elif group.summary is not None:
            text = source_text(self.items[group.summary])
        else:
            return ""
        plain = re.sub(r"<sub>.*?</sub>|<[^>]*>|^#+\s.*$|\s+", " ", text, flags=re.M).strip()
        return plain if len(plain) <= 200 else plain[:200].rsplit(" ", 1)[0] + " …"

    # ------------------------------------------------------------------ the notebook

    def _title(self) -> str:
        """The notebook's own title, else the name of its file without the folder."""
        texts = [
            source_text(item) for item in self.items if isinstance(item, dict) and item.get("cell_type") == "markdown"
        ]
        if self.found.title:
            return self.found.title[:120]
        titles = [title for text in texts for _, title in headings(text)[:1]] if self.found.has_title else []
        return (titles or [self.file.path.stem if self.file.path else ""])[0][:120]

    def _spoken(self) -> str:
        texts = [
            source_text(item)
            for item in self.items
            if isinstance(item, dict) and item.get("cell_type") == "markdown" and not _is_ours(item)
        ]
        return spoken_language("\n".join(texts)[:20_000])

    def _language(self, group: Group) -> str:
        item = self.items[group.cells[0]]
        return cell_language(source_text(item), self.file.language, item.get("metadata"))

    def _outputs(self, group: Group) -> list[str]:
        shown = [at for at in group.cells if self._told_of(at) == source_text(self.items[at])]
        outputs = [one for at in shown for one in self.items[at].get("outputs") or [] if isinstance(one, dict)]
        return [text for one in outputs[:20] if (text := short(one, OUTPUT_CHARS).text)]

    def _safe(self, text: str) -> str:
        on = self.options.redact or self.options.personal
        return redact(text, personal=self.options.personal)[0] if on else text


def _is_ours(item: Mapping[str, Any]) -> bool:
    metadata = item.get("metadata")
    return isinstance(metadata, Mapping) and ours(metadata) is not None
