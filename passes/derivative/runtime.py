"""Code that derivatives call: the tape, adjoint copies, special functions. Text of LLVM, by symbol.

`numbad.adjoint.move.T(d, s, n)` is the adjoint of `memmove(d, s, n bytes)` on shadows of type T: every element of d is
added to its place in s and cleared, in the opposite order of the copy, so that overlapping ranges come out right.
`numbad.adjoint.axpy.T(n, a, x, y, step)` is y += a x, and `numbad.adjoint.dot.T(n, x, y, step)` is x . y. What adds to
rows of shadows stands in `rows`.
`numbad.shadow.free(object)` frees a shadow whatever its reference count is.
"""

from __future__ import annotations

from numbad.passes.derivative import device, rows, tape
from numbad.passes.ir.function import Module
from numbad.passes.rules.runtime import RUNTIME
from numbad.passes.rules.targets import Target

_MOVE = """
define linkonce_odr void @numbad.adjoint.move.{type}(ptr %d, ptr %s, i64 %bytes) nounwind {{
entry:
  %count = udiv i64 %bytes, {size}
  %none = icmp eq i64 %count, 0
  br i1 %none, label %done, label %start
start:
  %down = icmp ule ptr %d, %s
  br label %loop
loop:
  %k = phi i64 [ 0, %start ], [ %next, %loop ]
  %last = sub i64 %count, 1
  %mirrored = sub i64 %last, %k
  %i = select i1 %down, i64 %mirrored, i64 %k
  %from = getelementptr {type}, ptr %d, i64 %i
  %to = getelementptr {type}, ptr %s, i64 %i
  %x = load {type}, ptr %from, align {size}
  store {type} 0.0, ptr %from, align {size}
  %y = load {type}, ptr %to, align {size}
  %sum = fadd {type} %y, %x
  store {type} %sum, ptr %to, align {size}
  %next = add i64 %k, 1
  %more = icmp ult i64 %next, %count
  br i1 %more, label %loop, label %done
done:
  ret void
}}
"""

_AXPY = """
define linkonce_odr void @numbad.adjoint.axpy.{type}(i64 %n, {type} %a, ptr %x, ptr %y, i64 %step) nounwind {{
entry:
  %none = icmp slt i64 %n, 1
  br i1 %none, label %done, label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %k = mul i64 %i, %step
  %x.at = getelementptr {type}, ptr %x, i64 %k
  %y.at = getelementptr {type}, ptr %y, i64 %k
  %x.i = load {type}, ptr %x.at, align {size}
  %y.i = load {type}, ptr %y.at, align {size}
  %part = fmul {type} %a, %x.i
  %sum = fadd {type} %y.i, %part
  store {type} %sum, ptr %y.at, align {size}
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %n
  br i1 %more, label %loop, label %done
done:
  ret void
}}
"""

_DOT = """
define linkonce_odr {type} @numbad.adjoint.dot.{type}(i64 %n, ptr %x, ptr %y, i64 %step) nounwind {{
entry:
  %none = icmp slt i64 %n, 1
  br i1 %none, label %done, label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %sum = phi {type} [ 0.0, %entry ], [ %more.sum, %loop ]
  %k = mul i64 %i, %step
  %x.at = getelementptr {type}, ptr %x, i64 %k
  %y.at = getelementptr {type}, ptr %y, i64 %k
  %x.i = load {type}, ptr %x.at, align {size}
  %y.i = load {type}, ptr %y.at, align {size}
  %part = fmul {type} %x.i, %y.i
  %more.sum = fadd {type} %sum, %part
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %n
  br i1 %more, label %loop, label %done
done:
  %result = phi {type} [ 0.0, %entry ], [ %more.sum, %loop ]
  ret {type} %result
}}
"""

_FREE = """
declare void @NRT_MemInfo_call_dtor(ptr)
define linkonce_odr void @numbad.shadow.free(ptr %object) nounwind {
  %none = icmp eq ptr %object, null
  br i1 %none, label %done, label %free
free:
  call void @NRT_MemInfo_call_dtor(ptr %object)
  br label %done
done:
  ret void
}
"""


def texts(module: Module, target: Target, width: int) -> list[str]:
    """The texts that define what the module declares and the engine has to bring along."""
    declared = [name for name, f in module.functions.items() if f.is_declaration]
    found = [RUNTIME[name](target.library) for name in declared if name in RUNTIME]
    if target.many_threads:
        return found + device.texts(module, width)
    if any(name.startswith("numbad.tape.") for name in declared):
        found.append(tape.TEXT)
    if "numbad.shadow.free" in declared:
        found.append(_FREE)
    for type, size in (("double", 8), ("float", 4)):
        for name, text in (("move", _MOVE), ("axpy", _AXPY), ("dot", _DOT)):
            if f"numbad.adjoint.{name}.{type}" in declared:
                found.append(text.format(type=type, size=size))
    return found + [rows.text(name) for name in declared if name.startswith(rows.PREFIX)]
