"""In which of the loops around it a value varies.

    for i:                          p[j] varies with j only: what one iteration of i keeps, all others find again
        for j:
            dx = p[j] - p[i]

Given   facts of one function that the fence let through.
Gives   `loops(value)`: in two iterations that differ in other loops only, the value is the same.
Unsure  means that it varies.
"""

from __future__ import annotations

from numbad.passes.analysis.addresses import Addresses
from numbad.passes.analysis.induction import affine
from numbad.passes.analysis.loops import Loop
from numbad.passes.derivative.facts import Facts
from numbad.passes.derivative.hoisting import SPECULATED
from numbad.passes.derivative.writes import Writes
from numbad.passes.ir.function import Function
from numbad.passes.ir.instructions import Instruction, Load, Phi
from numbad.passes.ir.values import Value


class Variation:
    def __init__(self, facts: Facts, function: Function):
        self.facts, self.innermost = facts, facts.loops[function].innermost
        self._addresses = Addresses(facts.loops[function])
        self._known: dict[Value, frozenset[Loop]] = {}
        self._writes: dict[Loop, Writes] = {}

    def loops(self, value: Value) -> frozenset[Loop]:
        work = [value]
        while work:
            top = work[-1]
            parts = self._parts(top)
            missing = [part for part in parts or () if part not in self._known]
            if missing:
                work += missing
                continue
            work.pop()
            own = self._own(top)
            self._known[top] = own if parts is None else own.union(*(self._known[part] for part in parts))
        return self._known[value]

    def _parts(self, value: Value) -> list[Value] | None:
        """The values that it varies with; None if it varies in every loop around it."""
        if not isinstance(value, Instruction):
            return []
        if isinstance(value, Phi):
            loop = self._around(value)
            law = affine(value, loop) if loop is not None else None
            return [law.start, law.step] if law is not None else None
        if isinstance(value, Load):
            return [value.pointer]
        return list(value.operands) if value.opcode in SPECULATED else None

    def _own(self, value: Value) -> frozenset[Loop]:
        """The loops in which it varies although its parts may not."""
        loop = self._around(value) if isinstance(value, Instruction) else None
        if loop is None:
            return frozenset()
        if isinstance(value, Load):
            return frozenset(_from(self._first_that_writes(value, loop)))
        if isinstance(value, Phi) and affine(value, loop) is not None:
            return frozenset([loop])
        return frozenset() if value.opcode in SPECULATED else frozenset(_from(loop))  # type: ignore[attr-defined]

    def _first_that_writes(self, load: Load, loop: Loop | None) -> Loop | None:
        while loop is not None:
            if loop not in self._writes:
                self._writes[loop] = Writes(self.facts, self._addresses, loop)
            if not self._writes[loop].spare(load):
                return loop
            loop = loop.parent
        return None

    def _around(self, i: Instruction) -> Loop | None:
        assert i.block is not None
        return self.innermost.get(i.block)


def _from(loop: Loop | None) -> list[Loop]:
    """A loop and those around it."""
    found = []
    while loop is not None:
        found.append(loop)
        loop = loop.parent
    return found
