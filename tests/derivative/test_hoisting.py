"""What leaves a loop, and in which loops a value varies; and what the plan makes of it."""

from __future__ import annotations

import pytest

from analysis.notes import Notes
from derivative.planning import planned
from numbad.passes.derivative.facts import Facts, Task, gather
from numbad.passes.derivative.hoisting import hoist
from numbad.passes.derivative.needs import Bank
from numbad.passes.derivative.plan import Options
from numbad.passes.derivative.variation import Variation
from numbad.passes.ir.function import Block
from numbad.passes.ir.instructions import Instruction
from numbad.passes.ir.types import DOUBLE
from numbad.passes.ir.values import Named
from numbad.passes.ir.verifier import verify

INVARIANT = """
declare ptr @NRT_Allocate(i64)

define i32 @f(ptr %result, ptr %error, ptr %x, ptr %u, i64 %n, i64 %k) {
entry:
  %fresh = call ptr @NRT_Allocate(i64 %n)
  br label %outer
outer:
  %i = phi i64 [ 0, %entry ], [ %i.next, %outer.end ]
  br label %inner
inner:
  %j = phi i64 [ 0, %outer ], [ %j.next, %inner.end ]
  %x.k = getelementptr double, ptr %x, i64 %k             ; now in entry
  %a = load double, ptr %x.k                              ; now in entry
  %a.twice = fmul double %a, 2.0                          ; now in entry
  %x.i = getelementptr double, ptr %x, i64 %i             ; now in outer
  %b = load double, ptr %x.i                              ; now in outer
  %x.j = getelementptr double, ptr %x, i64 %j             ; now in inner
  %c = load double, ptr %x.j                              ; now in inner
  %w = load volatile double, ptr %x.k                     ; now in inner
  %own = load double, ptr %fresh                          ; now in inner
  %sum = fadd double %a.twice, %b                         ; now in outer
  %all = fadd double %sum, %c                             ; now in inner
  store double %all, ptr %fresh
  %sometimes = icmp slt i64 %j, %k                        ; now in inner
  br i1 %sometimes, label %branch, label %inner.end
branch:
  %late = load double, ptr %u                             ; now in branch
  br label %inner.end
inner.end:
  %j.next = add i64 %j, 1
  %more.inner = icmp slt i64 %j.next, %n
  br i1 %more.inner, label %inner, label %outer.end
outer.end:
  %last = phi double [ %all, %inner.end ]
  %i.next = add i64 %i, 1
  %more = icmp slt i64 %i.next, %n
  br i1 %more, label %outer, label %done
done:
  %end = phi double [ %last, %outer.end ]
  store double %end, ptr %result
  ret i32 0
}
"""

PAIRS = """
declare double @llvm.exp.f64(double)

define i32 @f(ptr %result, ptr %error, ptr %x, ptr %u, i64 %n, i64 %steps) {
entry:
  br label %time
time:
  %t = phi i64 [ 0, %entry ], [ %t.next, %time.end ]              ; varies in time
  br label %outer
outer:
  %i = phi i64 [ 0, %time ], [ %i.next, %outer.end ]              ; varies in outer
  %sum.0 = phi double [ 0.0, %time ], [ %sum.1, %outer.end ]      ; varies in outer time
  %x.i = getelementptr double, ptr %x, i64 %i                     ; varies in outer
  %a = load double, ptr %x.i                                      ; varies in outer time
  br label %inner
inner:
  %j = phi i64 [ 0, %outer ], [ %j.next, %inner ]                 ; varies in inner
  %sum = phi double [ %sum.0, %outer ], [ %sum.next, %inner ]     ; varies in inner outer time
  %x.j = getelementptr double, ptr %x, i64 %j                     ; varies in inner
  %b = load double, ptr %x.j                                      ; varies in inner time
  %scaled = fmul double %b, 3.0                                   ; varies in inner time
  %d = fsub double %scaled, %a                                    ; varies in inner outer time
  %square = fmul double %d, %d                                    ; varies in inner outer time
  %sum.next = fadd double %sum, %square
  %j.next = add i64 %j, 1
  %more.inner = icmp slt i64 %j.next, %n
  br i1 %more.inner, label %inner, label %outer.end
outer.end:
  %sum.1 = phi double [ %sum.next, %inner ]                       ; varies in outer time
  %i.next = add i64 %i, 1
  %more.outer = icmp slt i64 %i.next, %n
  br i1 %more.outer, label %outer, label %time.end
time.end:
  %sum.2 = phi double [ %sum.1, %outer.end ]                      ; varies in time
  store double %sum.2, ptr %x
  %t.next = add i64 %t, 1
  %more = icmp slt i64 %t.next, %steps
  br i1 %more, label %time, label %done
done:
  %end = phi double [ %sum.2, %time.end ]
  store double %end, ptr %result
  ret i32 0
}
"""


