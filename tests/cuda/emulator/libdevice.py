"""libdevice by the C library, SciPy, or a few lines of IR.

Given   the name of a libdevice function, `__nv_...`.
Gives   IR that defines it, and declares what it calls.
Unsure  raises Unsupported. Arithmetic with directed rounding (`__nv_dadd_ru`) and half precision are not known: the
        host would need another rounding mode or instructions that not every x86-64 has.

Accuracy is that of the C library, within some units in the last place of libdevice's.
"""

from __future__ import annotations

import ctypes
import importlib
import math
import re
import struct

from cuda.emulator.errors import Unsupported

# Result and parameters in letters: T the floating type of the function, i int32, l int64, p pointer.
LIBM = {
    "T T": "sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh exp exp2 exp10 expm1 log log2 log10 log1p logb "
           "sqrt cbrt floor ceil trunc rint round nearbyint fabs erf erfc tgamma lgamma j0 j1 y0 y1",
    "T TT": "pow atan2 hypot fmod remainder copysign fmin fmax fdim nextafter",
    "T TTT": "fma",
    "T iT": "jn yn",
    "T Ti": "ldexp scalbn",
    "T Tp": "frexp modf",
    "T TTp": "remquo",
    "i T": "ilogb",
    "l T": "llrint llround",
    "v Tpp": "sincos",
}
SCIPY = {"erfinv": "erfinv", "erfcinv": "erfcinv", "erfcx": "erfcx", "normcdf": "ndtr", "normcdfinv": "ndtri"}
FAST = "sin cos tan tanh exp exp10 log log2 log10 pow sincos".split()

SIN_PI = """
  %half = fmul T %x, 0.5
  %whole = call T @llvm.rint.T(T %half)
  %even = fmul T %whole, 2.0
  %r = fsub T %x, %even
  %size = call T @llvm.fabs.T(T %r)
"""
# r lies in [-1, 1] and is exact; the argument of sin is folded into [-1/2, 1/2] so that integers give exact zeros
BODIES = {  # by name without a suffix: signature, and lines that end in %y
    "rsqrt": ("T T", "%s = call T @llvm.sqrt.T(T %a)\n %y = fdiv T 1.0, %s"),
    "rcbrt": ("T T", "%s = call T @NAME(cbrt)(T %a)\n %y = fdiv T 1.0, %s"),
    "sinpi": ("T T", SIN_PI.replace("%x", "%a") + """
  %unit = call T @llvm.copysign.T(T 1.0, T %r)
  %mirror = fsub T %unit, %r
  %far = fcmp ogt T %size, 0.5
  %f = select i1 %far, T %mirror, T %r
  %p = fmul T %f, PI
  %y = call T @NAME(sin)(T %p)"""),
    "cospi": ("T T", SIN_PI.replace("%x", "%a") + """
  %f = fsub T 0.5, %size
  %p = fmul T %f, PI
  %y = call T @NAME(sin)(T %p)"""),
    "powi": ("T Ti", "%e = sitofp i32 %b to T\n %y = call T @NAME(pow)(T %a, T %e)"),
}
EXACT = {  # by full name: signature and lines
    "saturatef": ("float f", """%l = fcmp olt float %a, 1.0
  %m = select i1 %l, float %a, float 1.0
  %g = fcmp ogt float %m, 0.0
  %y0 = select i1 %g, float %m, float 0.0
  %n = fcmp uno float %a, 0.0
  %y = select i1 %n, float 0.0, float %y0"""),
    "fast_fdividef": ("float ff", "%y = fdiv float %a, %b"),
    "frsqrt_rn": ("float f", "%s = call float @llvm.sqrt.f32(float %a)\n  %y = fdiv float 1.0, %s"),
    "double_as_longlong": ("i64 d", "%y = bitcast double %a to i64"),
    "longlong_as_double": ("double l", "%y = bitcast i64 %a to double"),
    "float_as_int": ("i32 f", "%y = bitcast float %a to i32"),
    "int_as_float": ("float i", "%y = bitcast i32 %a to float"),
    "double2hiint": ("i32 d", "%l = bitcast double %a to i64\n  %h = lshr i64 %l, 32\n  %y = trunc i64 %h to i32"),
    "double2loint": ("i32 d", "%l = bitcast double %a to i64\n  %y = trunc i64 %l to i32"),
    "hiloint2double": ("double ii", "%h = zext i32 %a to i64\n  %s = shl i64 %h, 32\n  %l = zext i32 %b to i64\n"
                       "  %o = or i64 %s, %l\n  %y = bitcast i64 %o to double"),
    "double2float_rn": ("float d", "%y = fptrunc double %a to float"),
    "mul24": ("i32 ii", "%s = shl i32 %a, 8\n  %t = ashr i32 %s, 8\n  %u = shl i32 %b, 8\n  %v = ashr i32 %u, 8\n"
              "  %y = mul i32 %t, %v"),
    "umul24": ("i32 ii", "%s = and i32 %a, 16777215\n  %t = and i32 %b, 16777215\n  %y = mul i32 %s, %t"),
    "brev": ("i32 i", "%y = call i32 @llvm.bitreverse.i32(i32 %a)"),
    "brevll": ("i64 l", "%y = call i64 @llvm.bitreverse.i64(i64 %a)"),
    "clz": ("i32 i", "%y = call i32 @llvm.ctlz.i32(i32 %a, i1 false)"),
    "popc": ("i32 i", "%y = call i32 @llvm.ctpop.i32(i32 %a)"),
    "clzll": ("i32 l", "%w = call i64 @llvm.ctlz.i64(i64 %a, i1 false)\n  %y = trunc i64 %w to i32"),
    "popcll": ("i32 l", "%w = call i64 @llvm.ctpop.i64(i64 %a)\n  %y = trunc i64 %w to i32"),
    "ffs": ("i32 i", "%w = call i32 @llvm.cttz.i32(i32 %a, i1 false)\n  %v = add i32 %w, 1\n  %z = icmp eq i32 %a, 0\n"
            "  %y = select i1 %z, i32 0, i32 %v"),
    "ffsll": ("i32 l", "%w = call i64 @llvm.cttz.i64(i64 %a, i1 false)\n  %v = add i64 %w, 1\n"
              "  %z = icmp eq i64 %a, 0\n  %s = select i1 %z, i64 0, i64 %v\n  %y = trunc i64 %s to i32"),
    "abs": ("i32 i", "%y = call i32 @llvm.abs.i32(i32 %a, i1 false)"),
    "llabs": ("i64 l", "%y = call i64 @llvm.abs.i64(i64 %a, i1 false)"),
}
LETTERS = {"f": "float", "d": "double", "i": "i32", "l": "i64", "p": "ptr", "v": "void"}

