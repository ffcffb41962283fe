"""Which loads add their adjoints row by row."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from analysis.notes import Notes
from derivative.native import I64, Native, P
from derivative.planning import planned
from numbad.passes.derivative.needs import Scratch
from numbad.passes.derivative.plan import Options
from numbad.passes.derivative.runtime import _ROWS

STENCIL = """
define i32 @f(ptr %result, ptr %error, ptr %x, ptr %u, i64 %n, i1 %c) {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %i.next, %loop.end ]
  %sum = phi double [ 0.0, %entry ], [ %sum.next, %loop.end ]
  %left.at = getelementptr double, ptr %x, i64 %i
  %left = load double, ptr %left.at
  %right.at = getelementptr i8, ptr %left.at, i64 16
  %right = load double, ptr %right.at
  %middle.at = getelementptr i8, ptr %left.at, i64 8
  %middle = load double, ptr %middle.at
  %other.at = getelementptr double, ptr %u, i64 %i
  %other = load double, ptr %other.at
  %twice = mul i64 %i, 2
  %far.at = getelementptr double, ptr %x, i64 %twice
  %far = load double, ptr %far.at
  %first = load volatile double, ptr %u
  br i1 %c, label %sometimes, label %loop.end
sometimes:
  %rare.at = getelementptr i8, ptr %left.at, i64 24
  %rare = load double, ptr %rare.at
  br label %loop.end
loop.end:
  %perhaps = phi double [ 0.0, %loop ], [ %rare, %sometimes ]
  %a = fadd double %left, %right
  %b = fadd double %a, %middle
  %d = fmul double %b, %other
  %e = fadd double %d, %far
  %g = fadd double %e, %perhaps
  %sum.next = fadd double %sum, %g
  %i.next = add i64 %i, 1
  %more = icmp slt i64 %i.next, %n
  br i1 %more, label %loop, label %done
done:
  %last = phi double [ %sum.next, %loop.end ]
  store double %last, ptr %result
  ret i32 0
}
"""


def put_off(text: str, options: Options = Options()) -> set[str]:  # noqa: B008
    plan = planned(Notes(text), options)
    assert set(plan.scratch.values()) == {item for item in plan.stored if isinstance(item, Scratch)}
    assert set(plan.scratch) == {load for rows in plan.put_off.values() for row in rows for load in row.loads}
    return {str(load) for load in plan.scratch}


def test_all_loads_of_a_row_but_the_first() -> None:
    assert put_off(STENCIL) == {"%right", "%middle"}
    assert put_off(STENCIL, Options(put_off=False)) == set()


@pytest.mark.parametrize("old, new", [
    ("  %a = fadd", "  store double 0.0, ptr %right.at\n  %a = fadd"),  # the loop writes what it loads
    ("%i.next = add i64 %i, 1", "%i.next = add i64 %i, 2"),  # every second place
    ("%i.next = add i64 %i, 1", "%i.next = add i64 %i, -1"),  # the other way
    ("%more = icmp slt i64 %i.next, %n", "%more = fcmp olt double %g, 1.0"),  # no trip count
])
def test_loads_add_at_once(old: str, new: str) -> None:
    assert put_off(STENCIL.replace(old, new)) == set()


def test_what_the_loop_writes_elsewhere() -> None:
    assert put_off(STENCIL.replace("  %a = fadd", "  store double 0.0, ptr %other.at\n  %a = fadd")) == {
        "%right", "%middle"}


def test_rows_go_by_address() -> None:
    (row,), = planned(Notes(STENCIL)).put_off.values()
    assert [str(load) for load in row.loads] == ["%middle", "%right"] and row.places == (0, 1)


@pytest.mark.parametrize("old, new, same", [
    ("", "", True),  # both go into %b
    ("%a = fadd double %left, %right", "%a = fsub double %left, %right", False),
    ("%b = fadd double %a, %middle", "%b = fsub double %middle, %a", False),
    ("%b = fadd double %a, %middle", "%b = fmul double %a, %middle", False),
    ("%d = fmul double %b, %other", "%d = fmul double %b, %right", False),  # which is used twice
    ("%d = fmul double %b, %other", "%d = fmul double %b, %a", False),
])
def test_one_scratch_row_for_one_sum(old: str, new: str, same: bool) -> None:
    plan = planned(Notes(STENCIL.replace(old, new)))
    assert len(plan.scratch) == 2 and len(set(plan.scratch.values())) == (1 if same else 2)


@pytest.mark.parametrize("kind", ["double", "float"])
def test_rows_are_added(kind: str) -> None:
    """In one pass where they overlap; to the bit as one after the other."""
    size, dtype = {"double": (8, np.float64), "float": (4, np.float32)}[kind]
    native = Native(_ROWS.format(type=kind, size=size))
    add = native.function(f"numbad.adjoint.rows.{kind}", None, I64, P, P, P, I64)
    rng = np.random.default_rng(0)
    for n, d in itertools.product([0, 1, 2, 7, 40], [0, 1, 2, 6, 7, 8, 50]):
        x, z, y = (rng.normal(size=n + 100).astype(dtype) for _ in range(3))
        expected = y.copy()
        expected[:n] += x[:n]
        expected[d:d + n] += z[:n]
        add(n, x.ctypes.data, z.ctypes.data, y.ctypes.data, d)
        np.testing.assert_array_equal(y, expected)
