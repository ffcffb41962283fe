"""Which stores are sums in memory."""

from __future__ import annotations

import pytest

from analysis.notes import Notes
from derivative.planning import planned
from numbad.passes.derivative.plan import Options

SUM = """
define i32 @f(ptr %result, ptr %error, ptr %x, ptr %u, i64 %n, double %a) {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %i.next, %loop ]
  %x.at = getelementptr double, ptr %x, i64 %i
  %u.at = getelementptr double, ptr %u, i64 %i
  %old = load double, ptr %x.at
  %other = load double, ptr %u.at
  %term = fmul double %other, %a
  %new = fadd double %old, %term
  store double %new, ptr %x.at
  %i.next = add i64 %i, 1
  %more = icmp slt i64 %i.next, %n
  br i1 %more, label %loop, label %done
done:
  %last = load double, ptr %x
  store double %last, ptr %result
  ret i32 0
}
"""


def found(text: str, **options: bool) -> set[tuple[str, str]]:
    plan = planned(Notes(text), Options(**options))
    return {(str(store.value), str(load)) for store, load in plan.accumulations.items()}


@pytest.mark.parametrize("old, new", [
    ("", ""),
    ("fadd double %old, %term", "fadd double %term, %old"),
    ("fadd double %old, %term", "fsub double %old, %term"),
    ("%new = fadd double %old, %term", "%part = fadd double %a, %old\n  %new = fadd double %term, %part"),
    ("store double %new, ptr %x.at", "store double %new, ptr %x.at\n  store double %new, ptr %u.at"),
])
def test_sums(old: str, new: str) -> None:
    expected = {("%new", "%old")} if "%u.at\n" not in new + "\n" else set()  # which has two users
    assert found(SUM.replace(old, new)) == expected
    assert found(SUM, accumulate=False) == set()


@pytest.mark.parametrize("old, new", [
    ("fadd double %old, %term", "fsub double %term, %old"),  # the factor is -1
    ("fadd double %old, %term", "fmul double %old, %term"),
    ("fadd double %old, %term", "fadd double %old, %old"),
    ("%term = fmul double %other, %a", "%term = fmul double %other, %old"),
    ("store double %new, ptr %x.at", "store double %new, ptr %u.at"),
    ("store double %new, ptr %x.at", "store volatile double %new, ptr %x.at"),
    ("%term = fmul", "store double %a, ptr %x\n  %term = fmul"),  # perhaps to the same place
    ("%term = fmul", "call void @unknown(ptr %x)\n  %term = fmul"),
])
def test_no_sums(old: str, new: str) -> None:
    text = SUM.replace(old, new) + "declare void @unknown(ptr)\n"
    assert text != SUM and found(text) == set()


def test_writes_elsewhere_do_not_matter() -> None:
    assert found(SUM.replace("%term = fmul", "store double %a, ptr %u\n  %term = fmul")) == {("%new", "%old")}
