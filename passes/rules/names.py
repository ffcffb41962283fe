"""What the elementary functions are called: many symbols, one canonical name; and back.

`canonical("tanhf")` is `("tanh", "float")`: C names, Numba's own helpers (`numba_gamma`), libdevice (`__nv_sinf`).
Intrinsics carry their type in their name and are decided in `intrinsics`.

`symbol("cos", type, library)` is the symbol that a formula calls: `llvm.cos.f64`, `cosh`, `__nv_cosf`.

To add a function: put it into `C_FUNCTIONS` or `LIBDEVICE` here, give it a rule, and into `algebra` if formulas use it.
"""

from __future__ import annotations

from numbad.passes.ir.types import FloatType, IntType, Type, VectorType

_SAME = """acos acosh asin asinh atan atan2 atanh cbrt copysign cos cosh erf erfc exp exp10 exp2 expm1 fabs fdim fma
hypot j0 j1 jn ldexp lgamma log log10 log1p log2 nextafter pow powi remainder sin sinh sqrt tan tanh tgamma y0 y1 yn
ceil floor ilogb logb nearbyint rint round roundeven trunc llrint llround lrint lround"""

C_FUNCTIONS = {name: name for name in _SAME.split()} | {"fmod": "frem", "drem": "remainder", "fmin": "min",
                                                        "fmax": "max", "scalbn": "ldexp"}
"""C's name of a function of doubles -> its canonical name; the function of floats has an `f` behind it."""

_LIBDEVICE_ONLY = """cospi cyl_bessel_i0 cyl_bessel_i1 erfcinv erfcx erfinv norm3d norm4d normcdf normcdfinv rcbrt
rhypot rnorm3d rnorm4d rsqrt sinpi"""

LIBDEVICE = C_FUNCTIONS | {name: name for name in _LIBDEVICE_ONLY.split()} | {"fdivide": "fdiv"}
"""The same behind `__nv_` or `__nv_fast_`: a name that C lacks may be a function of the user's own elsewhere. What
libdevice has under other patterns of names is in `libdevice`."""

_NUMBA = {"gamma": "tgamma", "fixed_fmod": "fmod"}
"""Numba's helpers `numba_*` whose remaining name is not C's."""

_UNDERSCORED = frozenset(["hypot", "copysign", "nextafter"])
"""Microsoft's C library has these with an underscore in front."""

_INTRINSIC = frozenset("copysign cos exp exp2 fabs ldexp log pow rint sin sqrt".split())
"""Functions that formulas call as LLVM intrinsics, as Numba does: they vectorise and are known to be pure."""

_C_WITH_INTRINSIC = frozenset(["cosh", "sinh"])
"""Functions that formulas call by their C name as Numba does, and as intrinsics on vectors, where C has none."""

_CODES = {"half": "f16", "float": "f32", "double": "f64"}


def canonical(symbol: str) -> tuple[str, str] | None:
    """The canonical name and the float type of a C, Numba or libdevice function; None if it is none of these."""
    functions = C_FUNCTIONS
    if symbol.startswith("__nv_"):
        functions, symbol = LIBDEVICE, symbol[5:].removeprefix("fast_")
    elif symbol.startswith("numba_"):
        symbol = symbol[6:]
        for name, plain in _NUMBA.items():
            if symbol in (name, name + "f"):
                symbol = plain + symbol[len(name):]
    elif symbol.startswith("_"):
        symbol = symbol[1:]
        if symbol not in _UNDERSCORED and symbol.removesuffix("f") not in _UNDERSCORED:
            return None
    if symbol in functions:
        return functions[symbol], "double"
    if symbol[-1:] == "f" and symbol[:-1] in functions:
        return functions[symbol[:-1]], "float"
    return None


def type_code(type: Type) -> str:
    """A type as intrinsics spell it: f64, v4f32, i32."""
    match type:
        case FloatType(name=name) if name in _CODES:
            return _CODES[name]
        case IntType(bits=bits):
            return f"i{bits}"
        case VectorType(count=count, element=element, scalable=False):
            return f"v{count}{type_code(element)}"
    raise ValueError(f"elementary functions of {type} are not supported")


def symbol(name: str, types: tuple[Type, ...], library: str = "libm") -> str:
    """The symbol of a function that formulas use, for operands of these types."""
    real = types[0]
    if library == "libdevice":
        # The back end of the GPU selects no llvm.cos and the like: libdevice has all of them.
        return "__nv_" + name + _c_suffix(name, real)
    if name in _INTRINSIC or (name in _C_WITH_INTRINSIC and isinstance(real, VectorType)):
        overloads = [real, *(t for t in types if t.is_int)]
        return ".".join(["llvm", name, *map(type_code, overloads)])
    if name not in LIBDEVICE:
        raise ValueError(f"there is no function {name}")
    return name + _c_suffix(name, real)


def _c_suffix(name: str, real: Type) -> str:
    if not isinstance(real, FloatType) or real.name not in ("float", "double"):
        raise ValueError(f"there is no function {name} of {real}")
    return "f" if real.name == "float" else ""
