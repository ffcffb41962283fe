"""Which loads are found where an earlier loop had their number, and which are kept."""

from __future__ import annotations

import pytest

from analysis.notes import Notes
from derivative.planning import planned, stored_names
from numbad.passes.derivative.plan import Options

LOOPS = """
declare ptr @NRT_Allocate(i64)
declare void @somebody(ptr)
declare double @llvm.sin.f64(double)

define i32 @f(ptr %result, ptr %error, ptr %x, ptr %u, i64 %n, i64 %m, i64 %steps) {
entry:
  %t = call ptr @NRT_Allocate(i64 %n)
  %other = call ptr @NRT_Allocate(i64 %n)
  %none = icmp eq i64 %n, 0
  br label %time
time:
  %k = phi i64 [ 0, %entry ], [ %k.next, %time.end ]
  br label %write.before
write.before:
  br label %write
write:
  %i = phi i64 [ 0, %write.before ], [ %i.next, %write.end ]
  %x.i = getelementptr double, ptr %x, i64 %i
  %a = load double, ptr %x.i
  %b = fmul double %a, %a
  %t.i = getelementptr double, ptr %t, i64 %i
  br label %write.now
write.now:
  store double %b, ptr %t.i
  br label %write.end
write.end:
  %i.next = add i64 %i, 1
  %i.done = icmp eq i64 %i.next, %n
  br i1 %i.done, label %between, label %write
between:
  br label %read.before
read.before:
  br label %read
read:
  %j = phi i64 [ 0, %read.before ], [ %j.next, %read ]
  %sum = phi double [ 0.0, %read.before ], [ %sum.next, %read ]
  %t.j = getelementptr double, ptr %t, i64 %j
  %c = load double, ptr %t.j
  %d = call double @llvm.sin.f64(double %c)
  %sum.next = fadd double %sum, %d
  %j.next = add i64 %j, 1
  %j.done = icmp eq i64 %j.next, %n
  br i1 %j.done, label %time.end, label %read
time.end:
  %total = phi double [ %sum.next, %read ]
  store double %total, ptr %result
  %k.next = add i64 %k, 1
  %more = icmp slt i64 %k.next, %steps
  br i1 %more, label %time, label %done
done:
  ret i32 0
}
"""


def found(text: str, options: Options = Options(), disjoint: bool = True) -> bool:  # noqa: B008
    """Whether %c is found, not kept."""
    plan = planned(Notes(text), options, disjoint=disjoint)
    loads = {str(load) for load in plan.found if load in plan.recomputed}
    assert loads <= {"%c"} and ("%c" in loads) != ("%c" in stored_names(plan))
    return bool(loads)


def changed(*pairs: tuple[str, str]) -> str:
    text = LOOPS
    for old, new in pairs:
        assert text.count(old) == 1
        text = text.replace(old, new)
    return text


def test_what_a_loop_has_stored() -> None:
    assert found(LOOPS) and not found(LOOPS, Options(find=False))
    plan = planned(Notes(LOOPS))
    assert "%c: %b, which is stored in the same iteration of %write" in str(plan)
    assert "%c" not in stored_names(plan)


def test_nothing_is_found_without_trip_counts() -> None:
    assert not found(LOOPS, Options(count_trips=False))


GUARDED = (("  br label %write.before\n", "  br i1 %none, label %between, label %write.before\n"),
           ("  br label %read.before\n", "  br i1 %none, label %time.end, label %read.before\n"),
           ("[ %sum.next, %read ]\n  store", "[ %sum.next, %read ], [ 0.0, %between ]\n  store"))


@pytest.mark.parametrize("pairs", [
    GUARDED,  # both loops run, or none
    [("  br label %read.before\n", "  store double 1.0, ptr %other\n  br label %read.before\n")],
    [("i64 [ 0, %write.before ]", "i64 [ 1, %write.before ]"), ("i64 [ 0, %read.before ]", "i64 [ 1, %read.before ]")],
    [("ptr %t.i\n  br", "ptr %t.i\n  store double %a, ptr %other\n  br")],
])
def test_found_all_the_same(pairs: list[tuple[str, str]]) -> None:
    assert found(changed(*pairs))


@pytest.mark.parametrize("pairs", [
    [("icmp eq i64 %j.next, %n", "icmp eq i64 %j.next, %m")],  # as often?
    [("i64 [ 0, %read.before ]", "i64 [ 1, %read.before ]")],  # one less
    [("getelementptr double, ptr %t, i64 %j", "getelementptr double, ptr %other, i64 %j"),
     ("ptr %t.i\n  br", "ptr %t.i\n  store double %a, ptr %other\n  br")],
    [("getelementptr double, ptr %t, i64 %i", "getelementptr double, ptr %t, i64 %k")],  # each overwrites the last
    [("getelementptr double, ptr %t, i64 %i", "getelementptr i32, ptr %t, i64 %i"),  # in part
     ("getelementptr double, ptr %t, i64 %j", "getelementptr i32, ptr %t, i64 %j")],
    [("  br label %read.before\n", "  store double 1.0, ptr %t\n  br label %read.before\n")],
    [("  br label %read.before\n", "  call void @somebody(ptr %t)\n  br label %read.before\n")],
    [("  %j.next =", "  %t.k = getelementptr double, ptr %t, i64 %k\n  store double 2.0, ptr %t.k\n  %j.next =")],
    [("ptr %t.i\n  br", "ptr %t.i\n  store double 1.0, ptr %t\n  br")],
    [("  br label %write.now\n", "  %odd = trunc i64 %i to i1\n  br i1 %odd, label %write.now, label %write.end\n")],
    [("  br label %write.before\n", "  br i1 %none, label %between, label %write.before\n")],
    [*GUARDED, ("br i1 %none, label %between", "%some = icmp eq i64 %k, %m\n  br i1 %some, label %between")],
    [("load double, ptr %t.j", "load volatile double, ptr %t.j")],
    [("br i1 %i.done, label %between, label %write", "%late = fcmp ogt double %b, 2.0\n"
      "  %out = or i1 %i.done, %late\n  br i1 %out, label %between, label %write")],  # the first is left early
])
def test_what_is_kept(pairs: list[tuple[str, str]]) -> None:
    assert not found(changed(*pairs))


@pytest.mark.parametrize("disjoint", [True, False])
def test_arguments_that_may_overlap(disjoint: bool) -> None:
    """The second loop loads the argument that the first one wrote, and writes the other."""
    text = changed(("double, ptr %t, i64 %i", "double, ptr %u, i64 %i"),
                   ("double, ptr %t, i64 %j", "double, ptr %u, i64 %j"),
                   ("  br label %read.before\n", "  store double 1.0, ptr %x\n  br label %read.before\n"))
    assert found(text, disjoint=disjoint) == disjoint


def test_loads_of_two_loops() -> None:
    """The first loop loads what the second loads again."""
    text = changed(("ptr %x, i64 %i", "ptr %u, i64 %i"), ("double, ptr %t, i64 %j", "double, ptr %u, i64 %j"),
                   ("double, ptr %t, i64 %i", "double, ptr %x, i64 %i"),
                   ("  store double %total, ptr %result\n", "  store double %total, ptr %u\n"))
    plan = planned(Notes(text))
    assert "%c: %a, which is loaded in the same iteration of %write" in str(plan)
    assert "%a" in stored_names(plan) and "%c" not in stored_names(plan)
