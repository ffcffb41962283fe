"""What formulas read and write, and the algebra that they are written in."""

from __future__ import annotations

import math
import struct

import pytest

from numbad.passes.device_symbols import check_callable
from numbad.passes.ir.builder import Builder
from numbad.passes.ir.function import Block, Function, Module
from numbad.passes.ir.instructions import Call
from numbad.passes.ir.parser import parse
from numbad.passes.ir.printer import print_module
from numbad.passes.ir.types import DOUBLE, FLOAT, HALF, I64, PTR, VOID, FunctionType, VectorType
from numbad.passes.ir.values import integer
from numbad.passes.rules import names, runtime
from numbad.passes.rules.algebra import Plain, Term, sqrt, sum_of_lanes, where
from numbad.passes.rules.arithmetic import powi_rule
from numbad.passes.rules.conventions import STRONG
from numbad.passes.rules.opcodes import OPCODES, Kind
from numbad.passes.rules.reductions import REDUCTIONS
from numbad.passes.rules.symbols import Elementary, Inactive, classify
from numbad.passes.rules.table import RULES, dry_run, make_rule, partials
from numbad.passes.rules.targets import HOST, NVPTX, Target
from rules.compiled_rules import SLOT, Compiled, add_function, operand_types

# --- what a formula reads and writes ---------------------------------------------------------------------------------


def of_target(target: Target) -> Module:
    module = Module()
    if target is NVPTX:
        module.header.append('target triple = "nvptx64-nvidia-cuda"')
    return module


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


@pytest.mark.parametrize("target", [HOST, NVPTX], ids=["host", "gpu"])
def test_derivatives_are_closed(target):
    """What the rules write can be differentiated again: every opcode and every call is decided."""
    module = of_target(target)
    for name in RULES if target is NVPTX else RULES.keys() - (names.LIBDEVICE.keys() - names.C_FUNCTIONS.keys()):
        add_function(module, f"{name}.double", RULES[name], DOUBLE)
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


def test_a_gpu_has_all_that_derivatives_call():
    """The back end ends the process on most of LLVM's own functions, as llvm.cos."""
    pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")
    from numba.cuda.libdevicefuncs import functions

    module = of_target(NVPTX)
    for rule in RULES.values():
        add_function(module, f"{rule.name}.double", rule, DOUBLE)
        float_rule = powi_rule("numbad.powi.f32.i64") if rule.name == "powi" else rule
        add_function(module, f"{rule.name}.float", float_rule, FLOAT)
    called = {name for name, function in module.functions.items() if function.is_declaration}
    assert {"__nv_cosf", "__nv_sqrt", runtime.POLYGAMMA} <= called
    for text in runtime.RUNTIME.values():
        called |= {name for name, function in parse(text("libdevice")).functions.items() if function.is_declaration}
    of_libdevice = {name for name in called if name.startswith("__nv_")}
    modern = {f"__nv_cyl_bessel_i{order}{suffix}" for order in (0, 1) for suffix in ("", "f")}
    assert of_libdevice - modern <= functions.keys()  # numba-cuda doesn't list all that libdevice has
    check_callable(name for name in called - of_libdevice if not name.startswith("numbad."))


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
