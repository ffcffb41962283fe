"""Partial derivatives of the arithmetic instructions and of what rounds, picks and compares. See `elementary`."""

from __future__ import annotations

from numbad.passes.rules.algebra import copysign, ldexp, powi, rint, signed_to_real, unsigned_to_real, where
from numbad.passes.rules.table import Formula, Rule, make_rule, partials

partials("fadd", lambda a, b, y: (1.0, 1.0))
partials("fsub", lambda a, b, y: (1.0, -1.0))
partials("fmul", lambda a, b, y: (b, a))
partials("reciprocal", lambda x, y: -(y * y), strong=True)
partials("fneg", lambda x, y: -1.0)
partials("fma", lambda a, b, c, y: (b, a, 1.0))
partials("identity", lambda x, y: 1.0)  # canonicalize, arithmetic.fence, and fabs of what is never negative


@partials("fdiv", strong=True)
def _(a, b, y):
    inverse = 1.0 / b
    return inverse, -(y * inverse)


def _remainder(a, b, y):
    return 1.0, -rint((a - y) / b)  # y = a - b q; (a - y) / b is the integer q but for rounding


partials("frem", _remainder, strong=True)  # q towards zero: C's fmod
partials("mod", _remainder, strong=True)  # q downwards: Python's %
partials("remainder", _remainder, strong=True)  # q nearest: IEEE's remainder


def _picked(a, b, y):
    first = a == y  # also where both are equal
    return where(first, 1.0, 0.0), where(first, 0.0, 1.0)


partials("min", _picked)
partials("max", _picked)
partials("fraction", lambda x, y: 1.0)  # of modf; at its jumps the slope of either side
partials("saturate", lambda x, y: where(x == y, 1.0, 0.0))  # into [0, 1], both ends included; nan becomes 0
partials("fdim", lambda a, b, y: (where(a > b, 1.0, 0.0), where(a > b, -1.0, 0.0)))

partials("fabs", lambda x, y: where(x == 0.0, 0.0, copysign(1.0, x)))
partials("copysign", lambda a, b, y: (where(a == 0.0, 0.0, copysign(1.0, a) * copysign(1.0, b)), None))
partials("nextafter", lambda a, b, y: (1.0, None))
partials("ldexp", lambda x, n, y: (ldexp(1.0, n), None))


def _power(symbol: str) -> Formula:
    real = unsigned_to_real if ".u" in symbol else signed_to_real

    def formula(x, n, y):
        return where(n == 0, 0.0, real(n) * powi(x, n - 1, symbol)), None
    return formula


partials("powi", _power("numbad.powi.f64.i64"), strong=True)


def powi_rule(symbol: str) -> Rule:
    """The rule of x**n for the function `symbol`, which the derivative calls too."""
    return make_rule("powi", _power(symbol), strong=True)
