"""The rules as mathematics: each formula against differences of its function, and compiled against itself.

`POINTS` has a row for every rule, with ordinary and symmetric points; `EXTREME` has points where a formula that is only
right on paper fails, with the partials; `conventions.CONVENTIONS` has the points without a derivative.
"""

from __future__ import annotations

import ctypes
import math
import struct
from collections.abc import Callable

import llvmlite.binding as llvm
import pytest

from numbad.passes.ir.builder import Builder
from numbad.passes.ir.function import Block, Function, Module
from numbad.passes.ir.instructions import Call
from numbad.passes.ir.printer import print_module
from numbad.passes.ir.types import DOUBLE, FLOAT, HALF, I32, I64, PTR, VOID, FunctionType, Type, VectorType
from numbad.passes.ir.values import integer
from numbad.passes.rules import runtime
from numbad.passes.rules.algebra import Plain, Term, sqrt, sum_of_lanes, where
from numbad.passes.rules.arithmetic import powi_rule
from numbad.passes.rules.conventions import CONVENTIONS, STRONG
from numbad.passes.rules.machine import power
from numbad.passes.rules.opcodes import OPCODES, Kind
from numbad.passes.rules.reductions import REDUCTIONS
from numbad.passes.rules.symbols import Elementary, Inactive, classify
from numbad.passes.rules.table import RULES, Rule, dry_run, make_rule, partials

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

INTEGERS: dict[str, dict[int, Type]] = {"powi": {1: I64}, "ldexp": {1: I32}, "polygamma": {0: I64}}


def row(point) -> tuple:
    return point if isinstance(point, tuple) else (point,)


ROWS = [(name, row(p)) for name, points in POINTS.items() for p in points]
ALL = ROWS + [(name, point) for name, point, _ in EXTREME] + [(c.function, c.point) for c in CONVENTIONS]


def result(name: str, point: tuple) -> float:
    """The primal at the point, with the machine's result where Python raises."""
    try:
        return PRIMALS[name](*point)
    except (ValueError, ZeroDivisionError):
        special = {("frem", 0.0): math.nan, ("fdiv", 0.0): INF, ("log", 0.0): -INF, ("log1p", -1.0): -INF, ("atanh", 1.0): INF,
                   ("tgamma", -1.0): math.nan, ("lgamma", 0.0): INF}
        return special[name, point[-1]]
    except OverflowError:
        return INF


def on_floats(name: str, point: tuple) -> tuple[float | None, ...]:
    """The rule's partials, computed without a compiler."""
    rule = RULES[name]
    numbers = (*point, result(name, point))
    return tuple(None if p is None else float(p.at(numbers)) for p in dry_run(rule.formula, rule.arity))


def close(found: float | None, expected: float | None, relative: float, absolute: float = 0.0) -> bool:
    if found is None or expected is None or math.isnan(expected) or math.isinf(expected):
        return found == expected or (found is not None and expected is not None and found != found
                                     and expected != expected)
    return abs(found - expected) <= relative * abs(expected) + absolute


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

SLOT = 16  # bytes from one operand to the next, and from one partial to the next
POWI = """
define {0} @numbad.powi.{1}.i64({0} %x, i64 %n) {{
  %real = sitofp i64 %n to {0}
  %y = call {0} @llvm.pow.{1}({0} %x, {0} %real)
  ret {0} %y
}}
declare {0} @llvm.pow.{1}({0}, {0})
"""


def operand_types(rule: Rule, real: Type) -> list[Type]:
    return [INTEGERS.get(rule.name, {}).get(k, real) for k in range(rule.arity)] + [real]


def add_function(module: Module, name: str, rule: Rule, real: Type) -> Function:
    """void name(operands and y, out): stores the partials."""
    function = Function(name, FunctionType(VOID, (PTR, PTR)))
    module.add(function)
    block = function.append(Block("entry"))
    builder = Builder(block)
    source, out = function.arguments
    *operands, y = [Term(builder, builder.load(type, builder.offset(source, SLOT * k), align=1))
                    for k, type in enumerate(operand_types(rule, real))]
    for k, partial in enumerate(rule.partials(operands, y)):
        if partial is not None:
            builder.store(partial.value, builder.offset(out, SLOT * k), align=1)
    builder.ret()
    return function


