"""Preparation keeps values and derivatives: comparisons, known calls, tiny loops, and the same results when it runs."""

from __future__ import annotations

import copy
import ctypes
import functools
import re

import llvmlite.binding as binding
import numpy as np
import pytest
from numba import float32, float64, int64, njit, typeof, types
from numba.core.runtime import rtsys

from numbad.frontend import lower, machine
from numbad.passes import llvm
from numbad.passes.known_calls import known_calls
from numbad.passes.preparation import EXTERNAL, prepared
from numbad.passes.protect import HIDDEN, protect, restore, restore_constant
from numbad.passes.text import definitions
from numbad.passes.unroll import mark, unmark

A1, A2, TRIPLE = float64[::1], float64[:, ::1], types.UniTuple(float64, 3)


def prepared_text(function, *argtypes):
    lowered = lower(function, argtypes)
    return prepared(lowered.text, lowered.entry, machine())


def entry_of(text):
    return next(each.text for each in definitions(text) if not each.head.startswith("define internal"))


# --- comparisons -----------------------------------------------------------------------------------------------------

COMPARISONS = """\
define i1 @f(double %x, float %"a y", <2 x double> %v, double %z) {
  %c = fcmp oeq double %x, 1.000000e+00
  %"d e" = fcmp nnan nsz une float %"a y", 0x7FF0000000000000
  %g = fcmp fast olt <2 x double> %v, <double 1.000000e+00, double 2.000000e+00>
  %h = fcmp uno double %x, %z, !dbg !4
  %k = fcmp ogt double 1.000000e+00, 2.000000e+00
  %l = extractelement <2 x i1> %g, i64 0
  %m = xor i1 %c, %"d e"
  %n = xor i1 %m, %h
  %o = xor i1 %n, %k
  %p = xor i1 %o, %l
  ret i1 %p
}

!llvm.dbg.cu = !{!1}
!llvm.module.flags = !{!0}
!0 = !{i32 2, !"Debug Info Version", i32 3}
!1 = distinct !DICompileUnit(language: DW_LANG_C, file: !2)
!2 = !DIFile(filename: "a", directory: "b")
!3 = distinct !DISubprogram(name: "f", scope: !2, file: !2, unit: !1, spFlags: DISPFlagDefinition)
!4 = !DILocation(line: 1, scope: !3)
"""
COMPARISONS = COMPARISONS.replace("double %z) {", "double %z) !dbg !3 {")


def test_protect_and_restore_are_inverse():
    hidden = protect(COMPARISONS)
    llvm.check(hidden)
    assert re.findall(r"= (fcmp .*)", hidden) == ["fcmp ogt double 1.000000e+00, 2.000000e+00"]
    assert hidden.count(f"call i1 @{HIDDEN}") == 3 and hidden.count(f"call <2 x i1> @{HIDDEN}fast.olt.v2f64") == 1
    assert llvm.canonical(restore(llvm.canonical(hidden))) == llvm.canonical(COMPARISONS)


def test_decided_comparisons_come_back_alone():
    hidden = protect(COMPARISONS).replace(f"@{HIDDEN}oeq.f64(double %x,", f"@{HIDDEN}oeq.f64(double 3.000000e+00,")
    text = restore_constant(hidden)
    assert "%c = fcmp oeq double 3.000000e+00, 1.000000e+00" in text
    assert text.count(f"call i1 @{HIDDEN}") == 2


def at_one(x, a):
    if x == 1.0:
        return x * a
    return x + a


def at_one_by_bounds(x, a):
    if x <= 1.0 and x >= 1.0:
        return x * a
    return x + a


def unless_other_than_one(x, a):
    if not (x != 1.0):
        return x * a
    return x + a


def where_equal(x, a):
    if x == a:
        return 2.0 * x
    return x + a


@pytest.mark.parametrize("function", [at_one, at_one_by_bounds, unless_other_than_one, where_equal])
def test_equality_keeps_the_multiplication(function):
    text = prepared_text(function, float64, float64)
    assert "fmul" in text and "fcmp" in text
    assert HIDDEN not in text


