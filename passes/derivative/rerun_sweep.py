"""One iteration of a loop, run again in the reverse sweep: it keeps what the forward sweep took off the tape.

Given   what `reruns` found of the loop, the reverse sweep's lookup, a builder where the iteration is to be run.
Gives   the iteration's blocks, behind which the builder stands: they compute the slice and keep its items as the
        forward sweep does, and touch no memory but the tape.
Unsure  does not happen: exceptions are never raised again, for the forward sweep has been through.
"""

from __future__ import annotations

from collections.abc import Callable

from numbad.passes.analysis.loops import Loop
from numbad.passes.derivative.copier import Copier
from numbad.passes.derivative.keep import Keeper, Slots
from numbad.passes.derivative.lookup import Lookup
from numbad.passes.derivative.plan import Plan
from numbad.passes.ir.builder import Builder
from numbad.passes.ir.function import Block
from numbad.passes.ir.instructions import Phi
from numbad.passes.ir.values import Value


class RerunSweep:
    def __init__(self, plan: Plan, loop: Loop, builder: Builder, slots: Slots, tape: Value, lookup: Lookup,
                 failed: Callable[[], Block]):
        self.loop, self.rerun, self.needs, self.builder = loop, plan.reruns[loop], plan.needs, builder
        self.order = [b for b in plan.facts.dominators[plan.function].order if b in self.rerun.blocks]
        self.copier = Copier(plan.function, builder.function, self.order, builder)
        self.keeper = Keeper(plan, self.copier, slots, tape, lookup.accesses, failed)
        self.lookup = lookup

    def write(self) -> None:
        for value in self.rerun.inputs:
            self.copier.values[value] = self.lookup(value)
        self.builder.branch(self.copier.first[self.loop.header])
        self.end = Block("again.end")
        for block in self.order:
            self.builder.at_end(self.copier.first[block])
            self.block(block)
        self.builder.function.append(self.end)
        for value in self.rerun.instructions:
            if isinstance(value, Phi):
                self.copier.complete(value, self.copier.values[value], self.copier.twin)  # type: ignore[arg-type]
        self.keeper.close()
        self.builder.at_end(self.end)

    def block(self, block: Block) -> None:
        for phi in block.phis:
            if phi in self.rerun.instructions:
                self.copier.copy(phi)
        if block is not self.loop.header:
            self.keeper.behind_phis(block)
        for instruction in block.instructions[:-1]:
            if instruction in self.rerun.instructions:
                if not isinstance(instruction, Phi):
                    self.copier.copy(instruction)
                if instruction in self.rerun.items:
                    self.keeper.keep_item(instruction, self.copier.values[instruction])
        self.copier.last[block] = self.builder.block
        self.terminator(block)

    def terminator(self, block: Block) -> None:
        if block is self.loop.latch:
            self.keeper.push(self.loop)
            self.builder.branch(self.end)
            return
        here, terminator = self.builder.block, block.terminator
        targets = {s: self.way(block, s) for s in dict.fromkeys(block.successors) if s in self.needs.live}
        self.builder.at_end(here)
        if len(targets) == 1:
            self.builder.branch(*targets.values())
        else:
            self.builder.insert(terminator.with_operands(
                (targets.get(o) or self.never()) if isinstance(o, Block) else self.copier.twin(o)
                for o in terminator.operands))

    def way(self, block: Block, successor: Block) -> Block:
        """Where the copy of a block goes on: at the copy of a successor, or at a block on the edge, which is one edge
        then however often a switch names it."""
        edge = self.keeper.edge(block, successor)
        if edge is None and block.successors.count(successor) > 1:
            edge = self.builder.function.append(Block(f"{block.name}.{successor.name}"))
            self.copier.edges[block, successor] = edge
            self.builder.at_end(edge)
            self.builder.branch(self.copier.first[successor])
        return self.copier.first[successor] if edge is None else edge

    def never(self) -> Block:
        """In place of the ways to exceptions."""
        block = self.builder.function.append(Block("again.never"))
        here = self.builder.block
        self.builder.at_end(block)
        self.builder.unreachable()
        self.builder.at_end(here)
        return block
