"""Dominance in a graph, and of blocks: those that every path from the entry, or to an end, must pass.

The immediate ones by Cooper, Harvey, Kennedy ("A simple, fast dominance algorithm", 2001); questions are answered by
the intervals of a walk through their tree, in constant time.

Given   a function with blocks; for postdominators those of its blocks that count; for `Dominance` any graph.
Gives   `Dominators`: `order` (reachable blocks, reverse postorder), `dominates(a, b)`, `immediate`.
        `Postdominators`: `postdominates(a, b)`.  `Dominance`: `dominates(a, b)`.
Unsure  never; unreachable blocks are in no order and are dominated by everything (in `Dominance`: by nothing).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from numbad.passes.ir.function import Block, Function

T = TypeVar("T")


class Dominators:
    def __init__(self, function: Function):
        self.order = reverse_postorder(function.entry)
        self.index = {block: i for i, block in enumerate(self.order)}
        self.predecessors: dict[Block, list[Block]] = {block: [] for block in self.order}
        for block in self.order:
            for successor in block.successors:
                self.predecessors[successor].append(block)
        self._immediate = _immediate([[self.index[p] for p in self.predecessors[block]] for block in self.order])
        self._intervals = _intervals(self._immediate)

    def immediate(self, block: Block) -> Block | None:
        """The closest strict dominator, None for the entry."""
        i = self.index[block]
        return None if i == 0 else self.order[self._immediate[i]]

    def dominates(self, a: Block, b: Block) -> bool:
        """Every path from the entry to `b` passes `a` (a block dominates itself)."""
        if b not in self.index:
            return True
        if a not in self.index:
            return False
        return _covers(self._intervals, self.index[a], self.index[b])


class Dominance(Generic[T]):
    """`following` gives the nodes to which there is an edge from a node."""

    def __init__(self, start: T, following: Callable[[T], list[T]]):
        order = _reverse_postorder(start, following)
        self._index = {node: i for i, node in enumerate(order)}
        predecessors: list[list[int]] = [[] for _ in order]
        for i, node in enumerate(order):
            for other in following(node):
                predecessors[self._index[other]].append(i)
        self._order, self._immediate = order, _immediate(predecessors)
        self._intervals = _intervals(self._immediate)

    def immediate(self, node: T) -> T | None:
        """The next node that every path from the start passes; None for the start and for what cannot be reached."""
        index = self._index.get(node, 0)
        return self._order[self._immediate[index]] if index else None

    def dominates(self, a: T, b: T) -> bool:
        """Every path from the start to `b` passes `a` (a node dominates itself); no if either cannot be reached."""
        return a in self._index and b in self._index and _covers(self._intervals, self._index[a], self._index[b])


class Postdominators:
    """`blocks`: those that count, each of which reaches one without a successor among them."""

    def __init__(self, blocks: Iterable[Block]):
        counting = dict.fromkeys(blocks)
        before: dict[Block | None, list[Block | None]] = {block: [] for block in (*counting, None)}  # None: the end
        for block in counting:
            successors = [s for s in block.successors if s in counting]
            for successor in successors or (None,):
                before[successor].append(block)
        self._dominance = Dominance[Block | None](None, before.__getitem__)

    def immediate(self, block: Block) -> Block | None:
        """The first block that every path from `block` to the end passes behind it; None for the end itself."""
        return self._dominance.immediate(block)

    def postdominates(self, a: Block, b: Block) -> bool:
        """Every path from `b` to the end passes `a` (a block postdominates itself, one that does not count none)."""
        return self._dominance.dominates(a, b)


def reverse_postorder(entry: Block) -> list[Block]:
    """Blocks reachable from `entry`, each before its successors except along back edges."""
    return _reverse_postorder(entry, lambda block: block.successors)


def _reverse_postorder(start: T, following: Callable[[T], list[T]]) -> list[T]:
    order: list[T] = []
    seen = {start}
    stack = [(start, iter(following(start)))]
    while stack:
        block, successors = stack[-1]
        for successor in successors:
            if successor not in seen:
                seen.add(successor)
                stack.append((successor, iter(following(successor))))
                break
        else:
            order.append(block)
            stack.pop()
    order.reverse()
    return order


def _immediate(predecessors: list[list[int]]) -> list[int]:
    """Of each node in reverse postorder the immediate dominator; of the first one itself."""
    immediate = [-1] * len(predecessors)
    immediate[0] = 0
    changed = True
    while changed:
        changed = False
        for i in range(1, len(predecessors)):
            new = -1
            for p in predecessors[i]:
                if immediate[p] < 0:
                    continue
                if new < 0:
                    new = p
                    continue
                while p != new:
                    while p > new:
                        p = immediate[p]
                    while new > p:
                        new = immediate[new]
            if immediate[i] != new:
                immediate[i] = new
                changed = True
    return immediate


def _intervals(immediate: list[int]) -> tuple[list[int], list[int]]:
    """When a walk through the tree enters and leaves each node."""
    children: list[list[int]] = [[] for _ in immediate]
    for i, parent in enumerate(immediate[1:], 1):
        children[parent].append(i)
    entered, left = [0] * len(immediate), [0] * len(immediate)
    time = 0
    stack = [(0, False)]
    while stack:
        node, is_done = stack.pop()
        time += 1
        if is_done:
            left[node] = time
            continue
        entered[node] = time
        stack.append((node, True))
        stack += [(child, False) for child in children[node]]
    return entered, left


def _covers(intervals: tuple[list[int], list[int]], a: int, b: int) -> bool:
    entered, left = intervals
    return entered[a] <= entered[b] and left[b] <= left[a]
