"""Labels and metadata: as the contract has them, recognised again, free of what they must not hold."""

from __future__ import annotations

import json
import re

import pytest
from cell_builders import provenance

from nbcopilot.hashing import text_hash
from nbcopilot.notebook import labels
from nbcopilot.verdict import Diagnostic, Evidence, TestCounts, Verdict
from nbcopilot.write import provenance as prov

RAN = Verdict(
    True, checks={"syntax": "ok", "names": "ok", "run": "passed"}, evidence=Evidence(seconds=0.81, creates=("monthly",))
)


def test_metadata_is_the_contracts_json() -> None:
    verdict = Verdict(
        True, checks={"syntax": "ok", "tests": {"passed": 5, "mutants": 9, "killed": 8, "line_coverage": 1.0}}
    )
    found = prov.cell_metadata("tests", provenance(), verdict, "c1", source_hash="sha256:aa", cell_hash="sha256:bb")
    assert found == {
        "nbcopilot": {
            "schema": 1,
            "role": "tests",
            "group": "11111111-1111-4111-8111-111111111111",
            "source_cell": "c1",
            "source_hash": "sha256:aa",
            "cell_hash": "sha256:bb",
            "model": {"id": "qwen2.5-coder-0.5b", "sha256": "sha256:" + "ab" * 32, "engine": "local"},
            "sampling": {"temperature": 0, "seed": 0},
            "prompt_sha256": "sha256:" + "0" * 64,
            "created": "2026-11-21T23:00:00Z",
            "version": "0.1.0",
            "checks": {"syntax": "ok", "tests": {"passed": 5, "mutants": 9, "killed": 8, "line_coverage": 1}},
        }
    }
    text = json.dumps(found)
    assert json.dumps(found, sort_keys=True) == text, "keys are in the order in which nbformat writes them"


def test_a_bare_hash_which_looks_like_a_secret_is_nowhere_in_the_metadata() -> None:
    found = prov.cell_metadata("code", provenance(), RAN, "c1", **prov.identity("code", "x = 1"))
    assert not re.findall(r'(?<![:"\w])"[0-9a-f]{32,}"', json.dumps(found)), found
    bare = [value for value in re.findall(r'"([^"]*)"', json.dumps(found)) if re.fullmatch(r"[0-9a-f]{32,}", value)]
    assert bare == []


def test_a_cell_that_a_formatter_has_changed_is_still_ours() -> None:
    written = "for t in (a, b,):\n    print('x')"
    metadata = prov.cell_metadata("code", provenance(), **prov.identity("code", written))
    assert not prov.is_edited(metadata, 'for t in (a, b):\n    print("x")')
    assert prov.is_edited(metadata, 'for t in (a, b):\n    print("y")')
    older = prov.cell_metadata("code", provenance(), cell_hash=text_hash(written))
    assert prov.is_edited(older, 'for t in (a, b):\n    print("x")'), "by its text alone, as it was noted"


def test_evidence_with_names_of_variables_stays_out_of_the_metadata() -> None:
    assert "monthly" not in json.dumps(prov.cell_metadata("code", provenance(), RAN, "c1"))


@pytest.mark.parametrize(
    ("model", "shown"),
    [
        ("/home/me/models/my-gpt2", "my-gpt2"),
        ("~/models/x.gguf", "x.gguf"),
        ("./local", "local"),
        (r"C:\Users\me\m.gguf", "m.gguf"),
        ("Qwen/Qwen2.5-Coder-3B-Instruct", "Qwen/Qwen2.5-Coder-3B-Instruct"),
    ],
)
def test_no_folder_of_the_machine_is_shown_or_stored(model: str, shown: str) -> None:
    assert prov.cell_metadata("code", provenance(model))["nbcopilot"]["model"]["id"] == shown
    assert shown in prov.label("code", provenance(model))