for _prefix, _type in (("", "i32"), ("ll", "i64")):
    for _way in ("max", "min"):
        for _sign, _u in (("s", ""), ("u", "u")):
            _letter = "i" if _type == "i32" else "l"
            EXACT[f"{_u}{_prefix}{_way}"] = (
                f"{_type} {_letter}{_letter}", f"%y = call {_type} @llvm.{_sign}{_way}.{_type}({_type} %a, {_type} %b)")
for _name, _wide, _narrow, _cast, _shift in (
        ("mulhi", "i64", "i32", "sext", 32), ("umulhi", "i64", "i32", "zext", 32),
        ("mul64hi", "i128", "i64", "sext", 64), ("umul64hi", "i128", "i64", "zext", 64)):
    _letter = "i" if _narrow == "i32" else "l"
    EXACT[_name] = (f"{_narrow} {_letter}{_letter}",
                    f"%s = {_cast} {_narrow} %a to {_wide}\n  %t = {_cast} {_narrow} %b to {_wide}\n"
                    f"  %m = mul {_wide} %s, %t\n  %h = lshr {_wide} %m, {_shift}\n"
                    f"  %y = trunc {_wide} %h to {_narrow}")
for _name, _cast, _round in (("hadd", "sext", 0), ("rhadd", "sext", 1), ("uhadd", "zext", 0), ("urhadd", "zext", 1)):
    EXACT[_name] = ("i32 ii", f"%s = {_cast} i32 %a to i64\n  %t = {_cast} i32 %b to i64\n  %m = add i64 %s, %t\n"
                    f"  %n = add i64 %m, {_round}\n  %h = lshr i64 %n, 1\n  %y = trunc i64 %h to i32")
