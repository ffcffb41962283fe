"""Which instructions are kept away from singular points, noted on their lines."""

from __future__ import annotations

from analysis.notes import Notes
from numbad.passes.analysis.dominators import Dominators
from numbad.passes.analysis.ranges import Ranges
from numbad.passes.ir.instructions import Instruction
from numbad.passes.rules.symbols import rule_of

DECLARED = """
declare double @llvm.sqrt.f64(double)
declare double @llvm.fabs.f64(double)
declare double @llvm.fmuladd.f64(double, double, double)
declare double @llvm.maxnum.f64(double, double)
declare double @llvm.minnum.f64(double, double)
declare double @sin(double)
declare double @log(double)
"""


def check(text: str) -> None:
    """`regular` on strong operations whose guard can be left out, `low ...` on values with a lower bound of note."""
    notes = Notes(text + DECLARED, "regular", "low")
    function = notes.function()
    ranges = Ranges(Dominators(function).order)

    def regular(subject):
        if not isinstance(subject, Instruction):
            return None
        rule = rule_of(subject)
        return "" if rule is not None and rule.strong and ranges.is_regular(subject) else None

    notes.check("regular", regular)
    for subject, name in notes.subjects.items():
        noted = notes._notes["low"].get(subject)
        if noted is not None:
            assert abs(ranges.of(subject).low - float(noted)) <= 1e-6 * abs(float(noted)), name


def test_sums_of_squares():
    check("""
define double @f(double %x, double %y, double %a) {
  %xx = fmul double %x, %x                    ; low 0
  %yy = fmul double %y, %y
  %s = fadd double %xx, %yy                   ; low 0
  %d = fadd double %s, 1.0e-9                 ; low 1e-9
  %q = fdiv double %a, %d                     ; regular
  %q0 = fdiv double %a, %s
  %r = call double @llvm.sqrt.f64(double %d)  ; regular
  %r0 = call double @llvm.sqrt.f64(double %s)
  %t = fmul double %d, %r                     ; low 3.162277660168379e-14
  %w = fdiv double 1.0, %t                    ; regular
  %m = fneg double %d
  %n = fdiv double %a, %m                     ; regular
  %l = fsub double %s, 1.0e-9
  %n0 = fdiv double %a, %l
  %tiny = fadd double %s, 1.0e-320
  %n1 = fdiv double %a, %tiny
  %p = fmul double %x, %y
  %pc = fadd double %p, 1.0
  %n2 = fdiv double %a, %pc
  %f = call double @llvm.fmuladd.f64(double %x, double %x, double 2.0)  ; low 2
  %n3 = fdiv double %a, %f                    ; regular
  ret double %q
}
""")


def test_flags_that_let_llvm_compute_something_else():
    check("""
define double @f(double %x, double %a) {
  %xx = fmul reassoc double %x, %x
  %d = fadd double %xx, 1.0
  %q = fdiv double %a, %d
  %yy = fmul contract double %x, %x
  %e = fadd contract double %yy, 1.0
  %r = fdiv double %a, %e                     ; regular
  ret double %q
}
""")


def test_types():
    check("""
define double @f(float %x, float %a, <2 x double> %v, i64 %n) {
  %xx = fmul float %x, %x
  %d = fadd float %xx, 0x3BC79CA100000000     ; low 1e-20
  %q = fdiv float %a, %d
  %w = fpext float %d to double               ; low 1e-20
  %r = fdiv double 2.0, %w                    ; regular
  %s = fdiv double 1.0, %r
  %vv = fmul <2 x double> %v, %v
  %vc = fadd <2 x double> %vv, <double 1.0, double 2.0>
  %vq = fdiv <2 x double> %v, %vc             ; regular
  %vz = fadd <2 x double> %vv, <double 1.0, double 0.0>
  %vr = fdiv <2 x double> %v, %vz
  %u = uitofp i64 %n to double                ; low 0
  %u1 = fadd double %u, 1.0
  %t = fdiv double %r, %u1                    ; regular
  %i = sitofp i64 %n to double
  %i1 = fadd double %i, 1.0
  %t0 = fdiv double %r, %i1
  ret double %t
}
""")


def test_selections():
    check("""
define double @f(double %x, double %y, double %a) {
  %big = fcmp ogt double %x, 1.0e-3
  %m = select i1 %big, double %x, double 1.0e-3              ; low 1e-3
  %q = fdiv double %a, %m                                    ; regular
  %small = fcmp olt double %x, 1.0e-3
  %n = select i1 %small, double 1.0e-3, double %x            ; low 1e-3
  %r = fdiv double %a, %n                                    ; regular
  %swapped = fcmp ugt double 1.0e-3, %x
  %o = select i1 %swapped, double 1.0, double %x             ; low 1e-3
  %positive = fcmp ogt double %x, 0.0
  %p = select i1 %positive, double %x, double 1.0            ; low 0
  %s = fdiv double %a, %p
  %yy = fmul double %y, %y
  %c = fadd double %yy, 1.0
  %above = fcmp ogt double %x, %c
  %t = select i1 %above, double %x, double 2.0
  %u = fdiv double %a, %t                                    ; regular
  %unordered = fcmp ugt double %x, %c
  %v = select i1 %unordered, double %x, double 2.0
  %w = fdiv double %a, %v
  %wrong = select i1 %big, double 1.0, double %x
  %z = fdiv double %a, %wrong
  %larger = call double @llvm.maxnum.f64(double %x, double 0.5)   ; low 0.5
  %l = fdiv double %a, %larger                               ; regular
  %either = call double @llvm.maxnum.f64(double %c, double %x)
  %e = fdiv double %a, %either
  %smaller = call double @llvm.minnum.f64(double %x, double -0.5)
  %k = fdiv double %a, %smaller                              ; regular
  ret double %q
}
""")


def test_control_flow():
    """A phi is what its operands are; what comes around a loop may be anything."""
    check("""
define double @f(double %x, double %a, i1 %c, i64 %n) {
entry:
  %xx = fmul double %x, %x
  %one = fadd double %xx, 1.0
  br i1 %c, label %left, label %right
left:
  %two = fadd double %xx, 2.0
  br label %join
right:
  br label %join
join:
  %d = phi double [ %two, %left ], [ %one, %right ]          ; low 1
  %q = fdiv double %a, %d                                    ; regular
  %any = phi double [ %x, %left ], [ %one, %right ]
  br label %loop
loop:
  %i = phi i64 [ 0, %join ], [ %i1, %loop ]
  %p = phi double [ 1.0, %join ], [ %p1, %loop ]
  %p1 = fmul double %p, %x
  %r = fdiv double %a, %p
  %pp = fmul double %p, %p
  %pc = fadd double %pp, 0.5
  %s = fdiv double %a, %pc                                   ; regular
  %i1 = add i64 %i, 1
  %more = icmp slt i64 %i1, %n
  br i1 %more, label %loop, label %out
out:
  %t = fdiv double %a, %any
  ret double %t
}
""")


def test_functions():
    check("""
define double @f(double %x, double %a, ptr %m) {
  %s = call double @sin(double %x)
  %d = fadd double %s, 2.0
  %q = fdiv double %a, %d                     ; regular
  %e = fadd double %s, 1.0
  %r = fdiv double %a, %e
  %b = call double @llvm.fabs.f64(double %x)  ; low 0
  %c = fadd double %b, 0.5
  %l = call double @log(double %c)            ; regular
  %k = call double @log(double %b)
  %v = load double, ptr %m
  %w = fdiv double %a, %v
  %h = fdiv double %a, 3.0
  ret double %q
}
""")
