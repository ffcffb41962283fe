"""Loads that are one load, and those that are not: other stores, other loops, other ways, other threads."""

from __future__ import annotations

import pytest

from analysis.notes import Notes
from numbad.passes.derivative.facts import Task, gather
from numbad.passes.derivative.reuse import reuse_loads
from numbad.passes.ir.instructions import Load
from numbad.passes.ir.types import DOUBLE
from numbad.passes.ir.verifier import verify

TEXT = """
declare ptr @NRT_Allocate(i64)
declare void @llvm.nvvm.barrier0()
declare double @llvm.exp.f64(double)

define i32 @f(ptr %result, ptr %error, ptr %x, ptr %u, i64 %n, i64 %k) {
entry:
  %first = load double, ptr %x
  store double %first, ptr %u
  %again = load double, ptr %x                    ; one
  store double %again, ptr %result
  %volatile = load volatile double, ptr %x
  %is.less = fcmp olt double %first, 1.0
  br i1 %is.less, label %yes, label %no
yes:
  %in.branch = load double, ptr %x                ; one
  %e = call double @llvm.exp.f64(double %in.branch)
  store double %e, ptr %u
  br label %join
no:
  call void @llvm.nvvm.barrier0()
  %behind.others = load double, ptr %x
  store double %behind.others, ptr %u
  br label %join
join:
  %behind.either = load double, ptr %x
  %more = load double, ptr %x                     ; one
  %u.k = getelementptr double, ptr %u, i64 %k
  %sum = fadd double %behind.either, %more
  store double %sum, ptr %u
  %from.u = load double, ptr %u
  %from.u.k = load double, ptr %u.k
  store double %from.u.k, ptr %u
  %u.again = load double, ptr %u
  br label %loop
loop:
  %i = phi i64 [ 0, %join ], [ %i.next, %loop ]
  %before.loop = load double, ptr %x              ; one
  %u.in.loop = load double, ptr %u
  %total = fadd double %before.loop, %u.in.loop
  store double %total, ptr %u
  %i.next = add i64 %i, 1
  %goes.on = icmp slt i64 %i.next, %n
  br i1 %goes.on, label %loop, label %done
done:
  %from.loop = load double, ptr %u.k
  %seen = fadd double %from.loop, %u.again
  %rest = fadd double %seen, %from.u
  %all = fadd double %rest, %volatile
  store double %all, ptr %result
  ret i32 0
}
"""
CASES = [line.split("=")[0].strip() for line in TEXT.splitlines() if "= load " in line]
ONE = [line.split("=")[0].strip() for line in TEXT.splitlines() if line.endswith("; one")]


def loads(disjoint=True):
    notes = Notes(TEXT.replace("; one", ""))
    contents = tuple((k, DOUBLE) for k in (2, 3))
    facts = gather(notes.module, Task("f", "reverse", frozenset([2, 3]), contents, disjoint=disjoint))
    reuse_loads(facts)
    verify(notes.module)
    return {str(i) for i in notes.function().instructions if isinstance(i, Load)}


@pytest.mark.parametrize("name", CASES)
def test_which_loads_are_left(name):
    assert (name in loads()) == (name not in ONE)


def test_arguments_that_may_overlap():
    """Each store may be to the other array: all loads stay but for those with no store in between."""
    assert set(CASES) - loads(disjoint=False) == {"%more"}


PASSIVE = """
define i32 @f(ptr %result, ptr %error, ptr %x, ptr %out) {
  %for.nobody = load double, ptr %x
  store double %for.nobody, ptr %out
  %for.result = load double, ptr %x
  %square = fmul double %for.result, %for.result
  %again = load double, ptr %x
  %more = fadd double %square, %again
  store double %more, ptr %out
  store double %square, ptr %result
  ret i32 0
}
"""


def test_a_load_that_nothing_active_is_made_of_stands_for_none_that_is_active():
    notes = Notes(PASSIVE)
    facts = gather(notes.module, Task("f", "reverse", frozenset([2]), ((2, DOUBLE), (3, DOUBLE))))
    reuse_loads(facts)
    assert [str(i) for i in notes.function().instructions if isinstance(i, Load)] == ["%for.nobody", "%for.result"]
