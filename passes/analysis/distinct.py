"""Pointers that lead into different objects, although one memory node holds both: two buffers that are swapped.

    loop:  %now  = phi ptr [ %a, %entry ], [ %next, %loop ]        (a, b), (b, a), (a, b), ...
           %next = phi ptr [ %b, %entry ], [ %now, %loop ]         never (a, a)

By induction over the iterations: two phis of one block differ if the values differ that come in on each edge, the claim
itself being assumed for the iteration before.

Given   two pointers, loops.
Gives   `distinct`: in one iteration of the loops around them they lead into different objects.
Unsure  False.
"""

from __future__ import annotations

from collections.abc import Hashable

from numbad.passes.analysis.loops import Loops
from numbad.passes.ir.instructions import Alloca, Call, GetElementPtr, Instruction, Load, Phi
from numbad.passes.ir.values import ConstantInt, Value
from numbad.passes.rules import memory as effects

LIMIT = 64
"""Pairs that are looked at."""


def root(pointer: Value) -> Value:
    """What the address arithmetic begins with."""
    while isinstance(pointer, GetElementPtr):
        pointer = pointer.base
    return pointer


def distinct(left: Value, right: Value, loops: Loops) -> bool:
    assumed: set[frozenset[Value]] = set()
    work = [(left, right)]
    while work:
        a, b = map(root, work.pop())
        if a is b or len(assumed) > LIMIT:
            return False
        pair = frozenset((a, b))
        if pair in assumed or _differ(_object(a), _object(b)):
            continue
        assumed.add(pair)
        if isinstance(a, Phi) and isinstance(b, Phi) and a.block is b.block:
            work += [(value, b.incoming_from(source)) for value, source in a.incoming]
        elif isinstance(a, Phi) and _is_same_throughout(b, a, loops):
            work += [(value, b) for value, _ in a.incoming]
        elif isinstance(b, Phi) and _is_same_throughout(a, b, loops):
            work += [(value, a) for value, _ in b.incoming]
        else:
            return False
    return True


def _is_same_throughout(value: Value, phi: Phi, loops: Loops) -> bool:
    """What comes into the phi comes while the value is the one that it is compared with."""
    assert phi.block is not None
    loop = loops.innermost.get(phi.block)
    if loop is None or loop.header is not phi.block:
        return isinstance(value, Instruction) and value.block is not phi.block or not isinstance(value, Instruction)
    return not isinstance(value, Instruction) or value.block not in loop.blocks


def _object(value: Value) -> Hashable | None:
    """The object that a pointer was made for: an allocation, or the data that a MemInfo has for good."""
    if isinstance(value, Alloca):
        return value
    if isinstance(value, Load):
        place = value.pointer
        if isinstance(place, GetElementPtr) and len(place.indices) == 1 and isinstance(place.indices[0], ConstantInt) \
                and place.indices[0].value == effects.HEADER_DATA and str(place.source) == "i8":
            effect = effects.effect_of(place.base) if isinstance(place.base, Call) else None
            if isinstance(effect, effects.Allocate) and effect.header and not effect.resizable:
                return ("data", place.base)
    if isinstance(value, Call):
        effect = effects.effect_of(value)
        if isinstance(effect, effects.Allocate) and not effect.header:
            return value
    return None


def _differ(one: Hashable | None, other: Hashable | None) -> bool:
    return one is not None and other is not None and one != other
