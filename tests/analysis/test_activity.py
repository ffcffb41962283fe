"""Activity, noted on the line of each value.

`active` stands at values that carry a derivative, `memory` at pointers behind which floats do, `shadowed` at pointers
(and aggregates of them) that need a shadow.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from analysis.notes import Notes
from numbad.passes.derivative.facts import Facts, Task, gather
from numbad.passes.ir.instructions import Instruction
from numbad.passes.ir.types import DOUBLE, VOID
from numbad.passes.ir.values import Argument, Named

DEAD_ENDS = """
declare double @llvm.sin.f64(double)

define double @f(double %x, double %k) {             ; active: %x
  %y = fmul double %x, %k                            ; active
  %unused = call double @llvm.sin.f64(double %x)
  %further = fmul double %unused, %y
  %constant = fmul double %k, %k
  %z = fadd double %y, %constant                     ; active
  ret double %z
}
"""

CONTROL = """
declare double @llvm.floor.f64(double)
declare double @llvm.fabs.f64(double)

define double @f(double %x, double %k, i64 %n) {     ; active: %x
entry:
  %test = fcmp olt double %x, %k
  %steps = fptosi double %x to i64
  %whole = sitofp i64 %steps to double
  %floor = call double @llvm.floor.f64(double %x)
  br i1 %test, label %small, label %join
small:
  %abs = call double @llvm.fabs.f64(double %x)       ; active
  br label %join
join:
  %either = phi double [ %abs, %small ], [ %k, %entry ]   ; active
  %flat = phi double [ %whole, %small ], [ %floor, %entry ]
  %chosen = select i1 %test, double %either, double %flat ; active
  %index = select i1 %test, i64 %steps, i64 %n
  %count = sitofp i64 %index to double
  %z = fmul double %chosen, %count                   ; active
  ret double %z
}
"""

MEMORY = """
define i32 @f(ptr %result, ptr %error, ptr %x, ptr %w, ptr %scratch) {     ; shadowed: %result %x; memory: %result %x
  %a = load double, ptr %x                           ; active
  %b = load double, ptr %w
  store double %a, ptr %scratch
  %c = fmul double %a, %b                            ; active
  store double %c, ptr %result
  ret i32 0
}
"""

THROUGH_A_TEMPORARY = """
define i32 @f(ptr %result, ptr %error, double %x, double %k) {     ; active: %x; shadowed: %result; memory: %result
  %kept = alloca double                              ; shadowed; memory
  %dead = alloca double
  %constants = alloca double
  %copied = alloca double
  store double %x, ptr %kept
  store double %x, ptr %dead
  store double 2.0, ptr %constants
  store double %k, ptr %copied
  %y = load double, ptr %kept                        ; active
  %two = load double, ptr %constants
  %k.again = load double, ptr %copied
  %z = fmul double %y, %two                          ; active
  %r = fmul double %z, %k.again                      ; active
  store double %r, ptr %result
  ret i32 0
}
"""

ONLY_TOWARDS_AN_ERROR = """
define i32 @f(ptr %result, ptr %error, ptr %x, ptr %log) {     ; shadowed: %result %x; memory: %result %x
entry:
  %a = load double, ptr %x                           ; active
  %test = fcmp olt double %a, 0.0
  br i1 %test, label %bad, label %good
bad:
  %message = fmul double %a, 2.0
  store double %message, ptr %log
  ret i32 1
good:
  store double %a, ptr %result
  ret i32 0
}
"""

BITS = """
define i32 @f(ptr %result, ptr %error, ptr %x, ptr %n) {       ; shadowed: %result %x; memory: %result %x
  %number = load double, ptr %x                      ; active
  %bits = bitcast double %number to i64              ; active
  %magic = sub i64 6910469410427058089, %bits        ; active
  %half = lshr i64 %magic, 1                         ; active
  %guess = bitcast i64 %half to double               ; active
  %count = load i64, ptr %n
  %more = add i64 %count, 1
  store double %guess, ptr %result
  ret i32 0
}
"""

# An integer that may lie among numbers chooses an element: it is not part of what it chooses.
INDEX = """
define i32 @f(ptr %result, ptr %error, ptr %x, i64 %n) {       ; shadowed: %result %x; memory: %result %x
  %pair = load <2 x double>, ptr %x                  ; active
  %at = getelementptr i8, ptr %x, i64 %n             ; shadowed; memory
  %index = load i64, ptr %at
  %one = extractelement <2 x double> %pair, i64 %index   ; active
  %filled = insertelement <2 x double> %pair, double %one, i64 %index    ; active
  store <2 x double> %filled, ptr %result
  ret i32 0
}
"""

# The caller says that numbers are behind %x: the second one is a number although it is copied as an integer.
COPIED_BITS = """
define i32 @f(ptr %result, ptr %error, ptr %x, ptr %n) {       ; shadowed: %result %x; memory: %result %x
  %place = alloca double                             ; shadowed; memory
  %other = alloca i64
  %first = load double, ptr %x                       ; active
  %next = getelementptr i8, ptr %x, i64 8            ; shadowed; memory
  %moved = load i64, ptr %next                       ; active
  store i64 %moved, ptr %place
  %count = load i64, ptr %n
  store i64 %count, ptr %other
  %y = load double, ptr %place                       ; active
  %z = fmul double %y, %first                        ; active
  store double %z, ptr %result
  ret i32 0
}
"""

POINTERS_IN_MEMORY = """
define i32 @f(ptr %result, ptr %error, ptr %x, ptr %w) {       ; shadowed: %result %x; memory: %result %x
  %record = alloca { ptr, i64 }                      ; shadowed
  %constants = alloca { ptr, i64 }
  store ptr %x, ptr %record
  store ptr %w, ptr %constants
  %x.again = load ptr, ptr %record                   ; shadowed; memory
  %w.again = load ptr, ptr %constants
  %a = load double, ptr %x.again                     ; active
  %b = load double, ptr %w.again
  %c = fmul double %a, %b                            ; active
  store double %c, ptr %result
  ret i32 0
}
"""

AGGREGATES = """
define i32 @f(ptr %result, ptr %error, ptr %x, double %k) {    ; shadowed: %result %x; memory: %result %x
  %a = load double, ptr %x                           ; active
  %one = insertvalue { double, double, i64 } undef, double %a, 0       ; active
  %two = insertvalue { double, double, i64 } %one, double %k, 1        ; active
  %b = extractvalue { double, double, i64 } %two, 0  ; active
  %array = insertvalue { ptr, i64 } undef, ptr %x, 0 ; shadowed
  %data = extractvalue { ptr, i64 } %array, 0        ; shadowed; memory
  %c = load double, ptr %data                        ; active
  %d = fmul double %b, %c                            ; active
  store double %d, ptr %result
  ret i32 0
}
"""

COPIES = """
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)

