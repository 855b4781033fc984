"""Which calls change what they are called on, or what they are given: known by name only, so a guess."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nbcopilot.notebook.patterns import word_set

# Methods that change their object, and functions that change their first argument.
_MUTATORS = word_set(
    "append extend insert pop remove clear update sort reverse add discard setdefault popitem appendleft "
    "popleft extendleft rotate fill put resize fit fit_transform partial_fit train eval compile step backward "
    "zero_grad load_state_dict requires_grad_ register register_buffer write writelines seek truncate add_edge "
    "add_node add_edges_from add_nodes_from create_index commit execute executemany to_sql difference_update "
    "intersection_update symmetric_difference_update move_to_end sort_index_ build cuda half"
)
_MUTATOR_PREFIXES = ("set_", "add_", "register_", "remove_")
_CHANGES_ARGUMENT = word_set("shuffle heappush heappop heapify heapreplace insort setattr delattr fill_diagonal")


def changed_by(node: ast.Call) -> Iterator[ast.expr]:
    """The expressions whose objects the call changes in place: `items` of `items.append(1)` and of `shuffle(items)`."""
    function = node.func
    if isinstance(function, ast.Attribute):
        inplace = any(
            k.arg == "inplace" and isinstance(k.value, ast.Constant) and k.value.value is True for k in node.keywords
        )
        if inplace or function.attr in _MUTATORS or function.attr.startswith(_MUTATOR_PREFIXES):
            yield function.value
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if name in _CHANGES_ARGUMENT and node.args:
        yield node.args[0]
