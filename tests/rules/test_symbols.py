"""What called symbols mean: one function under many names, and every name that Numba can emit."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from numbad.passes.ir.instructions import Call, Instruction
from numbad.passes.ir.parser import parse
from numbad.passes.ir.types import DOUBLE, FLOAT, I32, I64, VectorType
from numbad.passes.rules import intrinsics, libdevice, names, runtime
from numbad.passes.rules.decisions import Known
from numbad.passes.rules.symbols import Elementary, Inactive, Reduction, Refused, classify, rule_of
from numbad.passes.rules.table import RULES


def instructions(body: str, declarations: str = "") -> list[Instruction]:
    """The instructions of a function `f(double %x, double %y, i64 %n, float %s, i32 %m, <4 x float> %v, ptr %p)`."""
    text = f"""
define void @f(double %x, double %y, i64 %n, float %s, i32 %m, <4 x float> %v, ptr %p) {{
{body}
  ret void
}}
{declarations}
"""
    return list(parse(text).functions["f"].instructions)


def call_of(symbol: str, result: str, operands: str, body: str | None = None) -> Call:
    types = ", ".join(re.findall(r"(<.*?>|\w+) %", operands))
    declaration = body if body is not None else f"declare {result} @{symbol}({types})"
    return_ = "" if result == "void" else "%r = "
    return instructions(f"  {return_}call {result} @{symbol}({operands})", declaration)[0]


def meaning(symbol: str, result: str, operands: str):
    return classify(call_of(symbol, result, operands))


X, S, XY, SS, V = "double %x", "float %s", "double %x, double %y", "float %s, float %s", "<4 x float> %v"

ELEMENTARY = [
    ("sin", "llvm.sin.f64", "double", X), ("sin", "llvm.sin.f32", "float", S), ("sin", "sin", "double", X),
    ("sin", "sinf", "float", S), ("sin", "__nv_sin", "double", X), ("sin", "__nv_fast_sinf", "float", S),
    ("sin", "llvm.sin.v4f32", "<4 x float>", V),
    ("erf", "erf", "double", X), ("erf", "erff", "float", S), ("exp2", "exp2f", "float", S),
    ("tgamma", "numba_gamma", "double", X), ("tgamma", "numba_gammaf", "float", S),
    ("lgamma", "lgamma", "double", X), ("lgamma", "numba_lgammaf", "float", S),
    ("frem", "fmod", "double", XY), ("frem", "numba_fixed_fmodf", "float", SS),
    ("remainder", "remainderf", "float", SS),
    ("hypot", "hypot", "double", XY), ("hypot", "_hypotf", "float", SS),
    ("atan2", "atan2f", "float", SS), ("nextafter", "numba_nextafter", "double", XY),
    ("min", "llvm.minnum.f64", "double", XY), ("min", "llvm.minimumnum.f64", "double", XY),
    ("min", "fminf", "float", SS), ("max", "llvm.maximum.f64", "double", XY), ("max", "__nv_fmax", "double", XY),
    ("fma", "llvm.fmuladd.f64", "double", XY + ", " + X), ("fma", "fma", "double", XY + ", " + X),
    ("ldexp", "numba_ldexp", "double", X + ", i32 %m"), ("ldexp", "llvm.ldexp.f32.i32", "float", S + ", i32 %m"),
    ("powi", "llvm.powi.f64.i32", "double", X + ", i32 %m"),
    ("powi", "numbad.powi.f64.i64", "double", X + ", i64 %n"),
    ("powi", "numbad.powi.f32.u64.1", "float", S + ", i64 %n"),
    ("mod", "numbad.mod.f64", "double", XY), ("mod", "numbad.mod.f32.2", "float", SS),
    ("logaddexp", "numbad.logaddexp.f64", "double", XY), ("logaddexp2", "numbad.logaddexp2.f32", "float", SS),
    ("sinc", "numbad.sinc.f64", "double", X), ("fraction", "numbad.fraction.f64", "double", X),
    ("polygamma", "numbad.polygamma.f64", "double", "i64 %n, " + X),
    ("sinpi", "__nv_sinpif", "float", S), ("tanh", "__nv_fast_tanhf", "float", S), ("j0", "j0", "double", X),
    ("jn", "__nv_jn", "double", "i32 %m, " + X), ("ldexp", "__nv_scalbnf", "float", S + ", i32 %m"),
    ("norm3d", "__nv_norm3d", "double", XY + ", " + X), ("rhypot", "__nv_rhypotf", "float", SS),
    ("cyl_bessel_i1", "__nv_cyl_bessel_i1f", "float", S), ("fma", "__nv_fmaf_ieee_rd", "float", SS + ", " + S),
    ("fsub", "__nv_dsub_rz", "double", XY), ("fdiv", "__nv_fast_fdividef", "float", SS),
    ("reciprocal", "__nv_drcp_ru", "double", X), ("rsqrt", "__nv_frsqrt_rn", "float", S),
    ("identity", "llvm.canonicalize.f64", "double", X), ("identity", "llvm.arithmetic.fence.f64", "double", X),
]


@pytest.mark.parametrize("name, symbol, result, operands", ELEMENTARY, ids=[row[1] for row in ELEMENTARY])
def test_elementary(name, symbol, result, operands):
    decision = meaning(symbol, result, operands)
    assert isinstance(decision, Elementary)
    assert decision.rule.name == name
    assert rule_of(call_of(symbol, result, operands)) == decision.rule


INACTIVE = [
    ("llvm.floor.f64", "double", X), ("floorf", "float", S), ("ceil", "double", X), ("truncf", "float", S),
    ("llvm.rint.v4f32", "<4 x float>", V), ("llvm.is.fpclass.f64", "i1", X + ", i32 %m"), ("lround", "i64", X),
    ("llvm.fptosi.sat.i64.f64", "i64", X), ("llvm.umax.i64", "i64", "i64 %n, i64 %n"), ("__nv_llrint", "i64", X),
    ("llvm.smul.with.overflow.i64", "{ i64, i1 }", "i64 %n, i64 %n"), ("llvm.lifetime.start.p0", "void", "ptr %p"),
    ("numbad.floordiv.f64", "double", XY), ("numbad.powi.status.f64.i64", "i32", X + ", i64 %n"),
    ("numbad.powi.raise.f64.i64", "void", "ptr %p, double %x, i64 %n"),
    ("numba_rnd_shuffle", "void", "ptr %p"), ("numba_get_np_random_state", "ptr", ""),
    ("PyFloat_FromDouble", "ptr", X), ("numba_gil_ensure", "void", "ptr %p"),
]


@pytest.mark.parametrize("symbol, result, operands", INACTIVE, ids=[row[0] for row in INACTIVE])
def test_inactive(symbol, result, operands):
    assert isinstance(meaning(symbol, result, operands), Inactive)


def test_what_must_not_be_called_twice():
    assert meaning("floor", "double", X) == Inactive()
    assert meaning("numba_rnd_shuffle", "void", "ptr %p") == Inactive(repeatable=False)
    assert meaning("llvm.fshl.i64", "i64", "i64 %n, i64 %n, i64 %n") == Inactive(bits=True)


@pytest.mark.parametrize("symbol, result, operands, reason, always", [
    ("numba_frexp", "double", "double %x, ptr %p", "second result through a pointer", False),
    ("numba_cpow", "void", "ptr %p, ptr %p, ptr %p", "cmath.exp", False),
    ("modf", "double", "double %x, ptr %p", "pointer", False),
    ("__nv_remquo", "double", "double %x, double %y, ptr %p", "second result through a pointer", False),
    ("__nv_norm", "double", "i32 %m, ptr %p", "numbers through a pointer", False),
    ("__nv_double2float_ru", "float", "double %x", "not rounded to nearest", False),
    ("llvm.modf.f64", "{ double, double }", X, "two results", False),
    ("llvm.sin.f16", "half", "half 1.0", "of half", False),
    ("llvm.masked.load.v4f32.p0", "<4 x float>", "ptr %p", "masked", False),
    ("PyObject_CallFunctionObjArgs", "ptr", "ptr %p", "runs Python code", True),
    ("PyFloat_AsDouble", "double", "ptr %p", "from the Python interpreter", True)])
def test_refused(symbol, result, operands, reason, always):
    body = f"declare {result} @{symbol}(half)" if "half" in operands else None
    decision = classify(call_of(symbol, result, operands, body))
    assert isinstance(decision, Refused)
    assert reason in decision.reason
    assert decision.always is always


@pytest.mark.parametrize("symbol, result, operands", [
    ("erfinv", "double", X), ("rsqrtf", "float", S), ("dadd_rn", "double", XY), ("__nv_dadd_rn", "float", SS),
    ("llvm.unheard.of.f64", "double", X), ("numbad.tape.push", "ptr", "ptr %p"),
    ("numbad.a1b2c3", "i32", "ptr %p"), ("numbad.runtime.polygamma_positive", "double", "i64 %n, double %x"),
    ("llvm.memcpy.p0.p0.i64", "void", "ptr %p, ptr %p, i64 %n"), ("NRT_incref", "void", "ptr %p"),
    ("numba_xxgemm", "i32", "ptr %p"), ("_sin", "double", X)])
def test_unknown(symbol, result, operands):
    assert meaning(symbol, result, operands) is None


@pytest.mark.parametrize("symbol, result, operands", [
    ("sin", "float", S), ("sinf", "double", X), ("sin", "double", XY), ("pow", "double", X), ("sin", "i64", X),
    ("atan2", "double", "double %x, float %s")])
def test_a_call_that_does_not_fit_its_rule_is_unknown(symbol, result, operands):
    assert meaning(symbol, result, operands) is None


def test_a_body_of_its_own_wins_over_the_name():
    body = "define double @hypot(double %a) {\n  ret double %a\n}"
    assert classify(call_of("hypot", "double", X, body)) is None
    own = "define double @numbad.sinc.f64(double %a) {\n  ret double %a\n}"
    assert isinstance(classify(call_of("numbad.sinc.f64", "double", X, own)), Elementary)


def test_indirect_calls_are_unknown():
    (call, _) = instructions("  %r = call double %p(double %x)")
    assert classify(call) is None


def test_reductions():
    decision = meaning("llvm.vector.reduce.fmul.v4f32", "float", "float %s, <4 x float> %v")
    assert isinstance(decision, Reduction)
    assert decision.rule.reads == (frozenset([1]), frozenset([0, 1]))


@pytest.mark.parametrize("text, strong", [
    ("fdiv double %x, %y", True), ("fdiv double %x, 2.0", False), ("fdiv double %x, 0.0", True),
    ("fdiv double 2.0, %x", True), ("frem double %x, 1.0", False), ("frem double %x, %y", True),
    ("fdiv <4 x float> %v, splat (float 2.0)", False), ("fmul double %x, %y", False),
    ("call double @llvm.pow.f64(double %x, double %y)", True),
    ("call double @llvm.pow.f64(double %x, double 2.5)", False),
    ("call double @llvm.pow.f64(double %x, double 0.5)", True),
    ("call double @llvm.pow.f64(double 10.0, double %x)", False),
    ("call double @llvm.powi.f64.i32(double %x, i32 -2)", True),
    ("call double @llvm.powi.f64.i32(double %x, i32 3)", False)])
def test_constants_that_exclude_the_singular_points_need_no_strong_zero(text, strong):
    declarations = ("declare double @llvm.pow.f64(double, double)\n" * ("llvm.pow.f64" in text)
                    + "declare double @llvm.powi.f64.i32(double, i32)\n" * ("powi" in text))
    rule = rule_of(instructions(f"  %r = {text}", declarations)[0])
    assert rule is not None
    assert rule.strong is strong


def test_instructions_that_move_values_have_no_rule():
    moved = instructions("""
  %a = select i1 true, double %x, double %y
  %b = fpext float %s to double
  %c = load double, ptr %p
  %d = fadd double %x, %y
  %e = fneg double %x""")
    assert [rule.name if (rule := rule_of(i)) else None for i in moved] == [None, None, None, "fadd", "fneg", None]


def test_the_absolute_value_of_a_root_is_the_root():
    """LLVM writes x ** 0.5 as |sqrt(x)|: |0| must not hide that the derivative at 0 is infinite."""
    calls = instructions("""
  %root = call double @llvm.sqrt.f64(double %x)
  %a = call double @llvm.fabs.f64(double %root)
  %b = call double @llvm.fabs.f64(double %x)""", """
