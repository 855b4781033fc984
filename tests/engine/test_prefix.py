from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nbcopilot.engine.prefix import BLOCK, PrefixCache


class Memory:
    """A cache whose content is the ids themselves."""

    def __init__(self, ids: list[int] | None = None) -> None:
        self.ids = list(ids or [])

    @property
    def length(self) -> int:
        return len(self.ids)

    def block(self, start: int, stop: int) -> tuple[np.ndarray, ...]:
        return (np.array(self.ids[start:stop], np.int64),)

    def put_block(self, start: int, block: tuple[np.ndarray, ...]) -> None:
        self.ids[start:] = block[0].tolist()


BLOCK_BYTES = BLOCK * 8


def test_the_longest_common_beginning_comes_back_in_whole_blocks() -> None:
    kept = PrefixCache(10**6)
    kept.keep(list(range(100)), Memory(list(range(100))))
    memory = Memory()
    assert kept.restore([*range(50), 7, 7, 7], memory) == 48
    assert memory.ids == list(range(48))


def test_the_last_token_is_always_left_to_compute() -> None:
    kept = PrefixCache(10**6)
    kept.keep(list(range(64)), Memory(list(range(64))))
    assert kept.restore(list(range(64)), Memory()) == 48
    assert kept.restore(list(range(65)), Memory()) == 64


def test_only_what_was_computed_is_kept() -> None:
    kept = PrefixCache(10**6)
    kept.keep(list(range(100)), Memory(list(range(20))))
    assert kept.restore(list(range(100)), Memory()) == 16


def test_what_one_owner_sent_is_not_found_by_another() -> None:
    kept = PrefixCache(10**6)
    ids = list(range(100))
    kept.keep(ids, Memory(ids), "ada")
    assert kept.restore(ids, Memory(), "bob") == kept.restore(ids, Memory()) == 0
    kept.keep(ids, Memory(ids), "bob")
    assert kept.restore(ids, Memory(), "ada") == kept.restore(ids, Memory(), "bob") == 96
    assert kept.bytes == 12 * BLOCK_BYTES


def test_memory_is_bounded_and_the_longest_unused_goes_first() -> None:
    kept = PrefixCache(6 * BLOCK_BYTES)
    first, second, third = ([number] * 48 for number in (1, 2, 3))
    kept.keep(first, Memory(first))
    kept.keep(second, Memory(second))
    assert kept.bytes == 6 * BLOCK_BYTES
    kept.restore([*first, 0], Memory())
    kept.keep(third[:32], Memory(third[:32]))
    assert kept.bytes <= 6 * BLOCK_BYTES
    assert kept.restore([*first, 0], Memory()) == 48
    assert kept.restore([*second, 0], Memory()) == 16
    assert kept.restore([*third[:32], 0], Memory()) == 32


def test_a_limit_below_one_block_keeps_nothing() -> None:
    kept = PrefixCache(BLOCK_BYTES - 1)
    kept.keep([1] * 64, Memory([1] * 64))
    assert kept.bytes == 0 and kept.restore([1] * 64, Memory()) == 0


@settings(max_examples=60)
@given(st.lists(st.lists(st.integers(0, 1), max_size=6), min_size=1, max_size=25), st.integers(0, 12))
def test_what_comes_back_is_what_was_kept_and_the_limit_holds(requests: list[list[int]], blocks: int) -> None:
    kept = PrefixCache(blocks * BLOCK_BYTES)
    for request in requests:
        ids = [bit for bit in request for _ in range(BLOCK)] + [9]
        memory = Memory()
        length = kept.restore(ids, memory)
        assert memory.ids == ids[:length]
        kept.keep(ids, Memory(ids))
        assert kept.bytes <= blocks * BLOCK_BYTES
