"""Loads from places that no other thread can be at in that moment, because this thread also writes there.

    barrier                     another thread that read s[t] or wrote it between the barriers would race with the
    x = s[t] + s[t + 64]        store: s[t] is this thread's alone, s[t + 64] need not be
    s[t] = x
    barrier

Given   the block of a load, in a kernel without races; `meets`: whether behind an instruction other threads may have
        been anywhere.
Gives   `is_exclusive(load)`: from the load to a store to the very same place, or from there to the load, the thread
        goes on by itself. In the reverse sweep the threads meet at the mirrored places, so the shadow is its alone too.
Unsure  is no: another block, an address that is the same only in value.
"""

from __future__ import annotations

from collections.abc import Callable

from numbad.passes.ir.instructions import Instruction, Load, Store
from numbad.passes.ir.types import size_of

_ORDERS = ("atomicrmw", "cmpxchg", "fence")


def is_exclusive(load: Load, meets: Callable[[Instruction], bool]) -> bool:
    assert load.block is not None
    instructions = load.block.instructions
    place = instructions.index(load)
    return _is_written(load, instructions[place + 1:], meets) or _is_written(load, instructions[:place][::-1], meets)


def _is_written(load: Load, way: list[Instruction], meets: Callable[[Instruction], bool]) -> bool:
    for i in way:
        if isinstance(i, Store) and i.pointer is load.pointer and i.ordering is None:
            return size_of(i.value.type) >= size_of(load.type)
        if i.opcode in _ORDERS or meets(i):
            return False
    return False
