"""Trip counts: how often a loop's header runs, as a formula of values known before the loop.

Given   a loop in loop-simplify form, and the one edge on which it may be left normally.
Gives   Trip, if the edge is taken by comparing an induction variable with an invariant bound, of step 1 or -1, or of a
        longer step that is known to hit the bound (LLVM makes such loops when it unrolls some iterations):

            do { ... i += 1 } while (i != n)         trips = n - i0          (modulo 2^bits: exact, also when it wraps)
            do { ... i += 8 } while (i != n)         trips = (n - i0) / 8
            do { ... i += 1 } while (i < n)          trips = max(n, i0 + 1) - i0
            do { ... } while (i-- > n)               trips = i0 - min(n, i0) + 1

Unsure  None: the iterations are then counted at run time.
"""

from __future__ import annotations

from dataclasses import dataclass

from numbad.passes.analysis.induction import affine, invariant
from numbad.passes.analysis.loops import Loop
from numbad.passes.ir.builder import Builder
from numbad.passes.ir.function import Block
from numbad.passes.ir.instructions import Branch, Compare, Instruction
from numbad.passes.ir.types import I64, IntType, VectorType
from numbad.passes.ir.values import ConstantInt, Value, integer

_NEGATED = {"eq": "ne", "ne": "eq", "slt": "sge", "sge": "slt", "sgt": "sle", "sle": "sgt",
            "ult": "uge", "uge": "ult", "ugt": "ule", "ule": "ugt"}
_SWAPPED = {"eq": "eq", "ne": "ne", "slt": "sgt", "sgt": "slt", "sle": "sge", "sge": "sle",
            "ult": "ugt", "ugt": "ult", "ule": "uge", "uge": "ule"}


@dataclass(frozen=True)
class Trip:
    """The loop goes on while `predicate(start + n * step, bound)` in its n-th iteration, n = 0, 1, ..."""

    start: Value
    ahead: bool  # the tested variable has been stepped already: its first value is start + step
    step: int
    predicate: str
    bound: Value

    @property
    def constant(self) -> int | None:
        """The trip count, if it is known now."""
        if not isinstance(self.start, ConstantInt) or not isinstance(self.bound, ConstantInt):
            return None
        size = 1 << self.start.type.bits  # type: ignore[attr-defined]
        first, bound = self.start.value + (self.step if self.ahead else 0), self.bound.value
        if self.predicate == "ne":
            distance = (bound - first if self.step > 0 else first - bound) % size
        else:
            if self.predicate.startswith("u"):
                first, bound = first % size, bound % size
            distance = max(bound - first if self.step > 0 else first - bound, 0)
        return distance // abs(self.step) + 1

    def write(self, builder: Builder, known: dict[Value, Value]) -> Value:
        """The trip count as an i64; `known` holds the copies of start and bound."""
        first, bound = known.get(self.start, self.start), known.get(self.bound, self.bound)
        if self.ahead:
            first = builder.binary("add", first, integer(first.type, self.step))
        if self.predicate != "ne":
            farther = ("max" if self.step > 0 else "min")
            bound = builder.call_symbol(f"llvm.{self.predicate[0]}{farther}.{first.type}", first.type, [bound, first])
        low, high = (first, bound) if self.step > 0 else (bound, first)
        rounds = builder.cast("zext", builder.binary("sub", high, low), I64)
        if abs(self.step) > 1:
            rounds = builder.binary("udiv", rounds, integer(I64, abs(self.step)))
        return builder.binary("add", rounds, integer(I64, 1))


def trip(loop: Loop, source: Block, target: Block) -> Trip | None:
    """The trip count of a loop that is left only on the edge from `source` to `target`."""
    branch = source.terminator
    if source is not loop.latch or not isinstance(branch, Branch) or not branch.is_conditional:
        return None
    condition, yes, _ = branch.operands
    if not isinstance(condition, Compare) or condition.opcode != "icmp" or isinstance(condition.type, VectorType):
        return None
    predicate = _NEGATED[condition.predicate] if yes is target else condition.predicate
    left, right = condition.operands
    for tested, bound, goes_on in ((left, right, predicate), (right, left, _SWAPPED[predicate])):
        if not invariant(bound, loop) or not isinstance(tested.type, IntType):
            continue
        found = _variable(tested, loop)
        if found is None:
            continue
        start, step, ahead = found
        if abs(step) > 1 and not (goes_on == "ne" and _hits(start, bound, step, tested, ahead)):
            continue
        if goes_on == "ne" or (step > 0 and goes_on in ("slt", "ult")) or (step < 0 and goes_on in ("sgt", "ugt")):
            return Trip(start, ahead, step, goes_on, bound)
    return None


def _variable(tested: Value, loop: Loop) -> tuple[Value, int, bool] | None:
    """(start, step, whether it is stepped already) of an induction variable."""
    for phi in loop.header.phis:
        if tested is not phi and tested is not phi.incoming_from(loop.latch):
            continue
        law = affine(phi, loop)
        if law is None or law.source is not None or not isinstance(law.step, ConstantInt):
            continue
        step = -law.step.value if law.negated else law.step.value
        if step:
            return law.start, step, tested is not phi
    return None


def _hits(start: Value, bound: Value, step: int, tested: Value, ahead: bool) -> bool:
    """The variable comes to the bound by whole steps, without wrapping or exactly as often as if it did not."""
    if not isinstance(start, ConstantInt):
        return False
    first = start.value + (step if ahead else 0)
    if isinstance(bound, ConstantInt):
        distance = (bound.value - first) * (1 if step > 0 else -1)
        return distance >= 0 and distance % abs(step) == 0
    mask = bound.operands[1] if isinstance(bound, Instruction) and bound.opcode == "and" else None
    is_power = step > 0 and step & (step - 1) == 0
    return is_power and start.value == 0 and isinstance(mask, ConstantInt) and mask.value % step == 0  # n & -8
