"""Whether several tangents of a number are one vector, or numbers of their own.

    <8 x double> %y.dot            one instruction for all directions, whatever is around it
    double %y.dot0, %y.dot1 ...    LLVM may vectorise the loop around it, each direction along the iterations

Memory holds the tangents of each direction apart: at a load a vector is put together from as many places, at a store it
is taken apart, and LLVM does not vectorise a loop with vectors in it. It pays where much is computed in between. Where
a number varies in some of the directions only, the others need no instruction, and a vector would compute them.

Given   Facts, and one of its functions.
Gives   whether its tangents are bundled.
Unsure  does not happen: both are right.
"""

from __future__ import annotations

from numbad.passes.derivative.costs import times
from numbad.passes.derivative.facts import Facts
from numbad.passes.ir.function import Function
from numbad.passes.ir.instructions import Load, Store
from numbad.passes.rules.symbols import rule_of

OPERATIONS = 2
"""On average for each access to a tangent; where fewer are computed the accesses decide."""


def bundled(facts: Facts, function: Function) -> bool:
    if facts.task.lanes:
        return False
    operations = accesses = 0
    for block in facts.live[function]:
        runs = times(facts.loops[function].innermost[block])
        for i in block.instructions:
            if isinstance(i, Load):
                accesses += runs * facts.activity.is_active(i)
            elif isinstance(i, Store):
                accesses += runs * (i.value.type.is_float and facts.activity.is_active_memory(i.pointer))
            elif facts.activity.is_active(i) and rule_of(i) is not None:
                operations += runs
    return operations >= OPERATIONS * accesses
