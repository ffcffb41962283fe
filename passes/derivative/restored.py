"""Memory that the reverse sweep puts back to what it was, store by store, so that it can be read again there.

    for tile in ...:                        forward:  kept = s[t];  s[t] = x[k]
        s[t] = x[k]                         reverse:  (the adjoint of the store);  s[t] = kept
        barrier
        for j in range(n): ... s[j] ...     one number is kept for a store, and none for the n loads

Such memory ends with the function: the memory that a kernel's threads share, and their local arrays. When the reverse
sweep stands behind an instruction, all stores behind it are undone, by all threads, for the barriers are mirrored; what
the instruction saw is there. It is how Tapenade restores overwritten variables (Hascoet and Pascual, ACM Transactions
on Mathematical Software 39(3), 2013).

Given   Facts of a kernel that calls no other function, its needs.
Gives   `candidates`: the memory (nodes) that could be put back, with the stores into it.
        `Restored.can_be_read(load)`: the load can be repeated wherever its value is wanted in the reverse sweep.
Unsure  is no: memory that calls write, or atomic operations; a value that is wanted where something may have been
        stored there since.
"""

from __future__ import annotations

from numbad.passes.analysis.between import Between, Indexed
from numbad.passes.analysis.memory import Node, holds_pointer
from numbad.passes.derivative.conditions import condition_of
from numbad.passes.derivative.exact import PURE_CALLS
from numbad.passes.derivative.facts import Facts
from numbad.passes.derivative.needs import Needs, Shadow
from numbad.passes.ir.function import Block, Function, Global
from numbad.passes.ir.instructions import Alloca, AtomicRMW, Call, Instruction, Load, Phi, Store
from numbad.passes.ir.values import Value
from numbad.passes.rules.decisions import Elementary, Inactive
from numbad.passes.rules.memory import Drop, effect_of
from numbad.passes.rules.symbols import classify


def candidates(facts: Facts, function: Function) -> dict[Node, list[Store]]:
    if not facts.target.many_threads or facts.functions != [function]:
        return {}
    found: dict[Node, list[Store]] = {}
    loaded, other = set(), set()
    for i in function.instructions:
        if isinstance(i, Load):
            loaded.add(facts.memory.node(i.pointer))
        elif isinstance(i, Store):
            node = facts.memory.node(i.pointer)
            found.setdefault(node, []).append(i)
            is_plain = not i.volatile and i.ordering is None and not holds_pointer(i.value.type)
            if not is_plain or i.block not in facts.live[function]:
                other.add(node)
        elif isinstance(i, AtomicRMW) or i.opcode == "cmpxchg" or (
                isinstance(i, Call) and not isinstance(effect_of(i), Drop)):
            other |= {facts.memory.node(o) for o in i.operands if holds_pointer(o.type) and not isinstance(o, Function)}
    return {node: stores for node, stores in found.items()
            if node in loaded and node not in other and not node.escaped and _ends_here(facts, node)}


def _ends_here(facts: Facts, node: Node) -> bool:
    shared = facts.target.shared_space
    return bool(node.roots) and all(
        isinstance(root, Alloca) or root == "dynamic" or
        (isinstance(root, Global) and root.type.addrspace == shared) for root in node.roots)  # type: ignore[attr-defined]


class Restored:
    """What can be read again while the reverse sweep puts the memory of some nodes back, by their `stores`."""

    def __init__(self, facts: Facts, needs: Needs, stores: dict[Node, list[Store]]):
        self.facts, self.stores, self._needs = facts, stores, needs
        self._innermost = needs.loops.innermost
        self._between = Between(needs.function, needs.dominators.predecessors)
        meetings = [i for i in needs.function.instructions if may_meet_others(i)]
        self._changes = {node: self._between.index([*meetings, *stores]) for node, stores in stores.items()}
        self._joins: dict[Value, list[Block]] = {}  # where the edge is found by this condition
        for block in needs.live:
            condition = condition_of(block, needs) if len(needs.dominators.predecessors[block]) > 1 else None
            if condition is not None:
                self._joins.setdefault(condition.value, []).append(block)
        self._answers: dict[Load, bool] = {}

    def can_be_read(self, load: Load) -> bool:
        if load not in self._answers:
            node = self.facts.memory.node(load.pointer)
            self._answers[load] = node in self.stores and not load.volatile and load.ordering is None \
                and self._is_wanted_in_time(load, self._changes[node])
        return self._answers[load]

    def _is_wanted_in_time(self, load: Load, changes: Indexed) -> bool:
        """Nothing changes the memory between the load and any instruction whose reverse may ask for what it gave, or
        for what can be computed from that."""
        known: set[Value] = {load}
        work: list[Instruction] = [load]
        while work:
            value = work.pop()
            if not all(self._between.is_free(load, join, -1, changes) for join in self._joins.get(value, ())):
                return False
            for user in value.users:
                if isinstance(user, Phi):
                    if not user.type.is_float and self._is_header(user):  # iterations follow from where they start
                        return False
                elif user not in known:
                    known.add(user)
                    work.append(user)
                    if self._bounds_a_loop(user):
                        return False
                if self._is_read(value, user):
                    assert user.block is not None
                    if not self._between.is_free(load, user.block, self._between.place[user], changes):
                        return False
        return True

    def _is_read(self, value: Value, user: Instruction) -> bool:
        """By the reverse of the user; phis and edges ask for nothing in their blocks."""
        return any(item is value or (isinstance(item, Shadow) and item.value is value)
                   for item in self._needs.by_instruction.get(user, ()))

    def _is_header(self, phi: Phi) -> bool:
        loop = self._innermost[phi.block]  # type: ignore[index]
        return loop is not None and loop.header is phi.block

    def _bounds_a_loop(self, i: Instruction) -> bool:
        """The count of iterations may be computed from it: it is tested where a loop is left."""
        block = i.block
        assert block is not None
        loop = self._innermost[block]
        return i is block.terminator and loop is not None and any(s not in loop.blocks for s in block.successors)


def may_meet_others(i: Instruction) -> bool:
    """A call behind which other threads may have stored."""
    if not isinstance(i, Call) or isinstance(effect_of(i), Drop) or (i.callee_name or "").startswith(PURE_CALLS):
        return False
    decision = classify(i)
    return not isinstance(decision, Elementary) and not (isinstance(decision, Inactive) and decision.repeatable)
