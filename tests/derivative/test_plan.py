"""The plan: what is kept on the tape, how often, and what is computed again.

Each program notes what the plan does with a value: `stored` (and in each iteration of which loop), computed `again`.
What has no note is not needed at all.
"""

from __future__ import annotations

import pytest

from analysis.notes import Notes
from derivative.planning import KINDS, STORE_ALL, place, planned, spelt, stored_names
from numbad.passes.derivative.needs import Count, Item, Shadow
from numbad.passes.derivative.plan import Options

LINEAR = """
define i32 @f(ptr %result, ptr %error, ptr %x, double %k, i64 %n) {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %i.next, %loop ]          ; again
  %sum = phi double [ 0.0, %entry ], [ %sum.next, %loop ]
  %at = getelementptr double, ptr %x, i64 %i              ; shadow again
  %a = load double, ptr %at
  %b = fmul double %a, %k
  %c = fsub double %b, 3.0
  %d = fdiv double %c, %k
  %sum.next = fadd double %sum, %d
  %i.next = add i64 %i, 1
  %more = icmp slt i64 %i.next, %n
  br i1 %more, label %loop, label %done
done:
  %last = phi double [ %sum.next, %loop ]
  store double %last, ptr %result
  ret i32 0
}
"""

STRAIGHT = """
declare double @llvm.sin.f64(double)
declare double @llvm.exp.f64(double)

define i32 @f(ptr %result, ptr %error, double %x, double %k) {
  %square = fmul double %x, %x                            ; again
  %sine = call double @llvm.sin.f64(double %square)       ; stored
  %power = call double @llvm.exp.f64(double %k)           ; stored
  %product = fmul double %sine, %power                    ; again
  %sum = fadd double %product, %k                         ; again
  %shifted = fsub double %sine, %k                        ; again
  %further = fmul double %sum, %shifted                   ; again
  %last = fmul double %further, %sine
  store double %last, ptr %result
  ret i32 0
}
"""

RECURRENCE = """
declare double @llvm.sin.f64(double)

define i32 @f(ptr %result, ptr %error, double %x, i64 %n) {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %i.next, %loop ]
  %y = phi double [ %x, %entry ], [ %y.next, %loop ]      ; stored in loop
  %sine = call double @llvm.sin.f64(double %y)            ; stored in loop
  %y.next = fmul double %sine, %y
  %i.next = add i64 %i, 1
  %more = icmp slt i64 %i.next, %n
  br i1 %more, label %loop, label %done
done:
  %last = phi double [ %y.next, %loop ]                   ; stored
  %square = fmul double %last, %last
  store double %square, ptr %result
  ret i32 0
}
"""

NEST = """
declare double @llvm.sin.f64(double)

define i32 @f(ptr %result, ptr %error, ptr %x, ptr %lengths, i64 %n) {
entry:
  br label %outer
outer:
  %i = phi i64 [ 0, %entry ], [ %i.next, %outer.end ]             ; again
  %total = phi double [ 0.0, %entry ], [ %total.next, %outer.end ]
  %length.at = getelementptr i64, ptr %lengths, i64 %i            ; again
  %length = load i64, ptr %length.at                              ; again
  br label %inner
inner:
  %j = phi i64 [ 0, %outer ], [ %j.next, %inner ]                 ; again
  %part = phi double [ 1.0, %outer ], [ %part.next, %inner ]      ; stored in inner
  %index = add i64 %i, %j                                         ; again
  %at = getelementptr double, ptr %x, i64 %index                  ; again; shadow again
  %a = load double, ptr %at                                       ; again
  %part.next = fmul double %part, %a
  %j.next = add i64 %j, 1
  %more.inner = icmp slt i64 %j.next, %length
  br i1 %more.inner, label %inner, label %outer.end
outer.end:
  %row = phi double [ %part.next, %inner ]                        ; stored in outer
  %sine = call double @llvm.sin.f64(double %row)
  %total.next = fadd double %total, %sine
  %i.next = add i64 %i, 1
  %more = icmp slt i64 %i.next, %n
  br i1 %more, label %outer, label %done
done:
  %last = phi double [ %total.next, %outer.end ]
  store double %last, ptr %result
  ret i32 0
}
"""

