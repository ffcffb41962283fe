"""Arguments and results as trees on the Python side: tuples are inner nodes, floats and float arrays the active leaves.

Given   what a Numba function takes or returns.
Gives   its active leaves with the indices that lead to them, copies, and trees of the same form made from one vector
        that holds all active numbers one after the other.
Unsure  does not happen: whatever is neither a tuple nor a float nor an array of floats is a constant.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Leaf:
    path: tuple[int, ...]
    value: Any

    @property
    def size(self) -> int:
        return int(np.size(self.value))

    @property
    def dtype(self) -> np.dtype:
        return np.asarray(self.value).dtype

    @property
    def scale(self) -> float:
        """How large the numbers are, 1 if they are all 0 or not finite."""
        size = float(np.sqrt(np.mean(np.square(self.value, dtype=np.float64)))) if self.size else 0.0
        return size if np.isfinite(size) and size > 0.0 else 1.0

    def like(self, numbers: np.ndarray) -> Any:
        """A leaf of this type and shape that holds the numbers."""
        if not isinstance(self.value, np.ndarray):
            return type(self.value)(numbers[0])
        return numbers.reshape(self.value.shape).astype(self.value.dtype)

    def shifted(self, numbers: np.ndarray) -> Any:
        """The leaf plus the numbers; an array has the memory layout of this one."""
        if not isinstance(self.value, np.ndarray):
            return type(self.value)(self.value + numbers[0])
        return _with_layout(self.value, self.value + numbers.reshape(self.value.shape))


def active_leaves(tree: Any, path: tuple[int, ...] = ()) -> list[Leaf]:
    """The floats and float arrays from left to right."""
    if isinstance(tree, tuple):
        return [leaf for k, branch in enumerate(tree) for leaf in active_leaves(branch, (*path, k))]
    is_active = isinstance(tree, float | np.floating) or (isinstance(tree, np.ndarray) and tree.dtype.kind == "f")
    return [Leaf(path, tree)] if is_active else []


def flat(tree: Any) -> np.ndarray:
    """All active numbers, one after the other, in float64."""
    parts = [np.asarray(leaf.value, dtype=np.float64).reshape(-1) for leaf in active_leaves(tree)]
    return np.concatenate(parts) if parts else np.zeros(0)


def rebuilt(tree: Any, leaves: Sequence[Leaf], vector: np.ndarray, make: Callable[[Leaf, np.ndarray], Any],
            other: Callable[[Any], Any]) -> Any:
    """A tree of the same form: `make(leaf, its part of the vector)` for the leaves given, `other(leaf)` for others."""
    ends = np.cumsum([leaf.size for leaf in leaves])
    made = {leaf.path: make(leaf, vector[end - leaf.size:end]) for leaf, end in zip(leaves, ends, strict=True)}

    def build(branch: Any, path: tuple[int, ...]) -> Any:
        if path in made:
            return made[path]
        if not isinstance(branch, tuple):
            return other(branch)
        return _tuple_like(branch, [build(b, (*path, k)) for k, b in enumerate(branch)])

    return build(tree, ())


def copied(tree: Any) -> Any:
    """The tree with arrays of its own, in the same memory layout."""
    if isinstance(tree, tuple):
        return _tuple_like(tree, map(copied, tree))
    return _with_layout(tree, tree) if isinstance(tree, np.ndarray) else tree


def _tuple_like(tree: tuple, items: Any) -> tuple:
    return type(tree)(*items) if hasattr(tree, "_fields") else tuple(items)


def _with_layout(like: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """A new array that Numba gives the type of `like`."""
    if like.flags.c_contiguous or like.flags.f_contiguous:
        made = np.empty_like(like, subok=False)
    else:
        made = np.empty((*like.shape, 2), like.dtype)[..., 0]
    made[...] = numbers
    made.flags.writeable = like.flags.writeable
    return made
