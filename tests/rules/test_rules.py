"""Every rule against cells of its own: what it must find (`bad`) and near misses that it must leave alone (`good`).

A case is a text file: `# request:`, `# kind:`, `# variables:` (name=type, of a live kernel), `# policy:` and `# sandbox:` lines, then the cells of the notebook below
`# %% notebook` (one more below each `# %% cell`), then the answer below `# %% answer`. It goes through the real checks
and the real sandbox.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from nbcopilot.checks import pages, registry
from nbcopilot.config import Config
from nbcopilot.engine.fake import FakeEngine
from nbcopilot.judge import Judge
from nbcopilot.pipeline import Copilot
from nbcopilot.sandbox.runner import Runner
from nbcopilot.types import Candidate, Cell, ErrorInfo, Notebook, Target, Task, Variable
from nbcopilot.verdict import NotRun, Verdict

HERE = Path(__file__).parent
CASES = sorted(HERE.glob("NB*/*/*.txt"))
# Said of the rules themselves (test_third_party.py), of how tests were made, or by live state and links (checks/test_intent.py).
WITHOUT_CASES = {"NB001", "NB002", "NB504", "NB225", "NB226", "NB227"}


@dataclass
class Case:
    """One file, read."""

    cells: list[str]
    answer: str
    heads: dict[str, str]

    @property
    def kind(self) -> str:
        return self.heads.get("kind", "generate")


def read(path: Path) -> Case:
    head, _, rest = path.read_text(encoding="utf-8").partition("# %% ")
    heads: dict[str, str] = {}
    for key, value in re.findall(r"^# (\w+): ?(.*)$", head, re.MULTILINE):
        heads[key] = f"{heads[key]}\n{value}" if key in heads else value
    parts = [part.partition("\n")[::2] for part in ("# %% " + rest).split("# %% ")[1:]]
    return Case([text.strip("\n") for name, text in parts if name != "answer"], parts[-1][1].removesuffix("\n"), heads)


def judged(case: Case, folder: Path) -> Verdict:
    cells = tuple(Cell(f"c{i}", "code", source, executed=i + 1) for i, source in enumerate(case.cells))
    typed = [word.split("=") for word in case.heads.get("variables", "").split()]
    there = tuple(Variable(name, kind, "object", "") for name, kind in typed) or None
    notebook = Notebook(cells, path=folder / "n.ipynb", namespace=there)
    policy = folder / "policy.toml"
    policy.write_text(case.heads.get("policy", ""), encoding="utf-8")
    config = Config(policy=str(policy) if "policy" in case.heads else "", check_seconds=60, check_total_seconds=120)
    target = Target(case.cells[-1], cells[-1].id, position=len(cells) - 1) if case.kind != "generate" else Target()
    task = Task(case.kind, case.heads.get("request", ""), target, repairs=0)  # type: ignore[arg-type]
    if case.kind == "fix":
        failed = ErrorInfo("ZeroDivisionError", "division by zero", "", cells[-1].id, case.cells[-1])
        notebook = Notebook(cells, path=notebook.path, error=failed)
        found = Copilot(FakeEngine([f"```python\n{case.answer}\n```"]), config).run(task, notebook).verdict
        assert found is not None
        return found
    answer = "markdown" if case.kind == "explain" else "code"
    return Judge(config).check(Candidate(case.answer, answer), task, notebook)[1]  # type: ignore[arg-type]


@pytest.mark.parametrize("path", CASES, ids=[str(path.relative_to(HERE).with_suffix("")) for path in CASES])
def test_a_rule_finds_what_is_bad_and_leaves_the_rest(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = read(path)
    if case.heads.get("sandbox") == "none":
        monkeypatch.setattr(Runner, "_unavailable", lambda self: NotRun("sandbox", "switched off for a test"))
    found = [diagnostic.code for diagnostic in judged(case, tmp_path).diagnostics]
    code = path.parent.parent.name
    assert (code in found) is (path.parent.name == "bad"), found


def test_every_rule_has_cases_of_both_kinds() -> None:
    for code, rule in registry.rules().items():
        if code in WITHOUT_CASES or not type(rule).__module__.startswith("nbcopilot."):
            continue
        least = 3 if rule.phase != "told" else 1
        for side in ("good", "bad"):
            assert len(list((HERE / code / side).glob("*.txt"))) >= least, f"{code} has too few cases under {side}"


def test_every_rule_has_a_whole_page_and_docs_hold_it() -> None:
    import importlib.util

    script = HERE.parent.parent / "scripts" / "rule_pages.py"
    spec = importlib.util.spec_from_file_location("rule_pages", script)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for rule in registry.rules().values():
        missing = [section for section in pages.SECTIONS if f"\n## {section}\n" not in pages.page(rule)]
        assert not missing, f"{rule.code} lacks {missing}"
    there = {path.name: path.read_text(encoding="utf-8") for path in module.FOLDER.glob("*.md")}
    assert there == module.written(), "run scripts/rule_pages.py"
