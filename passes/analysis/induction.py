"""Affine induction variables: phis of a loop header that are `start + n * step` in the n-th iteration.

Given   a loop in loop-simplify form.
Gives   for a header phi its start, its step and the instruction that steps it, if both are invariant in the loop.
Unsure  None. Wrapping is no concern: modulo 2^bits, n additions of a step are one addition of n * step.
"""

from __future__ import annotations

from dataclasses import dataclass

from numbad.passes.analysis.loops import Loop
from numbad.passes.ir.instructions import GetElementPtr, Instruction, Phi
from numbad.passes.ir.types import Type
from numbad.passes.ir.values import Value


@dataclass(frozen=True)
class Affine:
    """`source` is None for integers; for pointers the type in units of which `step` counts."""

    start: Value
    step: Value
    source: Type | None
    negated: bool = False


def affine(phi: Phi, loop: Loop) -> Affine | None:
    """The law of a phi of the loop's header."""
    if phi.block is not loop.header or len(loop.latches) != 1 or len(phi.incoming) != 2:
        return None
    following = phi.incoming_from(loop.latch)
    start = next(v for v, b in phi.incoming if b is not loop.latch)
    if isinstance(following, GetElementPtr) and following.base is phi and len(following.indices) == 1:
        return Affine(start, following.indices[0], following.source) if invariant(following.indices[0], loop) else None
    if not isinstance(following, Instruction) or following.opcode not in ("add", "sub"):
        return None
    left, right = following.operands
    if left is phi and invariant(right, loop):
        return Affine(start, right, None, following.opcode == "sub")
    if right is phi and following.opcode == "add" and invariant(left, loop):
        return Affine(start, left, None)
    return None


def invariant(value: Value, loop: Loop) -> bool:
    """Defined outside the loop."""
    return not isinstance(value, Instruction) or value.block not in loop.blocks
