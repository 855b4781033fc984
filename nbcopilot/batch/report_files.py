"""The report of a batch run as a file: HTML (page.py), JSON or JUnit XML, by the suffix of its name.

The rows come from the journal one at a time, so a report of ten thousand notebooks needs little memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from nbcopilot.batch import page
from nbcopilot.batch.journal import Journal, Row
from nbcopilot.batch.report import WATTS_PER_CORE, Report
from nbcopilot.errors import UsageError

FORMATS = {".html": "HTML", ".htm": "HTML", ".json": "JSON", ".xml": "JUnit"}


def require_format(path: str) -> None:
    """Refuse the name of a report that does not say what it is to be."""
    if Path(path).suffix.lower() not in FORMATS:
        known = ", ".join(f"{suffix} ({name})" for suffix, name in FORMATS.items() if suffix != ".htm")
        raise UsageError(f"--report {path} is of no known kind", hint=f"the name ends in {known}")


def write_report(path: str, report: Report, journal: Journal, command: str, watts: float = WATTS_PER_CORE) -> None:
    """Write the report that the name of `path` asks for. Raises UsageError when it cannot be written."""
    kind = FORMATS[Path(path).suffix.lower()]
    pieces = {"HTML": page.html, "JSON": as_json, "JUnit": as_junit}[kind](
        report, journal, command, watts, Path(path).absolute().parent
    )
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with Path(path).open("w", encoding="utf-8", errors="replace") as out:
            out.writelines(pieces)
    except OSError as exc:
        reason = (exc.strerror or str(exc)).lower()
        raise UsageError(
            f"the report {path} could not be written: {reason}", hint="give --report another name"
        ) from exc


def as_json(report: Report, journal: Journal, command: str, watts: float, folder: Path) -> Iterator[str]:
    """The report of --json with cost, causes of failure, and a row for each notebook."""
    head = {"command": command, **report.json(), "interrupted": report.interrupted, "cost": report.cost.json(watts)}
    head["causes"] = dict(journal.causes())
    yield json.dumps(head, ensure_ascii=False, indent=1)[:-2] + ',\n "rows": ['
    for at, row in enumerate(journal.rows()):
        shown = {**vars(row), "detail": dict(row.detail)}
        shown.pop("diff")
        yield (",\n  " if at else "\n  ") + json.dumps(shown, ensure_ascii=False)
    yield "\n ]\n}\n"


def as_junit(report: Report, journal: Journal, command: str, watts: float, folder: Path) -> Iterator[str]:
    """JUnit XML, a case a notebook: what failed, or lacks documentation in a check, is a failure."""
    failures = report.count("failed") + len(report.stale)
    yield '<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n'
    yield (
        f'<testsuite name="nbcopilot {command}" tests="{report.total}" failures="{failures}" errors="0" '
        f'skipped="{report.total - report.count("ok") - report.count("failed")}" time="{report.seconds:.3f}">\n'
    )
    for row in journal.rows():
        yield f" <testcase classname={_attribute(command)} name={_attribute(row.name)} time={_attribute(f'{row.seconds:.3f}')}>"
        lacks = _lacks(row)
        if row.state == "failed":
            yield f"<failure type={_attribute(row.code)} message={_attribute(row.error)}/>"
        elif lacks:
            count = f"{len(lacks)} missing or outdated"
            yield f'<failure type="stale" message={_attribute(count)}>{escape(_printable(chr(10).join(lacks)))}</failure>'
        elif row.state == "skipped":
            yield f"<skipped message={_attribute('; '.join(row.detail.get('notes', [])))}/>"
        yield "</testcase>\n"
    yield "</testsuite>\n</testsuites>\n"


def _lacks(row: Row) -> list[str]:
    return [f"cell #{cell}: {what}" for cell, what in row.detail.get("lacks", [])]


def _attribute(text: str) -> str:
    return quoteattr(_printable(text))


def _printable(text: str) -> str:
    """`text` without the characters that XML cannot hold."""
    return "".join(c if c >= " " or c in "\n\t" else " " for c in text if not 0xD800 <= ord(c) < 0xE000)
