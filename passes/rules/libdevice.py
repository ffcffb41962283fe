"""What the functions of CUDA's libdevice mean whose names aren't those of functions with a suffix (see `names`).

`DECISIONS` has them by their names without `__nv_`. What only moves bits, or gives two results that are two functions,
is no call any more when rules are asked for: `passes/spelled_out.py` has written it as instructions.

NVIDIA's list: https://docs.nvidia.com/cuda/libdevice-users-guide/. Tests go over all names that numba-cuda has.
"""

from __future__ import annotations

from itertools import product

from numbad.passes.rules.decisions import Decision, Inactive, Known, Refused

PREFIX = "__nv_"

DECISIONS: dict[str, Decision | Known] = {}


def _decide(decision: Decision | Known, names: str) -> None:
    DECISIONS.update(dict.fromkeys(names.split(), decision))


_WAYS = ("rn", "rz", "rd", "ru")
"""To the nearest number, towards zero, down, up."""

# Arithmetic rounded in a given way has the derivative of the exact function.
for _way, (_letter, _real) in product(_WAYS, (("d", "double"), ("f", "float"))):
    for _operation, _rule in (("add", "fadd"), ("sub", "fsub"), ("mul", "fmul"), ("div", "fdiv"),
                              ("rcp", "reciprocal"), ("sqrt", "sqrt")):
        _decide(Known(_rule, _real), f"{_letter}{_operation}_{_way}")
    _decide(Known("fma", _real), f"fma_{_way}" if _real == "double" else f"fmaf_{_way} fmaf_ieee_{_way}")
_decide(Known("rsqrt", "float"), "frsqrt_rn")
_decide(Known("saturate", "float"), "saturatef")

# A number becomes an integer: flat. An integer becomes a number; if it holds bits of one, the result depends on that.
for _way, _integer, _real in product(_WAYS, ("int", "uint", "ll", "ull"), ("float", "double")):
    _decide(Inactive(), f"{_real}2{_integer}_{_way}")
    _decide(Inactive(bits=True), f"{_integer}2{_real}_{_way}")
_decide(Inactive(), "isnand isnanf isinfd isinff isfinited finitef signbitd signbitf")

_decide(Inactive(bits=True), """abs brev brevll byte_perm clz clzll ffs ffsll hadd llabs llmax llmin max min mul24
    mul64hi mulhi popc popcll rhadd sad uhadd ullmax ullmin umax umin umul24 umul64hi umulhi urhadd usad""")

_decide(Refused("it gives a second result through a pointer"), "frexp frexpf remquo remquof")
_decide(Refused("it reads numbers through a pointer"), "norm normf rnorm rnormf")
_decide(Refused("a conversion to float32 not rounded to nearest has no rule; write numpy.float32(x)"),
        "double2float_rz double2float_rd double2float_ru")
