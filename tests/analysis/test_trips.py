"""Trip counts: the formula, run, against the loop, run."""

from __future__ import annotations

import ctypes
import itertools
import random

import pytest

from derivative.native import I64, Native
from numbad.passes.analysis.dominators import Dominators
from numbad.passes.analysis.loops import Loops
from numbad.passes.analysis.trips import Trip, trip
from numbad.passes.ir.builder import Builder
from numbad.passes.ir.function import Block, Function, Module
from numbad.passes.ir.parser import parse
from numbad.passes.ir.printer import print_module
from numbad.passes.ir.types import I64 as INT64
from numbad.passes.ir.types import FunctionType

LIMIT = 3000


def loop_text(bits: int, step: str, test: str, order: str) -> str:
    """`@count(start, bound)` tells how often the header runs, up to LIMIT; the loop of `@f` is the same, unlimited."""
    body = f"""
  %i = phi i{bits} [ %a, %entry ], [ %i.next, %loop ]
  %i.next = {step}
  %test = icmp {test}
"""
    narrow = f"  %a = trunc i64 %start to i{bits}\n  %n = trunc i64 %bound to i{bits}" if bits < 64 else \
        "  %a = add i64 %start, 0\n  %n = add i64 %bound, 0"
    branch = "label %loop, label %done" if order == "on" else "label %done, label %loop"
    return f"""
define i64 @f(i64 %start, i64 %bound) {{
entry:
{narrow}
  br label %loop
loop:{body}
  br i1 %test, {branch}
done:
  ret i64 0
}}

define i64 @count(i64 %start, i64 %bound) {{
entry:
{narrow}
  br label %loop
loop:
  %rounds = phi i64 [ 1, %entry ], [ %rounds.next, %latch ]{body.replace("%loop", "%latch")}
  br i1 %test, {branch.replace("%loop", "%latch")}
latch:
  %rounds.next = add i64 %rounds, 1
  %more = icmp ult i64 %rounds, {LIMIT}
  br i1 %more, label %loop, label %done
done:
  ret i64 %rounds
}}
"""


def found(module: Module) -> Trip | None:
    function = module.functions["f"]
    (loop,) = Loops(function, Dominators(function)).loops
    return trip(loop, loop.latch, function.blocks[-1])


def with_formula(module: Module, law: Trip) -> str:
    """The module with `@formula(start, bound)` instead of the loop."""
    function = module.functions.pop("f")
    formula = Function("formula", FunctionType(INT64, (INT64, INT64)))
    module.add(formula)
    builder = Builder(formula.append(Block("entry")))
    bits = law.start.type
    known = {name: builder.cast("trunc", argument, bits)
             for name, argument in zip(("%a", "%n"), formula.arguments, strict=True)}
    named = {value: known[str(value)] for value in function.instructions if str(value) in known}
    builder.ret(law.write(builder, named))  # type: ignore[arg-type]
    return print_module(module)


STEPS = {"add i{} %i, 1": 1, "add i{} 1, %i": 1, "sub i{} %i, -1": 1, "add i{} %i, -1": -1, "sub i{} %i, 1": -1}
CASES = [(step, predicate, tested, order, swapped)
         for step, predicate, tested, order, swapped in itertools.product(
             STEPS, "eq ne slt sle sgt sge ult ule ugt uge".split(), ("%i", "%i.next"), ("on", "out"), (False, True))]


@pytest.mark.parametrize("bits", [8, 32, 64])
def test_formulas(bits: int) -> None:
    """Every shape of a test, with starts and bounds around each other and around the ends of the type."""
    rng = random.Random(bits)
    edges = [0, 1, -1, 2 ** (bits - 1) - 1, -2 ** (bits - 1), 100, -100]
    known = 0
    for step, predicate, tested, order, swapped in rng.sample(CASES, 60) if bits != 8 else CASES:
        operands = f"%n, {tested}" if swapped else f"{tested}, %n"
        text = loop_text(bits, step.format(bits), f"{predicate} i{bits} {operands}", order)
        module = parse(text)
        law = found(module)
        if law is None:
            continue
        known += 1
        native = Native(with_formula(module, law))
        count, formula = (native.function(name, I64, I64, I64) for name in ("count", "formula"))
        for _ in range(25):
            start = rng.choice(edges) + rng.randint(-3, 3)
            bound = rng.choice([start, rng.choice(edges)]) + rng.randint(-40, 40)
            start, bound = (ctypes.c_int64(v).value for v in (start, bound))
            counted, told = count(start, bound), formula(start, bound)
            # 2 ** 64 rounds are told as 0.
            assert counted == told or (counted == LIMIT and (told - 1) % 2 ** 64 >= LIMIT), (text, start, bound)
    assert known >= (100 if bits == 8 else 10)


@pytest.mark.parametrize("step, test", [
    ("add i64 %i, 1", "ne i64 %i, %n"), ("add i64 %i, 1", "ne i64 %i.next, %n"),
    ("add i64 %i, 1", "slt i64 %i.next, %n"), ("add i64 %i, 1", "ult i64 %i.next, %n"),
    ("add i64 %i, -1", "ne i64 %i.next, 0"), ("add i64 %i, -1", "sgt i64 %i, 0"), ("sub i64 %i, 1", "ugt i64 %i, %n"),
])
def test_what_numba_writes_is_known(step: str, test: str) -> None:
    assert found(parse(loop_text(64, step, test, "on"))) is not None


@pytest.mark.parametrize("step, test", [
    ("add i64 %i, 2", "slt i64 %i.next, %n"), ("mul i64 %i, 2", "slt i64 %i.next, %n"),
    ("add i64 %i, %n", "ne i64 %i.next, %n"), ("add i64 %i, 1", "eq i64 %i.next, %n"),
    ("add i64 %i, 1", "sgt i64 %i.next, %n"), ("add i64 %i, 1", "slt i64 %i.next, %i"),
    ("sub i64 %n, %i", "ne i64 %i.next, 0"),
])
def test_what_is_not_known_is_counted(step: str, test: str) -> None:
    assert found(parse(loop_text(64, step, test, "on"))) is None


def test_the_exit_has_to_be_at_the_latch() -> None:
    function = parse("""
define void @f(i64 %n) {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %i.next, %latch ]
  %i.next = add i64 %i, 1
  %more = icmp ne i64 %i.next, %n
  br i1 %more, label %latch, label %done
latch:
  br label %loop
done:
  ret void
}
""").functions["f"]
    (loop,) = Loops(function, Dominators(function)).loops
    assert trip(loop, loop.header, function.blocks[-1]) is None
