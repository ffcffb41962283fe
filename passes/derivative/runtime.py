"""Code that derivatives call: the tape, adjoint copies, special functions. Text of LLVM, by symbol.

`numbad.adjoint.move.T(d, s, n)` is the adjoint of `memmove(d, s, n bytes)` on shadows of type T: every element of d is
added to its place in s and cleared, in the opposite order of the copy, so that overlapping ranges come out right.
"""

from __future__ import annotations

from numbad.passes.derivative import tape
from numbad.passes.ir.function import Module
from numbad.passes.rules.runtime import RUNTIME

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


def texts(module: Module) -> list[str]:
    """The texts that define what the module declares and the engine has to bring along."""
    declared = [name for name, f in module.functions.items() if f.is_declaration]
    found = [RUNTIME[name] for name in declared if name in RUNTIME]
    if any(name.startswith("numbad.tape.") for name in declared):
        found.append(tape.TEXT)
    for type, size in (("double", 8), ("float", 4)):
        if f"numbad.adjoint.move.{type}" in declared:
            found.append(_MOVE.format(type=type, size=size))
    return found
