"""Texts -> cells of the notebook, in their places: new ones inserted, outdated ones renewed, orphans taken out.

Builds JSON cells only; the bytes are NotebookFile.dumps' work.
"""

from __future__ import annotations

import re
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nbcopilot._version import __version__
from nbcopilot.batch.survey import Group, Survey, described, group_form, group_hash, metadata_of, parts
from nbcopilot.batch.texts import NOTHING, Options, Text
from nbcopilot.hashing import text_hash
from nbcopilot.inference import ModelInfo, Sampling
from nbcopilot.notebook import conventions
from nbcopilot.notebook.document import NotebookFile, source_text
from nbcopilot.notebook.labels import labelled
from nbcopilot.verdict import Verdict
from nbcopilot.write.cells import fresh_id
from nbcopilot.write.harmless import harmless
from nbcopilot.write.provenance import KEY, RULE, Provenance, cell_metadata, identity, label, ours

# uuid5 below this: the group of a run depends only on notebook, model and time.
_GROUPS = uuid.UUID("5b0c2d5e-7c1d-4a55-9e0b-6b6f70696c6f")


# The head of the list of findings, by the language of the notebook.
FINDINGS = {
    "": "Key findings", "German": "Ergebnisse", "French": "Résultats", "Spanish": "Resultados",
    "Portuguese": "Resultados", "Italian": "Risultati", "Dutch": "Resultaten", "Russian": "Результаты",
    "Chinese": "结果", "Japanese": "結果", "Korean": "결과", "Arabic": "النتائج", "Hebrew": "תוצאות",
}  # fmt: skip


