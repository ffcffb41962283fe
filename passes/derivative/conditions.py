"""Branches that can be taken back by their condition, without a record of the edge that was taken.

    top:   br %c, yes, no          yes: ...  br join        no: ...  br join        join: came from yes if %c

Given   a join of two ways, and what the reverse sweep knows of the function.
Gives   the condition, and the numbers of the ways on which it was true and false.
Unsure  None: the edge is recorded.
"""

from __future__ import annotations

from dataclasses import dataclass

from numbad.passes.derivative.needs import Needs
from numbad.passes.ir.function import Block
from numbad.passes.ir.instructions import Branch
from numbad.passes.ir.values import Value


@dataclass(frozen=True)
class Condition:
    value: Value
    yes: int
    no: int


def condition_of(join: Block, needs: Needs) -> Condition | None:
    dominators, loops = needs.dominators, needs.loops
    top = dominators.immediate(join)
    branch = top.terminator if top is not None else None
    if not isinstance(branch, Branch) or not branch.is_conditional or loops.innermost[top] is not loops.innermost[join]:  # type: ignore[index]
        return None
    condition, yes, no = branch.operands
    if yes is no or len(needs.ways(join)) != 2:
        return None
    ways: dict[bool, set[int]] = {True: set(), False: set()}
    for predecessor in dominators.predecessors[join]:
        if predecessor not in needs.live:
            continue
        side = _side(predecessor, join, branch, needs)
        if side is None:
            return None
        ways[side].add(needs.way_of(join, predecessor))
    if len(ways[True]) != 1 or len(ways[False]) != 1:
        return None
    return Condition(condition, *ways[True], *ways[False])


def _side(predecessor: Block, join: Block, branch: Branch, needs: Needs) -> bool | None:
    """Whether control that reaches the join from a block went along the first edge of the branch."""
    _, yes, no = branch.operands
    if predecessor is branch.block:
        return yes is join
    for side, start in ((True, yes), (False, no)):
        alone = needs.dominators.predecessors[start] == [branch.block]  # type: ignore[index]
        if alone and needs.dominators.dominates(start, predecessor):  # type: ignore[arg-type]
            return side
    return None