def test_without_protection_the_multiplication_is_lost():
    lowered = lower(at_one, (float64, float64))
    assert "fmul" in lowered.text
    assert "fmul" not in llvm.prepare(lowered.text, lowered.entry, machine=machine())


def test_comparisons_decided_by_inlining_are_folded():
    @njit
    def scaled(x, mode):
        if mode > 0.5:
            return x * 3.0
        return np.exp(x)

    assert not re.search("fcmp|exp", prepared_text(lambda x: scaled(x, 1.0), float64))


# --- known calls -----------------------------------------------------------------------------------------------------

CALLS = {
    "square": (lambda x: x ** 2, (float64,), ["powi.f64.i64"]),
    "single": (lambda x: x ** 3, (float32,), ["powi.f32.i64"]),
    "inverse": (lambda x: x ** -1, (float64,), ["powi.exception.f64.i64", "powi.f64.i64", "powi.status.f64.i64"]),
    "power": (lambda x, n: x ** n, (float64, int64),
              ["powi.exception.f64.i64", "powi.f64.i64", "powi.status.f64.i64"]),
    "unsigned": (lambda x, n: x ** n, (float64, types.uint64), ["powi.f64.u64"]),
    "remainder": (lambda x, y: x % y, (float64, float64), ["mod.f64"]),
    "floored": (lambda x, y: x // y, (float32, float32), ["floordiv.f32"]),
    "logaddexp": (lambda x, y: np.logaddexp(x, y), (float64, float64), ["logaddexp.f64"]),
    "logaddexp2": (lambda x, y: np.logaddexp2(x, y), (float32, float32), ["logaddexp2.f32"]),
    "both": (lambda x, y: np.logaddexp(x, y) * np.logaddexp2(x, y), (float64, float64),
             ["logaddexp.f64", "logaddexp2.f64"]),
    "sinc": (lambda x: np.sinc(x), (float64,), ["sinc.f64"]),
    "integer power": (lambda n: n ** 2, (int64,), []),
}


@pytest.mark.parametrize("name", CALLS)
def test_known_calls(name):
    function, argtypes, expected = CALLS[name]
    text = prepared_text(function, *argtypes)
    called = set(re.findall(r"call [^@]*@numbad\.([\w.]+)\(", entry_of(text)))
    defined = set(re.findall(r"^define internal [^@]*@numbad\.([\w.]+)\(", text, re.M))
    assert sorted(called) == expected and called <= defined


def test_versions_of_one_helper_are_told_apart():
    """Two error models in one module; and the text of an earlier derivative may hold a helper of the same name."""
    safe = njit(lambda x, n: x ** n)
    unsafe = njit(error_model="numpy")(lambda x, n: x ** n)
    text = prepared_text(lambda x, n: safe(x, n) + unsafe(x, n), float64, int64)
    assert {"powi.f64.i64", "powi.f64.i64.1"} <= set(re.findall(r"call double @numbad\.([\w.]+)\(", entry_of(text)))
    lowered = lower(lambda x, y: x ** 2 + x % y, (float64, float64))
    again = llvm.canonical(known_calls(lowered.text)) + "".join(
        f"define double @numbad.{stem}(double %x) {{\n  ret double %x\n}}\n" for stem in ("sinc.f64", "mod.f32"))
    llvm.check(known_calls(again))
    with_name = lowered.text + "define double @numbad.mod.f64(double %x) {\n  ret double %x\n}\n"
    llvm.check(known_calls(with_name))


# --- tiny loops ------------------------------------------------------------------------------------------------------

def over_components(t, x):
    total = 0.0
    for i in range(3):
        for j in range(3):
            total += t[i] * x[j, i]
    return total


@njit
def dotted(a, b, n):
    total = 0.0
    for k in range(n):
        total += a[k] * b[k]
    return total


def rows(x):
    total = 0.0
    for i in range(x.shape[0]):
        total += dotted(x[i], x[i], 3)
    return total


def twenty(x):
    total = 0.0
    for i in range(20):
        total += np.sin(x[i])
    return total


def known_length(x, n):
    total = 0.0
    for i in range(n):
        total += np.sin(x[i])
    return total


@pytest.mark.parametrize("function, argtypes, products, phis", [
    (over_components, (TRIPLE, A2), 9, 0),
    (rows, (A2,), 3, None),
    (twenty, (A1,), 0, None),
    (known_length, (A1, int64), 0, None),
])
def test_tiny_loops_only_are_unrolled(function, argtypes, products, phis, capfd):
    text = entry_of(prepared_text(function, *argtypes))
    assert text.count("fmul") == products
    assert text.count("@llvm.sin.") == (0 if products else 1)
    assert "switch" not in text and "llvm.loop" not in text
    assert phis is None or text.count("phi") == phis
    assert capfd.readouterr().err == ""


LOOP = """\
define void @f(ptr %p, i64 %n) {
entry:
  br label %outer

outer:                                            ; preds = %after, %entry
  %k = phi i64 [ 0, %entry ], [ %k.next, %after ]
  br label %inner

inner:                                            ; preds = %inner, %outer
  %i = phi i64 [ 5, %outer ], [ %next, %inner ]
  %next = add nsw i64 %i, -2
  %more = icmp sgt i64 %next, 0
  br i1 %more, label %inner, label %after

after:                                            ; preds = %inner
  %k.next = add i64 %k, 1
  %done = icmp eq i64 %k.next, %n
  br i1 %done, label %out, label %outer

out:                                              ; preds = %after
  ret void
}
"""


def test_marks():
    marked = mark(LOOP)
    llvm.check(marked)
    properties = dict(re.findall(r'^(!\d+) = !{!"llvm.loop.unroll.(\w+)"}', marked, re.M))
    loops = dict(re.findall(r"^(!\d+) = distinct !{!\d+, (!\d+)}", marked, re.M))
    found = {line.split("label")[1].strip(" ,"): properties[loops[mark]]
             for line, mark in re.findall(r"(br i1 .*), !llvm.loop (!\d+)", marked)}
    assert found == {"%inner": "full", "%out": "disable"}
    assert re.sub(r"^!\d+ = .*\n", "", unmark(marked), flags=re.M) == LOOP
    assert mark(LOOP.replace("[ 5, %outer ]", "[ 50, %outer ]")).count('"llvm.loop.unroll.full"') == 1


# --- the whole of preparation ----------------------------------------------------------------------------------------

def saxpy(a, x, y):
    for i in range(x.shape[0]):
        y[i] += a * x[i]


def test_prepared_is_not_vectorised_and_optimised_is():
    lowered = lower(saxpy, (float64, A1, A1))
    ready = prepared(lowered.text, lowered.entry, machine())
    assert "x double>" not in ready and "@NRT_incref(" not in ready
    assert "x double>" in llvm.optimise(ready, machine=machine())


def test_invalid_text_is_refused():
    with pytest.raises(llvm.InvalidIR, match="expected"):
        llvm.check("define i32 @f( {")
    with pytest.raises(llvm.InvalidIR, match="does not dominate"):
        llvm.check("define i32 @f(i32 %x) {\n  %a = add i32 %b, 1\n  %b = add i32 %x, 1\n  ret i32 %b\n}\n")


def mixed(x, y):
    if x == y:
        return x ** 2 % 0.75
    total = 0.0
    for k in range(5):
        total += np.logaddexp(x * k, y) // 0.3 + max(x, y) ** -2
    return total + np.sinc(x - y)


@njit
def row_sum(u, i):
    total = 0.0
    for j in range(u.shape[1]):
        total += u[i, j] * 2.0
    return total + np.sum(u[i])


def over_rows(u):
    w = np.empty_like(u)
    w[:] = u
    total = 0.0
    for i in range(u.shape[0]):
        total += row_sum(w, i) ** 2
    return total


def heat(a, steps):
    b = a.copy()
    for _ in range(steps):
        for i in range(1, a.shape[0] - 1):
            b[i] = a[i] + 0.25 * (a[i - 1] - 2.0 * a[i] + a[i + 1])
        a, b = b, a
    return np.sum(a * a)


@njit
def power_by_recursion(x, n):
    return 1.0 if n <= 0 else x * power_by_recursion(x, n - 1)


def by_recursion(x, n):
    return power_by_recursion(x, n)


def with_tuple(t, x):
    return row_sum(x, 1) + t[0] * t[1] - t[2]


def selection(x, y):
    return np.maximum(x, y) + np.fmin(x, 2.0) + abs(y) + np.sign(x) + (x if x > y else y * 3.0)


CASES = {
    "mixed": (mixed, [(0.5, 1.5), (0.5, 0.5), (-2.0, 0.25)]),
    "arrays": (over_rows, [(np.arange(12.0).reshape(3, 4),)]),
    "buffers": (heat, [(np.linspace(0.0, 1.0, 9) ** 2, 6)]),
    "recursion": (by_recursion, [(1.1, 7)]),
    "tuples": (with_tuple, [((1.0, 2.0, 3.0), np.ones((2, 5)))]),
    "selection": (selection, [(1.0, 2.0), (2.0, 1.0), (1.0, 1.0), (np.nan, 1.0), (-1.0, np.inf)]),
    "strided": (over_rows, [(np.arange(24.0).reshape(6, 4)[::2, ::-1],)]),
    "components": (over_components, [((1.0, 2.0, 3.0), np.arange(9.0).reshape(3, 3))]),
}


def value_at(argument, path):
    """What Numba passes for a leaf of an argument."""
    for step in path:
        if isinstance(argument, np.ndarray):
            fields = {"meminfo": 0, "parent": 0, "nitems": argument.size, "itemsize": argument.itemsize,
                      "data": argument.ctypes.data, "shape": argument.shape, "strides": argument.strides}
            argument = fields[step]
        else:
            argument = argument[step]
    return argument


C_TYPES = {types.float64: ctypes.c_double, types.int64: ctypes.c_int64}


class Prepared:
    """A prepared function as machine code, optimised, with Numba's run-time functions linked in."""

    def __init__(self, function, argtypes):
        lowered = lower(function, argtypes)
        runtime = "".join(f"{definition.text}\n" for definition in definitions(str(rtsys.library._final_module))
                          if definition.name.startswith(EXTERNAL))
        runtime += "declare void @NRT_MemInfo_call_dtor(ptr)\n"
        runtime = re.sub(r" #\d+|, !prof !\d+|, !range !\d+", "", runtime)
        text = llvm.link(prepared(lowered.text, lowered.entry, machine()), runtime)
        module = binding.parse_assembly(llvm.optimise(text, machine=machine()))
        target = binding.Target.from_default_triple().create_target_machine(jit=True, codemodel="jitdefault")
        self.engine = binding.create_mcjit_compiler(module, target)
        self.engine.finalize_object()
        self.parameters = lowered.parameters
        leaves = [C_TYPES.get(each.leaf, ctypes.c_void_p) for each in self.parameters]
        prototype = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, *leaves)
        self.function = prototype(self.engine.get_function_address(lowered.entry))

    def __call__(self, *args):
        """Status and result."""
        result, exception = ctypes.c_double(), ctypes.c_void_p()
        leaves = [value_at(args[each.argument], each.path) for each in self.parameters]
        status = self.function(ctypes.addressof(result), ctypes.addressof(exception), *leaves)
        return status, result.value


@pytest.mark.parametrize("name", CASES)
def test_prepared_code_computes_the_same(name):
    function, calls = CASES[name]
    compiled = njit(function)
    values = [compiled(*copy.deepcopy(args)) for args in calls]
    code = Prepared(function, tuple(map(typeof, calls[0])))
    for args, value in zip(calls, values, strict=True):
        status, result = code(*args)
        assert status == 0
        np.testing.assert_allclose(result, value, rtol=1e-14)


@functools.cache
def power():
    return Prepared(lambda x, n: x ** n, (float64, int64))


@pytest.mark.parametrize("x, n", [(2.0, 10), (2.0, -3), (-1.5, 5), (0.0, 0), (1.0001, 70000), (1.5, -70000)])
def test_powers(x, n):
    assert power()(x, n) == (0, njit(lambda x, n: x ** n)(x, n))


@pytest.mark.parametrize("x, n, error", [(0.0, -1, ZeroDivisionError), (2.0, -2 ** 63, OverflowError)])
def test_powers_that_raise_still_do(x, n, error):
    with pytest.raises(error):
        njit(lambda x, n: x ** n)(x, n)
    status, _ = power()(x, n)
    assert status == 1
