"""What code for an NVIDIA GPU may call.

Given   LLVM text that is about to be compiled for a GPU.
Gives   `check_callable`: nothing.
Unsure  raises `llvm.InvalidIR` with the name.

LLVM's back end does not raise where it has no code for an intrinsic function: it ends the process. So only what was
tried is let through. The mathematical functions of LLVM are not among them: a GPU has `__nv_sin` of libdevice, and no
`llvm.sin`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from numbad.passes.llvm import InvalidIR

INTRINSIC = "llvm."

_FLOAT = """sqrt fabs floor ceil trunc rint nearbyint round roundeven copysign minnum maxnum minimum
maximum minimumnum maximumnum fma fmuladd is.fpclass fptosi.sat fptoui.sat arithmetic.fence"""
_INTEGER = """ctpop ctlz cttz bitreverse bswap abs smax smin umax umin fshl fshr sadd.sat uadd.sat ssub.sat usub.sat
sadd.with.overflow uadd.with.overflow ssub.with.overflow usub.with.overflow smul.with.overflow umul.with.overflow"""
_MEMORY = "memcpy memmove memset stacksave stackrestore lifetime.start lifetime.end invariant.start invariant.end"
_NOTES = "assume expect experimental.noalias.scope.decl sideeffect donothing trap"
_NVIDIA = """nvvm.barrier0 nvvm.barrier0.popc nvvm.barrier0.and nvvm.barrier0.or
nvvm.barrier.cta.sync.aligned.all nvvm.barrier.cta.red.popc.aligned.all nvvm.barrier.cta.red.and.aligned.all
nvvm.barrier.cta.red.or.aligned.all nvvm.bar.warp.sync nvvm.membar.cta nvvm.membar.gl nvvm.membar.sys
nvvm.vote.ballot.sync nvvm.vote.all.sync nvvm.vote.any.sync nvvm.vote.uni.sync nvvm.match.any.sync"""
_KNOWN = {stem for group in (_FLOAT, _INTEGER, _MEMORY, _NOTES, _NVIDIA) for stem in group.split()}

_SPECIAL_REGISTERS = """tid.x tid.y tid.z ntid.x ntid.y ntid.z ctaid.x ctaid.y ctaid.z nctaid.x nctaid.y nctaid.z laneid
warpsize lanemask.lt"""
_WHOLE = {f"{INTRINSIC}nvvm.read.ptx.sreg.{name}" for name in _SPECIAL_REGISTERS.split()}
_WHOLE |= {f"{INTRINSIC}nvvm.shfl.sync.{mode}.{ty}p" for mode in ("idx", "up", "down", "bfly") for ty in ("i32", "f32")}
_WHOLE |= {"llvm.exp2.f32", "llvm.nvvm.match.all.sync.i32p", "llvm.nvvm.match.all.sync.i64p", "llvm.nvvm.activemask",
           "llvm.nvvm.nanosleep"}

LINKED = ("vprintf", "malloc", "free", "__assertfail", "cudaCGGetIntrinsicHandle", "cudaCGSynchronize")
"""Defined by the driver or by files that numba-cuda links."""


def check_callable(declared: Iterable[str], linked: Collection[str] = ()) -> None:
    """`linked`: names that are defined in files to be linked later."""
    for name in declared:
        if name.startswith(INTRINSIC):
            if name not in _WHOLE and _stem(name) not in _KNOWN:
                raise InvalidIR(f"LLVM has no code for {name} on an NVIDIA GPU")
        elif name not in LINKED and name not in linked:
            raise InvalidIR(f"{name} is called and defined nowhere")


def _stem(name: str) -> str:
    """An intrinsic function without the types that it was made for: `llvm.memcpy.p0.p0.i64` is `memcpy`."""
    parts = name.removeprefix(INTRINSIC).split(".")
    while parts and _is_type(parts[-1]):
        parts.pop()
    return ".".join(parts)


def _is_type(part: str) -> bool:
    """`f64`, `i32`, `p3`, `v2f32`, `bf16`."""
    lanes, _, element = part.removeprefix("v").partition("f") if part.startswith("v") else ("", "", "")
    if lanes.isdigit() and element.isdigit():
        return True
    return part.removeprefix("b").lstrip("fip").isdigit() and part[0] in "bfip"
