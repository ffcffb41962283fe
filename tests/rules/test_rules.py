"""The rules as mathematics: each formula against differences of its function, and compiled against itself.

The points are those of `points`; `conventions.CONVENTIONS` has the points without a derivative.
"""

from __future__ import annotations

import ctypes
import math
import struct
from collections.abc import Callable, Iterator

import llvmlite.binding as llvm
import pytest

from numbad.passes.ir.function import Module
from numbad.passes.ir.types import DOUBLE, FLOAT, I32, I64, Type, VectorType
from numbad.passes.rules import runtime
from numbad.passes.rules.arithmetic import powi_rule
from numbad.passes.rules.conventions import CONVENTIONS
from numbad.passes.rules.table import RULES, Rule, dry_run
from rules.compiled_rules import Compiled, add_function, close, operand_types
from rules.points import EXTREME, INF, POINTS, PRIMALS


def row(point) -> tuple:
    return point if isinstance(point, tuple) else (point,)


ROWS = [(name, row(p)) for name, points in POINTS.items() for p in points]
ALL = ROWS + [(name, point) for name, point, _ in EXTREME] + [(c.function, c.point) for c in CONVENTIONS]


def result(name: str, point: tuple) -> float:
    """The primal at the point, with the machine's result where Python raises."""
    try:
        return PRIMALS[name](*point)
    except (ValueError, ZeroDivisionError):
        known = {("fdiv", 0.0): INF, ("frem", 0.0): math.nan, ("log", 0.0): -INF, ("log1p", -1.0): -INF,
                 ("atanh", 1.0): INF, ("tgamma", -1.0): math.nan, ("lgamma", 0.0): INF}
        known |= {(inverse, 0.0): INF for inverse in "reciprocal rsqrt rcbrt rhypot rnorm3d rnorm4d".split()}
        return known[name, point[-1]]
    except OverflowError:
        return INF


def on_floats(name: str, point: tuple) -> tuple[float | None, ...]:
    """The rule's partials, computed without a compiler."""
    rule = RULES[name]
    numbers = (*point, result(name, point))
    return tuple(None if p is None else float(p.at(numbers)) for p in dry_run(rule.formula, rule.arity))


# --- 1: formula on floats = difference of the function ---------------------------------------------------------------


def difference(function: Callable[..., float], point: tuple, k: int) -> float:
    """Central difference of the eighth order by operand k."""
    step = 0.003 * min(abs(point[k]) or 1.0, 1.0)

    def at(shift: int) -> float:
        return function(*point[:k], point[k] + shift * step, *point[k + 1:])
    weights = (4 / 5, -1 / 5, 4 / 105, -1 / 280)
    return math.fsum(w * (at(n) - at(-n)) for n, w in enumerate(weights, start=1)) / step


def test_every_rule_has_points_and_every_point_a_rule():
    assert POINTS.keys() == RULES.keys() == PRIMALS.keys()


@pytest.mark.parametrize("name, point", ROWS)
def test_formula_is_the_derivative(name, point):
    for k, partial in enumerate(on_floats(name, point)):
        if partial is not None:
            expected = difference(PRIMALS[name], point, k)
            assert close(partial, expected, 1e-9, 1e-10), f"operand {k}: {partial} is not {expected}"


@pytest.mark.parametrize("name, point, expected", EXTREME)
def test_extreme_points(name, point, expected):
    found = on_floats(name, point)
    assert all(close(f, e, 2e-14, 1e-322) for f, e in zip(found, expected, strict=True)), found


@pytest.mark.parametrize("convention", CONVENTIONS, ids=lambda c: f"{c.function}{c.point}")
def test_conventions(convention):
    found = on_floats(convention.function, convention.point)
    assert all(close(f, e, 1e-15) for f, e in zip(found, convention.partials, strict=True)), found


# --- 2: compiled formula = formula on floats -------------------------------------------------------------------------

POWI = """
define {0} @numbad.powi.{1}.i64({0} %x, i64 %n) {{
  %real = sitofp i64 %n to {0}
  %y = call {0} @llvm.pow.{1}({0} %x, {0} %real)
  ret {0} %y
}}
declare {0} @llvm.pow.{1}({0}, {0})
"""

