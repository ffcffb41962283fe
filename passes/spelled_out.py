"""Functions of libdevice that are instructions, or two functions at once, as such.

Given   LLVM text of a kernel as numba-cuda lowers it.
Gives   `spelled_out`: the text with definitions, to be inlined, of these:

            sincos(x, p, q), sincospi, fast_sincosf      sin(x) to p, cos(x) to q
            modf(x, p)                                   trunc(x) to p; the result is numbad.fraction.f64(x)
            double_as_longlong(x) and other bit casts    bitcast, shifts
            double2float_rn(x), half2float(i), ...       fptrunc, fpext

        and in which assembly for what libdevice has is a call of it: tanh.approx.f32.
Unsure  leaves a function as it is; the rules have to decide it.

Analyses follow bits through instructions, and there are rules for functions with one result. `frexp` and `remquo` are
left: their integer can't be told apart from the call that gives their number.
"""

from __future__ import annotations

from numbad.passes import llvm
from numbad.passes.libdevice import PREFIX as LIBDEVICE
from numbad.passes.protect import FLOAT_CODES, PURE
from numbad.passes.text import assembly_as_call, declared_results, target_lines


def spelled_out(text: str) -> str:
    text = with_calls_for_assembly(text)
    found = (_definition(name, result) for name, result in declared_results(text, LIBDEVICE).items())
    bodies = [body for body in found if body is not None]
    return llvm.link(text, "\n".join([*target_lines(text), *bodies])) if bodies else text


def with_calls_for_assembly(text: str) -> str:
    """`math.tanh` of a float32 is an instruction under `fastmath`, and libdevice has a function of just that."""
    tanh = f"{LIBDEVICE}fast_tanhf"
    text, count = assembly_as_call(text, "tanh.approx.f32 $0, $1;", "=f,f", "float", tanh)
    return f"{text}\ndeclare float @{tanh}(float)\n" if count and not declared_results(text, tanh) else text


_BOTH = {  # name: sine, cosine, type
    "sincos": ("sin", "cos", "double"),
    "sincosf": ("sinf", "cosf", "float"),
    "sincospi": ("sinpi", "cospi", "double"),
    "sincospif": ("sinpif", "cospif", "float"),
    "fast_sincosf": ("fast_sinf", "fast_cosf", "float"),
}

_INSTRUCTIONS = {  # name: result, parameters, lines that end in %y
    "double_as_longlong": ("i64", "double %x", "%y = bitcast double %x to i64"),
    "longlong_as_double": ("double", "i64 %x", "%y = bitcast i64 %x to double"),
    "float_as_int": ("i32", "float %x", "%y = bitcast float %x to i32"),
    "float_as_uint": ("i32", "float %x", "%y = bitcast float %x to i32"),
    "int_as_float": ("float", "i32 %x", "%y = bitcast i32 %x to float"),
    "uint_as_float": ("float", "i32 %x", "%y = bitcast i32 %x to float"),
    "double2loint": ("i32", "double %x", """%bits = bitcast double %x to i64
  %y = trunc i64 %bits to i32"""),
    "double2hiint": ("i32", "double %x", """%bits = bitcast double %x to i64
  %high = lshr i64 %bits, 32
  %y = trunc i64 %high to i32"""),
    "hiloint2double": ("double", "i32 %high, i32 %low", """%wide = zext i32 %high to i64
  %upper = shl i64 %wide, 32
  %lower = zext i32 %low to i64
  %bits = or i64 %upper, %lower
  %y = bitcast i64 %bits to double"""),
    "double2float_rn": ("float", "double %x", "%y = fptrunc double %x to float"),
    "float2half_rn": ("i16", "float %x", """%half = fptrunc float %x to half
  %y = bitcast half %half to i16"""),
    "half2float": ("float", "i16 %x", """%half = bitcast i16 %x to half
  %y = fpext half %half to float"""),
}


def _definition(name: str, result: str) -> str | None:
    if name in _INSTRUCTIONS:
        type, parameters, lines = _INSTRUCTIONS[name]
        return _defined(name, type, parameters, f"  {lines}\n  ret {type} %y")
    if name in _BOTH:
        return _both(name, result, *_BOTH[name])
    if name in ("modf", "modff"):
        return _modf(name, "float" if name == "modff" else "double")
    return None


def _both(name: str, result: str, sine: str, cosine: str, type: str) -> str:
    return f"""
declare {type} @{LIBDEVICE}{sine}({type}) {_PURE}
declare {type} @{LIBDEVICE}{cosine}({type}) {_PURE}
""" + _defined(name, result, f"{type} %x, ptr %sine, ptr %cosine", f"""\
  %s = call {type} @{LIBDEVICE}{sine}({type} %x)
  %c = call {type} @{LIBDEVICE}{cosine}({type} %x)
  store {type} %s, ptr %sine
  store {type} %c, ptr %cosine
  ret {result}{"" if result == "void" else " null"}""")


def _modf(name: str, type: str) -> str:
    """The fraction has the sign of x, and infinite numbers are whole."""
    code = FLOAT_CODES[type]
    return f"""
declare {type} @llvm.trunc.{code}({type})
declare {type} @llvm.copysign.{code}({type}, {type})
define {type} @numbad.fraction.{code}({type} %x) noinline {PURE} {{
  %whole = call {type} @llvm.trunc.{code}({type} %x)
  %rest = fsub {type} %x, %whole
  %none = fcmp oeq {type} %x, %whole
  %size = select i1 %none, {type} 0.0, {type} %rest
  %fraction = call {type} @llvm.copysign.{code}({type} %size, {type} %x)
  ret {type} %fraction
}}
""" + _defined(name, type, f"{type} %x, ptr %whole", f"""\
  %w = call {type} @llvm.trunc.{code}({type} %x)
  store {type} %w, ptr %whole
  %fraction = call {type} @numbad.fraction.{code}({type} %x)
  ret {type} %fraction""")


_PURE = "nounwind willreturn nosync nofree nocallback memory(none)"


def _defined(name: str, result: str, parameters: str, lines: str) -> str:
    return f"define linkonce_odr {result} @{LIBDEVICE}{name}({parameters}) alwaysinline nounwind {{\n{lines}\n}}\n"
