"""Floating-point arithmetic on Python floats as the machine does it: infinities and nans where `math` raises.

Formulas are evaluated with it when they are tested without a compiler, and where all operands are plain numbers.
"""

from __future__ import annotations

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
