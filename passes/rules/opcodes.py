"""What each instruction of LLVM means for a derivative: every opcode is decided here, and a test compares the lists.

A new opcode of LLVM has to be put into `passes.ir.instructions` and into one of these lists.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    RULE = "has a rule of its own name in `table.RULES`"
    STRUCTURAL = "moves values, converts their width, or steers; the writers know it"
    CALL = "means what the called function means: `memory`, `blas`, `symbols`"
    INACTIVE = "its result carries no derivative"
    REFUSED = "refused where it may be executed in code that is differentiated"


@dataclass(frozen=True)
class Opcode:
    kind: Kind
    reason: str = ""


OPCODES: dict[str, Opcode] = {}


def _decide(kind: Kind, names: str, reason: str = "") -> None:
    for name in names.split():
        if name in OPCODES:
            raise ValueError(f"{name} is decided twice")
        OPCODES[name] = Opcode(kind, reason)


_decide(Kind.RULE, "fadd fsub fmul fdiv frem fneg")
_decide(Kind.CALL, "call")

_decide(Kind.STRUCTURAL, "phi select freeze", "one of its operands, or the operand itself")
_decide(Kind.STRUCTURAL, "fpext fptrunc", "linear: the adjoint is converted the other way")
_decide(Kind.STRUCTURAL, "bitcast", "the same bits: an adjoint only from float to float of the same width")
_decide(Kind.STRUCTURAL, "extractelement insertelement shufflevector extractvalue insertvalue", "parts of a value")
_decide(Kind.STRUCTURAL, "load store alloca getelementptr addrspacecast", "memory has a shadow")
_decide(Kind.STRUCTURAL, "atomicrmw", "fadd and fsub of floats are stores that accumulate")
_decide(Kind.STRUCTURAL, "fence", "orders memory, and is repeated")
_decide(Kind.STRUCTURAL, "br switch ret unreachable", "control flow")

_INTEGERS = "integers carry no derivative; the fence refuses those that hold the bits of an active float"
_decide(Kind.INACTIVE, "add sub mul udiv sdiv urem srem shl lshr ashr and or xor trunc zext sext", _INTEGERS)
_decide(Kind.INACTIVE, "icmp fcmp", "the result is a truth value")
_decide(Kind.INACTIVE, "fptoui fptosi uitofp sitofp", "constant between the jumps, or of an integer")
_decide(Kind.INACTIVE, "ptrtoint inttoptr", "an address carries no derivative; memory behind a made-up one is unknown")

_decide(Kind.REFUSED, "cmpxchg", "which value is stored depends on other threads")
_decide(Kind.REFUSED, "indirectbr callbr", "its targets are addresses of blocks")
_decide(Kind.REFUSED, "va_arg", "variable argument lists have no rule")
_decide(Kind.REFUSED, "invoke resume landingpad cleanupret catchret catchswitch cleanuppad catchpad",
        "exceptions of C++ don't occur in Numba's code")
