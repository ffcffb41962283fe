"""Partial derivatives of the special functions. See `elementary`.

[AS] is Abramowitz and Stegun, Handbook of Mathematical Functions, by the numbers of its equations.
"""

from __future__ import annotations

import math

from numbad.passes.rules.algebra import (
    Operand,
    bessel_i0,
    bessel_i1,
    exp,
    fabs,
    j0,
    j1,
    jn,
    polygamma,
    where,
    y0,
    y1,
    yn,
)
from numbad.passes.rules.table import partials

_SLOPE = 2.0 / math.sqrt(math.pi)

partials("erf", lambda x, y: _SLOPE * exp(-(x * x)))
partials("erfc", lambda x, y: -_SLOPE * exp(-(x * x)))
partials("erfinv", lambda x, y: 1.0 / _SLOPE * exp(y * y), strong=True)
partials("erfcinv", lambda x, y: -1.0 / _SLOPE * exp(y * y), strong=True)
partials("normcdf", lambda x, y: 1.0 / math.sqrt(2.0 * math.pi) * exp(-0.5 * x * x))
partials("normcdfinv", lambda x, y: math.sqrt(2.0 * math.pi) * exp(0.5 * y * y), strong=True)


@partials("erfcx")  # exp(x^2) erfc(x)
def _(x, y):
    far = x > 10.0  # there 2 x y - 2 / sqrt(pi) cancels: take the derivative of the asymptotic series [AS 7.1.23]
    square = where(far, x * x, 1.0)
    series: Operand = 1.0
    for k in range(12, 0, -1):
        series = 1.0 - (2 * k + 1) * series / (2.0 * square)
    return where(far, -0.5 * _SLOPE * series / square, 2.0 * x * y - _SLOPE)


partials("tgamma", lambda x, y: y * polygamma(0, x), strong=True)
partials("lgamma", lambda x, y: polygamma(0, x), strong=True)
partials("polygamma", lambda n, x, y: (None, polygamma(n + 1, x)), strong=True)


def _of_integer_order(function):
    def formula(n, x, y):  # [AS 9.1.27]; CUDA has no function of order -1, which is minus that of order 1 [AS 9.1.5]
        below = where(n == 0, -1.0, 1.0) * function(where(n == 0, 1, n - 1), x)
        return None, 0.5 * (below - function(n + 1, x))
    return formula


partials("j0", lambda x, y: -j1(x))  # [AS 9.1.28]
partials("j1", lambda x, y: 0.5 * (j0(x) - jn(2, x)))  # j0(x) - y / x is 0 / 0 at 0
partials("jn", _of_integer_order(jn))
partials("y0", lambda x, y: -y1(x), strong=True)
partials("y1", lambda x, y: y0(x) - y / x, strong=True)
partials("yn", _of_integer_order(yn), strong=True)

partials("cyl_bessel_i0", lambda x, y: bessel_i1(x))  # [AS 9.6.27]


@partials("cyl_bessel_i1")  # [AS 9.6.26]
def _(x, y):
    near = fabs(x) < 1.0  # there y / x is 0 / 0 in the middle: take the power series [AS 9.6.10]
    quarter = 0.25 * x * x
    series = 0.0
    for k in range(9, -1, -1):
        series = series * quarter + 0.5 / (math.factorial(k) * math.factorial(k + 1))
    return bessel_i0(x) - where(near, series, y / where(near, 1.0, x))
