"""`numbad.shfl.*`: exchanges within a warp (see `rules.threads`), and their adjoints.

Which lane has read a number is known from the mode: the adjoint comes back the other way, from a lane that takes part
and that had found one to read.
"""

from __future__ import annotations

_SHUFFLES = """
declare { i32, i1 } @llvm.nvvm.shfl.sync.i32(i32, i32, i32, i32, i32) CONVERGENT
declare i32 @llvm.nvvm.read.ptx.sreg.laneid()

define linkonce_odr { float, i1 } @numbad.shfl.f32(i32 %mask, i32 %mode, float %x, i32 %lane, i32 %clamp) DEFINED {
  %bits = bitcast float %x to i32
  %pair = call { i32, i1 } @llvm.nvvm.shfl.sync.i32(i32 %mask, i32 %mode, i32 %bits, i32 %lane, i32 %clamp)
  %other = extractvalue { i32, i1 } %pair, 0
  %there = extractvalue { i32, i1 } %pair, 1
  %y = bitcast i32 %other to float
  %first = insertvalue { float, i1 } poison, float %y, 0
  %both = insertvalue { float, i1 } %first, i1 %there, 1
  ret { float, i1 } %both
}

define linkonce_odr { double, i1 } @numbad.shfl.f64(i32 %mask, i32 %mode, double %x, i32 %lane, i32 %clamp) DEFINED {
  %bits = bitcast double %x to i64
  %low = trunc i64 %bits to i32
  %shifted = lshr i64 %bits, 32
  %high = trunc i64 %shifted to i32
  %a = call { i32, i1 } @llvm.nvvm.shfl.sync.i32(i32 %mask, i32 %mode, i32 %low, i32 %lane, i32 %clamp)
  %b = call { i32, i1 } @llvm.nvvm.shfl.sync.i32(i32 %mask, i32 %mode, i32 %high, i32 %lane, i32 %clamp)
  %low.there = extractvalue { i32, i1 } %a, 0
  %high.there = extractvalue { i32, i1 } %b, 0
  %there = extractvalue { i32, i1 } %a, 1
  %low.64 = zext i32 %low.there to i64
  %high.64 = zext i32 %high.there to i64
  %left = shl i64 %high.64, 32
  %together = or i64 %left, %low.64
  %y = bitcast i64 %together to double
  %first = insertvalue { double, i1 } poison, double %y, 0
  %both = insertvalue { double, i1 } %first, i1 %there, 1
  ret { double, i1 } %both
}
"""

_SHUFFLE_ADJOINT = """
define linkonce_odr TYPE @numbad.shfl.adjoint.CODE(i32 %mask, i32 %mode, TYPE %y, i32 %lane, i32 %clamp) DEFINED {
  %tried = call { i32, i1 } @llvm.nvvm.shfl.sync.i32(i32 %mask, i32 %mode, i32 0, i32 %lane, i32 %clamp)
  %was.there = extractvalue { i32, i1 } %tried, 1
  %sent = select i1 %was.there, TYPE %y, TYPE 0.0
  %kept = select i1 %was.there, TYPE 0.0, TYPE %y
  %is.up = icmp eq i32 %mode, 1
  %is.down = icmp eq i32 %mode, 2
  br i1 %is.up, label %from.above, label %not.up
not.up:
  br i1 %is.down, label %from.below, label %across
from.above:
  %above = call { TYPE, i1 } @numbad.shfl.CODE(i32 %mask, i32 2, TYPE %sent, i32 %lane, i32 31)
  br label %sum
from.below:
  %below = call { TYPE, i1 } @numbad.shfl.CODE(i32 %mask, i32 1, TYPE %sent, i32 %lane, i32 0)
  br label %sum
across:
  %opposite = call { TYPE, i1 } @numbad.shfl.CODE(i32 %mask, i32 3, TYPE %sent, i32 %lane, i32 31)
  br label %sum
sum:
  %pair = phi { TYPE, i1 } [ %above, %from.above ], [ %below, %from.below ], [ %opposite, %across ]
  %self = call i32 @llvm.nvvm.read.ptx.sreg.laneid()
  %distance = and i32 %lane, 31
  %up.from = add i32 %self, %distance
  %down.from = sub i32 %self, %distance
  %across.from = xor i32 %self, %distance
  %not.up.from = select i1 %is.down, i32 %down.from, i32 %across.from
  %from = select i1 %is.up, i32 %up.from, i32 %not.up.from
  %bit = and i32 %from, 31
  %shifted = lshr i32 %mask, %bit
  %part = trunc i32 %shifted to i1
  %there = extractvalue { TYPE, i1 } %pair, 1
  %takes.part = and i1 %there, %part
  %other = extractvalue { TYPE, i1 } %pair, 0
  %received = select i1 %takes.part, TYPE %other, TYPE 0.0
  %both = fadd TYPE %received, %kept
  ret TYPE %both
}
"""

CONVERGENT = "convergent nocallback nounwind memory(inaccessiblemem: readwrite)"
"""What LLVM may assume of what the lanes of a warp do together."""
_DEFINED = {"DEFINED": "alwaysinline convergent nounwind", "CONVERGENT": CONVERGENT}


def text(declared: list[str]) -> str:
    found = _SHUFFLES
    for code, type in (("f32", "float"), ("f64", "double")):
        if f"numbad.shfl.adjoint.{code}" in declared:
            found += _SHUFFLE_ADJOINT.replace("TYPE", type).replace("CODE", code)
    for word, attributes in _DEFINED.items():
        found = found.replace(word, attributes)
    return found
