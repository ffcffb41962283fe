"""Sums that a program collects in memory, `x[i] += e`: their reverse reads the adjoint and leaves it where it is.

    %old = load double, %p
    %new = fadd double %old, %e             e.bar += *p.shadow
    store double %new, %p

The rules for the three instructions would clear *p.shadow and add what it was again; in between LLVM sees other stores
that might meet it, and the loop waits for memory in every iteration.

Given   facts of one function.
Gives   `accumulations`: for each such store its load.
Unsure  (something between load and store may write there, a number between them is used elsewhere) they are two
        accesses like all others.
"""

from __future__ import annotations

from numbad.passes.analysis.exclusive import is_exclusive
from numbad.passes.derivative.facts import Facts
from numbad.passes.derivative.restored import may_meet_others
from numbad.passes.derivative.writes import written_by
from numbad.passes.ir.function import Function
from numbad.passes.ir.instructions import Instruction, Load, Store


def accumulations(facts: Facts, function: Function) -> dict[Store, Load]:
    found: dict[Store, Load] = {}
    for block in facts.live[function]:
        for i in block.instructions:
            if isinstance(i, Store) and i.value.type.is_float and facts.activity.is_active(i.value):
                load = _summand(i)
                if load is not None and _stays(facts, load, i) and _is_alone(facts, load):
                    found[i] = load
    return found


def _summand(store: Store) -> Load | None:
    """The load from the store's place that goes into its value with the factor 1, and into nothing else."""
    if store.volatile or store.ordering is not None:
        return None
    work = [store.value]
    while work:
        value = work.pop()
        if not isinstance(value, Instruction) or value.block is not store.block or len(value.users) != 1:
            continue
        if isinstance(value, Load):
            if value.pointer is store.pointer and not value.volatile and value.ordering is None:
                return value
        elif value.opcode == "fadd":
            work += value.operands
        elif value.opcode == "fsub":
            work.append(value.operands[0])
    return None


def _stays(facts: Facts, load: Load, store: Store) -> bool:
    """Nothing writes there in between."""
    assert store.block is not None
    instructions = store.block.instructions
    node = facts.memory.node(store.pointer)
    for i in instructions[instructions.index(load) + 1:instructions.index(store)]:
        pointers = written_by(i)
        if pointers is None or any(facts.may_overlap(node, facts.memory.node(p)) for p in pointers):
            return False
    return not node.escaped


def _is_alone(facts: Facts, load: Load) -> bool:
    """No other thread adds to the adjoint while this one reads it."""
    return not facts.is_seen_by_others(load.pointer) or is_exclusive(load, may_meet_others)
