"""Addresses that the threads of a warp probably share: made of what is the same for all of them.

    for j in range(n):  s[j]            yes: j counts alike in all threads, as long as they go the same way
    x[i], s[threadIdx.x], y[index[i]]   no: made of where the thread is

Given   a function of a kernel.
Gives   `SamePlaces.probably(pointer)`. Only the flow of data is looked at: threads that went different ways may differ.
Unsure  is no: results of calls, the thread's own stack.
"""

from __future__ import annotations

from numbad.passes.ir.instructions import Alloca, AtomicRMW, Call, Instruction
from numbad.passes.ir.values import Value
from numbad.passes.rules.decisions import Elementary, Inactive
from numbad.passes.rules.symbols import classify
from numbad.passes.rules.threads import POSITIONS, SAME_FOR_BLOCK


class SamePlaces:
    def __init__(self) -> None:
        self._different: dict[Value, bool] = {}

    def probably(self, pointer: Value) -> bool:
        """No value that it is made of begins in the thread; what is made of itself, around a loop, decides nothing."""
        seen: set[Value] = set()
        work = [pointer]
        while work:
            value = work.pop()
            if value in seen or not isinstance(value, Instruction):
                continue
            seen.add(value)
            if self._different.get(value) or _begins(value):
                self._different[pointer] = True
                return False
            if value not in self._different:
                work += value.arguments if isinstance(value, Call) else value.operands
        self._different |= dict.fromkeys(seen, False)
        return True


def _begins(i: Instruction) -> bool:
    if isinstance(i, Call):
        name = i.callee_name or ""
        if name.startswith(SAME_FOR_BLOCK):
            return False
        decision = classify(i)
        pure = isinstance(decision, Elementary) or (isinstance(decision, Inactive) and decision.repeatable)
        return name.startswith(POSITIONS) or not pure
    return isinstance(i, (Alloca, AtomicRMW)) or i.opcode == "cmpxchg"
