"""Intervals hold what the machine computes, and partials are finite where an operation is called regular."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from numbad.passes.ir.types import DOUBLE, FLOAT, HALF, I64, VectorType
from numbad.passes.ir.values import ConstantText, floating, integer, zero
from numbad.passes.rules.conventions import STRONG
from numbad.passes.rules.intervals import ANYTHING, OPERATIONS, Interval, of_constant, of_operation
from numbad.passes.rules.regular import REGULAR, is_regular
from numbad.passes.rules.table import RULES

ENDS = [0.0, -0.0, 5e-324, 1e-310, 1e-160, 1e-30, 0.5, 1.0, 1.0 + 2**-52, 2.0, 3.0, 1e20, 1e155, 1.7e308, math.inf]
ENDS += [-end for end in ENDS]

MACHINE = {"fadd": np.add, "fsub": np.subtract, "fmul": np.multiply, "fdiv": np.divide, "fneg": np.negative,
           "fma": lambda a, b, c: a * b + c, "fabs": np.abs, "sqrt": np.sqrt, "identity": lambda a: a, "exp": np.exp,
           "exp2": np.exp2, "exp10": lambda a: np.power(type(a)(10.0), a), "cosh": np.cosh, "sin": np.sin,
           "cos": np.cos, "tanh": np.tanh, "pow": np.power, "powi": np.power, "hypot": np.hypot}


def some_interval(rng: random.Random) -> Interval:
    low, high = sorted(rng.choices(ENDS, k=2))
    return Interval(low, high)


def some_number(within: Interval, real: type, rng: random.Random) -> float:
    """A number of the type in the interval: an end, one near it, or one in between."""
    chosen = rng.choice([within.low, within.high, *(e for e in ENDS if within.low <= e <= within.high)])
    number = real(chosen)
    return number if within.low <= float(number) <= within.high else real("nan")


def test_every_operation_is_tested():
    assert MACHINE.keys() == OPERATIONS.keys()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("real, type", [(np.float64, DOUBLE), (np.float32, FLOAT)], ids=str)
@pytest.mark.parametrize("name", OPERATIONS)
def test_results_are_inside(name, real, type):
    rng, arity = random.Random(name), RULES[name].arity
    for _ in range(3000):
        intervals = [some_interval(rng) for _ in range(arity)]
        numbers = [some_number(i, real, rng) for i in intervals]
        squared = arity > 1 and name != "powi" and rng.random() < 0.3
        if squared:
            numbers[1], intervals[1] = numbers[0], intervals[0]
        if name in ("pow", "powi") and rng.random() < 0.5:
            numbers[1] = real(rng.choice([-2.0, 2.0, 3.0]))
            intervals[1] = Interval(float(numbers[1]), float(numbers[1]))
        result = float(MACHINE[name](*numbers))
        found = of_operation(name, intervals, squared).rounded(type)
        assert result != result or found.low <= result <= found.high, (numbers, intervals)


def test_bounds_below_the_normal_numbers_are_zero():
    assert of_operation("fmul", [Interval(1e-200, 1e-160)] * 2, False).rounded(DOUBLE) == Interval(0.0, 2.0**-1022)
    assert Interval(1e-40, 1.0).rounded(FLOAT).low == 0.0
    assert Interval(-1e-40, 1.0).rounded(FLOAT).low == -(2.0**-126)
    assert Interval(1.0, 2.0).rounded(HALF) == ANYTHING


@pytest.mark.parametrize("value, interval", [
    (floating(DOUBLE, 2.5), Interval(2.5, 2.5)), (floating(DOUBLE, math.nan), ANYTHING),
    (floating(VectorType(2, FLOAT), -1.0), Interval(-1.0, -1.0)), (zero(VectorType(2, DOUBLE)), Interval(0.0, 0.0)),
    (integer(I64, -3), Interval(-3.0, -3.0)), (ConstantText(DOUBLE, "undef"), ANYTHING),
    (ConstantText(DOUBLE, "poison"), ANYTHING)], ids=str)
def test_constants(value, interval):
    assert of_constant(value) == interval


# --- where partials are finite ---


def test_only_strong_rules_are_regular_somewhere():
    assert REGULAR.keys() <= STRONG


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", REGULAR)
def test_partials_are_finite_where_it_is_regular(name):
    """At finite operands, unless the square of the result is too large."""
    rng, rule, seen = random.Random(name), RULES[name], 0
    for _ in range(6000):
        intervals = [some_interval(rng) for _ in range(rule.arity)]
        if name == "powi":
            n = float(rng.choice([-2, -1, 0, 1, 3]))
            intervals[1] = Interval(n, n)
        if not is_regular(name, DOUBLE, intervals):
            continue
        operands = [float(some_number(i, np.float64, rng)) for i in intervals]
        y = value_of(name, *operands)
        if not all(map(math.isfinite, [*operands, y])) or abs(y) > 1e154 or abs(operands[0]) > 1e154:
            continue
        seen += 1
        for k, partial in enumerate(rule.formula(*terms_of(name, operands), y) if rule.arity > 1
                                    else [rule.formula(*operands, y)]):
            fixed = intervals[k].low == intervals[k].high
            assert partial is None or fixed or math.isfinite(partial), (operands, partial)
    assert seen > 50


def terms_of(name, operands):
    return [operands[0], int(operands[1])] if name == "powi" else operands


def value_of(name, *operands):
    functions = {"fdiv": np.divide, "frem": np.fmod, "mod": np.mod, "remainder": math.remainder, "sqrt": np.sqrt,
                 "log": np.log, "log2": np.log2, "log10": np.log10, "asin": np.arcsin, "acos": np.arccos,
                 "atanh": np.arctanh, "cbrt": np.cbrt, "log1p": np.log1p, "acosh": np.arccosh, "pow": np.power,
                 "powi": np.power, "atan2": np.arctan2}
    try:
        return float(functions[name](*map(np.float64, operands)))
    except ValueError:
        return math.nan


@pytest.mark.parametrize("name, intervals, type, regular", [
    ("fdiv", [ANYTHING, Interval(1e-9)], DOUBLE, True), ("fdiv", [ANYTHING, Interval(high=-1e-9)], DOUBLE, True),
    ("fdiv", [ANYTHING, Interval(0.0)], DOUBLE, False), ("fdiv", [Interval(1.0), ANYTHING], DOUBLE, False),
    ("fdiv", [ANYTHING, Interval(1e-9)], FLOAT, True), ("fdiv", [ANYTHING, Interval(1e-30)], FLOAT, False),
    ("fdiv", [ANYTHING, Interval(1.0)], HALF, False), ("sqrt", [Interval(0.0)], DOUBLE, False),
    ("sqrt", [Interval(1e-30)], DOUBLE, True), ("log1p", [Interval(0.0)], DOUBLE, True),
    ("log1p", [Interval(-1.0)], DOUBLE, False), ("asin", [Interval(-1.0, 0.5)], DOUBLE, False),
    ("pow", [Interval(0.0), Interval(1.0)], DOUBLE, True), ("pow", [ANYTHING, Interval(1.0)], DOUBLE, False),
    ("powi", [ANYTHING, Interval(-1.0, -1.0)], DOUBLE, False), ("hypot", [Interval(1.0), ANYTHING], DOUBLE, False)])
def test_regular(name, intervals, type, regular):
    assert is_regular(name, type, intervals) is regular
