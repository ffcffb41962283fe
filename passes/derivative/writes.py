"""What a loop writes: whether a load gives the same in all its iterations.

Given   facts of functions that the fence let through.
Gives   `spare(access)`: nothing in the loop, or in some blocks before it, writes where a load reads or a store writes.
Unsure  (a call that may write anything, arguments that may overlap) it is written.
"""

from __future__ import annotations

from collections.abc import Iterable

from numbad.passes.analysis.addresses import Addresses
from numbad.passes.analysis.distinct import distinct, root
from numbad.passes.analysis.induction import invariant
from numbad.passes.analysis.loops import Loop
from numbad.passes.analysis.memory import Node
from numbad.passes.derivative.facts import Facts
from numbad.passes.ir.function import Block
from numbad.passes.ir.instructions import AtomicRMW, Call, Instruction, Load, Store
from numbad.passes.ir.values import Value
from numbad.passes.rules import memory as effects
from numbad.passes.rules.blas import product_of
from numbad.passes.rules.decisions import Elementary, Inactive
from numbad.passes.rules.symbols import classify

MANY = 64
"""Stores of one loop that are compared with a load one by one."""


class Writes:
    def __init__(self, facts: Facts, addresses: Addresses, loop: Loop, blocks: Iterable[Block] | None = None):
        self.facts, self.addresses, self.loop = facts, addresses, loop
        self.known = True  # else anything may be written
        self.writes: dict[Node, list[Instruction]] = {}
        for block in loop.blocks if blocks is None else blocks:
            for i in block.instructions:
                pointers = written_by(i)
                self.known &= pointers is not None
                for pointer in pointers or ():
                    self.writes.setdefault(facts.memory.node(pointer), []).append(i)

    def spare(self, access: Load | Store, but: Store | None = None) -> bool:
        """`but`: what this store writes is left aside."""
        if access.volatile or access.ordering is not None or not self.known:
            return False
        node = self.facts.memory.node(access.pointer)
        return not node.escaped and all(
            self._passes_by(access, writes, but) if other is node else not self.facts.may_overlap(node, other)
            for other, writes in self.writes.items())

    def _passes_by(self, access: Load | Store, writes: list[Instruction], but: Store | None) -> bool:
        type = access.type if isinstance(access, Load) else access.value.type
        return len(writes) <= MANY and all(
            i is but or (isinstance(i, Store) and (self._distinct(access, i) or self.addresses.never_meet(
                (access.pointer, type), (i.pointer, i.value.type), self.loop))) for i in writes)

    def _distinct(self, access: Load | Store, store: Store) -> bool:
        """They lead into different objects, and each stays with its own as long as the loop runs."""
        return all(invariant(root(i.pointer), self.loop) for i in (access, store)) \
            and distinct(access.pointer, store.pointer, self.addresses.loops)


def written_by(i: Instruction) -> list[Value] | None:
    """The pointers through which an instruction writes; None if it may write elsewhere."""
    if isinstance(i, Store):
        return [i.pointer]
    if isinstance(i, AtomicRMW) or i.opcode == "cmpxchg":
        return [i.operands[0]]
    if not isinstance(i, Call):
        return []
    match effects.effect_of(i):
        case effects.Copy() | effects.Fill():
            return [i.arguments[0]]
        case effects.Allocate() | effects.Drop() | effects.Count() | effects.Release():
            return []
        case None:
            product, known = product_of(i), classify(i)
            if product is not None:
                return [i.arguments[product.result]]
            if isinstance(known, Elementary) or (
                    isinstance(known, Inactive) and not any(a.type.is_pointer for a in i.arguments)):
                return []
    return None
