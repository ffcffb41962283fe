"""Loads of what has been loaded before are that: one value, whose adjoint goes to memory once.

    %x = load double, ptr %p                %x = load double, ptr %p
    store double %v, ptr %q          ->     store double %v, ptr %q
    %y = load double, ptr %p                ... %x in place of %y

LLVM keeps the second load, for it does not know that two arrays lie apart; the memory nodes do. In a kernel each load
is an atomic addition of the reverse sweep.

Given   facts of functions in loop-simplify form.
Gives   the same facts: loads go, everything else stays.
Unsure  (a store that may meet the place, a call behind which other threads may have stored, another loop, a load that
        nothing active was made of so far) keeps it.
"""

from __future__ import annotations

from numbad.passes.analysis.between import Between, Indexed
from numbad.passes.analysis.memory import Node, holds_pointer
from numbad.passes.derivative.facts import Facts
from numbad.passes.derivative.restored import may_meet_others
from numbad.passes.ir.function import Function
from numbad.passes.ir.instructions import AtomicRMW, Instruction, Load, Store


def reuse_loads(facts: Facts) -> None:
    for function in facts.functions:
        _reuse(facts, function)


def _reuse(facts: Facts, function: Function) -> None:
    dominators, loops, is_active = facts.dominators[function], facts.loops[function], facts.activity.is_active
    between = Between(function, dominators.predecessors)
    changes = [i for i in function.instructions
               if isinstance(i, (Store, AtomicRMW)) or i.opcode == "cmpxchg" or may_meet_others(i)]
    by_node: dict[Node, Indexed] = {}
    known: dict[tuple, list[Load]] = {}
    for block in dominators.order:
        for i in list(block.instructions):
            if not isinstance(i, Load) or i.volatile or i.ordering is not None or holds_pointer(i.type):
                continue
            node, earlier = facts.memory.node(i.pointer), known.setdefault((i.pointer, i.type), [])
            for load in reversed(earlier):
                assert load.block is not None
                home = loops.innermost[load.block]
                if not dominators.dominates(load.block, block) or (home and not home.contains(loops.innermost[block])):
                    continue
                if is_active(i) and not is_active(load):
                    continue
                if node not in by_node:
                    by_node[node] = between.index(c for c in changes if _may_change(facts, c, node))
                if between.is_free(load, block, between.place[i], by_node[node]):
                    i.replace_all_uses_with(load)
                    i.erase()
                    break
            else:
                earlier.append(i)


def _may_change(facts: Facts, change: Instruction, node: Node) -> bool:
    return not isinstance(change, (Store, AtomicRMW)) or facts.may_overlap(facts.memory.node(change.pointer), node)