def facts_of(notes: Notes, disjoint: bool = True) -> Facts:
    active = frozenset(k for k, a in enumerate(notes.function().arguments) if a.name in ("x", "u"))
    task = Task("f", "reverse", active, tuple((k, DOUBLE) for k in active), disjoint=disjoint)
    return gather(notes.module, task)


def home(subject: Named) -> str | None:
    return subject.block.name if isinstance(subject, Instruction) and subject.block is not None else None


def test_what_leaves_a_loop() -> None:
    notes = Notes(INVARIANT, "now in")
    facts = facts_of(notes)
    hoist(facts)
    verify(facts.module)
    noted = {line.split("=")[0].strip() for line in INVARIANT.splitlines() if "now in" in line}
    notes.check("now in", lambda s: home(s) if str(s) in noted else None)


@pytest.mark.parametrize("old, new", [
    ("store double %all, ptr %fresh", "store double %all, ptr %x"),  # where it reads
    ("store double %all, ptr %fresh", "call void @somebody(ptr %u)"),  # who knows where
])
def test_loads_stay_where_something_may_write(old: str, new: str) -> None:
    text = INVARIANT.replace(old, new).replace("declare ptr", "declare void @somebody(ptr)\ndeclare ptr")
    notes = Notes(text, "now in")
    hoist(facts_of(notes))
    places = {str(s): home(s) for s in notes.subjects}
    assert places["%a"] == places["%b"] == "inner" and places["%x.k"] == "entry"


def test_arguments_that_may_overlap() -> None:
    text = INVARIANT.replace("store double %all, ptr %fresh", "store double %all, ptr %u")
    for disjoint, place in ((True, "entry"), (False, "inner")):
        notes = Notes(text, "now in")
        hoist(facts_of(notes, disjoint))
        assert {str(s): home(s) for s in notes.subjects}["%a"] == place


def test_variation() -> None:
    notes = Notes(PAIRS, "varies in")
    facts = facts_of(notes)
    variation = Variation(facts, facts.entry)

    def varies(subject: Named) -> str | None:
        if isinstance(subject, Block) or " ; varies" not in next(
                (line for line in PAIRS.splitlines() if line.strip().startswith(f"{subject} =")), ""):
            return None
        loops = variation.loops(subject)
        return " ".join(loop.header.name for loop in sorted(loops, key=lambda loop: -loop.depth))

    notes.check("varies in", varies)


def test_arrays_that_all_iterations_share() -> None:
    """Two numbers for each body and step in place of one for each pair: the loads are dearer, but fewer."""
    plan = planned(Notes(PAIRS, "varies in"))
    banks = {(bank.loop.header.name, bank.home.header.name): [str(item) for item in record.offsets]
             for bank, record in plan.layout.banks.items()}
    assert banks["inner", "outer"] == ["%scaled"] and banks["outer", "outer"] == ["%a"]
    assert ("inner", "inner") not in banks
    assert "the same in each of %outer" in str(plan)
    apart = planned(Notes(PAIRS, "varies in"), Options(share=False))
    inner = apart.loops.loops[2]
    assert all(not bank.is_shared for bank in apart.layout.banks) and Bank(inner, inner) in apart.layout.banks
