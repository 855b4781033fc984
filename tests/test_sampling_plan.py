"""How answers are begun: by the links of the request, and for consensus half of them as the model likes."""

from __future__ import annotations

from nbcopilot.inference import Sampling
from nbcopilot.live_state import Grounding
from nbcopilot.sampling_plan import consensus_batches, sample_batches
from nbcopilot.types import Candidate, Cell, Context, Notebook, Snippet, Task
from nbcopilot.verdict import Evidence, Verdict

OPENING = "data = visits.merge(people, left_on='who', right_on='pid', how='left')\n"
BOOK = Notebook((Cell("a", "code", "x = 1", executed=1),), cursor=0, names=frozenset({"x"}))


def context(*openings: str) -> Context:
    target = Snippet("target", "the request", "mean fee per town", "what is asked")
    beside = Snippet("variable", "visits", "visits: DataFrame", "data")
    task = Task("generate", "mean fee per town", sampling=Sampling(max_tokens=300), consensus_samples=6)
    return Context(task, snippets=(beside, target), grounding=Grounding(openings=openings))


def test_every_way_to_begin_is_tried_where_links_are_uncertain() -> None:
    ways = context(OPENING, "other = 1\n", "third = 1\n")
    prompts = [batch.prompt.prefill for batch in sample_batches(ways, ways.task, None, 0, 0)]
    assert [prefill.partition("```python\n")[2] for prefill in prompts] == [OPENING, "other = 1\n"]


def test_a_request_without_links_is_asked_once_and_begun_with_nothing() -> None:
    (batch,) = sample_batches(context(), context().task, None, 0, 0)
    assert batch.prompt.prefill.endswith("```python\n")


def test_half_of_the_consensus_begins_with_nothing_and_may_write_those_lines_itself() -> None:
    asked = context(OPENING)
    good = (Candidate("x"), Verdict(True, (), {"run": "passed"}, evidence=Evidence()))
    begun, free = consensus_batches(asked, asked.task, BOOK, [good], 20)
    assert begun.count == free.count == 3
    assert begun.prompt.prefill.endswith(OPENING) and free.prompt.prefill.endswith("```python\n")
    assert free.sampling.max_tokens > begun.sampling.max_tokens + 20
