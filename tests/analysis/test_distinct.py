"""Pointers into different objects: buffers that are swapped, and what looks like it."""

from __future__ import annotations

import pytest

from analysis.notes import Notes
from numbad.passes.analysis.distinct import distinct
from numbad.passes.analysis.dominators import Dominators
from numbad.passes.analysis.loops import Loops

LOOP = """
declare ptr @NRT_MemInfo_alloc_aligned(i64, i32)
declare ptr @NRT_Allocate(i64)

define void @f(ptr %x, ptr %y, i64 %n, i1 %c) {{
entry:
  %meminfo.a = call ptr @NRT_MemInfo_alloc_aligned(i64 %n, i32 32)
  %at.a = getelementptr i8, ptr %meminfo.a, i64 24
  %a = load ptr, ptr %at.a
  %meminfo.b = call ptr @NRT_MemInfo_alloc_aligned(i64 %n, i32 32)
  %at.b = getelementptr i8, ptr %meminfo.b, i64 24
  %b = load ptr, ptr %at.b
  %third = call ptr @NRT_Allocate(i64 %n)
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %i.next, %latch ]
  {phis}
  %p.at = getelementptr double, ptr %p, i64 %i
  %fresh = call ptr @NRT_Allocate(i64 %n)
  br i1 %c, label %more, label %latch
more:
  br label %latch
latch:
  {joins}
  %i.next = add i64 %i, 1
  %again = icmp slt i64 %i.next, %n
  br i1 %again, label %loop, label %done
done:
  ret void
}}
"""


def phi(name: str, first: str, following: str) -> str:
    return f"{name} = phi ptr [ {first}, %entry ], [ {following}, %latch ]\n  "


@pytest.mark.parametrize("phis, joins, truth", [
    (phi("%p", "%a", "%q") + phi("%q", "%b", "%p"), "", True),  # swapped
    (phi("%p", "%a", "%p") + phi("%q", "%b", "%q"), "", True),  # kept
    (phi("%p", "%a", "%q") + phi("%q", "%b", "%r") + phi("%r", "%third", "%p"), "", True),  # rotated
    (phi("%p", "%a", "%q") + phi("%q", "%b", "%q"), "", False),  # one given up
    (phi("%p", "%a", "%q") + phi("%q", "%a", "%p"), "", False),  # one from the beginning
    (phi("%p", "%a", "%p2") + phi("%q", "%b", "%q2"),
     "%p2 = phi ptr [ %p, %loop ], [ %q, %more ]\n  %q2 = phi ptr [ %q, %loop ], [ %p, %more ]", True),  # or not
    (phi("%p", "%a", "%p2") + phi("%q", "%b", "%q"),
     "%p2 = phi ptr [ %p, %loop ], [ %q, %more ]", False),  # perhaps given up
    (phi("%p", "%a", "%q") + phi("%q", "%b", "%fresh"), "", False),  # a new one each time: not shown, though true
    (phi("%p", "%a", "%q") + phi("%q", "%x", "%p"), "", False),  # what the caller hands over may be anything
    (phi("%p", "%a", "%p") + phi("%q", "%x", "%q"), "", False),
], ids="swapped kept rotated given-up same joined perhaps fresh argument arguments".split())
def test_two_pointers_of_a_loop(phis: str, joins: str, truth: bool) -> None:
    notes = Notes(LOOP.format(phis=phis, joins=joins))
    value = {str(s): s for s in notes.subjects}
    loops = Loops(notes.function(), Dominators(notes.function()))
    assert distinct(value["%p.at"], value["%q"], loops) == truth
    assert distinct(value["%q"], value["%p"], loops) == truth


@pytest.mark.parametrize("left, right, truth", [
    ("%a", "%b", True), ("%a", "%a", False), ("%a", "%third", True), ("%meminfo.a", "%a", False),
    ("%p.at", "%b", True), ("%p.at", "%a", False), ("%fresh", "%p", False), ("%x", "%y", False)])
def test_a_pointer_and_one_that_stays(left: str, right: str, truth: bool) -> None:
    notes = Notes(LOOP.format(phis=phi("%p", "%a", "%p"), joins=""))
    value = {str(s): s for s in notes.subjects}
    loops = Loops(notes.function(), Dominators(notes.function()))
    assert distinct(value[left], value[right], loops) == truth