WRITTEN = """
declare ptr @NRT_Allocate(i64)

define i32 @f(ptr %result, ptr %error, ptr %x, ptr %y, i64 %n) {
  %a = load double, ptr %x                                ; stored
  %kept = load i64, ptr %y                                ; again
  %at = getelementptr double, ptr %x, i64 %kept           ; shadow again
  %square = fmul double %a, %a
  store double %square, ptr %at
  %heap = call ptr @NRT_Allocate(i64 %n)                  ; shadow stored
  store double %square, ptr %heap
  %b = load double, ptr %heap                             ; stored
  %cube = fmul double %b, %b
  store double %cube, ptr %result
  ret i32 0
}
"""

POINTERS = """
define i32 @f(ptr %result, ptr %error, ptr %x, ptr %u, i64 %n, i1 %c) {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %i.next, %loop ]
  %walk = phi ptr [ %x, %entry ], [ %walk.next, %loop ]           ; shadow again
  %now = phi ptr [ %x, %entry ], [ %other, %loop ]                ; shadow stored in loop
  %other = phi ptr [ %u, %entry ], [ %now, %loop ]
  %sum = phi double [ 0.0, %entry ], [ %sum.next, %loop ]
  %a = load double, ptr %walk
  %b = load double, ptr %now
  %chosen = select i1 %c, ptr %x, ptr %u                          ; shadow again
  %d = load double, ptr %chosen
  %part = fadd double %a, %b
  %both = fadd double %part, %d
  %sum.next = fadd double %sum, %both
  %walk.next = getelementptr double, ptr %walk, i64 2
  %i.next = add i64 %i, 1
  %more = icmp slt i64 %i.next, %n
  br i1 %more, label %loop, label %done
done:
  %last = phi double [ %sum.next, %loop ]
  store double %last, ptr %result
  ret i32 0
}
"""

PROGRAMS = {name.lower(): text for name, text in list(globals().items())
            if name.isupper() and isinstance(text, str)}
@pytest.mark.parametrize("text", PROGRAMS.values(), ids=PROGRAMS)
def test_noted(text: str) -> None:
    notes = Notes(text, *KINDS)
    plan = planned(notes)
    notes.check("stored", lambda s: place(plan, s))
    notes.check("shadow stored", lambda s: place(plan, Shadow(s)))
    notes.check("again", lambda s: "" if s in plan.recomputed else None)
    notes.check("shadow again", lambda s: "" if Shadow(s) in plan.recomputed else None)


@pytest.mark.parametrize("options", [Options(), STORE_ALL], ids=["default", "store all"])
@pytest.mark.parametrize("text", PROGRAMS.values(), ids=PROGRAMS)
def test_everything_that_is_needed_can_be_had(text: str, options: Options) -> None:
    """Stored, free, or computed from what can be had; nothing twice; in a record with room for it."""
    plan = planned(Notes(text, *KINDS), options)
    assert not plan.stored.keys() & plan.recomputed.keys()

    def known(item: Item) -> bool:
        return item in plan.stored or item in plan.recomputed or plan.is_free(item)

    assert all(map(known, plan.needs.items()))
    for item in plan.recomputed:
        assert all(map(known, plan._parts(item) or [])), item  # noqa: SLF001
    records = (*plan.layout.records.values(), *plan.layout.banks.values())
    placed = [item for record in records for item in record.offsets]
    assert len(placed) == len(plan.stored) and set(placed) == set(plan.stored)


# --- options ---------------------------------------------------------------------------------------------------------


def test_floats_are_stored_if_they_must_not_be_computed_again() -> None:
    plan = planned(Notes(STRAIGHT, *KINDS), Options(weigh=False))
    assert stored_names(plan) == {"%square", "%sine", "%power", "%sum", "%shifted", "%further"}


def test_what_is_dear_is_stored_and_what_is_cheap_computed_again() -> None:
    """The sine is kept although its argument is at hand; an absolute value is not."""
    plan = planned(Notes(STRAIGHT, *KINDS))
    assert "%sine" in stored_names(plan) and "%square" not in stored_names(plan)
    cheap = planned(Notes(STRAIGHT.replace("@llvm.sin.f64", "@llvm.fabs.f64"), *KINDS))
    assert "%sine" not in stored_names(cheap)


