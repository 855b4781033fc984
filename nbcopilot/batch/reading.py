"""A surveyed notebook as its documentation reads it: sources and outputs without secrets of courses, facts, page.

NotebookFile + Survey -> Material of each group, the Page of the prompts. Asks no model.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from nbcopilot.batch import claims
from nbcopilot.batch.findings import material
from nbcopilot.batch.findings.material import Material, Told
from nbcopilot.batch.findings.steps import Step, definitions
from nbcopilot.batch.language_detection import spoken_language
from nbcopilot.batch.prompting import Example, Page
from nbcopilot.batch.survey import Group, Survey, metadata_of
from nbcopilot.notebook import conventions
from nbcopilot.notebook.dependencies import names
from nbcopilot.notebook.document import NotebookFile, source_text
from nbcopilot.notebook.language import cell_language
from nbcopilot.notebook.outputs import short
from nbcopilot.write.grounding import Facts, facts
from nbcopilot.write.markdown import headings
from nbcopilot.write.provenance import ours

OUTPUT_CHARS = 2000
# Texts of the user's that show how texts are written here, and the longest code that one may be about.
MAX_EXAMPLES = 2
EXAMPLE_CHARS = 600
# A picture, named in the text of an output.
_MEDIA = re.compile(r"^\[(?:image|audio|video|application|text)/[\w.+-]+[^\]\n]*\]$", re.M)


class Reading:
    """What a notebook says, by its groups. `examples` show how texts are written (default: the notebook's own)."""

    def __init__(self, file: NotebookFile, found: Survey, examples: tuple[Example, ...] = ()) -> None:
        self.file, self.found = file, found
        self.items: list[Any] = file.content["cells"]
        self.page = Page(self._title(), file.language, self._spoken(), examples or tuple(house(file, found)))

    @property
    def is_english(self) -> bool:
        """Whether its texts are written in English, as facts are."""
        return not self.page.spoken

    def sources(self, group: Group) -> list[str]:
        """The sources of the cells of a group, as far as readers may be told of them."""
        return [self.told_of(at) for at in group.cells]

    def told_of(self, at: int) -> str:
        """The source of one cell, as far as readers may be told of it."""
        return conventions.told(source_text(self.items[at]), metadata_of(self.items[at]))

    def outputs(self, group: Group) -> list[str]:
        """The texts of the outputs of a group; pictures are named."""
        return [text for at in group.cells for text, _ in self._outputs_of(at)]

    def language(self, group: Group) -> str:
        """The programming language of a group."""
        item = self.items[group.cells[0]]
        return cell_language(source_text(item), self.file.language, item.get("metadata"))

    def material(self, group: Group) -> Material:
        """What code and outputs of a group say of themselves."""
        return self._materials[self.found.groups.index(group)]

    def builds_on(self, group: Group) -> list[Group]:
        """The groups above that define what this one uses, the nearest last."""
        used = {name for source in self.sources(group) for name in names(source, self.file.language).used}
        before = self.found.groups[: self.found.groups.index(group)]
        return [other for other, defined in zip(before, self.defined, strict=False) if used & defined]

    @cached_property
    def defined(self) -> list[set[str]]:
        """The names that each group sets."""
        return [
            {name for source in self.sources(group) for name in names(source, self.file.language).defined - {"*"}}
            for group in self.found.groups
        ]

    @cached_property
    def everything(self) -> Facts:
        """What all groups and their outputs say."""
        said = [text for group in self.found.groups for text in (*self.sources(group), *self.outputs(group))]
        return facts(said, counts=[len(self.found.groups)])

    @cached_property
    def words(self) -> frozenset[str]:
        """The vocabulary of the whole notebook, its texts too."""
        told = [self.told_of(at) for at, item in enumerate(self.items) if isinstance(item, dict)]
        outputs = [text for group in self.found.groups for text in self.outputs(group)]
        return claims.vocabulary([self.page.title, *told, *outputs])

    @cached_property
    def _materials(self) -> list[Material]:
        known: dict[str, ast.expr] = {}
        said: set[Step] = set()
        found = []
        for group in self.found.groups:
            if self.language(group) != "python":
                found.append(Material())
                continue
            for source in self.sources(group):
                known |= definitions(source)
            cells = [Told(self.told_of(at), tuple(self._results_of(at)), at) for at in group.cells]
            found.append(material.gather(cells, known).without(said))
            said |= set(found[-1].steps)
        return found

    def _results_of(self, at: int) -> Iterator[str]:
        """The texts of a cell's outputs that can hold results: no error, no picture, nothing that was cut."""
        for text, is_whole in self._outputs_of(at):
            plain = _MEDIA.sub("", text).strip("\n")
            if plain and is_whole:
                yield plain

    def _outputs_of(self, at: int) -> Iterator[tuple[str, bool]]:
        """(text, whether it is a whole result) of the outputs of a cell; nothing where its code is not for readers."""
        if self.told_of(at) != source_text(self.items[at]):
            return
        for output in [one for one in self.items[at].get("outputs") or [] if isinstance(one, dict)][:20]:
            read = short(output, OUTPUT_CHARS)
            if read.text:
                yield read.text, not read.truncated and read.kind != "error"

    def _title(self) -> str:
        """The notebook's own title, else the name of its file without the folder."""
        if self.found.title:
            return self.found.title[:120]
        texts = [source_text(item) for item in self.items if _kind(item) == "markdown"]
        titles = [title for text in texts for _, title in headings(text)[:1]] if self.found.has_title else []
        return (titles or [self.file.path.stem if self.file.path else ""])[0][:120]

    def _spoken(self) -> str:
        texts = [source_text(item) for item in self.items if _kind(item) == "markdown" and not _is_ours(item)]
        return spoken_language("\n".join(texts)[:20_000])


def house(file: NotebookFile, found: Survey) -> Iterator[Example]:
    """How the user of a notebook writes texts above code: a few of them, each with its code."""
    items = file.content["cells"]
    count = 0
    for group in found.groups:
        if group.state != "users" or group.summary is None or _is_ours(items[group.summary]) or count == MAX_EXAMPLES:
            continue
        text = re.sub(r"^#+\s.*$", "", source_text(items[group.summary]), flags=re.M).strip()
        code = "\n\n".join(conventions.told(source_text(items[at]), metadata_of(items[at])) for at in group.cells)
        if 20 <= len(text) <= EXAMPLE_CHARS and len(code) <= EXAMPLE_CHARS and "\n\n" not in text:
            count += 1
            yield Example(file.language, code, text)


def _kind(item: Any) -> str:
    return str(item.get("cell_type")) if isinstance(item, Mapping) else ""


def _is_ours(item: Mapping[str, Any]) -> bool:
    return ours(metadata_of(item)) is not None
