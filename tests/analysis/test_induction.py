"""Induction variables: noted laws, and the laws checked by counting."""

from __future__ import annotations

import random

import pytest

from analysis.notes import Notes
from numbad.passes.analysis.dominators import Dominators
from numbad.passes.analysis.induction import Affine, affine, invariant
from numbad.passes.analysis.loops import Loop, Loops
from numbad.passes.ir.function import Function
from numbad.passes.ir.instructions import Instruction, Phi
from numbad.passes.ir.types import I64
from numbad.passes.ir.values import ConstantInt, Named, Value

LAWS = """
define void @f(ptr %p, i64 %n, i64 %s, double %x, i1 %more) {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %i.next, %loop ]             ; affine 0 + 1
  %down = phi i64 [ %n, %entry ], [ %down.next, %loop ]      ; affine %n - %s
  %swapped = phi i64 [ %n, %entry ], [ %swapped.next, %loop ]     ; affine %n + %s
  %small = phi i32 [ -1, %entry ], [ %small.next, %loop ]    ; affine -1 + 4
  %at = phi ptr [ %p, %entry ], [ %at.next, %loop ]          ; affine %p + 1 of double
  %bytes = phi ptr [ %p, %entry ], [ %bytes.next, %loop ]    ; affine %p + %s of i8
  %square = phi i64 [ 1, %entry ], [ %square.next, %loop ]
  %sum = phi i64 [ 0, %entry ], [ %sum.next, %loop ]
  %mirrored = phi i64 [ 0, %entry ], [ %mirrored.next, %loop ]
  %doubled = phi i64 [ 1, %entry ], [ %doubled.next, %loop ]
  %float = phi double [ 0.0, %entry ], [ %float.next, %loop ]
  %matrix = phi ptr [ %p, %entry ], [ %matrix.next, %loop ]
  %walker = phi ptr [ %p, %entry ], [ %walker.next, %loop ]
  %kept = phi i64 [ 0, %entry ], [ %i, %loop ]
  %same = phi i64 [ %n, %entry ], [ %same, %loop ]
  %i.next = add i64 %i, 1
  %down.next = sub i64 %down, %s
  %swapped.next = add i64 %s, %swapped
  %small.next = add i32 %small, 4
  %at.next = getelementptr double, ptr %at, i64 1
  %bytes.next = getelementptr i8, ptr %bytes, i64 %s
  %square.next = mul i64 %square, 2
  %sum.next = add i64 %sum, %i
  %mirrored.next = sub i64 %s, %mirrored
  %doubled.next = add i64 %doubled, %doubled
  %float.next = fadd double %float, %x
  %matrix.next = getelementptr [4 x double], ptr %matrix, i64 0, i64 1
  %walker.next = getelementptr i8, ptr %walker, i64 %i
  br i1 %more, label %loop, label %done
done:
  %last = phi i64 [ %i, %loop ]
  ret void
}
"""

NEST = """
define void @f(i64 %n, i1 %more) {
entry:
  br label %outer
outer:
  %i = phi i64 [ 0, %entry ], [ %i.next, %outer.end ]        ; affine 0 + 1
  %total = phi i64 [ 0, %entry ], [ %total.last, %outer.end ]
  br label %inner
inner:
  %j = phi i64 [ %i, %outer ], [ %j.next, %inner ]           ; affine %i + %i
  %part = phi i64 [ %total, %outer ], [ %part.next, %inner ]      ; affine %total + 3
  %j.next = add i64 %j, %i
  %part.next = add i64 %part, 3
  br i1 %more, label %inner, label %outer.end
outer.end:
  %total.last = phi i64 [ %part.next, %inner ]
  %i.next = add i64 %i, 1
  br i1 %more, label %outer, label %done
done:
  ret void
}
"""

INSIDE_OF_THE_BODY = """
define void @f(i1 %a, i1 %b) {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %i.last, %latch ]
  br i1 %a, label %then, label %latch
then:
  %i.next = add i64 %i, 1
  br label %latch
latch:
  %i.last = phi i64 [ %i, %loop ], [ %i.next, %then ]
  br i1 %b, label %loop, label %done
done:
  ret void
}
"""

TWO_LATCHES = """
define void @f(i1 %a, i1 %b) {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %i.next, %loop ], [ %i.next, %other ]
  %i.next = add i64 %i, 1
  br i1 %a, label %loop, label %other
other:
  br i1 %b, label %loop, label %done
done:
  ret void
}
"""


