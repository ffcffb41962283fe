"""Intervals: what is known of a float before the program runs, and how operations carry it on.

`Interval(low, high)` says: the number is nan, or low <= number <= high. Rounding is monotonic: whatever overflows or
vanishes, x * x is not negative (but may be 0), and x * x + 1e-9 is at least 1e-9. Bounds are moved outwards by more
than a rounding, for a processor may round a product and a sum in one step, and those below the normal numbers to 0,
for it may flush them.

Unsure  is `ANYTHING`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce

from numbad.passes.ir.types import Type
from numbad.passes.ir.values import ConstantAggregate, ConstantFloat, ConstantInt, ConstantText, Value


@dataclass(frozen=True)
class _Format:
    """A floating-point type: a relative error above that of an operation; its smallest normal and largest number."""

    error: float
    smallest: float
    largest: float


_FORMATS = {"float": _Format(2.0 ** -22, 2.0 ** -126, 2.0 ** 128),
            "double": _Format(2.0 ** -51, 2.0 ** -1022, math.inf)}


@dataclass(frozen=True)
class Interval:
    low: float = -math.inf
    high: float = math.inf

    @property
    def distance(self) -> float:
        """How far from 0 the number is at least."""
        return max(self.low, -self.high, 0.0)

    @property
    def magnitude(self) -> float:
        """How far from 0 the number is at most."""
        return max(-self.low, self.high)

    def union(self, other: Interval) -> Interval:
        return Interval(min(self.low, other.low), max(self.high, other.high))

    def intersection(self, other: Interval) -> Interval:
        """What is in both. Where they lie apart only a nan is in both, of which any interval is true."""
        low, high = max(self.low, other.low), min(self.high, other.high)
        return Interval(low, high) if low <= high else self

    def rounded(self, type: Type) -> Interval:
        """Where the results of an operation are, computed in a type."""
        format = _FORMATS.get(str(type.scalar))
        if format is None:
            return ANYTHING
        return Interval(-_rounded_up(-self.low, format), _rounded_up(self.high, format))


ANYTHING = Interval()


def _rounded_up(bound: float, format: _Format) -> float:
    if abs(bound) < format.smallest:
        return format.smallest if bound > 0 else 0.0
    bound += abs(bound) * format.error if math.isfinite(bound) else 0.0
    return bound if bound < format.largest else math.inf


def constant(number: float) -> Interval:
    return ANYTHING if number != number else Interval(number, number)


def _hull(*bounds: float) -> Interval:
    return Interval(min(bounds), max(bounds))


# An end at infinity stands for large numbers as well. Where it would make a nan, it is for them that the bound counts:
# 0 times a large number is 0, and a large number by a larger one may be small.


def add(a: Interval, b: Interval) -> Interval:
    low, high = a.low + b.low, a.high + b.high
    return Interval(low if low == low else -math.inf, high if high == high else math.inf)


def negative(a: Interval) -> Interval:
    return Interval(-a.high, -a.low)


def multiply(a: Interval, b: Interval) -> Interval:
    return _hull(*(0.0 if x == 0 or y == 0 else x * y for x in (a.low, a.high) for y in (b.low, b.high)))


def square(a: Interval) -> Interval:
    return Interval(a.distance * a.distance, a.magnitude * a.magnitude)


def divide(a: Interval, b: Interval) -> Interval:
    if not b.distance:
        return ANYTHING
    return _hull(*(0.0 if math.isinf(y) else x / y for x in (a.low, a.high) for y in (b.low, b.high)))


def absolute(a: Interval) -> Interval:
    return Interval(a.distance, a.magnitude)


def root(a: Interval) -> Interval:
    return Interval(math.sqrt(max(a.low, 0.0)), math.sqrt(max(a.high, 0.0)))


def power(x: Interval, n: Interval) -> Interval:
    """Of a base that is not negative, or by an even number, it isn't negative either; but -0.0 to the -1 is -inf."""
    even = n.low == n.high and n.low % 2 == 0
    return Interval(0.0) if even or x.low > 0 or (x.low >= 0 and n.low >= 0) else ANYTHING


def _within(low: float, high: float = math.inf) -> Callable[[Interval], Interval]:
    return lambda a: Interval(low, high)


OPERATIONS: dict[str, Callable[..., Interval]] = {
    "fadd": add,
    "fsub": lambda a, b: add(a, negative(b)),
    "fmul": multiply,
    "fdiv": divide,
    "fneg": negative,
    "fma": lambda a, b, c: add(multiply(a, b), c),
    "fabs": absolute,
    "sqrt": root,
    "identity": lambda a: a,
    "pow": power,
    "powi": power,
    "hypot": lambda a, b: Interval(0.0),
    # vector versions of these may be off by some units in the last place
    "exp": _within(0.0), "exp2": _within(0.0), "exp10": _within(0.0), "cosh": _within(0.999),
    "sin": _within(-1.001, 1.001), "cos": _within(-1.001, 1.001), "tanh": _within(-1.001, 1.001),
}
"""By the names of `table.RULES`; what isn't listed may give anything."""


def of_operation(name: str, operands: list[Interval], squared: bool) -> Interval:
    """`squared`: the first two operands are the same number."""
    if squared and name == "fmul":
        return square(operands[0])
    if squared and name == "fma":
        return add(square(operands[0]), operands[2])
    operation = OPERATIONS.get(name)
    return ANYTHING if operation is None else operation(*operands)


def of_constant(value: Value) -> Interval:
    """Of a vector, all lanes. What isn't constant may be anything."""
    match value:
        case ConstantInt():
            return constant(float(value.value)) if abs(value.value) < 2 ** 53 else ANYTHING
        case ConstantFloat() if str(value.type) in _FORMATS:
            return constant(value.value)
        case ConstantAggregate(elements=elements):
            return reduce(Interval.union, map(of_constant, elements), of_constant(elements[0]))
        case ConstantText(text="zeroinitializer") if value.type.is_float:
            return constant(0.0)
    return ANYTHING
