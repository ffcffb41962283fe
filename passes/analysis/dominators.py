"""Dominators: which blocks every path from the entry must pass (Cooper, Harvey, Kennedy 2001).

Given   a function with blocks.
Gives   `order` (reachable blocks, reverse postorder), `dominates(a, b)`, `immediate`.
Unsure  never; unreachable blocks are in no order and are dominated by everything.
"""

from __future__ import annotations

from numbad.passes.ir.function import Block, Function


class Dominators:
    def __init__(self, function: Function):
        self.order = reverse_postorder(function.entry)
        self.index = {block: i for i, block in enumerate(self.order)}
        self.predecessors: dict[Block, list[Block]] = {block: [] for block in self.order}
        for block in self.order:
            for successor in block.successors:
                self.predecessors[successor].append(block)
        self._immediate = self._compute()

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
        i, target = self.index[b], self.index[a]
        while i > target:
            i = self._immediate[i]
        return i == target

    def _compute(self) -> list[int]:
        immediate = [-1] * len(self.order)
        immediate[0] = 0
        changed = True
        while changed:
            changed = False
            for i, block in enumerate(self.order[1:], 1):
                new = -1
                for predecessor in self.predecessors[block]:
                    p = self.index[predecessor]
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


def reverse_postorder(entry: Block) -> list[Block]:
    """Blocks reachable from `entry`, each before its successors except along back edges."""
    order: list[Block] = []
    seen = {entry}
    stack = [(entry, iter(entry.successors))]
    while stack:
        block, successors = stack[-1]
        for successor in successors:
            if successor not in seen:
                seen.add(successor)
                stack.append((successor, iter(successor.successors)))
                break
        else:
            order.append(block)
            stack.pop()
    order.reverse()
    return order
