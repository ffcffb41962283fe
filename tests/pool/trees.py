"""Arguments and results as vectors.

A *tree* is what a Numba function takes or returns: a leaf, or a tuple or namedtuple of trees. A leaf is *active* if it
is a float or a float array (float32 or float64); integers, booleans, strings, functions, None, and arrays of integers
or booleans are constants and have no place in the vector.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

Tree = Any


def is_active(leaf: Any) -> bool:
    """Whether a leaf has a tangent."""
    return isinstance(leaf, float | np.floating) or (isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f")


def leaves(tree: Tree) -> Iterator[Any]:
    """The leaves from left to right."""
    if isinstance(tree, tuple):
        for branch in tree:
            yield from leaves(branch)
    else:
        yield tree


def mapped(change: Callable, tree: Tree, *others: Tree) -> Tree:
    """The tree with each leaf replaced by `change(leaf, *leaves at the same place of others)`."""
    if not isinstance(tree, tuple):
        return change(tree, *others)
    items = [mapped(change, *same_place) for same_place in zip(tree, *others, strict=True)]
    return type(tree)(*items) if hasattr(tree, "_fields") else tuple(items)


def has_floats(tree: Tree) -> bool:
    """Whether any leaf is active."""
    return any(is_active(leaf) for leaf in leaves(tree))


def copied(tree: Tree) -> Tree:
    """The tree with arrays of its own, in C order."""
    return mapped(lambda leaf: np.array(leaf, order="C") if isinstance(leaf, np.ndarray) else leaf, tree)


def flatten(tree: Tree) -> np.ndarray:
    """The active leaves, one after the other, in float64."""
    parts = [np.asarray(leaf, dtype=np.float64).reshape(-1) for leaf in leaves(tree) if is_active(leaf)]
    return np.concatenate(parts) if parts else np.zeros(0)


def unflatten(vector: np.ndarray, like: Tree, constant: Callable[[Any], Any] = lambda leaf: None) -> Tree:
    """The inverse of `flatten`: dtypes and shapes of `like`; a constant leaf becomes `constant(leaf)`."""
    if len(vector) != len(flatten(like)):
        raise ValueError(f"the vector has {len(vector)} entries, the tree takes {len(flatten(like))}")
    position = 0

    def take(leaf: Any) -> Any:
        nonlocal position
        if not is_active(leaf):
            return constant(leaf)
        size = leaf.size if isinstance(leaf, np.ndarray) else 1
        part = vector[position : position + size]
        position += size
        if isinstance(leaf, np.ndarray):
            return part.reshape(leaf.shape).astype(leaf.dtype)
        return type(leaf)(part[0])

    return mapped(take, like)
