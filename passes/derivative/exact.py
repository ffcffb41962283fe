"""Which instructions give the same when they are computed again.

Given   an instruction.
Gives   `is_exact`: its result is the same to the bit, in whatever code around it.
Unsure  is no.
"""

from __future__ import annotations

from numbad.passes.analysis.memory import holds_pointer
from numbad.passes.ir.instructions import Call, Instruction
from numbad.passes.rules.libdevice import PREFIX as LIBDEVICE
from numbad.passes.rules.threads import POSITIONS

CHEAP = frozenset(
    """add sub mul shl lshr ashr and or xor icmp fcmp zext sext trunc ptrtoint bitcast addrspacecast select
    getelementptr extractvalue insertvalue udiv sdiv urem srem sitofp uitofp""".split())
EXACT = CHEAP | frozenset("fadd fsub fmul fneg fdiv fpext fptrunc".split())
PURE = EXACT | frozenset("fptosi fptoui frem freeze extractelement insertelement shufflevector".split())
"""What depends on the operands alone."""
PURE_CALLS = ("numbad.tape.part", "llvm.smax", "llvm.smin", "llvm.umax", "llvm.umin", "llvm.abs.", "llvm.fabs",
              "llvm.copysign",
              "llvm.smul.with.overflow", "llvm.sadd.with.overflow", "llvm.ssub.with.overflow",
              "llvm.umul.with.overflow", "llvm.uadd.with.overflow", "llvm.usub.with.overflow", *POSITIONS)
EXACT_CALLS = ("llvm.sqrt.", "llvm.fma.", "llvm.fabs.", "llvm.copysign.", "llvm.floor.", "llvm.ceil.", "llvm.trunc.",
               "llvm.rint.")
REWRITTEN = frozenset("fast reassoc contract arcp afn".split())
"""Flags that let LLVM compute something else."""


def is_exact(i: Instruction) -> bool:
    """Computed again it gives the same to the bit. LLVM may compute others differently in each sweep (fast-math, vector
    versions of library functions), and the reverse sweep would take another branch than the forward sweep."""
    if REWRITTEN & set(i.flags):
        return False
    if not isinstance(i, Call):
        return i.opcode in EXACT
    name = i.callee_name or ""
    if name.startswith(LIBDEVICE):  # the same code wherever it is put (`fuse`); with a pointer it gives two results
        return not any(holds_pointer(a.type) for a in i.arguments)
    return name.startswith(EXACT_CALLS)
