"""README.md of a folder: its notebooks are listed, and what its user wrote stays."""

from __future__ import annotations

from pathlib import Path

import pytest
from cell_builders import code, markdown, raw

from nbcopilot.batch import readme
from nbcopilot.cli.main import main
from nbcopilot.errors import UnsafePathError, UsageError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "coffee_shop"
    place.mkdir()
    (place / "01_cups.ipynb").write_bytes(raw(markdown("# Cups a day\n\nHow many cups are sold. And more."), code("x")))
    (place / "02 no text.ipynb").write_bytes(raw(code("x = f(1)")))
    return place


def test_notebooks_are_listed_with_titles_and_links(folder: Path) -> None:
    assert main(["document", str(folder), "--readme"]) == 0
    text = (folder / "README.md").read_text()
    assert text.startswith("# Coffee shop\n")
    assert "- [Cups a day](01_cups.ipynb): How many cups are sold.\n" in text
    assert "- [No text](02%20no%20text.ipynb)\n" in text


def test_what_stands_around_the_list_stays(folder: Path) -> None:
    path = folder / "README.md"
    path.write_text("# Mine\n\nMy words.\n")
    assert main(["document", str(folder), "--readme"]) == 0
    path.write_text(path.read_text() + "\nBelow it.\n")
    (folder / "02 no text.ipynb").unlink()
    assert main(["document", str(folder), "--readme", "--check"]) == 1
    assert main(["document", str(folder), "--readme"]) == 0
    text = path.read_text()
    assert text.startswith("# Mine\n\nMy words.\n") and text.endswith("\nBelow it.\n") and "no%20text" not in text
    assert main(["document", str(folder), "--readme", "--check"]) == 0


def test_a_dry_run_writes_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["document", str(folder), "--readme", "--dry-run"]) == 0
    assert "+- [Cups a day]" in capsys.readouterr().out and not (folder / "README.md").exists()


def test_one_folder_of_this_machine_is_needed(folder: Path) -> None:
    with pytest.raises(UsageError, match="one folder"):
        readme.of([str(folder / "01_cups.ipynb")])


def test_a_readme_that_is_a_link_out_of_the_folder_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("token = 1234")
    folder = tmp_path / "repo"
    folder.mkdir()
    (folder / "README.md").symlink_to("../secret.txt")
    with pytest.raises(UnsafePathError, match="README"):
        readme.merged(folder, "- [a](a.ipynb)")