@dataclass
class Assembly:
    """Collects the cells for one notebook. `reused`: cells of an earlier version by the hash of what they describe."""

    file: NotebookFile
    found: Survey
    model: ModelInfo
    options: Options
    reused: Mapping[str, Mapping[str, Any]]

    def items(
        self, texts: Mapping[Group, Text], top: tuple[str, Text] | None, silent: Sequence[Group] = ()
    ) -> tuple[list[Any], int]:
        """The notebook's cells with ours among them, and how many were written. `silent` groups get no text, which the
        first of our cells notes, so that they are not asked about again."""
        items = self.file.content["cells"]
        new: dict[int, list[dict[str, Any]]] = defaultdict(list)
        renewed: dict[int, dict[str, Any]] = {}
        taken = {cell_id for cell_id in self.file.cell_ids if cell_id}
        # The title stands above the only text, or alone where there is none.
        if top is not None and (not self.found.combined or self.found.groups[0] in silent):
            source, metadata = self._overview(*top)
            self._put(self.found.overview_at, self.found.overview == "outdated", source, metadata, new, renewed, taken)
        for group in self.found.todo:
            if group in silent:
                continue
            source, metadata = self._summary(group, texts.get(group), top)
            place = group.cells[0] if group.summary is None else group.summary
            self._put(place, group.summary is not None, source, metadata, new, renewed, taken)
        written = len(renewed) + sum(map(len, new.values()))
        self._note(silent, [*(cell for at in sorted(new) for cell in new[at]), *renewed.values()], renewed)
        result: list[Any] = []
        for at, item in enumerate(items):
            result += new.get(at, [])
            if at not in self.found.orphans:
                result.append(renewed.get(at, item))
        result += new.get(len(items), [])
        return result, written

    def _note(self, silent: Sequence[Group], made: Sequence[Any], renewed: dict[int, dict[str, Any]]) -> None:
        """Note in the metadata of one of our cells which groups have no text on purpose."""
        items = self.file.content["cells"]
        forms = [group_form(items, group.cells) for group in silent]
        before = {at: item for at, item in enumerate(items) if at not in renewed and ours(metadata_of(item))}
        if not forms or not (made or before):
            return
        if not made:
            at, item = next(iter(before.items()))
            renewed[at] = {**item, "metadata": {**item["metadata"], KEY: dict(item["metadata"][KEY])}}
        cell = made[0] if made else next(iter(renewed.values()))
        record = cell["metadata"][KEY]
        cell["metadata"][KEY] = dict(sorted({**record, "silent": sorted({*record.get("silent", ()), *forms})}.items()))

    def _put(
        self,
        place: int,
        renew: bool,
        source: str,
        metadata: Mapping[str, Any],
        new: dict[int, list[dict[str, Any]]],
        renewed: dict[int, dict[str, Any]],
        taken: set[str],
    ) -> None:
        if renew:  # the cell stays, with its id and with what the user put into its metadata
            old = self.file.content["cells"][place]
            renewed[place] = {
                **old,
                "metadata": {**old["metadata"], **metadata},
                "source": source if isinstance(old.get("source"), str) else self.file.source_value(source),
            }
        else:
            items = self.file.content["cells"]
            neighbour = metadata_of(items[place]) if place < len(items) else {}
            metadata = {**metadata, **conventions.slide_of(neighbour, below=False)}
            seed = f"{metadata[KEY].get('source_hash')}\0{place}"
            new[place].append(self.file.new_cell("markdown", source, metadata, cell_id=fresh_id(seed, taken)))

    def _summary(self, group: Group, text: Text | None, top: tuple[str, Text] | None) -> tuple[str, dict[str, Any]]:
        items = self.file.content["cells"]
        digest = group_hash(items, group.cells)
        if text is None:  # taken over, with everything that its metadata says
            known = self.reused[digest]
            return source_text(known), {KEY: known["metadata"][KEY]}
        body = text.text
        old = items[group.summary] if group.summary is not None else None
        title = f"# {top[0]}" if top is not None and self.found.combined else _heading_of(old)
        if not title and text.heading:
            title = f"{'#' * self.found.section_level} {text.heading}"
        if title:
            body = f"{title}\n\n{body}"
        several = len(group.cells) > 1
        return self._finished(
            body,
            text,
            source_hash=text_hash(source_text(items[group.cells[0]])),
            source_cell=self._id(group.cells[0]),
            source_form=group_form(items, group.cells),
            span=len(group.cells) if several else None,
            span_hash=digest if several else None,
        )

    def _overview(self, title: str, text: Text) -> tuple[str, dict[str, Any]]:
        items = self.file.content["cells"]
        old = items[self.found.overview_at] if self.found.overview == "outdated" else None
        with_title = not self.found.has_title or (old is not None and _heading_of(old).startswith("# "))
        body = "\n\n".join(part for part in (f"# {title}" if with_title else "", text.text) if part)
        codes = [at for group in self.found.groups for at in group.cells]
        return self._finished(
            body,
            text,
            source_hash=group_hash(items, codes),
            source_cell=None,
            below="\n\n".join(part for part in (self._findings(text), self._contents(text), _glossary(text)) if part),
            scope="notebook",
            parts=parts(items, self.found.groups),
        )

    def _finished(
        self, body: str, text: Text, *, source_hash: str, source_cell: str | None, below: str = "", **extra: Any
    ) -> tuple[str, dict[str, Any]]:
        verdict = Verdict(True, checks=text.checks)
        provenance = Provenance(
            self.model if text.prompt_sha256 != NOTHING else RULE,
            Sampling(temperature=0.0, seed=0),
            text.prompt_sha256,
            str(uuid.uuid5(_GROUPS, f"{self.file.sha256} {self.model.id} {self.model.sha256} {self.options.created}")),
            self.options.created,
            __version__,
        )
        source = "\n\n".join(part for part in (harmless(body), below) if part)
        if self.options.label:
            source = labelled("markdown", source, label("markdown", provenance, verdict))
        metadata = cell_metadata(
            "summary",
            provenance,
            verdict,
            source_cell,
            source_hash=source_hash,
            **identity("markdown", source),
            **{key: value for key, value in extra.items() if value is not None},
        )
        return source, metadata

    def _findings(self, text: Text) -> str:
        """The key findings as a list, each with a link to its cell where the notebook has ids."""
        lines = []
        for sentence, at in text.findings:
            place = self._link(at)
            lines.append(f"- {harmless(sentence)}" + (f" ([↓]({place}))" if place else ""))
        return "\n".join([f"**{FINDINGS.get(text.spoken, FINDINGS[''])}**", "", *lines]) if lines else ""

    def _contents(self, text: Text) -> str:
        """The sections of a long notebook, each a link, in one line; "" where the notebook has no ids to lead to."""
        links = [(harmless(title), self._link(at)) for title, at in text.sections]
        return " · ".join(f"[{title}]({place})" for title, place in links) if all(place for _, place in links) else ""

    def _link(self, at: int) -> str:
        """The address of a cell within the notebook, as JupyterLab and nbconvert know it; "" where it has no id."""
        cell_id = self._id(at)
        return f"#cell-id={cell_id}" if cell_id and re.fullmatch(r"[\w-]{1,64}", cell_id) else ""

    def _id(self, at: int) -> str | None:
        item = self.file.content["cells"][at]
        cell_id = item.get("id")
        return cell_id if isinstance(cell_id, str) and self.file.has_ids else None


def reusable(file: NotebookFile | None) -> dict[str, Mapping[str, Any]]:
    """Summaries of an earlier documented version by the hash of what they describe; those that the user edited too."""
    found: dict[str, Mapping[str, Any]] = {}
    for cell in file.cells if file is not None else []:
        metadata = cell.get("metadata")
        record = ours(metadata) if isinstance(metadata, Mapping) else None
        if record is not None and record["role"] == "summary" and record.get("scope") != "notebook":
            found.setdefault(described(record), cell)
    return found


def _heading_of(cell: Mapping[str, Any] | None) -> str:
    """The heading on top of a text of ours, which stays when the text is renewed; "" when there is none."""
    first = source_text(cell).split("\n")[0] if cell is not None else ""
    return first.strip() if re.match(r"#{1,6} \S", first) else ""


def _glossary(text: Text) -> str:
    """The columns as a table in Markdown."""
    rows = [f"| `{name}` | {harmless(what)} |" for name, what in text.table]
    return "\n".join(["| | |", "| --- | --- |", *rows]) if rows else ""


def moved(orphans: Sequence[int]) -> str:
    """The sentence about summaries that were taken out."""
    count = len(orphans)
    return f"{count} summar{'ies' if count > 1 else 'y'} without code below {'were' if count > 1 else 'was'} taken out"
