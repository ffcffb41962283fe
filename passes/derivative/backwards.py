"""The control flow of the reverse sweep, known before it is written.

    top -> then -> join            join.bar -> then.bar -> top.bar       what join.bar knows is known in the others,
        -> else ->                          -> else.bar ->               what then.bar knows is not known in top.bar

Given   Needs of a function and the returns at which its reverse sweep may start.
Gives   `left`, the loops into which a way back leads; `with_doors`, those that it enters in several places;
        `passed(a, b)`: whenever the reverse sweep comes to `b` it has passed `a`, and since then it has neither begun
        nor ended an iteration of a loop.
Unsure  about `passed` is no: what is known is then looked up again.
"""

from __future__ import annotations

from numbad.passes.analysis.dominators import Dominance
from numbad.passes.analysis.loops import Loop
from numbad.passes.derivative.needs import Needs, Way
from numbad.passes.ir.function import Block


class Backwards:
    def __init__(self, needs: Needs, returns: list[Block]):
        self.needs, self.loops, self.returns = needs, needs.loops, returns
        self.blocks = [b for b in needs.facts.live[needs.function] if not needs.in_inert_loop(b)]
        starts: list[Block | None] = [*returns]
        following: dict[Block | None, list[Block | None]] = {None: starts}  # None: where nothing is known
        for block in self.blocks:
            following[block] = []
            for way in needs.ways(block):
                (starts if self._meets_loop(way, block) else following[block]).append(way.source)
        self._dominance = Dominance[Block | None](None, following.__getitem__)

    def passed(self, one: Block, other: Block) -> bool:
        return self._dominance.dominates(one, other)

    def left(self, way: Way, block: Block) -> list[Loop]:
        """The loops with adjoints that the edge left, innermost first."""
        if block in self.needs.bypass:
            return []
        return [x for x in self.loops.left(way.predecessors[0], block) if x not in self.needs.inert_loops]

    def _meets_loop(self, way: Way, block: Block) -> bool:
        """The way goes into a loop, round it, or out of it: slots change there, and what is used on both sides of a
        loop keeps LLVM from vectorising it."""
        return self.needs.loop_of_header(block) is not None or bool(self.left(way, block))

    def with_doors(self) -> list[Loop]:
        """Loops that the reverse sweep would enter in several places: those with exits besides the one at the latch.

        They get a door, one block through which every way into the loop and around it leads. Without it the derivative
        had loops with several entries, which neither LLVM optimises nor numbad differentiates again.
        """
        found: list[Loop] = []
        for loop in reversed(self.loops.loops):  # inner before outer: the door of an inner loop is one place
            if loop in self.needs.inert_loops:
                continue
            entered: set[object] = set()
            for block in self.blocks:
                for way in self.needs.ways(block):
                    left = self.left(way, block)
                    if loop in left:
                        inner = [x for x in left[:left.index(loop)] if x in found]
                        entered.add(inner[-1] if inner else way.source)
            around = self.needs.ways(loop.header)[self.needs.way_of(loop.header, loop.latch)].source
            if not (entered <= {around} or entered <= {loop.header}):
                found.append(loop)
        return found
