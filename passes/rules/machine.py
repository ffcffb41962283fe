"""Floating-point arithmetic on Python floats as the machine does it: infinities and nans where `math` raises.

Formulas are evaluated with it when they are tested without a compiler, and where all operands are plain numbers.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import math
from collections.abc import Callable

Number = float | int | bool


def _sign(x: float) -> float:
    return math.copysign(1.0, x)


def divide(x: Number, y: Number) -> float:
    if y != 0:
        return x / y
    if x == 0 or x != x:
        return math.nan
    return math.inf * _sign(x) * _sign(y)


def total(function: Callable[..., float], overflow: Callable[..., float] = lambda *_: math.inf
          ) -> Callable[..., float]:
    """The function without exceptions: nan outside its domain, `overflow(*operands)` where it is too large."""
    def everywhere(*operands: Number) -> float:
        try:
            return function(*operands)
        except ValueError:
            return math.nan
        except OverflowError:
            return overflow(*operands)
    everywhere.__name__ = function.__name__
    return everywhere


def log(x: Number) -> float:
    return -math.inf if x == 0 else math.log(x) if x > 0 else math.nan


def power(x: Number, y: Number) -> float:
    """C's pow."""
    odd = math.isfinite(y) and y == int(y) and int(y) % 2 == 1
    if x == 0 and y < 0:
        return _sign(x) * math.inf if odd else math.inf
    try:
        return math.pow(x, y)
    except ValueError:
        return math.nan
    except OverflowError:
        return -math.inf if x < 0 and odd else math.inf


def rint(x: Number) -> float:
    """The nearest integer, the even one half way."""
    return math.copysign(float(round(x)), x) if math.isfinite(x) else x


def sinpi(x: Number) -> float:
    return math.sin(math.pi * math.remainder(x, 2.0)) if math.isfinite(x) else math.nan


def cospi(x: Number) -> float:
    """Through the sine, which is exact at its zeros."""
    return math.sin(math.pi * (0.5 - abs(math.remainder(x, 2.0)))) if math.isfinite(x) else math.nan


def of_c(name: str) -> Callable[..., float]:
    """A function of C that Python lacks; integers are its integers. Looked for when it is called."""
    def function(*operands: Number) -> float:
        called = getattr(ctypes.CDLL(ctypes.util.find_library("m")), name)
        called.restype = ctypes.c_double
        return called(*(ctypes.c_int(o) if isinstance(o, int) else ctypes.c_double(o) for o in operands))
    return function


def bessel_i(n: int, x: float) -> float:
    """The modified Bessel function of the first kind, by its power series, whose terms have one sign."""
    half = x / 2
    term = total = half ** n / math.factorial(n)
    k = 1
    while abs(term) > 1e-17 * abs(total):
        term *= half * half / (k * (k + n))
        total += term
        k += 1
    return total
