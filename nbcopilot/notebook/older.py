"""Notebooks of nbformat 1, 2 and 3 in their version 4 form. nbformat does the work; ids depend on the content only."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, cast

from nbcopilot.errors import NotebookInvalidError


def upgraded(node: Mapping[str, Any], text: str, name: str, version: tuple[int, int]) -> dict[str, Any]:
    """The v4 form of an older notebook, by nbformat, with ids that depend only on the content."""
    import logging

    import nbformat
    import nbformat.reader
    import nbformat.v4
    from traitlets.log import get_logger

    logger = get_logger()
    was_disabled = isinstance(logger, logging.Logger) and logger.disabled
    try:
        logger.disabled = True  # type: ignore[union-attr]  # nbformat logs each oddity of the old file as an error
        if version[0] == 3 and not isinstance(node.get("worksheets"), list):
            text = json.dumps({**node, "worksheets": []})
        old = nbformat.reader.reads(text)  # type: ignore[no-untyped-call]
        converted = nbformat.convert(old, 4)  # type: ignore[no-untyped-call]
        content = cast("dict[str, Any]", json.loads(json.dumps(converted)))
        for i, cell in enumerate(content["cells"]):
            cell["id"] = hashlib.sha256(f"{i}\0{cell.get('source', '')}".encode("utf-8", "surrogatepass")).hexdigest()[
                :8
            ]
            cell["source"] = re.findall(r"[^\n]*\n|[^\n]+", cell.get("source", ""))
        return content
    except Exception as exc:  # nbformat lets KeyError, AttributeError, RecursionError ... through for broken files
        raise NotebookInvalidError(
            f"{name} is nbformat {version[0]} and cannot be converted: {type(exc).__name__}: {exc}",
            hint="open it in Jupyter and save it, or run `jupyter nbconvert --to notebook` on it",
        ) from exc
    finally:
        logger.disabled = was_disabled  # type: ignore[union-attr]
