"""What the reverse sweep has passed when it comes to a block: the same iteration of the blocks noted."""

from __future__ import annotations

import pytest

from analysis.notes import Notes
from derivative.planning import planned
from numbad.passes.derivative.backwards import Backwards
from numbad.passes.ir.function import Block
from numbad.passes.ir.values import Named

BRANCHES = """
define i32 @f(ptr %result, ptr %error, ptr %x, i64 %n) {
entry:
  %first = load double, ptr %x
  br label %top
top:                                          ; passed: join latch
  %i = phi i64 [ 0, %entry ], [ %i.next, %latch ]
  %a = phi double [ %first, %entry ], [ %e, %latch ]
  %test = fcmp olt double %a, 1.0
  br i1 %test, label %then, label %else
then:                                         ; passed: join latch
  %b = fmul double %a, %a
  br label %join
else:                                         ; passed: join latch
  %c = fmul double %a, 3.0
  br label %join
join:                                         ; passed: latch
  %d = phi double [ %b, %then ], [ %c, %else ]
  br label %latch
latch:
  %e = fmul double %d, %d
  %i.next = add i64 %i, 1
  %more = icmp slt i64 %i.next, %n
  br i1 %more, label %top, label %end
end:
  %last = phi double [ %e, %latch ]
  store double %last, ptr %result
  ret i32 0
}
"""

# Between middle and latch an iteration ends, though the reverse sweep cannot come to the latch without the middle.
EXIT_IN_THE_MIDDLE = """
define i32 @f(ptr %result, ptr %error, ptr %x, i64 %n) {
entry:
  %first = load double, ptr %x
  br label %top
top:                                          ; passed: middle
  %i = phi i64 [ 0, %entry ], [ %i.next, %latch ]
  %a = phi double [ %first, %entry ], [ %c, %latch ]
  %b = fmul double %a, %a
  br label %middle
middle:
  %i.next = add i64 %i, 1
  %more = icmp slt i64 %i.next, %n
  br i1 %more, label %latch, label %end
latch:
  %c = fmul double %b, %b
  br label %top
end:
  %last = phi double [ %b, %middle ]
  %square = fmul double %last, %last
  store double %square, ptr %result
  ret i32 0
}
"""

# What is used on both sides of a loop is looked up twice.
BEHIND_A_LOOP = """
define i32 @f(ptr %result, ptr %error, ptr %x, i64 %n) {
entry:
  %first = load double, ptr %x
  %square = fmul double %first, %first
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %i.next, %loop ]
  %a = phi double [ %square, %entry ], [ %b, %loop ]
  %b = fmul double %a, %a
  %i.next = add i64 %i, 1
  %more = icmp slt i64 %i.next, %n
  br i1 %more, label %loop, label %end
end:
  %last = phi double [ %b, %loop ]
  %scaled = fmul double %last, %first
  store double %scaled, ptr %result
  ret i32 0
}
"""


@pytest.mark.parametrize("text", [BRANCHES, EXIT_IN_THE_MIDDLE, BEHIND_A_LOOP])
def test_passed(text: str) -> None:
    notes = Notes(text, "passed")
    plan = planned(notes)
    backwards = Backwards(plan.needs, plan.facts.returns(plan.function, False))

    def passed(subject: Named) -> str | None:
        if not isinstance(subject, Block):
            return None
        return " ".join(b.name for b in backwards.blocks if b is not subject and backwards.passed(b, subject)) or None

    notes.check("passed", passed)
