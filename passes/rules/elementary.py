"""Partial derivatives of the elementary functions.

Each rule gives d(result)/d(operand) for every operand, in order; `y` is the result of the primal call: prefer it to
computing again. Operators and functions are those of `algebra`: they write instructions when a derivative is
generated, and compute with floats when the rule is tested. A rule doesn't know which mode it is used in, nor the width
of its operands. What holds at the points without a derivative is in `conventions`.
"""

from __future__ import annotations

import math

from numbad.passes.rules.algebra import cos, cosh, cospi, exp, exp2, fabs, log, pow, sin, sinh, sinpi, sqrt, where
from numbad.passes.rules.table import partials

partials("sin", lambda x, y: cos(x))
partials("cos", lambda x, y: -sin(x))
partials("tan", lambda x, y: 1.0 + y * y)
partials("sinpi", lambda x, y: math.pi * cospi(x))  # sin(pi x); pi * x would round
partials("cospi", lambda x, y: -math.pi * sinpi(x))
partials("asin", lambda x, y: 1.0 / sqrt((1.0 - x) * (1.0 + x)), strong=True)
partials("acos", lambda x, y: -1.0 / sqrt((1.0 - x) * (1.0 + x)), strong=True)
partials("atan", lambda x, y: 1.0 / (1.0 + x * x))

partials("sinh", lambda x, y: cosh(x))
partials("cosh", lambda x, y: sinh(x))
partials("tanh", lambda x, y: 1.0 - y * y)
partials("asinh", lambda x, y: 1.0 / where(fabs(x) > 1e8, fabs(x), sqrt(x * x + 1.0)))  # x * x may overflow
partials("acosh", lambda x, y: 1.0 / (sqrt(x - 1.0) * sqrt(x + 1.0)), strong=True)
partials("atanh", lambda x, y: 1.0 / ((1.0 - x) * (1.0 + x)), strong=True)

partials("exp", lambda x, y: y)
partials("exp2", lambda x, y: y * math.log(2.0))
partials("exp10", lambda x, y: y * math.log(10.0))
partials("expm1", lambda x, y: exp(x))  # y + 1 would cancel for x far below 0
partials("log", lambda x, y: 1.0 / x, strong=True)
partials("log2", lambda x, y: 1.0 / (x * math.log(2.0)), strong=True)
partials("log10", lambda x, y: 1.0 / (x * math.log(10.0)), strong=True)
partials("log1p", lambda x, y: 1.0 / (1.0 + x), strong=True)

partials("sqrt", lambda x, y: 0.5 / y, strong=True)
partials("cbrt", lambda x, y: 1.0 / (3.0 * y * y), strong=True)

partials("rsqrt", lambda x, y: -0.5 * y * y * y, strong=True)  # 1 / sqrt(x)
partials("rcbrt", lambda x, y: -1.0 / 3.0 * (y * y) * (y * y), strong=True)  # 1 / cbrt(x)


@partials("pow", strong=True)
def _(a, b, y):
    by_base = where(b == 0.0, 0.0, b * pow(a, b - 1.0))
    by_exponent = y * log(where(a == 0.0, 1.0, a))  # 0 for 0**b
    return by_base, by_exponent


def _norm(y, *coordinates):
    return tuple(where(y == 0.0, 0.0, x / y) for x in coordinates)


def _inverse_norm(y, *coordinates):
    return tuple(-(x * y) * y * y for x in coordinates)  # y * y may overflow


partials("hypot", lambda a, b, y: _norm(y, a, b), strong=True)
partials("norm3d", lambda a, b, c, y: _norm(y, a, b, c), strong=True)
partials("norm4d", lambda a, b, c, d, y: _norm(y, a, b, c, d), strong=True)
partials("rhypot", lambda a, b, y: _inverse_norm(y, a, b), strong=True)
partials("rnorm3d", lambda a, b, c, y: _inverse_norm(y, a, b, c), strong=True)
partials("rnorm4d", lambda a, b, c, d, y: _inverse_norm(y, a, b, c, d), strong=True)


@partials("atan2", strong=True)
def _(a, b, y):
    larger = where(fabs(a) > fabs(b), fabs(a), fabs(b))  # a * a + b * b may overflow or vanish
    u, v = a / larger, b / larger
    square = (u * u + v * v) * larger
    return v / square, -u / square


@partials("sinc")  # sin(pi x) / (pi x)
def _(x, y):
    t = math.pi * x
    near = fabs(t) < 1.0  # there (cos t - y) / x cancels: take the derivative of the power series
    square = t * t
    *others, series = ((-1.0) ** k * 2 * k / math.factorial(2 * k + 1) for k in range(1, 11))
    for coefficient in reversed(others):
        series = series * square + coefficient
    return where(near, math.pi * t * series, (cos(t) - y) / where(near, 1.0, x))


def _shares(power, a, b):
    ahead = where(a == b, 0.0, a - b)  # equal infinities too
    return 1.0 / (1.0 + power(-ahead)), 1.0 / (1.0 + power(ahead))


partials("logaddexp", lambda a, b, y: _shares(exp, a, b))
partials("logaddexp2", lambda a, b, y: _shares(exp2, a, b))
