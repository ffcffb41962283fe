"""Local arrays that stay as they are once they have been filled: held until the end, they are read again, not kept.

    table = exp(x)                      the reverse sweep of the loops needs table[i] in every step: it reads the array
    for t: for i: s += table[i] * ...   itself, to which the derivative has a reference of its own until it ends

Given   facts of one function whose two sweeps are one function.
Gives   `objects(i, pointer)`: the allocations that a load or a matrix product may read from behind a pointer, if what
        it has read is there until the function ends; each runs once at most. Held objects need a reference: whoever
        writes the derivative counts it.
Unsure  (a write that may come after the load, a call that may write anything, an address that others know, an
        allocation in a loop) nothing: the load is kept.
"""

from __future__ import annotations

from numbad.passes.analysis.memory import Node, holds_pointer
from numbad.passes.derivative.facts import Facts
from numbad.passes.derivative.writes import written_by
from numbad.passes.ir.function import Block, Function
from numbad.passes.ir.instructions import Call, Instruction, Load
from numbad.passes.ir.values import Value
from numbad.passes.rules import memory as effects


class Held:
    def __init__(self, facts: Facts, function: Function):
        self.facts, self.function = facts, function
        self.dominators, self.innermost = facts.dominators[function], facts.loops[function].innermost
        self._objects: dict[Node, list[Call]] = {}
        self._last: dict[Node, dict[Block, int | None]] = {}
        self._writes: dict[Node | None, list[Instruction]] | None = None  # None: calls that may write anything

    def objects(self, i: Load | Call, pointer: Value) -> list[Call]:
        if isinstance(i, Load) and (i.volatile or i.ordering is not None or holds_pointer(i.type)):
            return []
        node = self.facts.memory.node(pointer)
        if node not in self._objects:
            self._objects[node] = self._allocations(node)
        objects = self._objects[node]
        return objects if objects and self._is_final(i, node) else []

    def _allocations(self, node: Node) -> list[Call]:
        """All that the node stands for, if that is arrays made outside of loops; else nothing."""
        found = []
        for allocation in node.roots:
            effect = effects.effect_of(allocation) if isinstance(allocation, Call) else None
            if not isinstance(effect, effects.Allocate) or not effect.header or effect.resizable:
                return []
            assert isinstance(allocation, Call) and allocation.block is not None
            if allocation.function is not self.function or self.innermost.get(allocation.block) is not None:
                return []
            found.append(allocation)
        return [] if node.escaped else found

    def _is_final(self, i: Instruction, node: Node) -> bool:
        """No write comes after the instruction, nor is it one."""
        if node not in self._last:
            self._last[node] = self._before_writes(node)
        assert i.block is not None
        block, last = i.block, self._last[node]
        return block not in last or ((position := last[block]) is not None
                                     and position < block.instructions.index(i))

    def _before_writes(self, node: Node) -> dict[Block, int | None]:
        """Blocks that write into the node, with the position of the last write; None for those behind which another
        one may do it, itself again included."""
        writes = [*self._all_writes().get(node, ()), *self._all_writes().get(None, ())]
        found: dict[Block, int | None] = {}
        for i in writes:
            assert i.block is not None
            found[i.block] = max(found.get(i.block) or 0, i.block.instructions.index(i))
        work, seen = list(found), set()
        while work:
            for block in self.dominators.predecessors[work.pop()]:
                if block not in seen:
                    seen.add(block)
                    found[block] = None
                    work.append(block)
        return found

    def _all_writes(self) -> dict[Node | None, list[Instruction]]:
        if self._writes is None:
            self._writes = {}
            for block in self.facts.live[self.function]:
                for i in block.instructions:
                    pointers = written_by(i)
                    for pointer in pointers if pointers is not None else (None,):
                        node = self.facts.memory.node(pointer) if pointer is not None else None
                        self._writes.setdefault(node, []).append(i)
        return self._writes