define i32 @f(ptr %result, ptr %error, ptr %x, ptr %w) {       ; shadowed: %result %x; memory: %result %x
  %a = alloca [2 x double]                           ; shadowed; memory
  %b = alloca [2 x double]
  call void @llvm.memset.p0.i64(ptr %a, i8 0, i64 16, i1 false)
  call void @llvm.memcpy.p0.p0.i64(ptr %a, ptr %x, i64 16, i1 false)
  call void @llvm.memcpy.p0.p0.i64(ptr %b, ptr %w, i64 16, i1 false)
  %c = load double, ptr %a                           ; active
  %d = load double, ptr %b
  %e = fmul double %c, %d                            ; active
  store double %e, ptr %result
  ret i32 0
}
"""

# A function is analysed once for all its calls: %a of @h carries a derivative in one of them.
CALLS = """
define i32 @f(ptr %result, ptr %error, double %x, double %k) {     ; active: %x; shadowed: %result; memory: %result
  %y = call double @g(double %x)                     ; active
  %unused = call double @h(double %x)
  %l = call double @h(double %k)                     ; active
  %z = fmul double %y, %l                            ; active
  store double %z, ptr %result
  ret i32 0
}

define double @g(double %a) {                        ; active: %a
  %b = fmul double %a, %a                            ; active
  ret double %b
}

define double @h(double %a) {                        ; active: %a
  %b = fmul double %a, %a                            ; active
  ret double %b
}
"""

UNKNOWN_FUNCTIONS = """
declare double @somebody(double)
declare void @writer(ptr, double)
declare ptr @table(i64)

define i32 @f(ptr %result, ptr %error, double %x) {  ; active: %x; shadowed: %result; memory: %result
  %y = call double @somebody(double %x)              ; active
  %place = alloca double                             ; shadowed; memory
  call void @writer(ptr %place, double %x)
  %w = load double, ptr %place                       ; active
  %constants = call ptr @table(i64 3)                ; shadowed; memory
  %t = load double, ptr %constants                   ; active
  %z = fmul double %y, %w                            ; active
  %r = fmul double %z, %t                            ; active
  store double %r, ptr %result
  ret i32 0
}
"""

LOOP = """
define i32 @f(ptr %result, ptr %error, ptr %x, i64 %n) {       ; shadowed: %result %x; memory: %result %x
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %i.next, %loop ]
  %sum = phi double [ 0.0, %entry ], [ %sum.next, %loop ]      ; active
  %weight = phi double [ 1.0, %entry ], [ %weight.next, %loop ]
  %at = getelementptr double, ptr %x, i64 %i         ; shadowed; memory
  %a = load double, ptr %at                          ; active
  %term = fmul double %a, %weight                    ; active
  %sum.next = fadd double %sum, %term                ; active
  %weight.next = fmul double %weight, 0.5
  %i.next = add i64 %i, 1
  %more = icmp slt i64 %i.next, %n
  br i1 %more, label %loop, label %done
