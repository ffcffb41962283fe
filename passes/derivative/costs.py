"""What the plan reckons with: the cost of computing a value again and of keeping it, in quarters of an addition.

These are throughputs of vectorised code on current processors, rounded: what counts is their order. What is kept is
written once and read once, through caches that a long tape does not fit into; to keep a byte is no cheaper than to
keep eight. What memory costs is the target's. One iteration of a loop around a value counts `ITERATIONS` times.
"""

from __future__ import annotations

from numbad.passes.analysis.loops import Loop
from numbad.passes.ir.instructions import Call, Instruction
from numbad.passes.ir.types import Type, size_of
from numbad.passes.rules.targets import HOST, Target

ITERATIONS = 16
_COMPUTE = {"fadd": 4, "fsub": 4, "fmul": 4, "fneg": 1, "fpext": 2, "fptrunc": 2, "fdiv": 16, "frem": 80,
            "fcmp": 4, "udiv": 40, "sdiv": 40, "urem": 40, "srem": 40}
_INTEGER = 1
_ROOT, _FUNCTION = 20, 160


def compute_cost(i: Instruction, target: Target) -> int:
    """One computation, its operands being there."""
    if i.opcode == "load":
        return target.read_again
    if isinstance(i, Call):
        name = i.callee_name or ""
        if "sqrt" in name:
            return _ROOT
        if name.startswith("llvm.fma."):
            return _COMPUTE["fmul"]
        return _FUNCTION if i.type.is_float and not name.startswith(("llvm.fabs", "llvm.copysign")) else _INTEGER
    return _COMPUTE.get(i.opcode, _INTEGER)


def store_cost(type: Type, loop: Loop | None, target: Target) -> int:
    """One write to the tape and one read, in a loop; outside of loops a value stays in a register or on the stack."""
    word = target.kept_word if loop is not None else HOST.kept_word
    return max(word, word * size_of(type) // 8)


COPY = 1000
"""A copy of an array."""


def tape_cost(loop: Loop | None) -> int:
    """How often, weighted: the more loops there are around a value, the less fits into a cache. The tape of a single
    loop is as long as time goes on; processors fetch it ahead, while its steps wait for each other."""
    depth = loop.depth if loop is not None else 0
    return times(loop) * (3 if depth == 1 else 1 + 3 * max(depth, 1)) // 4


def times(loop: Loop | None) -> int:
    """How often something runs whose innermost loop this is."""
    return int(ITERATIONS ** (loop.depth if loop is not None else 0))
