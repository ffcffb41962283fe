"""Which loads wait for those of other rows."""

from __future__ import annotations

import pytest

from analysis.notes import Notes
from derivative.planning import planned
from numbad.passes.derivative.plan import Options, Plan

PLATE = """
define i32 @f(ptr %result, ptr %error, ptr %x, ptr %u, i64 %n, i64 %m, i1 %c) {
entry:
  br label %outer
outer:
  %i = phi i64 [ 0, %entry ], [ %i.next, %outer.end ]
  %sum = phi double [ 0.0, %entry ], [ %sum.out, %outer.end ]
  %first = mul i64 %i, %m
  %second = add i64 %first, %m
  %third = add i64 %second, %m
  %row = getelementptr double, ptr %u, i64 %i
  br label %start
start:
  br label %inner
inner:
  %j = phi i64 [ 1, %start ], [ %j.next, %inner ]
  %sum.in = phi double [ %sum, %start ], [ %sum.next, %inner ]
  %up.k = add i64 %first, %j
  %up.at = getelementptr double, ptr %x, i64 %up.k
  %up = load double, ptr %up.at
  %middle.k = add i64 %second, %j
  %middle.at = getelementptr double, ptr %x, i64 %middle.k
  %middle = load double, ptr %middle.at
  %left.at = getelementptr i8, ptr %middle.at, i64 -8
  %left = load double, ptr %left.at
  %right.at = getelementptr i8, ptr %middle.at, i64 8
  %right = load double, ptr %right.at
  %down.k = add i64 %third, %j
  %down.at = getelementptr double, ptr %x, i64 %down.k
  %down = load double, ptr %down.at
  %a = fadd double %up, %left
  %b = fsub double %right, %a
  %d = fsub double %down, %b
  %e = fmul double %d, %middle
  %sum.next = fadd double %sum.in, %e
  %j.next = add i64 %j, 1
  %more.j = icmp slt i64 %j.next, %m
  br i1 %more.j, label %inner, label %outer.end
outer.end:
  %sum.out = phi double [ %sum.next, %inner ]
  %i.next = add i64 %i, 1
  %more = icmp slt i64 %i.next, %n
  br i1 %more, label %outer, label %done
done:
  %last = phi double [ %sum.out, %outer.end ]
  store double %last, ptr %result
  ret i32 0
}
"""
SKIPPED = PLATE.replace("[ %sum.next, %inner ]\n  %i.next", "[ %sum.next, %inner ], [ %sum, %outer ]\n  %i.next")


def plan_of(text: str, *changes: tuple[str, str]) -> Plan:
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return planned(Notes(text))


def groups(plan: Plan) -> dict[str, dict[str, tuple[int, int]]]:
    """The shift and the place of each load, by the loop that leads from row to row."""
    return {str(rows.outer and rows.outer.header): {
        str(load): numbers for load, *numbers in zip(rows.loads, rows.shifts, rows.places, strict=True)}
        for found in plan.put_off.values() for rows in found}


RING = {"%outer": {"%up": [0, 1], "%left": [1, 0], "%right": [1, 2], "%down": [2, 1]}}
ALONE = {"None": {"%left": [0, 0], "%right": [0, 2]}}


def test_rows_of_a_plate() -> None:
    """%left and %up are subtracted twice in the sum that the others go into; %middle shares its adjoint with none."""
    plan = plan_of(PLATE)
    assert groups(plan) == RING
    ((rows,),) = plan.put_off.values()
    assert rows.height == 3
    assert {str(load): (str(item.load), item.rows) for load, item in plan.scratch.items()} == {
        "%left": ("%left", 4), "%up": ("%left", 4), "%down": ("%left", 4), "%right": ("%right", 4)}
    assert "%left (row 1), %up (row 0), %down (row 2), %right (row 1): rows go by %outer, and wait for 3" in str(plan)
    assert "4 scratch rows for the adjoint of %left" in str(plan)
    assert not planned(Notes(PLATE), Options(put_off=False)).put_off


@pytest.mark.parametrize("changes", [
    [("  %i.next = add", "  store double 0.0, ptr %row\n  %i.next = add")],  # other memory
    [("%i.next = add i64 %i, 1", "%i.next = add i64 %i, -1"), ("icmp slt i64 %i.next", "icmp sgt i64 %i.next")],
    [("%j = phi i64 [ 1,", "%j = phi i64 [ %m,"), ("slt i64 %j.next, %m", "slt i64 %j.next, %n")],
])
def test_that_changes_nothing(changes: list[tuple[str, str]]) -> None:
    found = groups(plan_of(PLATE, *changes))
    assert found.keys() == RING.keys() and {name: place for name, (_, place) in found["%outer"].items()} == {
        name: place for name, (_, place) in RING["%outer"].items()}