def loops_of(function: Function) -> Loops:
    return Loops(function, Dominators(function))


def law_of(phi: Phi, loops: Loops) -> Affine | None:
    assert phi.block is not None
    loop = loops.innermost[phi.block]
    return affine(phi, loop) if loop is not None else None


def spell(law: Affine) -> str:
    unit = f" of {law.source}" if law.source is not None else ""
    return f"{law.start} {'-' if law.negated else '+'} {law.step}{unit}"


@pytest.mark.parametrize("text", [LAWS, NEST, INSIDE_OF_THE_BODY, TWO_LATCHES],
                         ids=["laws", "nest", "inside of the body", "two latches"])
def test_noted(text: str) -> None:
    notes = Notes(text, "affine")
    loops = loops_of(notes.function())

    def law(subject: Named) -> str | None:
        found = law_of(subject, loops) if isinstance(subject, Phi) else None
        return spell(found) if found is not None else None

    notes.check("affine", law)


def test_only_of_its_own_loop() -> None:
    function = Notes(NEST, "affine").function()
    loops = {loop.header.name: loop for loop in loops_of(function).loops}
    phis = {str(phi): phi for phi in function.instructions if isinstance(phi, Phi)}
    assert affine(phis["%i"], loops["inner"]) is None
    assert affine(phis["%j"], loops["outer"]) is None


def test_invariance() -> None:
    function = Notes(NEST, "affine").function()
    loops = {loop.header.name: loop for loop in loops_of(function).loops}
    values = {str(i): i for i in function.instructions}

    def varying(loop: Loop) -> set[str]:
        return {name for name in ("%i", "%total", "%j", "%j.next", "%total.last") if not invariant(values[name], loop)}

    assert varying(loops["inner"]) == {"%j", "%j.next"}
    assert varying(loops["outer"]) == {"%i", "%total", "%j", "%j.next", "%total.last"}
    assert invariant(function.arguments[0], loops["outer"]) and invariant(ConstantInt(I64, 1), loops["outer"])


def test_laws_by_counting() -> None:
    """Random loops, run: the n-th value of a phi is start + n * step, wrapped to its width."""
    rng = random.Random(3)
    for _ in range(60):
        bits = rng.choice([8, 32, 64])
        start, step = rng.randint(-100, 100), rng.randint(-100, 100)
        opcode, order = rng.choice(["add", "sub"]), rng.choice(["%i, %s", "%s, %i", f"%i, {step}"])
        function = Notes(f"""
define void @f(i{bits} %a, i{bits} %s, i1 %more) {{
entry:
  br label %loop
loop:
  %i = phi i{bits} [ %a, %entry ], [ %i.next, %loop ]
  %i.next = {opcode} i{bits} {order}
  br i1 %more, label %loop, label %done
done:
  ret void
}}
""").function()
        phi, following = (i for i in function.instructions if i.type.is_int)
        law = law_of(phi, loops_of(function))  # type: ignore[arg-type]
        assert (law is None) == (opcode == "sub" and order == "%s, %i")
        if law is None:
            continue
        known: dict[Value, int] = {function.arguments[0]: start, function.arguments[1]: step}
        now = start
        for count in range(20):
            distance = count * number(law.step, known)
            assert (number(law.start, known) + (-distance if law.negated else distance) - now) % 2 ** bits == 0
            known[phi] = now
            left, right = (number(o, known) for o in following.operands)  # type: ignore[attr-defined]
            now = left + right if opcode == "add" else left - right


def number(value: Value, known: dict[Value, int]) -> int:
    return value.value if isinstance(value, ConstantInt) else known[value]


def test_the_step_may_stand_anywhere_in_the_loop() -> None:
    """It does not matter whether the block that steps is the latch."""
    function = Notes("""
define void @f(i1 %a, i1 %b) {
entry:
  br label %loop
loop:
  %i = phi i64 [ 7, %entry ], [ %i.next, %latch ]
  %i.next = add i64 %i, 2
  br i1 %a, label %latch, label %done
latch:
  br i1 %b, label %loop, label %done
done:
  ret void
}
""").function()
    (phi,) = [i for i in function.instructions if isinstance(i, Phi)]
    law = law_of(phi, loops_of(function))
    assert law is not None and spell(law) == "7 + 2"
    assert isinstance(phi.incoming_from(loops_of(function).loops[0].latch), Instruction)
