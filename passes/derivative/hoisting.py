"""Moves what does not change in a loop out of it, so that it is kept once and not in each iteration.

    loop:  %p = getelementptr double, ptr %a, i64 %k         before:  %p = ...;  %x = load double, ptr %p
           %x = load double, ptr %p                    ->    loop:    ... %x ...
           store double %y, ptr %b                                    store double %y, ptr %b

LLVM leaves a load in a loop that writes anything, for it does not know that two of Numba's allocations lie apart; the
memory nodes do.

Given   facts of functions in loop-simplify form.
Gives   the same facts: instructions move, blocks stay. Loads move only if they run whenever the loop is entered.
Unsure  (a call that may write, arguments that may overlap) leaves the load where it is.
"""

from __future__ import annotations

from numbad.passes.analysis.addresses import Addresses
from numbad.passes.analysis.induction import invariant
from numbad.passes.analysis.loops import Loop
from numbad.passes.derivative.facts import Facts
from numbad.passes.derivative.writes import Writes
from numbad.passes.ir.function import Block, Function
from numbad.passes.ir.instructions import Load

SPECULATED = frozenset(
    """add sub mul shl lshr ashr and or xor icmp fcmp zext sext trunc ptrtoint bitcast select getelementptr
    fadd fsub fmul fneg fpext fptrunc fdiv sitofp uitofp""".split())
"""What may be computed although the loop would not have: it has no effect and is cheap."""


def hoist(facts: Facts) -> None:
    for function in facts.functions:
        addresses = Addresses(facts.loops[function])
        for loop in reversed(facts.loops[function].loops):  # inner before outer: what has left one may leave the next
            _hoist(facts, function, loop, addresses)


def _hoist(facts: Facts, function: Function, loop: Loop, addresses: Addresses) -> None:
    entries = [p for p in facts.dominators[function].predecessors[loop.header] if p not in loop.blocks]
    if len(entries) != 1 or len(loop.latches) != 1 or entries[0].successors != [loop.header]:
        return
    (preheader,) = entries
    writes = Writes(facts, addresses, loop)
    certain = _certain(facts, function, loop)
    for block in facts.dominators[function].order:
        if block not in loop.blocks:
            continue
        for i in list(block.instructions):
            if not all(invariant(o, loop) for o in i.operands):
                continue
            if i.opcode in SPECULATED or (isinstance(i, Load) and block in certain and writes.spare(i)):
                i.detach()
                preheader.insert(len(preheader.instructions) - 1, i)


def _certain(facts: Facts, function: Function, loop: Loop) -> set[Block]:
    """Blocks that run in every iteration, before the loop can be left."""
    dominates = facts.dominators[function].dominates
    ends = [b for b in loop.blocks if b is loop.latch or any(s not in loop.blocks for s in b.successors)]
    return {b for b in loop.blocks if all(dominates(b, end) for end in ends)}
