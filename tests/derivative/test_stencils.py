"""Which loads add their adjoints row by row."""

from __future__ import annotations

from collections import Counter

import pytest

from analysis.notes import Notes
from derivative.planning import planned
from numbad.passes.derivative.needs import Scratch
from numbad.passes.derivative.plan import Options

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
    assert set(plan.scratch) == {load for found in plan.put_off.values() for rows in found for load in rows.loads}
    return {str(load) for load in plan.scratch}


def test_all_loads_of_a_row() -> None:
    assert put_off(STENCIL) == {"%left", "%right", "%middle"}
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
        "%left", "%right", "%middle"}


def test_rows_go_by_address() -> None:
    (row,), = planned(Notes(STENCIL)).put_off.values()
    assert [str(load) for load in row.loads] == ["%left", "%middle", "%right"] and row.places == (0, 1, 2)
    assert row.shifts == (0, 0, 0) and row.outer is None and row.height == 1


def test_one_load_that_shares_its_adjoint_with_none_adds_at_once() -> None:
    assert put_off(STENCIL.replace("%a = fadd double %left, %right", "%a = fsub double %left, %right")) == {
        "%left", "%middle"}


@pytest.mark.parametrize("old, new, sums", [
    ("", "", [3]),  # all go into %b
    ("%a = fadd double %left, %right", "%a = fsub double %left, %right", [2]),
    ("%b = fadd double %a, %middle", "%b = fsub double %middle, %a", [2]),
    ("%b = fadd double %a, %middle", "%b = fmul double %a, %middle", [2]),
    ("%d = fmul double %b, %other", "%d = fmul double %b, %right", [2]),  # which is used twice
    ("%d = fmul double %b, %other", "%d = fmul double %b, %a", [2]),
])
def test_one_scratch_row_for_one_sum(old: str, new: str, sums: list[int]) -> None:
    """Loads that are put off, by the scratch row that they share."""
    plan = planned(Notes(STENCIL.replace(old, new)))
    assert sorted(Counter(plan.scratch.values()).values()) == sums
    assert {item.rows for item in plan.scratch.values()} == {1}