@pytest.mark.parametrize("changes", [
    [("  %i.next = add", "  store double 0.0, ptr %x\n  %i.next = add")],  # the loop around writes what is loaded
    [("  %i.next = add", "  store double 0.0, ptr %row\n  %i.next = add"), ("ptr %u, i64 %i", "ptr %x, i64 %i")],
    [("%third = add i64 %second, %m", "%third = add i64 %second, %n"),  # rows that are not whole iterations apart
     ("%second = add i64 %first, %m", "%second = add i64 %first, %n")],
    [("%first = mul i64 %i, %m", "%i.2 = mul i64 %i, %i\n  %first = mul i64 %i.2, %m")],  # nor evenly
    [("icmp slt i64 %i.next, %n", "fcmp olt double %sum.out, 1.0")],  # rows without a count
    [("mul i64 %i, %m", "load i64, ptr %row")],
])
def test_each_row_on_its_own(changes: list[tuple[str, str]]) -> None:
    assert groups(plan_of(PLATE, *changes)) == ALONE


@pytest.mark.parametrize("start", ["%i", "%first"])
def test_rows_of_different_lengths_have_no_scratch(start: str) -> None:
    assert groups(plan_of(PLATE, ("%j = phi i64 [ 1,", f"%j = phi i64 [ {start},"))) == {}


def test_two_rows_of_one_load_each() -> None:
    """Nothing would be saved."""
    plan = plan_of(PLATE, ("getelementptr i8, ptr %middle.at, i64 -8", "getelementptr i8, ptr %u, i64 0"),
                   ("getelementptr i8, ptr %middle.at, i64 8", "getelementptr i8, ptr %u, i64 0"),
                   ("fmul double %d, %middle", "fmul double %d, %d"))
    assert groups(plan) == {}


@pytest.mark.parametrize("branch, expected", [
    ("br i1 %c, label %start, label %outer.end", RING),  # all rows, or none
    ("%odd = icmp slt i64 %i, 3\n  br i1 %odd, label %start, label %outer.end", ALONE),
    ("%number = load double, ptr %row\n  %odd = fcmp olt double %number, 1.0\n"
     "  br i1 %odd, label %start, label %outer.end", ALONE),
])
def test_rows_that_may_be_left_out(branch: str, expected: dict) -> None:
    assert groups(plan_of(SKIPPED, ("br label %start", branch))) == expected


def test_one_condition_or_another() -> None:
    """Each of them holds or not in all iterations, but which one is asked changes."""
    ways = "%odd = icmp slt i64 %i, 3\n  br i1 %odd, label %one, label %other\none:\n"
    text = SKIPPED.replace("[ %sum, %outer ]\n  %i.next", "[ %sum, %one ], [ %sum, %other ]\n  %i.next")
    conditions = ("br i1 %c, label %start, label %outer.end\nother:\n  %small = icmp slt i64 %n, 9\n"
                  "  br i1 %small, label %start, label %outer.end")
    assert groups(plan_of(text, ("br label %start", ways + conditions))) == ALONE
    both = ways + "br label %start\nother:\n  br label %start"
    assert groups(plan_of(PLATE, ("br label %start", both))) == RING


def test_rows_of_constant_length() -> None:
    """Which loads are of one row is told by which row is nearest."""
    first, second = ("mul i64 %i, %m", "mul i64 %i, 50"), ("add i64 %first, %m", "add i64 %first, 50")
    assert groups(plan_of(PLATE, first, second, ("add i64 %second, %m", "add i64 %second, 50"))) == RING
    assert groups(plan_of(PLATE, first, second, ("add i64 %second, %m", "add i64 %second, 500"))) == {
        "%outer": {"%up": [0, 1], "%left": [1, 0], "%right": [1, 2]}}


def test_rows_too_far_apart() -> None:
    """A ring of eight rows holds what is seven apart."""
    for rows, joined in ((5, True), (6, True), (7, False)):
        found = groups(plan_of(PLATE, ("%third = add i64 %second, %m",
                                       f"%far = mul i64 %m, {rows}\n  %third = add i64 %second, %far")))
        assert ("%down" in found["%outer"]) == joined, rows