CODES = {DOUBLE: "d", FLOAT: "f", I64: "q", I32: "i"}
PAIR = VectorType(2, DOUBLE)
SCALAR_ONLY = {"powi", "ldexp", "tgamma", "lgamma", "polygamma", "sinpi", "cospi", "j0", "j1", "jn", "y0", "y1", "yn",
               "cyl_bessel_i0", "cyl_bessel_i1"}
ONLY_ON_GPU = ("sinpi", "cospi", "cyl_bessel_i0", "cyl_bessel_i1")
"""Functions that formulas call and this machine's C library lacks."""


def lend(name: str) -> list:
    """Python's function for code compiled here, to be kept alive."""
    kinds = [(name, ctypes.c_double), (name + "f", ctypes.c_float)]
    found = [(symbol, ctypes.CFUNCTYPE(real, real)(PRIMALS[name])) for symbol, real in kinds]
    for symbol, function in found:
        llvm.add_symbol(symbol, ctypes.cast(function, ctypes.c_void_p).value)
    return found


@pytest.fixture(scope="module")
def module() -> Module:
    built = Module()
    for rule in RULES.values():
        add_function(built, f"{rule.name}.double", rule, DOUBLE)
        float_rule = powi_rule("numbad.powi.f32.i64") if rule.name == "powi" else rule
        add_function(built, f"{rule.name}.float", float_rule, FLOAT)
        if rule.name not in SCALAR_ONLY:
            add_function(built, f"{rule.name}.pair", rule, PAIR)
    return built


@pytest.fixture(scope="module")
def compiled(module) -> Iterator[Compiled]:
    lent = [lend(name) for name in ONLY_ON_GPU]
    texts = [*(text("libm") for text in runtime.RUNTIME.values()),
             POWI.format("double", "f64"), POWI.format("float", "f32")]
    yield Compiled(module, *texts)
    del lent


def packed(rule: Rule, real: Type, numbers: tuple) -> list[bytes]:
    return [struct.pack(CODES[t], n) for t, n in zip(operand_types(rule, real), numbers, strict=True)]


@pytest.mark.parametrize("name, point", ALL)
def test_compiled_for_double(compiled, name, point):
    rule = RULES[name]
    raw = compiled(f"{name}.double", packed(rule, DOUBLE, (*point, result(name, point))), rule.arity)
    found = [struct.unpack("d", r[:8])[0] for r in raw]
    expected = on_floats(name, point)
    assert all(e is None or close(f, e, 2e-14, 1e-322) for f, e in zip(found, expected, strict=True)), (found, expected)


def to_float(number: float) -> float | None:
    """The nearest float, None where that is subnormal, or infinite though the number isn't."""
    try:
        rounded = struct.unpack("<f", struct.pack("<f", number))[0]
    except OverflowError:
        return None
    return None if number != 0 and abs(rounded) < 2.0 ** -126 else rounded


def of_floats(points: list[tuple[str, tuple]]) -> list[tuple[str, tuple]]:
    """The points whose operands and result are floats, rounded to floats."""
    rounded = [(name, tuple(n if isinstance(n, int) else to_float(n) for n in point)) for name, point in points]
    return [(name, point) for name, point in rounded
            if None not in point and to_float(result(name, point)) is not None]


@pytest.mark.parametrize("name, point", of_floats(ALL))
def test_compiled_for_float(compiled, name, point):
    rule = RULES[name]
    numbers = (*point, to_float(result(name, point)))
    raw = compiled(f"{name}.float", packed(rule, FLOAT, numbers), rule.arity)
    for r, partial in zip(raw, dry_run(rule.formula, rule.arity), strict=True):
        if partial is not None and to_float(partial.at(numbers)) is not None:
            assert close(struct.unpack("f", r[:4])[0], float(partial.at(numbers)), 4e-6, 4e-7)


@pytest.mark.parametrize("name", [n for n in RULES if n not in SCALAR_ONLY])
def test_compiled_for_vectors(compiled, name):
    rule = RULES[name]
    points = [p for n, p in ALL if n == name]
    for first, second in zip(points, reversed(points), strict=True):
        lanes = [packed(rule, DOUBLE, (*p, result(name, p))) for p in (first, second)]
        raw = compiled(f"{name}.pair", [a + b for a, b in zip(*lanes, strict=True)], rule.arity)
        for lane, point in enumerate((first, second)):
            for r, expected in zip(raw, on_floats(name, point), strict=True):
                found = struct.unpack("dd", r)[lane]
                assert expected is None or close(found, expected, 2e-14, 1e-322), (point, found, expected)


