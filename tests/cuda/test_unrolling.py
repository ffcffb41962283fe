"""Loops of kernels that are unrolled before they are differentiated, as a whole or in groups of iterations."""

from __future__ import annotations

import re

import pytest

from numbad.passes.unroll import GROUP, MANY, mark

BODIES = {
    "recurrence": ("%y = fmul double %state, %x", True),
    "by a call": ("%y = call double @__nv_sin(double %state)", True),
    "a sum": ("%y = fadd double %state, %x", False),
    "with a barrier": ("%y = fmul double %state, %x\n  call void @llvm.nvvm.barrier0()", False),
    "with a shuffle": ("%y = fmul double %state, %x\n  %z = call i32 @llvm.nvvm.shfl.sync.i32(i32 0)", False),
    "with an atomic operation": ("%y = fmul double %state, %x\n  %z = atomicrmw add ptr %p, i32 1 monotonic", False),
    "with a call of who knows what": ("%y = call double @device_function(double %state)", False),
    "where the thread is": ("%y = fmul double %state, %x\n  %z = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()", True),
    "long": ("\n  ".join(["%y = fmul double %state, %x", *(f"%z{k} = fadd double %x, %x" for k in range(60))]), False),
}
LOOP = """
define void @f(ptr %p, double %x, i64 %n) {{
before:
  br label %loop
loop:
  %i = phi i64 [ 0, %before ], [ %next, %loop ]
  %state = phi double [ 1.0, %before ], [ %y, %loop ]
  {body}
  %next = add i64 %i, 1
  %more = icmp {test}
  br i1 %more, label %loop, label %after
after:
  store double %y, ptr %p
  ret void
}}
"""


def wishes(body, test="slt i64 %next, %n", in_groups=True):
    text = mark(LOOP.format(body=body, test=test), MANY, in_groups)
    number = re.search(r"br i1 %more, .*, !llvm.loop !(\d+)", text)[1]
    wish = re.search(rf"^!{number} = distinct !{{!\d+, !(\d+)}}", text, re.M)[1]
    return re.search(rf'^!{wish} = !{{!"llvm\.loop\.unroll\.(.*)}}', text, re.M)[1]


@pytest.mark.parametrize("name", BODIES)
def test_groups_of_iterations(name):
    body, wanted = BODIES[name]
    assert wishes(body) == (f'count", i32 {GROUP}' if wanted else 'disable"')
    assert wishes(body, in_groups=False) == 'disable"'


@pytest.mark.parametrize("test, wish", [
    ("slt i64 %next, 20", 'full"'), ("slt i64 %next, 64", f'count", i32 {GROUP}'),
    ("slt i64 %i, %n", f'count", i32 {GROUP}'),
    ("slt i64 %other, %n", 'disable"')])
def test_counted_loops(test, wish):
    body = "%y = fmul double %state, %x\n  %other = mul i64 %i, %i"
    assert wishes(body, test) == wish


pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")

from cuda.agreement import derivative_of
from cuda.pool import POOL


@pytest.mark.parametrize("name, numbers", [("logistic_map", 1), ("backwards_and_with_branches", 1),
                                           ("oscillators_for_their_own_times", 2)])
def test_one_state_is_kept_for_a_group(name, numbers):
    plan = derivative_of(POOL[name], "reverse").plans[-1].splitlines()
    records = [int(re.search(r": (\d+) bytes", line)[1]) for line in plan if "in each iteration" in line]
    assert records and set(records) == {8 * numbers}
