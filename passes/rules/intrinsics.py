"""LLVM's intrinsics, each decided by its name without types: `llvm.minnum.v4f64` is `minnum`.

`INTRINSICS` lists those that Numba emits and those that LLVM's simplifications make of them on the machines we know.
What isn't listed is unknown, and refused where a derivative depends on it.
"""

from __future__ import annotations

from functools import cache

from numbad.passes.rules.decisions import Decision, Inactive, Known, Refused

INTRINSICS: dict[str, Decision | Known | None] = {}
"""Name -> decision; `Known(rule)` where the call has to fit the rule, None where `memory` has its meaning."""


def _decide(decision: Decision | Known | None, names: str) -> None:
    INTRINSICS.update(dict.fromkeys(names.split(), decision))


for _name in """acos asin atan atan2 cos cosh copysign exp exp10 exp2 fabs fma ldexp log log10 log2 pow powi sin sinh
                sqrt tan tanh""".split():
    INTRINSICS[_name] = Known(_name)

_decide(Known("fma"), "fmuladd")
_decide(Known("min"), "minnum minimum minimumnum")
_decide(Known("max"), "maxnum maximum maximumnum")
_decide(Known("identity"), "canonicalize arithmetic.fence")
_decide(Known("reduce_fadd", reduction=True), "vector.reduce.fadd")
_decide(Known("reduce_fmul", reduction=True), "vector.reduce.fmul")
_decide(Known("reduce_pick", reduction=True),
        "vector.reduce.fmax vector.reduce.fmaximum vector.reduce.fmin vector.reduce.fminimum")

# Flat wherever they have a derivative, or no function of floating-point numbers.
_decide(Inactive(), """ceil floor llrint llround lrint lround nearbyint rint round roundeven trunc
    fptosi.sat fptoui.sat is.fpclass
    is.constant objectsize expect expect.with.probability vscale get.active.lane.mask stepvector
    donothing sideeffect pseudoprobe dbg.assign dbg.declare dbg.label dbg.value
    assume experimental.noalias.scope.decl lifetime.start lifetime.end invariant.start invariant.end prefetch""")

_decide(Inactive(bits=True), """abs bitreverse bswap ctlz ctpop cttz fshl fshr scmp ucmp smax smin umax umin
    sadd.sat sshl.sat ssub.sat uadd.sat ushl.sat usub.sat
    sadd.with.overflow smul.with.overflow ssub.with.overflow
    uadd.with.overflow umul.with.overflow usub.with.overflow
    vector.reduce.add vector.reduce.and vector.reduce.mul vector.reduce.or vector.reduce.smax vector.reduce.smin
    vector.reduce.umax vector.reduce.umin vector.reduce.xor""")

_decide(Inactive(repeatable=False), "trap debugtrap ubsantrap readcyclecounter")

# Of NVPTX: where a thread is, clocks, votes, the bits of another thread's integer.
_decide(Inactive(), "nvvm.read.ptx.sreg nvvm.isspacep")
_decide(Inactive(repeatable=False), """nvvm.read.ptx.sreg.clock nvvm.read.ptx.sreg.clock64
    nvvm.read.ptx.sreg.globaltimer nvvm.vote nvvm.match nvvm.activemask nvvm.nanosleep""")
_decide(Inactive(repeatable=False, bits=True), "nvvm.shfl")

# What `memory` knows.
_decide(None, "memcpy memcpy.inline memmove memset memset.inline")
_decide(None, "nvvm.barrier0 nvvm.barrier.cta nvvm.bar.warp.sync nvvm.membar")

_decide(Refused("it gives two results in a structure"), "frexp modf sincos sincospi")
_decide(Refused("masked access to memory has no rule"), """masked.load masked.store masked.gather masked.scatter
    masked.expandload masked.compressstore""")
_decide(Refused("moving lanes by an intrinsic has no rule"), """vector.extract vector.insert vector.reverse
    vector.splice vector.splice.left vector.splice.right vector.interleave2 vector.deinterleave2""")
_decide(Refused("it asks for a rounding mode or for floating-point exceptions"), "experimental.constrained")
_decide(Refused("it changes what a pointer points to"), "ptrmask threadlocal.address")
_decide(Refused("it saves or restores the stack"), "stacksave stackrestore")
_decide(Refused("variable argument lists have no rule"), "va_start va_end va_copy")


@cache
def base(symbol: str) -> str | None:
    """The listed intrinsic that a symbol `llvm.<name>.<types>` is, or None."""
    parts = symbol.split(".")[1:]
    for end in range(len(parts), 0, -1):
        name = ".".join(parts[:end])
        if name in INTRINSICS:
            return name
    return None