for _name, _way in (("sad", "s"), ("usad", "u")):
    EXACT[_name] = ("i32 iii", f"%p = call i32 @llvm.{_way}max.i32(i32 %a, i32 %b)\n"
                    f"  %q = call i32 @llvm.{_way}min.i32(i32 %a, i32 %b)\n  %d = sub i32 %p, %q\n"
                    "  %y = add i32 %d, %c")
for _letter, _type, _word, _integer in (("d", "double", "d", "i64"), ("f", "float", "f", "i32")):
    _infinity = "0x7FF0000000000000"
    _abs = f"%s = call {_type} @llvm.fabs.{'f64' if _letter == 'd' else 'f32'}({_type} %a)\n  "
    _zext = "\n  %y = zext i1 %c to i32"
    EXACT[f"isnan{_word}"] = (f"i32 {_letter}", f"%c = fcmp uno {_type} %a, 0.0{_zext}")
    EXACT[f"isinf{_word}"] = (f"i32 {_letter}", f"{_abs}%c = fcmp oeq {_type} %s, {_infinity}{_zext}")
    EXACT["isfinited" if _letter == "d" else "finitef"] = (
        f"i32 {_letter}", f"{_abs}%c = fcmp olt {_type} %s, {_infinity}{_zext}")
    EXACT[f"signbit{_word}"] = (f"i32 {_letter}", f"%s = bitcast {_type} %a to {_integer}\n"
                                f"  %c = icmp slt {_integer} %s, 0{_zext}")
    for _op, _instruction in (("add", "fadd"), ("sub", "fsub"), ("mul", "fmul"), ("div", "fdiv")):
        EXACT[f"{_word}{_op}_rn"] = (f"{_type} {_letter}{_letter}", f"%y = {_instruction} {_type} %a, %b")
    _suffix = "f64" if _letter == "d" else "f32"
    EXACT[f"{_word}rcp_rn"] = (f"{_type} {_letter}", f"%y = fdiv {_type} 1.0, %a")
    EXACT[f"{_word}sqrt_rn"] = (f"{_type} {_letter}", f"%y = call {_type} @llvm.sqrt.{_suffix}({_type} %a)")
    EXACT["fma_rn" if _letter == "d" else "fmaf_rn"] = (
        f"{_type} {_letter * 3}", f"%y = call {_type} @llvm.fma.{_suffix}({_type} %a, {_type} %b, {_type} %c)")
    for _int, _width, _sign in (("int", "i32", "s"), ("uint", "i32", "u"), ("ll", "i64", "s"), ("ull", "i64", "u")):
        for _way, _round in (("rn", "roundeven"), ("rz", "trunc"), ("rd", "floor"), ("ru", "ceil")):
            EXACT[f"{_type}2{_int}_{_way}"] = (
                f"{_width} {_letter}", f"%r = call {_type} @llvm.{_round}.{_suffix}({_type} %a)\n"
                f"  %y = call {_width} @llvm.fpto{_sign}i.sat.{_width}.{_suffix}({_type} %r)")
        _from = "i" if _width == "i32" else "l"
        EXACT[f"{_int}2{_type}_rn"] = (f"{_type} {_from}", f"%y = {_sign}itofp {_width} %a to {_type}")

ADDRESSES: dict[str, int] = {}


def from_scipy(name: str) -> int:
    """The address of a function of SciPy from double to double."""
    if name not in ADDRESSES:
        table = importlib.import_module("scipy.special.cython_special").__pyx_capi__
        get_name = ctypes.pythonapi.PyCapsule_GetName
        get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
        get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
        get_pointer.restype, get_pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
        for key in (name, f"__pyx_fuse_0{name}", f"__pyx_fuse_1{name}"):  # which variant is double differs by name
            signature = get_name(table[key]) if key in table else b""
            if signature.startswith(b"double (double"):
                ADDRESSES[name] = get_pointer(table[key], signature)
                break
        else:
            raise Unsupported(f"this SciPy has no scipy.special.{name} of doubles for C")
    return ADDRESSES[name]


