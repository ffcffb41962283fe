"""Loops whose iterations can be run again one by one, when the tape has become too long to keep them all.

    for path in range(paths):              forward:  as ever, but once the tape holds more than its limit, what an
        s = s0                                       iteration kept is taken off again when it ends
        for t in range(steps):             reverse:  an iteration that is not on the tape is run again, and keeps;
            s *= 1 + r + v * z[path, t]              then its reverse follows as ever
        total += max(s - k, 0)

So the tape of a loop over independent paths, particles or elements is bounded: by the limit and one iteration.

Given   a plan that has decided what is stored.
Gives   `find`: for each such loop what has to be run again, and from which values.
Unsure  (the iterations write memory that something reads, call what has effects or keeps records of its own, follow
        from each other by more than sums) the loop keeps everything: that is always right. What is run again must be
        pure and read nothing but memory that stays as it is. It need not be exact to the bit (`exact.is_exact`): all
        that the reverse of an iteration reads comes from one run of it. Rewritten arithmetic (fast-math) could yet turn
        another way at a branch than the result that the caller has, so it is not run again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from numbad.passes.analysis.loops import Loop
from numbad.passes.analysis.memory import holds_pointer
from numbad.passes.derivative.exact import PURE, PURE_CALLS, REWRITTEN
from numbad.passes.derivative.needs import Count, Edge, Item, Needs
from numbad.passes.ir.function import Block
from numbad.passes.ir.instructions import Call, Instruction, Load, Phi
from numbad.passes.ir.values import Argument, Value
from numbad.passes.rules.symbols import Elementary, Inactive, classify

if TYPE_CHECKING:
    from numbad.passes.derivative.plan import Plan


@dataclass(frozen=True)
class Rerun:
    """What is run again of an iteration.

    blocks        the loop's blocks that normal runs may enter
    instructions  what is computed in them, besides the way that is taken
    inputs        values from before the iteration
    items         what is kept
    """

    blocks: frozenset[Block]
    instructions: frozenset[Instruction]
    inputs: tuple[Value, ...]
    items: frozenset[Item]


def find(plan: Plan) -> dict[Loop, Rerun]:
    """Only outermost loops of functions whose two sweeps are one function: what they keep is known to nobody else."""
    if plan.split or not plan.options.rerun:
        return {}
    found = {loop: _rerun(plan, loop) for loop in plan.loops.loops if loop.parent is None and loop in plan.laws}
    return {loop: rerun for loop, rerun in found.items() if rerun is not None}


def _rerun(plan: Plan, loop: Loop) -> Rerun | None:
    blocks = frozenset(loop.blocks & plan.needs.live)
    kept = [item for item in plan.stored if loop.contains(plan.layout.level(item))]
    kept = [item for item in kept if plan.layout.level(item) is loop or plan.layout.home(item) is not loop]
    if all(plan.layout.level(item) is loop for item in kept):
        return None
    if not all(isinstance(item, (Instruction, Edge, Count)) for item in kept) or _keeps_elsewhere(plan, blocks):
        return None
    work: list[Value] = [item for item in kept if isinstance(item, Instruction)]
    work += _ways(plan.needs, blocks - {loop.latch})
    for inner, law in plan.laws.items():
        if inner is not loop and loop.contains(inner):
            work += [law.start, law.bound]
    instructions: set[Instruction] = set()
    inputs: dict[Value, None] = {}
    while work:
        value = work.pop()
        if not isinstance(value, (Instruction, Argument)) or value in instructions or value in inputs:
            continue
        if isinstance(value, Argument) or value.block not in blocks or (
                isinstance(value, Phi) and value.block is loop.header):
            inputs[value] = None
        elif _is_repeatable(plan, value):
            instructions.add(value)
            work += value.arguments if isinstance(value, Call) else value.operands
        else:
            return None
    return Rerun(blocks, frozenset(instructions), tuple(inputs),
                 frozenset(item for item in kept if item not in inputs))


def _keeps_elsewhere(plan: Plan, blocks: Iterable[Block]) -> bool:
    """Functions that are called put on the tape what their own reverse will want back."""
    callees = {plan.facts.callee(i) for block in blocks for i in block.instructions if isinstance(i, Call)}
    return any(callee is not None and plan.facts.needs_derivative(callee) for callee in callees)


def _ways(needs: Needs, blocks: Iterable[Block]) -> list[Value]:
    """What decides where control goes within these blocks."""
    return [block.terminator.operands[0] for block in blocks
            if len({s for s in block.successors if s in needs.live}) > 1]


def _is_repeatable(plan: Plan, i: Instruction) -> bool:
    if REWRITTEN & set(i.flags):
        return False
    if isinstance(i, Load):
        return plan.options.repeat_loads and not i.volatile and i.ordering is None \
            and plan.is_constant_memory(i.pointer)
    if isinstance(i, Call):
        decision = classify(i)
        if isinstance(decision, Inactive):
            return decision.repeatable and not any(holds_pointer(v.type) for v in (i, *i.arguments))
        return isinstance(decision, Elementary) or (i.callee_name or "").startswith(PURE_CALLS)
    return isinstance(i, Phi) or i.opcode in PURE
