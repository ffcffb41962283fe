"""`numbad.sum.*`: what the lanes of a warp add to one place, they first add up among themselves.

    numbad.sum.f64(place, x)    *place += x, for each thread that comes here

Threads that add to one address wait for each other; 32 additions become one where all lanes of a warp are here and mean
the same place, which they find out by comparing. If not (a branch that some did not take, the last warp of a block of
no multiple of 32 threads, different places) each adds on its own. Lanes that are here together may be in different
iterations of a loop: what they add is added all the same.
"""

from __future__ import annotations

from numbad.passes.derivative.device.shuffles import CONVERGENT
from numbad.passes.ir.builder import Builder
from numbad.passes.ir.types import DOUBLE, FLOAT, VOID, Type
from numbad.passes.ir.values import Value

PREFIX = "numbad.sum."
CODES: dict[Type, str] = {FLOAT: "f32", DOUBLE: "f64"}

_SUM = """
define linkonce_odr void @numbad.sum.CODE(ptr %place, TYPE %x) alwaysinline convergent nounwind {
  %here = call i32 @llvm.nvvm.activemask()
  %address = ptrtoint ptr %place to i64
  %compared = call { i32, i1 } @llvm.nvvm.match.all.sync.i64(i32 %here, i64 %address)
  %same = extractvalue { i32, i1 } %compared, 1
  %all = icmp eq i32 %here, -1
  %together = and i1 %same, %all
  br i1 %together, label %warp, label %add
warp:
STEPS
  %self = call i32 @llvm.nvvm.read.ptx.sreg.laneid()
  %first = icmp eq i32 %self, 0
  br i1 %first, label %add, label %done
add:
  %sum = phi TYPE [ %x, %0 ], [ %x.1, %warp ]
  %before = atomicrmw fadd ptr %place, TYPE %sum syncscope("device") monotonic
  br label %done
done:
  ret void
}
"""
_STEP = """\
  %pair.HALF = call { TYPE, i1 } @numbad.shfl.CODE(i32 -1, i32 3, TYPE %x.WHOLE, i32 HALF, i32 31)
  %other.HALF = extractvalue { TYPE, i1 } %pair.HALF, 0
  %x.HALF = fadd TYPE %x.WHOLE, %other.HALF"""
_DECLARED = f"""
declare i32 @llvm.nvvm.activemask() {CONVERGENT}
declare {{ i32, i1 }} @llvm.nvvm.match.all.sync.i64(i32, i64) {CONVERGENT}
"""


def add_among_threads(builder: Builder, value: Value, place: Value, together: bool) -> None:
    """Write an addition to memory that other threads may add to. `together`: the lanes of a warp
    probably mean one place."""
    code = CODES.get(value.type) if together else None
    if code is None:
        builder.atomic_add(value, place)
    else:
        builder.call_symbol(PREFIX + code, VOID, [place, value], attributes="convergent")


def text(declared: list[str]) -> str:
    """To stand behind that of `shuffles`."""
    codes = [(code, type) for type, code in CODES.items() if PREFIX + code in declared]
    steps = "\n".join(_STEP.replace("WHOLE", str(2 * half)).replace("HALF", str(half)) for half in (16, 8, 4, 2, 1))
    sums = [_SUM.replace("STEPS", steps.replace("%x.32", "%x")).replace("TYPE", str(type)).replace("CODE", code)
            for code, type in codes]
    return "".join([_DECLARED, *sums]) if sums else ""