declare double @llvm.sqrt.f64(double)
declare double @llvm.fabs.f64(double)""")
    assert [rule_of(c).name for c in calls[1:3]] == ["identity", "fabs"]


def test_powers_call_the_function_of_the_program():
    rule = rule_of(call_of("numbad.powi.f64.u64.3", "double", X + ", i64 %n"))
    assert rule is rule_of(call_of("numbad.powi.f64.u64.3", "double", X + ", i64 %n"))
    assert rule != RULES["powi"]


def test_symbols_of_formulas():
    assert names.symbol("cos", (DOUBLE,)) == "llvm.cos.f64"
    assert names.symbol("cosh", (FLOAT,)) == "coshf"
    assert names.symbol("cosh", (VectorType(4, FLOAT),)) == "llvm.cosh.v4f32"
    assert names.symbol("ldexp", (DOUBLE, I32)) == "llvm.ldexp.f64.i32"
    assert names.symbol("cos", (FLOAT,), "libdevice") == "__nv_cosf"
    with pytest.raises(ValueError, match="not supported"):
        names.symbol("cos", (VectorType(4, FLOAT, True),))
    with pytest.raises(ValueError, match="no function frobnicate"):
        names.symbol("frobnicate", (DOUBLE,))
    with pytest.raises(ValueError, match="no function tan of"):
        names.symbol("tan", (I64,))


def test_the_run_time_text_defines_what_it_says():
    for symbol, text in runtime.RUNTIME.items():
        for library in ("libm", "libdevice"):
            assert not parse(text(library)).functions[symbol].is_declaration


# --- against what Numba can emit -------------------------------------------------------------------------------------


def numba_sources() -> list[str]:
    numba = pytest.importorskip("numba")
    root = Path(inspect.getfile(numba)).parent
    return [path.read_text() for folder in ("core", "cpython", "np", "parfors")
            for path in (root / folder).rglob("*.py") if "tests" not in path.parts]


def test_every_intrinsic_that_numba_names_is_decided():
    named = {name for text in numba_sources() for name in re.findall(r"""['"]llvm\.([a-z][a-z0-9.]*)""", text)}
    named -= {"dbg.cu", "module.flags", "loop.vectorize.enable", "loop.unroll.disable"}  # metadata
    assert len(named) > 20
    assert [name for name in sorted(named) if intrinsics.base(f"llvm.{name}") is None] == []


def test_every_c_function_that_numba_names_is_decided():
    named = {name for text in numba_sources()
             for pair in re.findall(r'unary_math_extern\(math\.\w+, "(\w+)", "(\w+)"', text) for name in pair}
    assert len(named) > 40
    for name in sorted(named):
        function = names.canonical(name)
        assert function is not None, name
        assert function[1] == ("float" if name.endswith("f") and name != "erf" else "double"), name
        result, operands = ("float", S) if function[1] == "float" else ("double", X)
        assert isinstance(meaning(name, result, operands), (Elementary, Inactive)), name


def test_every_rule_can_be_reached():
    reached = {row[0] for row in ELEMENTARY} | {"fadd", "fsub", "fmul", "fdiv", "fneg"}
    reached |= set(names.LIBDEVICE.values())
    reached |= {decision.rule for decision in libdevice.DECISIONS.values() if isinstance(decision, Known)}
    assert RULES.keys() <= reached
