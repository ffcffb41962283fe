"""Which local arrays are held, to be read again in the reverse sweep."""

from __future__ import annotations

import pytest

from analysis.notes import Notes
from derivative.planning import planned, stored_names
from numbad.passes.derivative.plan import Options

TABLE = """
declare ptr @NRT_MemInfo_alloc_aligned(i64, i32)
declare void @NRT_decref(ptr)
declare void @somebody(ptr)
declare double @llvm.sin.f64(double)

define i32 @f(ptr %result, ptr %error, ptr %x, ptr %u, i64 %n, i64 %steps) {
entry:
  %info = call ptr @NRT_MemInfo_alloc_aligned(i64 %n, i32 32)
  %data = getelementptr i8, ptr %info, i64 24
  %t = load ptr, ptr %data
  %info.2 = call ptr @NRT_MemInfo_alloc_aligned(i64 %n, i32 32)
  %data.2 = getelementptr i8, ptr %info.2, i64 24
  %t.2 = load ptr, ptr %data.2
  br label %fill
fill:
  %i = phi i64 [ 0, %entry ], [ %i.next, %fill ]
  %x.i = getelementptr double, ptr %x, i64 %i
  %a = load double, ptr %x.i
  %b = call double @llvm.sin.f64(double %a)
  %t.i = getelementptr double, ptr %t, i64 %i
  store double %b, ptr %t.i
  %i.next = add i64 %i, 1
  %i.done = icmp eq i64 %i.next, %n
  br i1 %i.done, label %time.before, label %fill
time.before:
  br label %time
time:
  %k = phi i64 [ 0, %time.before ], [ %k.next, %time.end ]
  %sum.0 = phi double [ 0.0, %time.before ], [ %total, %time.end ]
  br label %read
read:
  %j = phi i64 [ 0, %time ], [ %j.next, %read ]
  %sum = phi double [ %sum.0, %time ], [ %sum.next, %read ]
  %from = mul i64 %j, %k
  %t.j = getelementptr double, ptr %t, i64 %from
  %c = load double, ptr %t.j
  %d = fmul double %c, %c
  %sum.next = fadd double %sum, %d
  %j.next = add i64 %j, 1
  %j.done = icmp eq i64 %j.next, %n
  br i1 %j.done, label %time.end, label %read
time.end:
  %total = phi double [ %sum.next, %read ]
  %k.next = add i64 %k, 1
  %more = icmp slt i64 %k.next, %steps
  br i1 %more, label %time, label %done
done:
  %last = phi double [ %total, %time.end ]
  call void @NRT_decref(ptr %info)
  store double %last, ptr %result
  ret i32 0
}
"""


def held(text: str, options: Options = Options(), split: bool = False) -> set[str]:  # noqa: B008
    plan = planned(Notes(text), options, split=split)
    names = {str(call) for call in plan.held}
    assert bool(names) != ("%c" in stored_names(plan))
    return names


def changed(*pairs: tuple[str, str]) -> str:
    text = TABLE
    for old, new in pairs:
        assert text.count(old) == 1
        text = text.replace(old, new)
    return text


def test_an_array_that_is_filled_once() -> None:
    assert held(TABLE) == {"%info"}
    assert "held until the end, to be read again, for nothing writes there any more: %info" in \
        str(planned(Notes(TABLE)))


def test_what_is_not_held() -> None:
    assert held(TABLE, Options(hold=False)) == set()
    assert held(TABLE, split=True) == set()  # between the sweeps of two functions nobody knows what happens


def test_either_of_two() -> None:
    text = changed(("time.before:\n", "time.before:\n  %first = icmp eq i64 %steps, 3\n"
                    "  %which = select i1 %first, ptr %t, ptr %t.2\n"),
                   ("double, ptr %t, i64 %from", "double, ptr %which, i64 %from"))
    assert held(text) == {"%info", "%info.2"}


@pytest.mark.parametrize("pairs", [
    [("done:\n", "other:\n  store double 1.0, ptr %t.2\n  br label %done\ndone:\n")],
    [("  %d = fmul", "  store double %c, ptr %t.2\n  %d = fmul")],
    [("time.before:\n", "time.before:\n  store double 1.0, ptr %t\n")],
    [("time.before:\n", "time.before:\n  call void @somebody(ptr %info)\n")],  # done before the first load
])
def test_other_writes_do_not_matter(pairs: list[tuple[str, str]]) -> None:
    assert held(changed(*pairs)) == {"%info"}


@pytest.mark.parametrize("pairs", [
    [("  store double %last", "  store double 1.0, ptr %t\n  store double %last")],
    [("  %d = fmul", "  store double 1.0, ptr %t\n  %d = fmul")],  # in the same iteration
    [("  %c = load", "  store double 1.0, ptr %t\n  %c = load")],  # in the next one
    [("  %k.next =", "  store double 1.0, ptr %t\n  %k.next =")],
    [("  %k.next =", "  call void @somebody(ptr %u)\n  %k.next =")],
    [("time.before:\n", "time.before:\n  call void @somebody(ptr %t)\n")],  # who may write later
    [("load double, ptr %t.j", "load volatile double, ptr %t.j")],
    [("  %t = load ptr, ptr %data\n", "  %t = load ptr, ptr %data\n  store ptr %u, ptr %data\n")],  # whose is it?
])
def test_what_is_kept(pairs: list[tuple[str, str]]) -> None:
    assert held(changed(*pairs)) == set()
