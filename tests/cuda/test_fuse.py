"""Sums of products are rounded once, and in the same way wherever they are computed again."""

from __future__ import annotations

import ctypes
import random
import re
from fractions import Fraction

import llvmlite.binding as llvm
import pytest

from numbad.passes.derivative.facts import Task
from numbad.passes.fuse import fused
from numbad.passes.ir.parser import parse
from numbad.passes.pipeline import differentiate

SUMS = {
    "%p + %c": ("%s = fadd double %p, %c", lambda a, b, c: a * b + c),
    "%c + %p": ("%s = fadd nsz double %c, %p", lambda a, b, c: a * b + c),
    "%p - %c": ("%s = fsub double %p, %c", lambda a, b, c: a * b - c),
    "%c - %p": ("%s = fsub double %c, %p", lambda a, b, c: c - a * b),
    "2 - %p": ("%s = fsub double 2.0, %p", lambda a, b, c: 2 - a * b),
    "%p - 2": ("%s = fsub double %p, 2.0", lambda a, b, c: a * b - 2),
    "%p - %p": ("%s = fsub double %p, %p", lambda a, b, c: a * b - Fraction(float(a * b))),
}
CODE = """
define double @f(double %a, double %b, double %c) {{
  %p = fmul double %a, %b
  {}
  ret double %s
}}
"""


def run(text, *numbers):
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    module = llvm.parse_assembly(text)
    module.verify()
    target = llvm.Target.from_default_triple().create_target_machine()
    with llvm.create_mcjit_compiler(module, target) as engine:
        engine.finalize_object()
        signature = ctypes.CFUNCTYPE(ctypes.c_double, *[ctypes.c_double] * 3)
        return signature(engine.get_function_address("f"))(*numbers)


@pytest.mark.parametrize("name", SUMS)
def test_one_rounding(name):
    line, exact = SUMS[name]
    text = fused(CODE.format(line))
    assert "llvm.fma.f64" in text and not re.search("fadd|fsub", text)
    rng = random.Random(3)
    for _ in range(20):
        numbers = [rng.uniform(-2, 2) for _ in range(3)]
        assert run(text, *numbers) == float(exact(*map(Fraction, numbers)))


def test_of_two_products_that_with_fewer_uses():
    text = fused(CODE.replace("(", "(ptr %at, ").format("store double %p, ptr %at\n  %q = fmul double %b, %c\n"
                                                           "  %s = fadd double %p, %q"))
    assert "call double @llvm.fma.f64(double %b, double %c, double %p)" in text and "%q" not in text


def test_a_product_that_is_used_elsewhere_stays():
    text = fused(CODE.format("%t = fadd double %p, %c\n  %s = fdiv double %t, %p"))
    assert "%p = fmul" in text and "%t = call double @llvm.fma.f64(double %a, double %b, double %c)" in text


@pytest.mark.parametrize("line", ["%s = fadd fast double %p, %c", "%s = fadd contract double %p, %c"])
def test_what_llvm_may_rewrite_is_left_to_it(line):
    assert fused(CODE.format(line)) == CODE.format(line)


def test_debug_locations_stay():
    text = fused(CODE.format("%s = fadd double %p, %c, !dbg !7"))
    assert re.search(r"call double @llvm.fma.f64\([^)]*\), !dbg !7", text)


DETERMINANT = """
target triple = "nvptx64-nvidia-cuda"

define ptx_kernel void @k(ptr %x, ptr %y, i64 %n) {
start:
  br label %loop
loop:
  %i = phi i64 [ 0, %start ], [ %next, %join ]
  %next = add i64 %i, 1
  %x.i = getelementptr double, ptr %x, i64 %i
  %a = load double, ptr %x.i
  %left = fmul double %a, 3.0
  br label %test
test:
  %right = fmul double %a, 7.0
  %d = fsub double %left, %right
  %c = fcmp une double %d, 0.0
  br i1 %c, label %divide, label %join
divide:
  %q = fdiv double 1.0, %d
  br label %join
join:
  %r = phi double [ %q, %divide ], [ 0.0, %test ]
  %y.i = getelementptr double, ptr %y, i64 %i
  store double %r, ptr %y.i
  %more = icmp slt i64 %next, %n
  br i1 %more, label %loop, label %done
done:
  ret void
}
"""


def test_both_sweeps_decide_by_the_same_operations():
    """A determinant that is 0 to rounding in one sweep is 0 in the other."""
    double = parse("declare void @f(double)").functions["f"].signature.parameters[0]
    task = Task("k", "reverse", frozenset([0, 1]), ((0, double), (1, double)))
    text = differentiate(fused(DETERMINANT), task).text
    decided = re.findall(r"(%\S+) = fcmp une double (%\S+), 0\.0", text)
    assert len(decided) >= 2 and "the edge" not in text
    for _, tested in decided:  # or it is what the forward sweep has kept
        assert re.search(rf"{re.escape(tested)} = (call double @llvm\.fma\.f64\(|load )", text)
    assert not re.search(r"= f(add|sub) [^\n]*%(left|right)", text)
