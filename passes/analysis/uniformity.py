"""Where the threads of a block may part: values that differ between threads, and the blocks that not all may reach.

Given   a function that many threads run, its blocks that matter.
Gives   `Uniformity.divergent_blocks`: blocks that some threads of a block may run while others do not, or more often.
Unsure  means divergent: numbers from memory that the kernel writes, results of calls, whatever else is not known.

A value is divergent if it tells where the thread is, or is made of a divergent value; a phi also if the ways that meet
there part at a divergent branch. Behind a divergent branch all is divergent up to the block that all ways lead to (its
immediate postdominator): with a back edge that includes the loop. This is the simple form of the analysis of Coutinho,
Sampaio, Pereira and Meira (Divergence analysis and optimizations, PACT 2011).
"""

from __future__ import annotations

from collections.abc import Container, Iterable

from numbad.passes.analysis.dominators import Postdominators
from numbad.passes.analysis.memory import Memory
from numbad.passes.ir.function import Block, Function, Global
from numbad.passes.ir.instructions import Alloca, AtomicRMW, Call, Instruction, Load, Phi
from numbad.passes.ir.values import Argument, Value
from numbad.passes.rules.decisions import Elementary, Inactive
from numbad.passes.rules.symbols import classify
from numbad.passes.rules.threads import POSITIONS, SAME_FOR_BLOCK, is_vote_of_block


class Uniformity:
    """`arguments`: whether the function's arguments are the same for all threads, as those of a kernel are."""

    def __init__(self, function: Function, blocks: Iterable[Block], memory: Memory, arguments: bool = True):
        self.memory, self.blocks = memory, list(blocks)
        self.postdominators = Postdominators(self.blocks)
        self.divergent_values: set[Value] = set() if arguments else set(function.arguments)
        self.divergent_blocks: set[Block] = set()
        self._work: list[Value] = list(self.divergent_values)
        for block in self.blocks:
            for i in block.instructions:
                if self._begins(i):
                    self._add(i)
        while self._work:
            for user in self._work.pop().users:  # type: ignore[attr-defined]
                self._follow(user)

    def _add(self, value: Value) -> None:
        if value not in self.divergent_values:
            self.divergent_values.add(value)
            self._work.append(value)

    def _follow(self, user: Instruction) -> None:
        if user.opcode in ("br", "switch"):
            self._part(user)
        elif not (isinstance(user, Call) and is_vote_of_block(user.callee_name or "")):
            self._add(user)

    def _part(self, branch: Instruction) -> None:
        """Mark what lies between a divergent branch and the block where all threads meet again."""
        assert branch.block is not None
        meeting = self.postdominators.immediate(branch.block)
        work, seen = list(branch.successors), set()
        while work:
            block = work.pop()
            if block in seen:
                continue
            seen.add(block)
            for phi in block.phis:
                self._add(phi)
            if block is not meeting:
                self.divergent_blocks.add(block)
                work += block.successors
                for i in block.instructions:  # what a loop leaves behind differs with the number of its iterations
                    if any(user.block is not block for user in i.users):
                        self._add(i)

    def differs_there(self, value: Value, headers: Container[Block]) -> bool:
        """Whether it may differ between threads that are at one place together. What counts the iterations of a loop
        (a phi of one of the `headers`) does not, however the threads have come to the loop, unless they began with
        different numbers."""
        seen: set[Value] = set()
        work = [value]
        while work:
            value = work.pop()
            if value in seen or value not in self.divergent_values:
                continue
            seen.add(value)
            if not isinstance(value, Instruction) or self._begins(value):
                return True
            if isinstance(value, Phi) and value.block not in headers:
                return True
            work += value.arguments if isinstance(value, Call) else [
                o for o in value.operands if not isinstance(o, Block)]
        return False

    def between(self, block: Block) -> set[Block]:
        """What lies between a branch and the block where all of its ways meet."""
        meeting = self.postdominators.immediate(block)
        found: set[Block] = set()
        work = list(block.successors)
        while work:
            here = work.pop()
            if here not in found and here is not meeting:
                found.add(here)
                work += here.successors
        return found

    def _begins(self, i: Instruction) -> bool:
        """The instruction may give each thread another value though its operands are the same."""
        if isinstance(i, Load):
            node = self.memory.node(i.pointer)
            known = node.roots and all(isinstance(root, (Argument, Global)) for root in node.roots)
            return node.written or not known
        if isinstance(i, Call):
            name = i.callee_name or ""
            if name.startswith(SAME_FOR_BLOCK) or is_vote_of_block(name):
                return False
            decision = classify(i)
            pure = isinstance(decision, Elementary) or (isinstance(decision, Inactive) and decision.repeatable)
            return name.startswith(POSITIONS) or not pure
        return isinstance(i, (Alloca, AtomicRMW)) or i.opcode == "cmpxchg" or (isinstance(i, Phi) and not i.incoming)
