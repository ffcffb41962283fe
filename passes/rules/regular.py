"""Where a strong product need not be one: the partials are finite for all operands within given intervals.

The guard of a strong product matters where the seed is 0 and the partial is infinite or nan. It can be left out where
the operands are kept away from the singular points of the function: then partials are finite at all finite points,
but for overflow (`conventions` promises no more). Of a / b, which is y, the partials are 1 / b and -y / b: with
b >= 1e-9 the first is never infinite, and the second only where y is so large that its square is.

Unsure  is no: the guard stays.
"""

from __future__ import annotations

from collections.abc import Callable

from numbad.passes.ir.types import Type
from numbad.passes.rules.intervals import Interval

_AWAY = {"float": 2.0 ** -60, "double": 2.0 ** -500}
"""Numbers at least as large don't count as near 0. What y / x of a finite y and such an x can't hold, y * y can't."""

Test = Callable[..., bool]


def _denominator(a: Interval, b: Interval, away: float) -> bool:
    return b.distance >= away


def _positive(x: Interval, away: float) -> bool:
    return x.low >= away


def _inside_one(x: Interval, away: float) -> bool:
    return x.magnitude < 1


def _power(a: Interval, b: Interval, away: float) -> bool:
    """Of a base that may be negative there is a derivative by a constant exponent only, or none is asked for."""
    return a.low >= away or (b.low >= 1 and (a.low >= 0 or b.low == b.high))


REGULAR: dict[str, Test] = {
    **dict.fromkeys("fdiv frem mod remainder".split(), _denominator),
    **dict.fromkeys("sqrt log log2 log10".split(), _positive),
    **dict.fromkeys("asin acos atanh".split(), _inside_one),
    "cbrt": lambda x, away: x.distance >= away,
    "log1p": lambda x, away: x.low > -1,
    "acosh": lambda x, away: x.low > 1,
    "pow": _power,
    "powi": lambda x, n, away: n.low >= 0 or x.distance >= away,
    "atan2": lambda a, b, away: max(a.distance, b.distance) >= away,
}
"""By the names of `table.RULES`, those strong rules that have points to stay away from."""


def is_regular(name: str, type: Type, operands: list[Interval]) -> bool:
    """`type`: of the result."""
    away, test = _AWAY.get(str(type.scalar)), REGULAR.get(name)
    return away is not None and test is not None and test(*operands, away)
