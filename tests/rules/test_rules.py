"""The rules as mathematics: each formula against differences of its function, and compiled against itself.

`POINTS` has a row for every rule, with ordinary and symmetric points; `EXTREME` has points where a formula that is only
right on paper fails, with the partials; `conventions.CONVENTIONS` has the points without a derivative.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable

import pytest

from numbad.passes.ir.function import Module
from numbad.passes.ir.types import DOUBLE, FLOAT, I32, I64, Type, VectorType
from numbad.passes.rules import runtime
from numbad.passes.rules.arithmetic import powi_rule
from numbad.passes.rules.conventions import CONVENTIONS
from numbad.passes.rules.machine import power
from numbad.passes.rules.table import RULES, Rule, dry_run
from rules.compiled_rules import Compiled, add_function, close, operand_types

PRIMALS: dict[str, Callable[..., float]] = {
    "fadd": lambda a, b: a + b,
    "fsub": lambda a, b: a - b,
    "fmul": lambda a, b: a * b,
    "fdiv": lambda a, b: a / b,
    "fneg": lambda x: -x,
    "fma": lambda a, b, c: a * b + c,
    "identity": lambda x: x,
    "frem": math.fmod,
    "mod": lambda a, b: a % b,
    "remainder": math.remainder,
    "min": min,
    "max": max,
    "fdim": lambda a, b: max(a - b, 0.0),
    "fabs": abs,
    "copysign": math.copysign,
    "nextafter": math.nextafter,
    "ldexp": math.ldexp,
    "powi": power,
    "sqrt": math.sqrt,
    "pow": power,
    "exp2": lambda x: 2.0 ** x,
    "exp10": lambda x: 10.0 ** x,
    "sinc": lambda x: math.sin(math.pi * x) / (math.pi * x) if x else 1.0,
    "logaddexp": lambda a, b: max(a, b) + (math.log1p(math.exp(-abs(a - b))) if a != b else math.log(2)),
    "logaddexp2": lambda a, b: max(a, b) + math.log1p(2 ** -abs(a - b)) / math.log(2),
    "tgamma": math.gamma,
    "polygamma": runtime.polygamma,
} | {name: getattr(math, name) for name in """sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh exp expm1 log
        log2 log10 log1p cbrt hypot atan2 erf erfc lgamma""".split()}

POINTS: dict[str, list] = {
    "fadd": [(1.0, 2.0)],
    "fsub": [(1.0, 2.0)],
    "fmul": [(3.0, -2.0), (0.0, 5.0)],
    "fdiv": [(3.0, -2.0), (0.0, 0.5)],
    "fneg": [2.0],
    "fma": [(2.0, -3.0, 4.0)],
    "identity": [2.0],
    "frem": [(7.3, 2.0), (-7.3, 2.0), (7.3, -2.0), (0.3, 2.0)],
    "mod": [(7.3, 2.0), (-7.3, 2.0), (7.3, -2.0), (0.3, 2.0)],
    "remainder": [(7.3, 2.0), (-7.3, 2.0), (6.7, -2.0)],
    "min": [(1.0, 2.0), (2.0, 1.0), (-1.0, 1.0)],
    "max": [(1.0, 2.0), (2.0, 1.0), (-1.0, 1.0)],
    "fdim": [(3.0, 1.0), (1.0, 3.0)],
    "fabs": [2.0, -2.0],
    "copysign": [(2.0, 3.0), (2.0, -3.0), (-2.0, -3.0)],
    "nextafter": [(2.0, 3.0), (2.0, -3.0)],
    "ldexp": [(1.5, 3), (-1.5, -4)],
    "powi": [(1.5, 5), (-1.5, 4), (1.5, -3), (2.5, 0), (0.0, 3), (1.01, 40), (1.2, -17)],
    "sin": [0.0, 0.7, -3.0, 40.0],
    "cos": [0.0, 0.7, -3.0, 40.0],
    "tan": [0.0, 0.7, -1.2, 40.0],
    "asin": [0.0, 0.7, -0.9],
    "acos": [0.0, 0.7, -0.9],
    "atan": [0.0, 0.7, -3.0],
    "sinh": [0.0, 0.7, -3.0, 20.0],
    "cosh": [0.0, 0.7, -3.0, 20.0],
    "tanh": [0.0, 0.7, -3.0],
    "asinh": [0.0, 0.7, -3.0, 1e3],
    "acosh": [1.2, 3.0, 1e3],
    "atanh": [0.0, 0.7, -0.9],
    "exp": [0.0, 0.7, -3.0, 20.0],
    "exp2": [0.0, 0.7, -3.0, 20.0],
    "exp10": [0.0, 0.7, -3.0, 8.0],
    "expm1": [0.0, 0.7, -3.0, 1e-3],
    "log": [0.7, 1.0, 1e-3, 1e3],
    "log2": [0.7, 1.0, 1e-3, 1e3],
    "log10": [0.7, 1.0, 1e-3, 1e3],
    "log1p": [0.0, 0.7, -0.5, 1e3],
    "sqrt": [0.7, 4.0, 1e-3, 1e3],
    "cbrt": [0.7, 8.0, -8.0],
    "pow": [(2.0, 3.0), (0.7, -1.5), (9.0, 0.5), (1.0, 4.0)],
    "hypot": [(3.0, 4.0), (-3.0, 4.0), (0.0, 2.0), (1e-3, 1.0)],
    "atan2": [(1.0, 2.0), (-1.0, 2.0), (1.0, -2.0), (3.0, 0.0), (0.0, 3.0)],
    "sinc": [0.01, 0.2, 0.31, 0.33, -0.7, 1.0, 3.3],
    "logaddexp": [(1.0, 2.0), (0.5, 0.5), (-20.0, 1.0)],
    "logaddexp2": [(1.0, 2.0), (0.5, 0.5), (-20.0, 1.0)],
    "erf": [0.0, 0.7, -2.0],
    "erfc": [0.0, 0.7, -2.0],
    "tgamma": [0.5, 1.0, 4.2, -0.5, -2.3],
    "lgamma": [0.5, 1.0, 4.2, -0.5, -2.3, 100.0],
    "polygamma": [(0, 0.7), (0, -2.3), (1, 3.0), (1, -0.4), (2, 12.0), (3, 0.5)],
}

INF = math.inf
EXTREME: list[tuple[str, tuple, tuple]] = [
    ("hypot", (1e-200, 1.0), (1e-200, 1.0)),
    ("hypot", (3e200, 4e200), (0.6, 0.8)),
    ("atan2", (3e-200, 4e-200), (0.16e200, -0.12e200)),
    ("atan2", (3e200, 4e200), (0.16e-200, -0.12e-200)),
    ("asinh", (1e200,), (1e-200,)),
    ("asinh", (-3e8,), (1 / 3e8,)),
    ("acosh", (1e200,), (1e-200,)),
    ("atan", (1e200,), (0.0,)),
    ("asin", (1.0 - 2.0 ** -50,), (2.0 ** 24.5 / math.sqrt(1.0 - 2.0 ** -51),)),
    ("expm1", (-40.0,), (4.248354255291589e-18,)),
    ("tanh", (400.0,), (0.0,)),
    ("exp", (-800.0,), (0.0,)),
    ("erf", (30.0,), (0.0,)),
    ("logaddexp", (1000.0, 0.0), (1.0, 0.0)),
    ("logaddexp", (-1000.0, -1000.0), (0.5, 0.5)),
    ("pow", (1e-200, 1.5), (1.5e-100, math.log(1e-200) * 1e-300)),
    ("logaddexp", (1e6, 1e6), (0.5, 0.5)),
    ("logaddexp", (INF, INF), (0.5, 0.5)),
    ("cbrt", (1e-300,), (1e200 / 3,)),
    ("cbrt", (1e300,), (1e-200 / 3,)),
    ("sinc", (1e-8,), (-math.pi ** 2 / 3 * 1e-8,)),
    ("frem", (0.7 * 3, 0.7), (1.0, -2.0)),  # 0.7 * 3 rounds down: fmod is almost 0.7, the quotient 2
    ("mod", (-1e-30, 1.0), (1.0, 1.0)),
    ("powi", (3.0, -1), (-1 / 9, None)),
    ("ldexp", (1.0, 1000), (2.0 ** 1000, None)),
    ("lgamma", (1e300,), (math.log(1e300),)),
    ("lgamma", (-1e-20,), (1e20,)),
    ("tgamma", (1e-200,), (-INF,)),
]

def row(point) -> tuple:
    return point if isinstance(point, tuple) else (point,)


ROWS = [(name, row(p)) for name, points in POINTS.items() for p in points]
ALL = ROWS + [(name, point) for name, point, _ in EXTREME] + [(c.function, c.point) for c in CONVENTIONS]


def result(name: str, point: tuple) -> float:
    """The primal at the point, with the machine's result where Python raises."""
    try:
        return PRIMALS[name](*point)
    except (ValueError, ZeroDivisionError):
        special = {("fdiv", 0.0): INF, ("frem", 0.0): math.nan, ("log", 0.0): -INF, ("log1p", -1.0): -INF,
                   ("atanh", 1.0): INF, ("tgamma", -1.0): math.nan, ("lgamma", 0.0): INF}
        return special[name, point[-1]]
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
SCALAR_ONLY = {"powi", "ldexp", "tgamma", "lgamma", "polygamma"}


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
def compiled(module) -> Compiled:
    texts = [*runtime.RUNTIME.values(), POWI.format("double", "f64"), POWI.format("float", "f32")]
    return Compiled(module, *texts)


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