class Compiled:
    """All rules as machine code."""

    def __init__(self, module: Module, *texts: str):
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        self.parsed = llvm.parse_assembly(print_module(module))
        for text in texts:
            self.parsed.link_in(llvm.parse_assembly(text))
        self.parsed.verify()
        machine = llvm.Target.from_default_triple().create_target_machine()
        self.engine = llvm.create_mcjit_compiler(self.parsed, machine)
        self.engine.finalize_object()

    def address(self, name: str) -> int:
        found = self.engine.get_function_address(name)
        assert found, name
        return found

    def __call__(self, name: str, inputs: list[bytes], count: int) -> list[bytes]:
        given = ctypes.create_string_buffer(b"".join(i.ljust(SLOT, b"\0") for i in inputs), SLOT * len(inputs))
        found = ctypes.create_string_buffer(SLOT * count)
        ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(self.address(name))(given, found)
        return [found.raw[SLOT * k:SLOT * k + SLOT] for k in range(count)]


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


# --- what a formula reads and writes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name, reads", [
    ("sin", [{0}]), ("exp", [{1}]), ("tanh", [{1}]), ("fadd", [set(), set()]), ("fmul", [{1}, {0}]),
    ("fdiv", [{1}, {1, 2}]), ("hypot", [{0, 2}, {1, 2}]), ("pow", [{0, 1}, {0, 2}]), ("max", [{0, 2}, {0, 2}]),
    ("powi", [{0, 1}, set()]), ("ldexp", [{1}, set()]), ("fma", [{1}, {0}, set()])])
def test_reads(name, reads):
    assert list(RULES[name].reads) == reads


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda r: r.name)
def test_a_partial_needs_no_more_than_it_reads(rule):
    types = operand_types(rule, DOUBLE)
    function = Function("f", FunctionType(VOID, tuple(types)))
    module = Module()
    module.add(function)
    builder = Builder(function.append(Block("entry")))
    for k, reads in enumerate(rule.reads):
        *operands, y = [Term(builder, a) if j in reads else Term.unread(builder, a.type)
                        for j, a in enumerate(function.arguments)]
        partial = rule.partials(operands, y)[k]
        assert partial is None or partial.value.type == types[k]
        for j in reads:
            fewer = [Term(builder, a) if i in reads - {j} else Term.unread(builder, a.type)
                     for i, a in enumerate(function.arguments)]
            with pytest.raises(LookupError):
                _ = rule.partials(fewer[:-1], fewer[-1])[k].value


def test_partials_that_nobody_asks_for_are_not_written():
    module = Module()
    function = add_function(module, "f", make_rule("nothing", lambda x, y: None), DOUBLE)
    before = len(function.entry.instructions)
    builder = Builder(function.entry, before=function.entry.terminator)
    x = Term(builder, function.entry.instructions[0])
    by_a, by_b = RULES["fmul"].partials([x * 2.0, x * 3.0], x)
    assert len(function.entry.instructions) == before
    assert by_a.value is by_a.value
    assert len(function.entry.instructions) == before + 1


def test_derivatives_are_closed(module):
    """What the rules write can be differentiated again: every opcode and every call is decided."""
    for function in [f for f in module.functions.values() if not f.is_declaration]:
        for i in function.instructions:
            assert OPCODES[i.opcode].kind is not Kind.REFUSED
            if isinstance(i, Call):
                assert isinstance(classify(i), (Elementary, Inactive)), f"{i.callee_name} in {function.name}"


def test_strong_rules_are_those_of_the_table():
    assert {rule.name for rule in RULES.values() if rule.strong} == STRONG