def test_code_label_names_the_model_and_what_was_checked() -> None:
    assert (
        prov.label("code", provenance(), RAN)
        == "# nbcopilot · qwen2.5-coder-0.5b · ran clean in 0.8 s · creates monthly"
    )


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        (Verdict(True, checks={"syntax": "ok", "names": "ok", "run": "not-run"}), "syntax and names checked, not run"),
        (Verdict(False, (Diagnostic("NB101", "error", {"name": "x"}),)), "problem: `x` is not defined"),
        (Verdict(False, checks={"run": "failed"}), "the run failed"),
        (Verdict(True, checks={"tests": {"passed": 1}}), "1 test passes"),
        (
            Verdict(True, checks={"tests": {"passed": 5, "mutants": 9, "killed": 8, "line_coverage": 1.0}}),
            "5 tests pass · 100 % lines · 8/9 mutants caught",
        ),
        (
            Verdict(
                True,
                checks={"run": "passed", "tests": {"passed": 3, "characterisation": 2}},
                evidence=Evidence(seconds=2.0, tests=TestCounts(3, disagree=1)),
            ),
            "3 tests pass · 2 characterisation · 1 disagree with the code",
        ),
        (Verdict(True, evidence=Evidence(creates=tuple("abcde"))), "creates a, b, c, d …"),
    ],
)
def test_label_says_what_the_checks_found(verdict: Verdict, said: str) -> None:
    assert prov.label("code", provenance(), verdict) == f"# nbcopilot · qwen2.5-coder-0.5b · {said}"


def test_label_is_one_bounded_line_whatever_the_finding_says() -> None:
    verdict = Verdict(False, (Diagnostic("NB303", "error", {"warning": "bad\n" * 200}),))
    line = prov.label("code", provenance(), verdict)
    assert "\n" not in line and len(line) < 200


@pytest.mark.parametrize(
    ("language", "start"),
    [("python", "#"), ("R", "#"), ("julia", "#"), ("javascript", "//"), ("C++", "//"), ("scala", "//"), ("sql", "--"),
     ("haskell", "--"), ("scheme", ";"), ("matlab", "%"), ("sas", "/*"), ("bash", "#"), ("qsharp", "//"), ("klingon", "#")],
)  # fmt: skip
def test_label_is_a_comment_in_the_notebooks_language_and_comes_off_again(language: str, start: str) -> None:
    line = prov.label("code", provenance(), RAN, language)
    assert line.startswith(start + " nbcopilot · ")
    source = labels.labelled("code", "x", line, language)
    assert source.split("\n")[1] == "x"
    assert labels.unlabelled("code", source) == "x"


def test_markdown_label_is_small_type_at_the_end_and_comes_off_again() -> None:
    line = prov.label("markdown", provenance("<b>model"), None)
    assert line == "<sub>nbcopilot · &lt;b&gt;model</sub>"
    assert labels.labelled("markdown", "Text.\n", line) == f"Text.\n\n{line}"
    assert labels.unlabelled("markdown", f"Text.\n\n{line}") == "Text."


@pytest.mark.parametrize(
    ("source", "second"),
    [("%%bash\nls", "# nbcopilot"), ("%%sql mydb\nselect 1", "-- nbcopilot"), ("%%js\nf()", "// nbcopilot"),
     ("%%html\n<p>", "<!-- nbcopilot")],
)  # fmt: skip
def test_label_goes_below_a_cell_magic(source: str, second: str) -> None:
    found = labels.labelled("code", source, prov.label("code", provenance(), RAN))
    assert found.split("\n")[0] == source.split("\n")[0]
    assert found.split("\n")[1].startswith(second)
    assert labels.unlabelled("code", found) == source


def test_a_file_written_by_a_cell_magic_gets_no_label() -> None:
    assert labels.labelled("code", "%%writefile a.txt\nhello", "# nbcopilot · m") == "%%writefile a.txt\nhello"


def test_a_users_own_comment_is_not_taken_for_a_label() -> None:
    for source in ("# about nbcopilot · and more\nx", "x = 'nbcopilot · y'", "# nbcopilot is nice"):
        assert labels.unlabelled("code", source) == source
    assert labels.unlabelled("markdown", "a <sub>nbcopilot · x</sub> b") == "a <sub>nbcopilot · x</sub> b"


def test_an_edit_by_the_user_is_told_by_the_hash() -> None:
    metadata = prov.cell_metadata("code", provenance(), cell_hash=text_hash("x = 1"))
    assert not prov.is_edited(metadata, "x = 1")
    assert prov.is_edited(metadata, "x = 2")
    assert not prov.is_edited({"tags": []}, "x = 2")
