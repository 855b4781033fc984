"""What stands above groups of cells: facts of code and outputs as they are, and the question that they answer, by the model.

    Material of a group ──┐
    prompts -> generate_batch -> clean -> grounded, no restatement, agreed to when asked again -> Text

A group of which nothing can be said has no Text. Writes no cell: assemble.py does; the top is overview.py's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nbcopilot.batch import claims, prompting, summary_cleanup
from nbcopilot.batch.asking import Asker
from nbcopilot.batch.prompting import Asked, Example, Subject
from nbcopilot.batch.reading import Reading
from nbcopilot.batch.second_look import agreed
from nbcopilot.batch.style import style
from nbcopilot.batch.survey import Group, Survey
from nbcopilot.engine.protocol import Engine
from nbcopilot.hashing import text_hash
from nbcopilot.inference import Prompt
from nbcopilot.notebook.document import NotebookFile
from nbcopilot.redaction import redact
from nbcopilot.write.grounding import Facts, facts, ground

# Enough for one sentence, and for an explanation to students.
SENTENCE_TOKENS = 60
TEACHING_TOKENS = 140
TEMPLATE_TOKENS = 96
NOTHING = text_hash("")
_QUESTION_MARKS = ("?", "？", "؟")


@dataclass(frozen=True)
class Options:
    """What a run of `document` may vary. `created` is the UTC time for the metadata; `budget` is tokens of a prompt;
    `at_once` prompts go to the engine together; `personal` redacts personal data, too; `style` is a name of style.py;
    `glossary` lists the columns; `examples` show how texts are written in this house."""

    created: str = "1970-01-01T00:00:00Z"
    label: bool = True
    redact: bool = True
    budget: int = 1400
    at_once: int = 8
    personal: bool = False
    style: str = "full"
    glossary: bool = False
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True)
class Text:
    """A text for a cell: `checks` says how it came about, `prompt_sha256` what the model saw (the hash of
    the empty text when it saw nothing); `heading` stands above it where a section begins. `findings` are (sentence,
    position of the cell that it comes from), listed below it with links; `sections` are (heading, position of the cell
    that it leads to), of a long notebook; `table` is (name, what it is) of columns; `spoken` is the language of it all
    ("" is English)."""

    text: str
    checks: Mapping[str, Any]
    prompt_sha256: str = NOTHING
    heading: str = ""
    findings: tuple[tuple[str, int], ...] = ()
    sections: tuple[tuple[str, int], ...] = ()
    table: tuple[tuple[str, str], ...] = ()
    spoken: str = ""


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
        self.found, self.engine, self.options = found, engine, options
        self.style = style(options.style)
        self.asker = Asker(engine, options.at_once, stop, on_progress)
        self.reading = Reading(file, found, options.examples)
        self.budget = min(options.budget, engine.describe().context_tokens - TEACHING_TOKENS - TEMPLATE_TOKENS)
        self.notes: list[str] = []

    def summaries(self, groups: Sequence[Group]) -> dict[Group, Text]:
        """A Text for each of `groups` of which there is something to say."""
        added = self._added([group for group in groups if self._wanted(group)])
        texts = {}
        for group in groups:
            said, prompt = added.get(group, ([], None))
            kept = summary_cleanup.bounded([*said, *self.facts_of(group)], self.style.sentences)
            if kept and prompt is not None:
                texts[group] = Text(self.safe(kept), {"grounding": "ok"}, prompt.hash)
            elif kept:
                texts[group] = Text(self.safe(kept), {"grounding": "ok", "source": "syntax"})
            if self.reading.material(group).of_another_run:
                place = f"cell #{group.cells[0] + 1}"
                self.notes.append(f"{place}: its code cannot have printed its output, which says nothing; run it again")
        return texts

    def facts_of(self, group: Group) -> list[str]:
        """The sentences that code and outputs of a group say; in other languages than English only the outputs' own."""
        found = self.reading.material(group)
        said = (
            found.sentences(self.style.sentences - 1, kinds=self.style.kinds)
            if self.reading.is_english
            else found.own_words()
        )
        return [summary_cleanup.escaped(sentence) for sentence in said]

    def kept(self, answer: str, known: Facts) -> list[str]:
        """The sentences of an answer up to the first in which a name or number is not known."""
        found: list[str] = []
        for sentence in summary_cleanup.prose(answer):
            sentence = summary_cleanup.in_backticks(sentence, self.reading.everything.names)
            strange = self.reading.is_english and claims.invented(sentence, self.reading.words)
            if strange or not ground(sentence, known).text:
                break
            found.append(sentence)
        return found

    def agrees(self, prompt: Prompt, sentence: str) -> bool:
        """Whether the model stands by a sentence of its answer to `prompt`."""
        return agreed(self.asker, [prompting.doubt(prompt, self.safe(sentence))])[0]

    def safe(self, text: str) -> str:
        """`text` without secrets."""
        on = self.options.redact or self.options.personal
        return redact(text, personal=self.options.personal)[0] if on else text

    # ------------------------------------------------------------------ what the model adds

    def _wanted(self, group: Group) -> Asked | None:
        """What the model is asked about a group; None where the facts say all, or the style wants no more."""
        found = self.reading.material(group)
        if not self.style.is_asked:
            return None
        if self.style.is_teaching:
            return "teaching"
        if found.findings:
            return "question"
        return "what" if not found.told and not found.purposes else None

    def _added(self, groups: Sequence[Group]) -> dict[Group, tuple[list[str], Prompt]]:
        """What the model says of `groups` that holds, each with what it was asked."""
        limit = TEACHING_TOKENS if self.style.is_teaching else SENTENCE_TOKENS
        prompts = [self._prompt(group) for group in groups]
        held: list[tuple[Group, Prompt, list[str]]] = []
        for group, prompt, answer in zip(groups, prompts, self.asker.answers(prompts, limit), strict=True):
            kept = self._news(group, self.kept(answer, self._known(group)))
            if kept:
                held.append((group, prompt, kept))
        doubts = [
            prompting.doubt(prompt, self.safe(" ".join(kept)), self._wanted(group)) for group, prompt, kept in held
        ]
        agrees = agreed(self.asker, doubts)
        return {group: (kept, prompt) for (group, prompt, kept), yes in zip(held, agrees, strict=True) if yes}

    def _news(self, group: Group, found: Sequence[str]) -> list[str]:
        """The sentences about this code that it does not say itself; of questions the first one."""
        if self._wanted(group) == "question":
            return [one for one in found if one.endswith(_QUESTION_MARKS)][:1]
        sources = self.reading.sources(group)
        if self.reading.is_english:
            code, tied = claims.vocabulary(sources), claims.vocabulary([*sources, *self.reading.outputs(group)])
            found = [one for one in found if claims.is_tied(one, tied) and not claims.restates(one, code)]
        return list(found[: 3 if self.style.is_teaching else 1])

    def _known(self, group: Group) -> Facts:
        """What sentences about a group may name; names may come from the cells that it builds on."""
        above = [source for other in self.reading.builds_on(group) for source in self.reading.sources(other)]
        said = [*self.reading.sources(group), *self.reading.outputs(group), *self.facts_of(group)]
        return facts(said, names_from=above, counts={len(group.cells)})

    def _prompt(self, group: Group) -> Prompt:
        kind = self._wanted(group) or "what"
        earlier = [" ".join(self.facts_of(other)[:2]) for other in self.reading.builds_on(group)]
        subject = Subject(
            tuple(self.safe(source) for source in self.reading.sources(group)),
            self.reading.language(group),
            tuple(self.safe(text) for text in self.reading.outputs(group)),
            tuple(self.safe(sentence) for sentence in self.facts_of(group)) if kind == "question" else (),
            tuple(self.safe(line) for line in earlier if line),
        )
        prompt, whole = prompting.cell_prompt(
            self.reading.page, subject, kind, count=self.engine.count, budget=self.budget
        )
        if not whole:
            lines = sum(source.count("\n") + 1 for source in subject.code)
            self.notes.append(f"cell #{group.cells[0] + 1} has {lines} lines; the model saw a part of it")
        return prompt
