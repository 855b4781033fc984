"""What was computed of earlier requests, kept for the next one that begins with the same tokens.

A tree over blocks of 16 token ids; each node holds the keys and values of its block. Bounded in bytes; what was
used longest ago goes first. The caller copies in and out, so a kept block is never written to.
Each owner has a tree of its own: what one has sent is never found, nor told by the time that it saves, by another.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from nbcopilot.engine.model import Cache

BLOCK = 16


class _Node:
    __slots__ = ("block", "bytes", "children", "key", "parent")

    def __init__(self, parent: _Node | None, key: tuple[int, ...], block: tuple[Any, ...]) -> None:
        self.parent, self.key, self.block = parent, key, block
        self.bytes = sum(int(part.nbytes) for part in block)
        self.children: dict[tuple[int, ...], _Node] = {}


class PrefixCache:
    """Blocks of keys and values by the tokens that lead to them: `bytes` now, `limit` at most. One thread uses it."""

    def __init__(self, limit_bytes: int) -> None:
        self.bytes = 0
        self.limit = limit_bytes
        self._roots: dict[str, _Node] = {}
        # Oldest first. A node is always older than its parent (see `_touch`), so the first one is a leaf.
        self._used: OrderedDict[_Node, None] = OrderedDict()

    def restore(self, ids: Sequence[int], cache: Cache, owner: str = "") -> int:
        """Fill an empty `cache` with the longest prefix of `ids` kept for `owner`, all but the last token at most.

        Gives back its length in tokens.
        """
        node, length = self._root(owner), 0
        while length + BLOCK < len(ids):
            child = node.children.get(tuple(ids[length : length + BLOCK]))
            if child is None:
                break
            cache.put_block(length, child.block)
            node, length = child, length + BLOCK
        self._touch(node)
        return length

    def keep(self, ids: Sequence[int], cache: Cache, owner: str = "") -> None:
        """Take what `cache` holds of `ids`, in whole blocks, for later prompts of `owner`."""
        node = self._root(owner)
        for start in range(0, cache.length - BLOCK + 1, BLOCK):
            key = tuple(ids[start : start + BLOCK])
            child = node.children.get(key)
            if child is None:
                child = _Node(node, key, cache.block(start, start + BLOCK))
                if child.bytes > self.limit:
                    return
                node.children[key] = child
                self._used[child] = None
                self.bytes += child.bytes
            node = child
        self._touch(node)
        self._shrink(self.limit)

    def clear(self) -> None:
        """Forget all."""
        self._shrink(0)

    def _root(self, owner: str) -> _Node:
        return self._roots.setdefault(owner, _Node(None, (), ()))

    def _shrink(self, limit: int) -> None:
        while self.bytes > limit:
            oldest, _ = self._used.popitem(last=False)
            self.bytes -= oldest.bytes
            if oldest.parent is not None:
                del oldest.parent.children[oldest.key]

    def _touch(self, node: _Node) -> None:
        """Mark a path as just used, the leaf first, so that it is the first of the path to go."""
        current: _Node | None = node
        while current is not None and current.parent is not None:
            self._used.move_to_end(current)
            current = current.parent