def definition(name: str) -> tuple[str, dict[str, str]]:
    """IR that defines `@name`, and the declarations that it needs by the name declared."""
    plain = name.removeprefix("__nv_")
    if plain in EXACT:
        signature, body = EXACT[plain]
        result, letters = signature.split(" ")
        return function(name, result, [LETTERS[c] for c in letters], body)
    if plain.startswith("fast_") and plain[5:-1] in FAST:
        plain = plain[5:]
    for base, type, suffix in ((plain, "double", ""), (plain[:-1] if plain.endswith("f") else "", "float", "f")):
        if plain.startswith("sincospi") and base == "sincospi":
            return both_of_pi(name, type, suffix)
        for signature, names in LIBM.items():
            if base in names.split():
                return wrapped(name, base + suffix, signature, type)
        if base in SCIPY:
            body = "%w = fpext float %a to double\n  " if suffix else "%w = fadd double %a, -0.0\n  "
            address = f"inttoptr (i64 {from_scipy(SCIPY[base])} to ptr)"
            body += f"%v = call double {address}(double %w, i32 0)\n  "  # the 0 means: not called from Python
            body += "%y = fptrunc double %v to float" if suffix else "%y = fadd double %v, -0.0"
            return function(name, type, [type], body)
        if base in BODIES:
            signature, body = BODIES[base]
            parameters = [type if c == "T" else LETTERS[c] for c in signature.split(" ")[1]]
            return function(name, type, parameters, typed(body, type))
    raise Unsupported(f"the emulator does not know {name} of libdevice")


def typed(body: str, type: str) -> str:
    """A body of BODIES for one floating type."""
    short, suffix, pi = ("f64", "", math.pi) if type == "double" else ("f32", "f", ctypes.c_float(math.pi).value)
    bits = struct.unpack("<Q", struct.pack("<d", pi))[0]  # LLVM takes decimals of a float only if they are exact
    for function_name in ("sin", "cbrt", "pow"):
        body = body.replace(f"@NAME({function_name})", f"@{function_name}{suffix}")
    body = body.replace(".T(", f".{short}(").replace("PI", f"0x{bits:016X}")
    return re.sub(r"\bT\b", type, body)


def declared(body: str) -> dict[str, str]:
    """The declarations of all that a body calls by name, read from the calls."""
    found = {}
    for line in body.splitlines():
        if "call " in line and "@" in line:
            result = line.split("call ")[1].split(" ")[0]
            callee, _, rest = line.split("@")[1].partition("(")
            types = [a.strip().split(" ")[0] for a in rest.rstrip(" )").split(",")]
            found[callee] = f"declare {result} @{callee}({', '.join(types)})\n"
    return found


def function(name: str, result: str, types: list[str], body: str) -> tuple[str, dict[str, str]]:
    parameters = ", ".join(f"{t} %{chr(97 + i)}" for i, t in enumerate(types))
    return f"define internal {result} @{name}({parameters}) {{\n  {body}\n  ret {result} %y\n}}\n", declared(body)


def wrapped(name: str, callee: str, signature: str, type: str) -> tuple[str, dict[str, str]]:
    result, letters = ("".join(signature.split(" ")[0]), signature.split(" ")[1])
    types = [type if c == "T" else LETTERS[c] for c in letters]
    returns = type if result == "T" else LETTERS[result]
    parameters = ", ".join(f"{t} %a{i}" for i, t in enumerate(types))
    call = f"call {returns} @{callee}({parameters})"
    body = f"  {call}\n  ret void" if returns == "void" else f"  %y = {call}\n  ret {returns} %y"
    return (f"define internal {returns} @{name}({parameters}) {{\n{body}\n}}\n",
            {callee: f"declare {returns} @{callee}({', '.join(types)})\n"})


def both_of_pi(name: str, type: str, suffix: str) -> tuple[str, dict[str, str]]:
    text, needed = "", {}
    for base in ("sinpi", "cospi"):
        body, declarations = definition(f"__nv_{base}{suffix}")
        text += body.replace(f"@__nv_{base}{suffix}(", f"@emu.both.{base}{suffix}(")
        needed |= declarations
    text += (f"define internal void @{name}({type} %a, ptr %s, ptr %c) {{\n"
             f"  %x = call {type} @emu.both.sinpi{suffix}({type} %a)\n  store {type} %x, ptr %s\n"
             f"  %y = call {type} @emu.both.cospi{suffix}({type} %a)\n  store {type} %y, ptr %c\n  ret void\n}}\n")
    return text, needed
