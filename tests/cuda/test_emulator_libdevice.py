"""The emulator's libdevice: every function of numba-cuda is known or refused, and gives what Python's own give."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")

from cuda.emulator import EmulatedKernel, Pointer, Unsupported, available, flatten  # noqa: E402
from cuda.emulator.libdevice import definition  # noqa: E402
from numba import float32, float64, int32, int64  # noqa: E402
from numba.cuda import libdevicefuncs  # noqa: E402

pytestmark = pytest.mark.skipif(not available(), reason=available().reason)

IR = {float32: "float", float64: "double", int32: "i32", int64: "i64"}
DIRECTED = ("rd", "ru", "rz")
REFUSED = {
    "byte_perm", "float2half_rn", "half2float",
    *(f"{p}{op}_{way}" for p in "df" for op in ("add", "sub", "mul", "div", "rcp", "sqrt") for way in DIRECTED),
    *(f"{name}_{way}" for name in ("fma", "fmaf", "double2float") for way in DIRECTED),
    *(f"{i}2{f}_{way}" for i in ("int", "uint", "ll", "ull") for f in ("float", "double") for way in DIRECTED),
}


def test_every_function_is_known_or_refused():
    refused = set()
    for name in libdevicefuncs.functions:
        try:
            definition(name)
        except Unsupported:
            refused.add(name.removeprefix("__nv_"))
    assert refused == {name for name in REFUSED if f"__nv_{name}" in libdevicefuncs.functions}


def called(calls: list[tuple]) -> list:
    """What calls (name, result type, (type, value)...) give, all in one kernel."""
    body, declarations = "", set()
    for n, (name, result, *arguments) in enumerate(calls):
        operands, types = [], []
        for i, (type, value) in enumerate(arguments):
            types.append("ptr" if type == "ptr" else type)
            if type == "ptr":
                body += f"  %p{n}.{i} = getelementptr [8 x i8], ptr %out, i64 {value}\n"
                operands.append(f"ptr %p{n}.{i}")
            else:
                written = f"0x{np.float64(value).view(np.uint64):016X}" if type in ("double", "float") else int(value)
                operands.append(f"{type} {written}")
        declarations.add(f"declare {result} @__nv_{name}({', '.join(types)})\n")
        call = f"call {result} @__nv_{name}({', '.join(operands)})\n"
        if result == "void":
            body += f"  {call}"
        else:
            body += (f"  %r{n} = {call}  %q{n} = getelementptr [8 x i8], ptr %out, i64 {n}\n"
                     f"  store {result} %r{n}, ptr %q{n}\n")
    text = "".join(sorted(declarations)) + f"define void @k(ptr %out) {{\n{body}  ret void\n}}\n"
    out = np.zeros(len(calls) + 8)
    EmulatedKernel(text, "k").launch(1, 1, flatten(Pointer(out)))
    kinds = {"double": np.float64, "float": np.float32, "i32": np.int32, "i64": np.int64, "void": np.float64}
    return [out[n:n + 1].view(kinds[call[1]])[0] for n, call in enumerate(calls)]


UNARY = {
    "sin": math.sin, "cos": math.cos, "tan": math.tan, "asin": math.asin, "acos": math.acos, "atan": math.atan,
    "sinh": math.sinh, "cosh": math.cosh, "tanh": math.tanh, "asinh": math.asinh, "atanh": math.atanh,
    "acosh": lambda x: math.acosh(x) if x >= 1 else math.nan, "exp": math.exp, "exp2": lambda x: 2**x,
    "exp10": lambda x: 10**x, "expm1": math.expm1, "log": math.log, "log2": math.log2, "log10": math.log10,
    "log1p": math.log1p, "sqrt": math.sqrt, "cbrt": np.cbrt, "floor": math.floor, "ceil": math.ceil,
    "trunc": math.trunc, "rint": round, "round": round, "nearbyint": round, "fabs": abs, "erf": math.erf,
    "erfc": math.erfc, "tgamma": math.gamma, "lgamma": math.lgamma, "j0": special.j0, "j1": special.j1,
    "y0": special.y0, "y1": special.y1, "logb": lambda x: math.frexp(x)[1] - 1, "rsqrt": lambda x: 1 / math.sqrt(x),
    "rcbrt": lambda x: 1 / np.cbrt(x),
    "sinpi": lambda x: math.sin(math.pi * x), "cospi": lambda x: math.cos(math.pi * x),
    "erfinv": special.erfinv, "erfcinv": special.erfcinv, "erfcx": special.erfcx, "normcdf": special.ndtr,
    "normcdfinv": special.ndtri,
}
BINARY = {
    "pow": math.pow, "atan2": math.atan2, "hypot": math.hypot, "fmod": math.fmod, "remainder": math.remainder,
    "copysign": math.copysign, "fmin": min, "fmax": max, "fdim": lambda a, b: max(a - b, 0.0),
}


@pytest.mark.parametrize("type, suffix, precision", [("double", "", 1e-14), ("float", "f", 5e-6)])
def test_elementary_functions(type, suffix, precision):
    points = (0.1875, 0.6875)
    calls = [(name + suffix, type, (type, x)) for name in UNARY for x in points]
    expected = [float(f(x)) for f in UNARY.values() for x in points]
    calls += [(name + suffix, type, (type, x), (type, y)) for name in BINARY for x, y in ((0.75, 2.5), (3.5, 0.625))]
    expected += [float(f(x, y)) for f in BINARY.values() for x, y in ((0.75, 2.5), (3.5, 0.625))]
    assert np.allclose(called(calls), expected, rtol=precision, atol=precision, equal_nan=True)


@pytest.mark.parametrize("type, suffix", [("double", ""), ("float", "f")])
def test_multiples_of_pi_are_exact(type, suffix):
    calls = [(f"{name}pi{suffix}", type, (type, x)) for name in ("sin", "cos") for x in (0.0, 0.5, 1.0, -1.5, 7.0, 1e6)]
    assert called(calls) == [0, 1, 0, 1, 0, 0, 1, 0, -1, 0, -1, 1]


@pytest.mark.parametrize("type, suffix", [("double", ""), ("float", "f")])
def test_other_signatures(type, suffix):
    x, n = (type, 2.75), ("i32", 3)
    names = ["fma", "jn", "yn", "ldexp", "scalbn", "frexp", "modf", "ilogb", "llrint", "llround"]
    arguments = [(x, x, x), (n, x), (n, x), (x, n), (x, n), (x, ("ptr", 12)), (x, ("ptr", 13)), (x,), (x,), (x,)]
    results = [type] * 7 + ["i32", "i64", "i64"]
    got = called([(f"{name}{suffix}", r, *a) for name, a, r in zip(names, arguments, results, strict=True)])
    known = [2.75**2 + 2.75, special.jn(3, 2.75), special.yn(3, 2.75), 22, 22, 2.75 / 4, 0.75, 1, 3, 3]
    assert np.allclose(got, known, rtol=2e-6)
    power = called([("powi" + suffix, type, x, n)])
    assert np.allclose(power, 2.75**3)


@pytest.mark.parametrize("name", ["sincos", "sincospi"])
def test_results_by_pointer(name):
    text = f"""
    declare void @__nv_{name}(double, ptr, ptr)
    define void @k(ptr %out) {{
      %p = getelementptr double, ptr %out, i64 1
      call void @__nv_{name}(double 0.375, ptr %out, ptr %p)
      ret void
    }}"""
    out = np.zeros(2)
    EmulatedKernel(text, "k").launch(1, 1, flatten(Pointer(out)))
    angle = 0.375 * (math.pi if name == "sincospi" else 1)
    assert np.allclose(out, [math.sin(angle), math.cos(angle)])


def test_fast_functions():
    names = ("sin", "cos", "tan", "exp", "exp10", "log", "log2", "log10")
    got = called([(f"fast_{name}f", "float", ("float", 0.75)) for name in names]
                 + [("fast_powf", "float", ("float", 0.75), ("float", 2.5)),
                    ("fast_fdividef", "float", ("float", 0.75), ("float", 2.5))])
    assert np.allclose(got, [UNARY[name](0.75) for name in names] + [0.75**2.5, 0.3], rtol=1e-6)


def test_predicates():
    points, calls = (0.0, -1.5, math.inf, -math.inf, math.nan), []
    for names, type in ((("isnand", "isinfd", "isfinited"), "double"), (("isnanf", "isinff", "finitef"), "float")):
        calls += [(name, "i32", (type, x)) for name in names for x in points]
    assert called(calls) == [int(f(x)) for f in (math.isnan, math.isinf, math.isfinite) for x in points] * 2
    assert called([("signbitd", "i32", ("double", -0.0)), ("signbitf", "i32", ("float", 1.0)),
                   ("saturatef", "float", ("float", math.nan)), ("saturatef", "float", ("float", 3.0))]) == [1, 0, 0, 1]


def test_integers_and_bits():
    i, j, big = ("i32", -7), ("i32", 3), ("i64", -(1 << 40))
    cases = [
        (("abs", "i32", i), 7), (("llabs", "i64", big), 1 << 40),
        (("max", "i32", i, j), 3), (("umax", "i32", i, j), -7),
        (("llmin", "i64", big, ("i64", 1)), -(1 << 40)), (("clz", "i32", j), 30), (("clzll", "i32", ("i64", 1)), 63),
        (("popc", "i32", i), 30), (("popcll", "i32", big), 24), (("ffs", "i32", ("i32", 8)), 4),
        (("ffs", "i32", ("i32", 0)), 0), (("ffsll", "i32", big), 41), (("brev", "i32", ("i32", 1)), -(1 << 31)),
        (("mulhi", "i32", i, j), -1), (("umulhi", "i32", i, j), 2), (("mul64hi", "i64", big, big), 1 << 16),
        (("mul24", "i32", i, j), -21), (("hadd", "i32", i, j), -2), (("rhadd", "i32", ("i32", 2), j), 3),
        (("sad", "i32", i, j, j), 13), (("double2int_rn", "i32", ("double", 2.5)), 2),
        (("double2int_ru", "i32", ("double", 2.1)), 3), (("float2ll_rz", "i64", ("float", -2.75)), -2),
        (("double2uint_rd", "i32", ("double", 7.9)), 7), (("int2double_rn", "double", i), -7.0),
        (("ull2double_rn", "double", ("i64", -1)), 2.0**64), (("double2hiint", "i32", ("double", 1.0)), 0x3FF00000),
        (("hiloint2double", "double", ("i32", 0x3FF00000), ("i32", 0)), 1.0),
        (("double_as_longlong", "i64", ("double", 1.0)), 0x3FF << 52),
        (("int_as_float", "float", ("i32", 0x3F800000)), 1.0),
    ]
    assert called([call for call, _ in cases]) == [value for _, value in cases]