@pytest.mark.parametrize("exponent, opcodes", [(3, ["fmul", "fmul"]), (2, ["fmul"]), (0, ["select"])])
def test_small_constant_powers_are_multiplied(exponent, opcodes):
    module = Module()
    function = Function("f", FunctionType(VOID, (DOUBLE, DOUBLE)))
    module.add(function)
    builder = Builder(function.append(Block("entry")))
    x, y = function.arguments
    partial, _ = RULES["powi"].partials([Term(builder, x), Term(builder, integer(I64, exponent))], Term(builder, y))
    assert partial.value.type == DOUBLE
    written = [i.opcode for i in function.instructions]
    assert "call" not in written
    assert [o for o in written if o in opcodes][:len(opcodes)] == opcodes


def test_partials_of_unsigned_exponents_convert_them_unsigned():
    module = Module()
    rule = powi_rule("numbad.powi.f64.u64")
    function = add_function(module, "f", rule, DOUBLE)
    assert [i.opcode for i in function.instructions if i.opcode.endswith("itofp")] == ["uitofp"]
    assert "numbad.powi.f64.u64" in module.functions


def test_half_precision_has_constants():
    module = Module()
    add_function(module, "f", RULES["fdiv"], HALF)
    assert "fdiv half 0xH3C00" in print_module(module)


def test_libdevice_is_called_on_the_gpu():
    module = Module()
    module.header.append('target triple = "nvptx64-nvidia-cuda"')
    add_function(module, "f", RULES["sin"], FLOAT)
    add_function(module, "g", RULES["asin"], DOUBLE)
    assert {"__nv_cosf", "__nv_sqrt"} <= module.functions.keys()
    assert not any(name.startswith("llvm.") for name in module.functions)
    assert "@__nv_log(" in runtime.polygamma_text("libdevice")


# --- the algebra -----------------------------------------------------------------------------------------------------


def test_formulas_cannot_branch_on_operands():
    with pytest.raises(TypeError, match="where"):
        dry_run(lambda x, y: x if x > 0 else y, 1)


def test_functions_of_plain_numbers_give_numbers():
    assert sqrt(4.0) == 2.0
    assert math.isnan(sqrt(-1.0))
    assert where(True, 1.0, 2.0) == 1.0


def test_multiplying_with_one_writes_nothing():
    x = Term(None, None, DOUBLE, 0)
    assert 1.0 * x is x
    assert x * Plain(x, 1.0) is x
    assert (x * 2.0) is not x


def test_a_rule_has_a_partial_for_every_operand():
    with pytest.raises(ValueError, match="2 partials for 1"):
        make_rule("f", lambda x, y: (x, y))
    with pytest.raises(ValueError, match="has a rule already"):
        partials("sin", lambda x, y: y)
    with pytest.raises(ValueError, match="2 operands, not 1"):
        x = Term(None, None, DOUBLE, 0)
        RULES["fmul"].partials([x], x)


# --- reductions of vectors -------------------------------------------------------------------------------------------

QUAD = VectorType(4, FLOAT)


@pytest.mark.parametrize("name, start, lanes, y, expected", [
    ("reduce_fadd", 2.0, (1.0, 2.0, 3.0, 4.0), 12.0, [1.0, (1.0, 1.0, 1.0, 1.0)]),
    ("reduce_fmul", 2.0, (1.0, 2.0, 3.0, 4.0), 48.0, [24.0, (48.0, 24.0, 16.0, 12.0)]),
    ("reduce_fmul", 2.0, (1.0, 0.0, 3.0, 4.0), 0.0, [0.0, (0.0, 24.0, 0.0, 0.0)]),
    ("reduce_pick", None, (1.0, 7.0, 7.0, 4.0), 7.0, [(0.0, 1.0, 0.0, 0.0)])])
