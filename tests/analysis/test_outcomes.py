"""Which exceptions somebody catches, and which blocks matter, noted on the lines that they are about."""

from __future__ import annotations

import pytest

from analysis.notes import Notes
from numbad.passes.analysis.outcomes import caught, live_blocks, returns
from numbad.passes.ir.function import Function

RAISER = """
define i32 @raiser(ptr %result, ptr %excinfo, i1 %c) {
start:                                                           ; live
  br i1 %c, label %bad, label %good
good:                                                            ; live
  ret i32 0
bad:
  ret i32 1
}
"""

PROPAGATED = """
define i32 @f(ptr %result, ptr %excinfo, i1 %c) {
  %s = call i32 @raiser(ptr %result, ptr %excinfo, i1 %c)
  %ok = icmp eq i32 %s, 0
  br i1 %ok, label %good, label %bad
good:
  ret i32 0
bad:
  ret i32 %s
}
"""
NONE_IS_NORMAL = """
define i32 @f(ptr %result, ptr %excinfo, i1 %c) {
  %s = call i32 @raiser(ptr %result, ptr %excinfo, i1 %c)
  %zero = icmp eq i32 %s, 0
  %none = icmp eq i32 %s, -2
  %ok = or i1 %zero, %none
  br i1 %ok, label %good, label %bad
good:
  ret i32 0
bad:
  ret i32 1
}
"""
NEGATED = """
define i32 @f(ptr %result, ptr %excinfo, i1 %c) {
  %s = call i32 @raiser(ptr %result, ptr %excinfo, i1 %c)
  %zero = icmp eq i32 %s, 0
  %not.none = icmp ne i32 %s, -2
  %not.zero = xor i1 %zero, true
  %failed = and i1 %not.none, %not.zero
  br i1 %failed, label %bad, label %good
good:
  ret i32 0
bad:
  ret i32 1
}
"""
SWITCHED = """
define i32 @f(ptr %result, ptr %excinfo, i1 %c) {
  %s = call i32 @raiser(ptr %result, ptr %excinfo, i1 %c)
  switch i32 %s, label %bad [ i32 0, label %good i32 -2, label %good ]
good:
  ret i32 0
bad:
  ret i32 %s
}
"""
IN_A_LOOP = """
define i32 @f(ptr %result, ptr %excinfo, i1 %c) {
  br label %loop
loop:
  %s = call i32 @raiser(ptr %result, ptr %excinfo, i1 %c)
  %ok = icmp eq i32 %s, 0
  br i1 %ok, label %latch, label %bad
latch:
  br i1 %c, label %loop, label %good
good:
  ret i32 0
bad:
  ret i32 1
}
"""
CAUGHT = """
define i32 @f(ptr %result, ptr %excinfo, i1 %c) {
  %s = call i32 @raiser(ptr %result, ptr %excinfo, i1 %c)
  %ok = icmp eq i32 %s, 0
  br i1 %ok, label %good, label %handler
handler:
  store double 1.0, ptr %result
  br label %good
good:
  ret i32 0
}
"""
STOP_ITERATION = """
define i32 @f(ptr %result, ptr %excinfo, i1 %c) {
  %s = call i32 @raiser(ptr %result, ptr %excinfo, i1 %c)
  switch i32 %s, label %bad [ i32 0, label %good i32 -3, label %good ]
good:
  ret i32 0
bad:
  ret i32 1
}
"""
RETRIED = """
define i32 @f(ptr %result, ptr %excinfo, i1 %c) {
  br label %loop
loop:
  %s = call i32 @raiser(ptr %result, ptr %excinfo, i1 %c)
  %ok = icmp eq i32 %s, 0
  br i1 %ok, label %good, label %again
again:
  br i1 %c, label %loop, label %bad
good:
  ret i32 0
bad:
  ret i32 1
}
"""
NOT_TESTED = """
define i32 @f(ptr %result, ptr %excinfo, i1 %c) {
  %s = call i32 @raiser(ptr %result, ptr %excinfo, i1 %c)
  %positive = icmp sgt i32 %s, 0
  br i1 %positive, label %bad, label %good
good:
  ret i32 0
bad:
  ret i32 1
}
"""
AT_ONE_OF_TWO_CALLS = """
define i32 @f(ptr %result, ptr %excinfo, i1 %c) {
  %s = call i32 @raiser(ptr %result, ptr %excinfo, i1 %c)
  %ok = icmp eq i32 %s, 0
  br i1 %ok, label %second, label %bad
second:
  %ignored = call i32 @raiser(ptr %result, ptr %excinfo, i1 %c)
  ret i32 0
bad:
  ret i32 1
}
"""


def read(text: str, name: str = "f") -> tuple[Notes, set[Function]]:
    notes = Notes(text, "live")
    functions = [notes.function(name), *(f for f in notes.module.functions.values() if f.name != name)]
    return notes, caught(functions)


@pytest.mark.parametrize("text", [PROPAGATED, NONE_IS_NORMAL, NEGATED, SWITCHED, IN_A_LOOP],
                         ids="propagated none negated switched loop".split())
def test_exceptions_that_end_everything(text: str) -> None:
    notes, found = read(text + RAISER)
    assert not found
    live = live_blocks(notes.function("raiser"), False)
    notes.check("live", lambda item: "" if item in live else None)
    assert [b.name for b in returns(notes.function("raiser"), False)] == ["good"]


@pytest.mark.parametrize("text", [CAUGHT, STOP_ITERATION, RETRIED, NOT_TESTED, AT_ONE_OF_TWO_CALLS],
                         ids="caught stop-iteration retried not-tested one-of-two".split())
def test_exceptions_that_somebody_catches(text: str) -> None:
    notes, found = read(text + RAISER)
    raiser = notes.function("raiser")
    assert found == {raiser}
    assert live_blocks(raiser, True) == raiser.blocks
    assert [b.name for b in returns(raiser, True)] == ["good", "bad"]


MIDDLE = """
define i32 @middle(ptr %result, ptr %excinfo, i1 %c) {
  %s = call i32 @raiser(ptr %result, ptr %excinfo, i1 %c)
  %ok = icmp eq i32 %s, 0
  br i1 %ok, label %good, label %bad
good:
  ret i32 0
bad:
  ret i32 1
}
"""


def test_an_exception_that_passes_through_a_function_before_it_is_caught() -> None:
    notes, found = read(CAUGHT.replace("@raiser", "@middle") + MIDDLE + RAISER)
    assert {f.name for f in found} == {"middle", "raiser"}
    _, found = read(PROPAGATED.replace("@raiser", "@middle") + MIDDLE + RAISER)
    assert not found


def test_an_entry_that_catches_its_own_exceptions() -> None:
    notes, found = read(CAUGHT.replace("@raiser", "@f"))
    assert found == {notes.function()}


def test_functions_without_a_status_do_not_raise() -> None:
    _, found = read("""
define i32 @f(ptr %result, ptr %excinfo, i1 %c) {
  %s = call i32 @number(i1 %c)
  ret i32 0
}

define i32 @number(i1 %c) {
  ret i32 1
}
""")
    assert not found

