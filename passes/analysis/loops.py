"""Natural loops and their nesting.

Given   a function and its dominators.
Gives   `Loops`: the forest, the innermost loop of each block, the edges that leave a loop or go round it.
Unsure  an irreducible cycle (a cycle entered at two blocks) raises `Irreducible`: nothing here would be right for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from numbad.passes.analysis.dominators import Dominators
from numbad.passes.ir.function import Block, Function


class Irreducible(Exception):
    """The control flow has a cycle with two entries; the argument is one of its blocks."""


@dataclass(eq=False)
class Loop:
    """One natural loop: all blocks that reach a latch without passing the header."""

    header: Block
    latches: list[Block]
    parent: Loop | None = None
    blocks: set[Block] = field(default_factory=set)

    @property
    def depth(self) -> int:
        return 1 if self.parent is None else self.parent.depth + 1

    @property
    def latch(self) -> Block:
        """The only latch (loop-simplify form)."""
        (latch,) = self.latches
        return latch

    @property
    def nest(self) -> list[Loop]:
        """This loop and those around it, from inside."""
        return [self, *(self.parent.nest if self.parent is not None else [])]

    def contains(self, other: Loop | None) -> bool:
        while other is not None and other is not self:
            other = other.parent
        return other is self


class Loops:
    def __init__(self, function: Function, dominators: Dominators):
        self.loops: list[Loop] = []  # outer before inner
        self.innermost: dict[Block, Loop | None] = {b: None for b in dominators.order}
        latches: dict[Block, list[Block]] = {}
        for block in dominators.order:
            for successor in block.successors:
                if dominators.dominates(successor, block):
                    latches.setdefault(successor, []).append(block)
                elif dominators.index[successor] <= dominators.index[block]:
                    raise Irreducible(successor)
        # Outer headers come first in reverse postorder, so that inner loops overwrite `innermost`.
        for header in sorted(latches, key=dominators.index.__getitem__):
            loop = Loop(header, latches[header], self.innermost[header])
            loop.blocks = self._body(loop, dominators)
            self.loops.append(loop)
            for block in loop.blocks:
                self.innermost[block] = loop

    @staticmethod
    def _body(loop: Loop, dominators: Dominators) -> set[Block]:
        body = {loop.header}
        work = [latch for latch in loop.latches if latch is not loop.header]
        body.update(work)
        while work:
            for predecessor in dominators.predecessors[work.pop()]:
                if predecessor not in body:
                    body.add(predecessor)
                    work.append(predecessor)
        return body

    def left(self, source: Block, target: Block) -> list[Loop]:
        """The loops that the edge leaves, innermost first."""
        gone = []
        loop = self.innermost[source]
        while loop is not None and target not in loop.blocks:
            gone.append(loop)
            loop = loop.parent
        return gone

    def is_back_edge(self, source: Block, target: Block) -> bool:
        loop = self.innermost[target]
        return loop is not None and loop.header is target and source in loop.blocks