done:
  %last = phi double [ %sum.next, %loop ]            ; active
  store double %last, ptr %result
  ret i32 0
}
"""

MIXED_WORD = """
define i32 @f(ptr %result, ptr %error, ptr %x, ptr %p) {       ; shadowed: %result %x %p; memory: %result %x %p
  %a = load double, ptr %x                           ; active
  %narrow = fptrunc double %a to float               ; active
  %place = getelementptr i8, ptr %p, i64 4           ; shadowed; memory
  store float %narrow, ptr %place
  %word = load i64, ptr %p                           ; active
  %copy = alloca i64                                 ; shadowed; memory
  store i64 %word, ptr %copy
  %upper = getelementptr i8, ptr %copy, i64 4        ; shadowed; memory
  %b = load float, ptr %upper                        ; active
  %wide = fpext float %b to double                   ; active
  store double %wide, ptr %result
  ret i32 0
}
"""

INTEGER_ON_THE_WAY = """
define i32 @f(ptr %result, ptr %error, double %k, ptr %y) {    ; shadowed: %result %y; memory: %result %y
  %place = alloca double                             ; shadowed; memory
  %next = getelementptr i8, ptr %y, i64 8            ; shadowed; memory
  %moved = load i64, ptr %next                       ; active
  store i64 %moved, ptr %place
  %z = load double, ptr %place                       ; active
  %r = fmul double %z, %k                            ; active
  store double %r, ptr %result
  ret i32 0
}
"""

# The canonical form loads structures element by element: %both is gone.
INTEGERS_OF_TWO_FLOATS = """
define i32 @f(ptr %result, ptr %error, ptr %x) {     ; shadowed: %result %x; memory: %result %x
  %first = load double, ptr %x                       ; active
  %both = load [2 x i64], ptr %x
  %copy = alloca [2 x i64]                           ; shadowed; memory
  store [2 x i64] %both, ptr %copy
  %b = load double, ptr %copy                        ; active
  %c = fmul double %first, %b                        ; active
  store double %c, ptr %result
  ret i32 0
}
"""

PROGRAMS = {name.lower().replace("_", " "): text for name, text in list(globals().items())
            if name.isupper() and isinstance(text, str)}
KINDS = ("active", "memory", "shadowed")


def analysed(notes: Notes, active: Iterable[str] = ("x", "y")) -> Facts:
    function = notes.function()
    chosen = frozenset(k for k, a in enumerate(function.arguments) if a.name in active)
    contents = tuple((k, DOUBLE) for k, a in enumerate(function.arguments) if a.name == "x" and a.type.is_pointer)
    return gather(notes.module, Task("f", "forward", chosen, contents))


@pytest.mark.parametrize("text", PROGRAMS.values(), ids=PROGRAMS)
def test_noted(text: str) -> None:
    notes = Notes(text, *KINDS)
    activity = analysed(notes).activity

    def is_value(subject: Named) -> bool:
        return isinstance(subject, (Argument, Instruction)) and subject.type != VOID

    notes.check("active", lambda s: "" if is_value(s) and activity.is_active(s) else None)
    notes.check("shadowed", lambda s: "" if is_value(s) and activity.is_shadowed(s) else None)
    notes.check("memory", lambda s: "" if is_value(s) and activity.is_shadowed(s) and activity.is_active_memory(s)
                else None)


def test_the_active_arguments_decide() -> None:
    notes = Notes(MEMORY, *KINDS)
    activity = analysed(notes, ["w"]).activity
    values = {str(s): s for s in notes.subjects}
    assert [name for name in ("%a", "%b", "%c") if activity.is_active(values[name])] == ["%b", "%c"]
    assert [n for n in ("%x", "%w", "%scratch") if activity.is_shadowed(values[n])] == ["%w"]


def test_active_arrays_are_results_too() -> None:
    """What is written into an active array is useful: the caller reads it."""
    notes = Notes(MEMORY, *KINDS)
    activity = analysed(notes, ["x", "scratch"]).activity
    scratch = next(s for s in notes.subjects if str(s) == "%scratch")
    assert activity.is_active_memory(scratch) and activity.is_shadowed(scratch)


def test_nothing_is_active_without_active_arguments() -> None:
    for name, text in PROGRAMS.items():
        if "unknown" in name:
            continue  # what comes from somebody else may depend on anything
        notes = Notes(text, *KINDS)
        activity = analysed(notes, []).activity
        assert not [s for s in notes.subjects if activity.is_active(s)], name
