"""Write docs/rules/ from the docstrings of the rules. A test fails when a page is old."""

from __future__ import annotations

from pathlib import Path

from nbcopilot.checks import pages, registry

FOLDER = Path(__file__).parent.parent / "docs" / "rules"


def written() -> dict[str, str]:
    """File name -> text of every page of the built-in rules."""
    rules = [rule for rule in registry.rules().values() if type(rule).__module__.startswith("nbcopilot.")]
    return {f"{rule.code}.md": pages.page(rule) for rule in rules} | {"index.md": pages.index(rules)}


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.glob("*.md"):
        old.unlink()
    for name, text in written().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    print(f"{len(written())} pages written to docs/rules")
