"""How a test file imports the module that it tests: by its dotted name, else from its file."""

from __future__ import annotations

import keyword
import os
import sys
from collections.abc import Sequence
from pathlib import Path


def import_lines(path: Path, target: Path, names: Sequence[str]) -> str:
    """The lines at the top of the test file `target` that bring `names` ("*": all) of the module at `path`.

    A module of a package is named from the folders with `__init__.py`. A name that Python cannot import, or that is
    taken by the standard library, is loaded from the file beside the tests.
    """
    dotted = dotted_name(path)
    parts = dotted.split(".")
    importable = all(part.isidentifier() and not keyword.iskeyword(part) for part in parts)
    if importable and (len(parts) > 1 or parts[0] not in sys.stdlib_module_names):
        return f"from {dotted} import {', '.join(names)}"
    there = Path(os.path.relpath(path.resolve(), target.resolve().parent)).as_posix()
    module = "".join(char if char.isalnum() else "_" for char in path.stem)
    bound = (
        ["globals().update({k: v for k, v in vars(_module).items() if not k.startswith('__')})"]
        if list(names) == ["*"]
        else [f"{name} = _module.{name}" for name in names]
    )
    load = [
        "import importlib.util",
        "from pathlib import Path",
        "",
        f'_spec = importlib.util.spec_from_file_location("_tested_{module}", Path(__file__).parent / "{there}")',
        "_module = importlib.util.module_from_spec(_spec)",
        "_spec.loader.exec_module(_module)",
    ]
    return "\n".join([*load, *bound])


def dotted_name(path: Path) -> str:
    """The name of a module from the folders above it that are packages: `shop/bill.py` is `shop.bill`."""
    parts, folder = [path.stem], path.resolve().parent
    while (folder / "__init__.py").is_file() and folder != folder.parent:
        parts.insert(0, folder.name)
        folder = folder.parent
    return ".".join(parts)
