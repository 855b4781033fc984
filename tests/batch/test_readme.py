"""The README of a folder is read and written inside that folder only."""

from __future__ import annotations

from pathlib import Path

import pytest

from nbcopilot.batch import readme
from nbcopilot.errors import UnsafePathError


def test_a_readme_that_is_a_link_out_of_the_folder_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("token = 1234")
    folder = tmp_path / "repo"
    folder.mkdir()
    (folder / "README.md").symlink_to("../secret.txt")
    with pytest.raises(UnsafePathError, match="README"):
        readme.merged(folder, "- [a](a.ipynb)")