def test_reductions(name, start, lanes, y, expected):
    rule = REDUCTIONS[name]
    module = Module()
    function = Function("f", FunctionType(VOID, (PTR, PTR)))
    module.add(function)
    builder = Builder(function.append(Block("entry")))
    source, out = function.arguments
    kinds = [QUAD, FLOAT] if start is None else [FLOAT, QUAD, FLOAT]
    *operands, primal = [Term(builder, builder.load(t, builder.offset(source, SLOT * k), align=1))
                         for k, t in enumerate(kinds)]
    found = rule.partials(operands, primal)
    for k, partial in enumerate(found):
        builder.store(partial.value, builder.offset(out, SLOT * k), align=1)
    builder.store(sum_of_lanes(operands[-1]).value, builder.offset(out, SLOT * len(found)), align=1)
    builder.ret()
    numbers = [lanes, (y,)] if start is None else [(start,), lanes, (y,)]
    raw = Compiled(module)("f", [struct.pack(f"{len(n)}f", *n) for n in numbers], len(found) + 1)
    for r, e in zip(raw, expected, strict=False):
        if name == "reduce_fadd":
            assert struct.unpack("f", r[:4])[0] == 1.0  # one number stands for all lanes
        elif isinstance(e, tuple):
            assert struct.unpack("4f", r) == e
        else:
            assert struct.unpack("f", r[:4])[0] == e
    assert struct.unpack("f", raw[-1][:4])[0] == sum(lanes)


# --- polygamma -------------------------------------------------------------------------------------------------------

EULER, ZETA_3 = 0.5772156649015329, 1.2020569031595942


@pytest.mark.parametrize("n, x, expected", [
    (0, 1.0, -EULER), (0, 0.5, -EULER - 2 * math.log(2)), (0, -0.5, 2 - EULER - 2 * math.log(2)),
    (1, 1.0, math.pi ** 2 / 6), (1, 0.5, math.pi ** 2 / 2), (1, -0.5, math.pi ** 2 / 2 + 4),
    (2, 1.0, -2 * ZETA_3), (3, 1.0, math.pi ** 4 / 15), (3, 0.5, math.pi ** 4),
    (0, INF, INF), (1, INF, 0.0), (0, math.nan, math.nan), (0, -3.0, math.nan), (0, 0.0, math.nan),
    (0, 1e-300, -1e300), (1, 1e-100, 1e200), (0, -1e-20, 1e20), (0, -INF, math.nan)])
def test_polygamma_at_known_points(n, x, expected):
    assert close(runtime.polygamma(n, x), expected, 2e-15, 1e-15 if n == 0 else 0.0)


@pytest.mark.parametrize("n", range(11))
def test_polygamma_everywhere(n):
    special = pytest.importorskip("scipy.special")
    for k in range(1, 300):
        x = 0.037 * k if k < 200 else 1.3 ** (k - 190)
        assert close(runtime.polygamma(n, x), float(special.polygamma(n, x)), 2e-14, 1e-15)


@pytest.mark.parametrize("n", range(6))
def test_polygamma_recurs(n):
    for x in (-0.1, -0.9, -1.5, -3.3, -20.25, 0.3, 7.7):
        step = (-1) ** n * math.factorial(n) / x ** (n + 1)
        left, right = runtime.polygamma(n, x), runtime.polygamma(n, x + 1)
        assert close(right - left, step, 2e-14, 1e-14 * (abs(left) + abs(right)))


@pytest.mark.parametrize("n", range(6))
def test_polygamma_text_is_the_algorithm(n):
    module = Module()
    module.declare(runtime.POLYGAMMA, FunctionType(DOUBLE, (I64, DOUBLE)))
    machine_code = Compiled(module, *runtime.RUNTIME.values())
    address = machine_code.address(runtime.POLYGAMMA)
    compiled = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int64, ctypes.c_double)(address)
    for x in (1e-5, 0.3, 1.0, 1.5, 2.7, 9.99, 10.0, 33.3, 1e5, 1e30, INF,
              -0.3, -1.5, -7.77, -100.4, -2.0, 0.0, -INF, math.nan):
        assert close(compiled(n, x), runtime.polygamma(n, x), 1e-15), x
