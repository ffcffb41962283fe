"""The plan of control flow: which edges, counts and returns are kept; and of functions whose two halves are apart."""

from __future__ import annotations

from analysis.notes import Notes
from derivative.planning import place, planned, spelt, stored_names
from numbad.passes.derivative.needs import Count, Edge
from numbad.passes.derivative.plan import Options
from numbad.passes.ir.values import Argument

BRANCHES = """
define i32 @f(ptr %result, ptr %error, double %x, ptr %w, i64 %n) {
entry:
  %count = load i64, ptr %w
  %test = icmp sgt i64 %count, %n
  br i1 %test, label %inert, label %join
inert:
  store i64 %n, ptr %w
  br label %join
join:
  %chosen = phi i64 [ 3, %inert ], [ 4, %entry ]
  %test.x = fcmp olt double %x, 1.0
  br i1 %test.x, label %small, label %large
small:
  %a = fmul double %x, 2.0
  br label %both
large:
  %b = fmul double %x, 3.0
  br label %both
both:
  %y = phi double [ %a, %small ], [ %b, %large ]
  %test.n = icmp eq i64 %chosen, %n
  br i1 %test.n, label %same, label %end
same:
  br label %end
end:
  %z = phi double [ %y, %same ], [ %x, %both ]
  store double %z, ptr %result
  ret i32 0
}
"""


def test_edges_of_branches() -> None:
    """Into a join behind a branch in which nothing has an adjoint, the reverse sweep needs no edge. Another edge is
    known by the condition, if that costs no more than the edge."""
    plan = planned(Notes(BRANCHES))
    assert spelt(plan.stored, Edge) == {"%end"} and spelt(plan.recomputed, Edge) == {"%both"}
    assert spelt(planned(Notes(BRANCHES), Options(weigh=False)).stored, Edge) == {"%both", "%end"}
    assert {str(join): str(top) for join, top in plan.needs.bypass.items()} == {"%join": "%entry"}
    assert "the edge into %both" in str(plan)
    assert "%chosen" not in stored_names(plan) and "%count" not in stored_names(plan)


def test_a_branch_that_fast_math_may_decide_otherwise_is_recorded() -> None:
    """The condition may come out differently when LLVM computes it a second time."""
    assert spelt(planned(Notes(BRANCHES.replace("fcmp olt", "fcmp fast olt"))).stored, Edge) == {"%both", "%end"}
    inexact = BRANCHES.replace("%test.x = fcmp olt double %x, 1.0",
                               "%far = fmul reassoc double %x, 3.0\n  %test.x = fcmp olt double %far, 1.0")
    assert "%far" not in {str(item) for item in planned(Notes(inexact)).recomputed}


INERT_LOOP = """
define i32 @f(ptr %result, ptr %error, double %x, ptr %w, i64 %n) {
entry:
  %y = fmul double %x, 2.0
  br label %outer
outer:
  %i = phi i64 [ 0, %entry ], [ %i.next, %outer.end ]
  br label %inner
inner:
  %j = phi i64 [ 0, %outer ], [ %j.next, %inner ]
  %sum = phi i64 [ 0, %outer ], [ %sum.next, %inner ]
  %w.at = getelementptr i64, ptr %w, i64 %j
  %a = load i64, ptr %w.at
  %sum.next = add i64 %sum, %a
  %j.next = add i64 %j, 1
  %more.inner = icmp slt i64 %j.next, %sum.next
  br i1 %more.inner, label %inner, label %outer.end
outer.end:
  %i.next = add i64 %i, 1
  %more = icmp slt i64 %i.next, %n
  br i1 %more, label %outer, label %done
done:
  %found = phi i64 [ %sum.next, %outer.end ]
  %number = sitofp i64 %found to double
  %z = fmul double %y, %number
  store double %z, ptr %result
  ret i32 0
}
"""


def test_inert_loops_are_not_reversed() -> None:
    """Nothing in them has an adjoint: no counts, no edges. What comes out of them is stored once."""
    plan = planned(Notes(INERT_LOOP), Options(count_trips=False))
    assert {loop.header.name for loop in plan.needs.inert_loops} == {"outer", "inner"}
    assert not spelt(plan.needs.items(), Count, Edge)
    assert stored_names(plan) == {"%number"} and set(plan.layout.records) == {None}


SEVERAL_EXITS = """
define i32 @f(ptr %result, ptr %error, double %x, i64 %n) {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %i.next, %latch ]
  %y = phi double [ 1.0, %entry ], [ %y.next, %latch ]
  %y.next = fmul double %y, %x
  %large = fcmp ogt double %y.next, 100.0
  br i1 %large, label %broken, label %latch
latch:
  %i.next = add i64 %i, 1
  %more = icmp slt i64 %i.next, %n
  br i1 %more, label %loop, label %done
broken:
  %early = phi double [ %y, %loop ]
  br label %end
done:
  %late = phi double [ %y.next, %latch ]
  br label %end
end:
  %z = phi double [ %early, %broken ], [ %late, %done ]
  store double %z, ptr %result
  ret i32 0
}
"""


def test_a_loop_with_several_exits() -> None:
    plan = planned(Notes(SEVERAL_EXITS))
    assert spelt(plan.stored, Count) == {"%loop"}, "its iterations are counted at run time"
    assert spelt(plan.stored, Edge) == {"%end"}
    assert {place(plan, item) for item in plan.stored if str(item) == "%y"} == {"in loop"}


def test_exits_by_exceptions_do_not_count() -> None:
    text = SEVERAL_EXITS.replace("  %early = phi double [ %y, %loop ]\n  br label %end", "  ret i32 1")
    plan = planned(Notes(text.replace("[ %early, %broken ], ", "")))
    assert not spelt(plan.stored, Count, Edge)


def test_the_return_that_was_taken() -> None:
    text = """
define i32 @f(ptr %result, ptr %error, double %x, i1 %c) {
entry:
  store double %x, ptr %result
  br i1 %c, label %none, label %some
none:
  ret i32 -2
some:
  ret i32 0
}
"""
    assert spelt(planned(Notes(text)).stored, Edge) == {"return"}
    assert not spelt(planned(Notes(text.replace("-2", "1"))).stored, Edge)


# --- the two forms ---------------------------------------------------------------------------------------------------


CALLED = """
define i32 @f(ptr %result, ptr %error, double %x, double %k) {
  %y = call double @g(double %x, double %k)
  store double %y, ptr %result
  ret i32 0
}

define double @g(double %a, double %b) {
  %c = fmul double %a, %b
  ret double %c
}
"""


def test_arguments_are_seen_by_the_other_half_only_if_stored() -> None:
    together = planned(Notes(CALLED), name="g")
    apart = planned(Notes(CALLED), name="g", split=True)
    assert stored_names(together) == set()
    assert stored_names(apart) == {"%b"}
    assert all(isinstance(item, Argument) for item in apart.stored)


def test_loads_are_not_repeated_in_the_other_half() -> None:
    """Between the two halves the caller may write."""
    text = """
define i32 @f(ptr %result, ptr %error, ptr %x) {
  %y = call double @g(ptr %x)
  store double %y, ptr %result
  ret i32 0
}

define double @g(ptr %a) {
  %d = load double, ptr %a
  %c = fmul double %d, %d
  ret double %c
}
"""
    assert stored_names(planned(Notes(text), name="g")) == set()
    apart = planned(Notes(text), name="g", split=True)
    assert stored_names(apart) == {"%d"} and "shadow of %a" in str(apart)
