"""A test file imports what it tests, whatever the module is called and wherever it stands: pytest is run on it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nbcopilot.cli.importing import dotted_name, import_lines


@pytest.mark.parametrize("names", [["double"], ["*"]])
@pytest.mark.parametrize(
    "module", ["plain.py", "my-rates.py", "2024_report.py", "json.py", "class.py", "shop/bill.py", "shop/deep/bill.py"]
)
def test_pytest_loads_a_test_file_of_any_module(module: str, names: list[str], tmp_path: Path) -> None:
    path = tmp_path / module
    path.parent.mkdir(parents=True, exist_ok=True)
    for folder in path.relative_to(tmp_path).parents:
        if str(folder) != ".":
            (tmp_path / folder / "__init__.py").touch()
    path.write_text("def double(x):\n    return 2 * x\n", encoding="utf-8")
    target = path.with_name(f"test_{path.stem}.py")
    target.write_text(f"{import_lines(path, target, names)}\n\n\ndef test_double():\n    assert double(2) == 4\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(target)], cwd=tmp_path, capture_output=True
    )
    assert done.returncode == 0, done.stdout.decode()


def test_a_module_of_a_package_has_its_dotted_name(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    assert dotted_name(tmp_path / "shop" / "bill.py") == "bill"
    (tmp_path / "shop" / "__init__.py").touch()
    assert dotted_name(tmp_path / "shop" / "bill.py") == "shop.bill"
