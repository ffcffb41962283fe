"""Trip counts against loops that really run, for every start and bound of a small integer type."""

from __future__ import annotations

import ctypes

import llvmlite.binding as llvm
import pytest

from numbad.passes.analysis.dominators import Dominators
from numbad.passes.analysis.loops import Loops
from numbad.passes.analysis.trips import trip
from numbad.passes.ir.builder import Builder
from numbad.passes.ir.function import Block, Function
from numbad.passes.ir.parser import parse
from numbad.passes.ir.printer import print_module
from numbad.passes.ir.types import I64, FunctionType, IntType

LOOP = """
define i64 @rounds(i8 %start, i8 %bound) {{
entry:
  br label %loop
loop:
  %i = phi i8 [ %start, %entry ], [ %next, %loop ]
  %n = phi i64 [ 1, %entry ], [ %more, %loop ]
  %next = {step}
  %more = add i64 %n, 1
  %test = icmp {test}
  br i1 %test, {targets}
done:
  %last = phi i64 [ %n, %loop ]
  ret i64 %last
}}
"""
UP, DOWN = "add i8 %i, 1", "add i8 %i, -1"
ON, OFF = "label %loop, label %done", "label %done, label %loop"

KNOWN = {
    "i + 1 != n": (UP, "ne i8 %next, %bound", ON),
    "i != n": (UP, "ne i8 %i, %bound", ON),
    "leave at i + 1 == n": (UP, "eq i8 %next, %bound", OFF),
    "i - 1 != n": (DOWN, "ne i8 %next, %bound", ON),
    "i + 1 < n": (UP, "slt i8 %next, %bound", ON),
    "i < n": (UP, "slt i8 %i, %bound", ON),
    "n > i": (UP, "sgt i8 %bound, %i", ON),
    "leave at i >= n": (UP, "sge i8 %i, %bound", OFF),
    "i < n unsigned": (UP, "ult i8 %i, %bound", ON),
    "i > n downwards": (DOWN, "sgt i8 %i, %bound", ON),
    "i - 1 > n downwards": (DOWN, "sgt i8 %next, %bound", ON),
    "i > n unsigned, sub": ("sub i8 %i, 1", "ugt i8 %i, %bound", ON),
}
UNKNOWN = {
    "two at a time": ("add i8 %i, 2", "slt i8 %i, %bound", ON),
    "doubling": ("mul i8 %i, 3", "ne i8 %i, %bound", ON),
    "a bound that moves": (UP, "slt i8 %i, %next", ON),
    "up to and including": (UP, "sle i8 %i, %bound", ON),
    "away from the bound": (UP, "sgt i8 %i, %bound", ON),
}


LONG_STEPS = {  # how the loop begins, its step, the test, how the bound follows from the argument
    "from 0 to n & -8": ("0", "add i8 %i, 8", "ne i8 %next, %to", "and i8 %bound, -8"),
    "the counter before its step": ("0", "add i8 %i, 4", "ne i8 %i, %to", "and i8 %bound, 124"),
    "down by constants": ("64", "add i8 %i, -8", "ne i8 %i, 8", "and i8 %bound, 1"),
    "up by constants": ("-30", "add i8 %i, 5", "ne i8 %next, 75", "and i8 %bound, 1"),
}
MAY_MISS = {
    "another start": ("2", "add i8 %i, 8", "ne i8 %next, %to", "and i8 %bound, -8"),
    "other multiples": ("0", "add i8 %i, 8", "ne i8 %next, %to", "and i8 %bound, -4"),
    "no power of two": ("0", "add i8 %i, 6", "ne i8 %next, %to", "and i8 %bound, -6"),
    "constants past each other": ("0", "add i8 %i, 8", "ne i8 %next, 12", "and i8 %bound, 1"),
    "away by constants": ("0", "add i8 %i, 8", "ne i8 %i, -16", "and i8 %bound, 1"),
    "from any start": ("%start", "add i8 %i, 8", "ne i8 %next, %to", "and i8 %bound, -8"),
}


def found(step: str, test: str, targets: str, start: str = "%start", to: str = ""):
    text = LOOP.replace("[ %start,", f"[ {start},")
    if to:
        text = text.replace("entry:\n", f"entry:\n  %to = {to}\n")
    module = parse(text.format(step=step, test=test, targets=targets))
    function = module.functions["rounds"]
    (loop,) = Loops(function, Dominators(function)).loops
    (done,) = [b for b in function.blocks if b.name == "done"]
    return module, function, trip(loop, loop.latch, done)


@pytest.mark.parametrize("program", KNOWN.values(), ids=KNOWN)
def test_the_formula_is_the_truth(program: tuple[str, str, str]) -> None:
    module, function, law = found(*program)
    assert law is not None
    formula = Function("formula", FunctionType(I64, (IntType(8), IntType(8))))
    module.add(formula)
    builder = Builder(formula.append(Block("entry")))
    builder.ret(law.write(builder, dict(zip(function.arguments, formula.arguments, strict=True))))
    formula.name_values()
    rounds, computed = compiled(print_module(module), "rounds", "formula")
    for start in range(-128, 128):
        for bound in range(-128, 128):
            assert computed(start, bound) == rounds(start, bound), (start, bound)


@pytest.mark.parametrize("program", LONG_STEPS.values(), ids=LONG_STEPS)
def test_long_steps(program: tuple[str, str, str, str]) -> None:
    start, step, test, to = program
    module, function, law = found(step, test, ON, start, to)
    assert law is not None
    formula = Function("formula", FunctionType(I64, (IntType(8), IntType(8))))
    module.add(formula)
    builder = Builder(formula.append(Block("entry")))
    known = dict(zip(function.arguments, formula.arguments, strict=True))
    masked = function.entry.instructions[0]
    known[masked] = builder.insert(masked.with_operands(known.get(o, o) for o in masked.operands))
    builder.ret(law.write(builder, known))
    formula.name_values()
    rounds, computed = compiled(print_module(module), "rounds", "formula")
    for bound in range(-128, 128):
        assert computed(0, bound) == rounds(0, bound) and law.constant in (None, rounds(0, bound)), bound
    assert (law.constant is None) == ("%to" in test)


@pytest.mark.parametrize("program", MAY_MISS.values(), ids=MAY_MISS)
def test_steps_that_may_miss_the_bound(program: tuple[str, str, str, str]) -> None:
    start, step, test, to = program
    assert found(step, test, ON, start, to)[2] is None


@pytest.mark.parametrize("program", UNKNOWN.values(), ids=UNKNOWN)
def test_no_formula_without_proof(program: tuple[str, str, str]) -> None:
    assert found(*program)[2] is None


def compiled(text: str, *names: str) -> list:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    module = llvm.parse_assembly(text)
    module.verify()
    machine = llvm.Target.from_default_triple().create_target_machine()
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    kind = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int8, ctypes.c_int8)
    functions = [kind(engine.get_function_address(name)) for name in names]
    for function in functions:
        function.engine = engine  # type: ignore[attr-defined]
    return functions