def test_loads_are_stored_if_they_must_not_be_repeated() -> None:
    plan = planned(Notes(NEST, *KINDS), Options(repeat_loads=False))
    assert stored_names(plan) == {"%part", "%a", "%row"} and spelt(plan.stored, Count) == {"%inner"}


def test_loops_are_counted_at_run_time_if_they_must_be() -> None:
    plan = planned(Notes(NEST, *KINDS), Options(count_trips=False))
    assert spelt(plan.stored, Count) == {"%outer", "%inner"}
    assert [place(plan, c) for c in plan.stored if isinstance(c, Count)] == ["in outer", ""] or \
        [place(plan, c) for c in plan.stored if isinstance(c, Count)] == ["", "in outer"]


def test_arguments_that_may_overlap() -> None:
    """Without the caller's word, what one argument writes may be what another one points to."""
    text = """
define i32 @f(ptr %result, ptr %error, ptr %x, ptr %u) {
  %a = load double, ptr %x
  store double 1.0, ptr %u
  %b = fmul double %a, %a
  store double %b, ptr %result
  ret i32 0
}
"""
    assert stored_names(planned(Notes(text))) == set()
    assert stored_names(planned(Notes(text), disjoint=False)) == {"%a"}
    harmless = text.replace("store double 1.0, ptr %u", "%c = load double, ptr %u")
    assert stored_names(planned(Notes(harmless), disjoint=False)) == {"%a"}, "the result has a place, too"


def test_volatile_and_escaped_memory_is_read_once() -> None:
    text = """
declare void @somebody(ptr)
define i32 @f(ptr %result, ptr %error, double %x, ptr %p, ptr %q, ptr %w) {
  call void @somebody(ptr %q)
  %a = load volatile double, ptr %p
  %b = load double, ptr %q
  %c = load double, ptr %w
  %d = fmul double %x, %a
  %e = fmul double %d, %b
  %g = fmul double %e, %c
  store double %g, ptr %result
  ret i32 0
}
"""
    assert {"%a", "%b"} <= stored_names(planned(Notes(text)))
    assert "%c" not in stored_names(planned(Notes(text)))


# --- the text --------------------------------------------------------------------------------------------------------


def test_the_plan_can_be_read() -> None:
    assert str(planned(Notes(RECURRENCE, *KINDS), Options(count_trips=False))) == """\
plan of @f
  stored once: 16 bytes
    the count of %loop: not known before the loop
    %last: depends on the way that was taken
  stored in each iteration of %loop: 16 bytes
    %y: goes on from iteration to iteration
    %sine: what the call gives is not computed again
  computed again: """


def test_the_text_names_what_is_no_value() -> None:
    assert "the count of %loop" in str(planned(Notes(RECURRENCE, *KINDS), STORE_ALL))
    assert "shadow of %walk" in str(planned(Notes(POINTERS, *KINDS)))
    assert "indexed by the iteration" in str(planned(Notes(RECURRENCE, *KINDS)))


def test_the_text_is_the_same_every_time() -> None:
    for text in PROGRAMS.values():
        assert str(planned(Notes(text, *KINDS))) == str(planned(Notes(text, *KINDS)))


@pytest.mark.parametrize("change, reason", [
    (("", ""), "%sine: what the call gives is not computed again"),
    (("%square = fmul", "%square = fmul fast"), "%square: fast-math may compute another number"),
    (("%square = fmul double %x, %x", "%square = load volatile double, ptr %u"), "%square: volatile"),
    (("%square = fmul double %x, %x", "store double %x, ptr %u\n  %square = load double, ptr %u"),
     "%square: the memory may be overwritten"),
    (("%square = fmul double %x, %x", "%square = frem double %x, 3.0"), "%square: cannot be computed again"),
])
def test_reasons(change: tuple[str, str], reason: str) -> None:
    text = STRAIGHT.replace(*change).replace("double %k)", "double %k, ptr %u)")
    assert reason in str(planned(Notes(text, *KINDS))), str(planned(Notes(text, *KINDS)))
