"""Integers that only carry a float from memory to memory are floats again; those that may be computed with are not."""

from __future__ import annotations

import ctypes
import itertools

import pytest

from derivative.native import I64, Native, P
from numbad.passes.analysis.memory import Memory
from numbad.passes.ir.function import Module
from numbad.passes.ir.instructions import Store
from numbad.passes.ir.parser import parse
from numbad.passes.ir.printer import print_module
from numbad.passes.ir.types import DOUBLE as REAL
from numbad.passes.ir.verifier import verify
from numbad.passes.retyping import retype_copies


def retyped(body: str, parameters: str = "ptr %p, ptr %q, i64 %n, i1 %c", declarations: str = "") -> Module:
    """`%p` points to doubles, nothing is known of `%q`."""
    module = parse(f"{declarations}\ndefine void @f({parameters}) {{\nentry:\n{body}\n  ret void\n}}\n")
    function = module.functions["f"]
    retype_copies([function], Memory([function], {function.arguments[0]: REAL}))
    verify(module)
    return module


def stored(module: Module) -> list[str]:
    """The types of what is stored, in order."""
    return [str(i.value.type) for i in module.functions["f"].instructions if isinstance(i, Store)]


COPY = """
  %x = load i64, ptr %p
  store i64 %x, ptr %q
"""
THROUGH_SELECT = """
  %x = load i64, ptr %p
  %at = getelementptr double, ptr %p, i64 %n
  %y = load i64, ptr %at
  %either = select i1 %c, i64 %x, i64 %y
  %frozen = freeze i64 %either
  %or.one = select i1 %c, i64 %frozen, i64 4607182418800017408
  store i64 %or.one, ptr %q
"""
THROUGH_A_LOOP = """
  br label %loop
loop:
  %before = phi i64 [ 0, %entry ], [ %x, %loop ]
  %at = getelementptr double, ptr %p, i64 %n
  %x = load i64, ptr %at
  store i64 %before, ptr %q
  br i1 %c, label %loop, label %done
done:
"""
TO_A_NUMBER = """
  %x = load i64, ptr %p
  %number = bitcast i64 %x to double
  %twice = fadd double %number, %number
  store i64 %x, ptr %q
  store double %twice, ptr %q
"""
FROM_A_NUMBER = """
  %number = load double, ptr %p
  %bits = bitcast double %number to i64
  %x = load i64, ptr %p
  %either = select i1 %c, i64 %bits, i64 %x
  store i64 %either, ptr %q
"""
OUT_OF_A_VECTOR = """
  %pair = load <2 x double>, ptr %p
  %bits = bitcast <2 x double> %pair to <2 x i64>
  %x = extractelement <2 x i64> %bits, i64 %n
  %either = select i1 %c, i64 %x, i64 0
  store i64 %either, ptr %q
"""
THROUGH_VECTORS = """
  %pair = load <2 x i64>, ptr %p
  %x = load i64, ptr %p
  %filled = insertelement <2 x i64> %pair, i64 %x, i32 1
  %turned = shufflevector <2 x i64> %filled, <2 x i64> <i64 0, i64 1>, <2 x i32> <i32 3, i32 0>
  %or.zero = select i1 %c, <2 x i64> %turned, <2 x i64> zeroinitializer
  store <2 x i64> %or.zero, ptr %q
"""
NUMBERS_ONLY = """
  %number = load double, ptr %q
  %bits = bitcast double %number to i64
  store i64 %bits, ptr %q
"""
AS_AN_INDEX = """
  %pair = load <2 x i64>, ptr %p
  %x = load i64, ptr %p
  %y = extractelement <2 x i64> %pair, i64 %x
  store i64 %x, ptr %q
"""
WITH_AN_ADDRESS = """
  %x = load i64, ptr %p
  %either = select i1 %c, i64 %x, i64 ptrtoint (ptr @f to i64)
  store i64 %either, ptr %q
"""
COMPUTED_WITH = """
  %x = load i64, ptr %p
  %y = xor i64 %x, -9223372036854775808
  store i64 %y, ptr %q
"""
COMPARED = """
  %x = load i64, ptr %p
  %zero = icmp eq i64 %x, 0
  store i64 %x, ptr %q
"""
WITH_AN_ARGUMENT = """
  %x = load i64, ptr %p
  %either = select i1 %c, i64 %x, i64 %n
  store i64 %either, ptr %q
"""
PASSED_ON = """
  %x = load i64, ptr %p
  call void @somebody(i64 %x)
  store i64 %x, ptr %q
"""
OTHER_WIDTH = """
  %x = load i32, ptr %p
  store i32 %x, ptr %q
"""
AS_AN_ADDRESS = """
  %x = load i64, ptr %p
  %at = getelementptr i8, ptr %q, i64 %x
  store i64 %x, ptr %at
"""
ATOMIC = """
  %x = load atomic i64, ptr %p monotonic, align 8
  store i64 %x, ptr %q
"""
OF_INTEGERS = """
  %x = load i64, ptr %q
  store i64 %x, ptr %q
"""


@pytest.mark.parametrize("body, expected", [
    (COPY, ["double"]), (THROUGH_SELECT, ["double"]), (THROUGH_A_LOOP, ["double"]),
    (TO_A_NUMBER, ["double", "double"]), (FROM_A_NUMBER, ["double"]),
    (OUT_OF_A_VECTOR, ["double"]), (THROUGH_VECTORS, ["<2 x double>"]), (NUMBERS_ONLY, ["double"]),
    (AS_AN_INDEX, ["i64"]), (WITH_AN_ADDRESS, ["i64"]),
    (COMPUTED_WITH, ["i64"]), (COMPARED, ["i64"]), (WITH_AN_ARGUMENT, ["i64"]), (PASSED_ON, ["i64"]),
    (OTHER_WIDTH, ["i32"]), (AS_AN_ADDRESS, ["i64"]), (ATOMIC, ["i64"]), (OF_INTEGERS, ["i64"]),
], ids=("copy select loop to-number from-number out-of-vector vectors numbers index address-of "
    "computed compared argument passed-on width address atomic int").split())
def test_integers_that_only_travel_are_floats(body: str, expected: list[str]) -> None:
    declarations = "declare void @somebody(i64)" if "somebody" in body else ""
    assert stored(retyped(body, declarations=declarations)) == expected


def test_bits_of_constants_stay() -> None:
    module = retyped("""
  %x = load i64, ptr %p
  %or.one = select i1 %c, i64 %x, i64 4607182418800017408
  %or.minus.zero = select i1 %c, i64 %or.one, i64 -9223372036854775808
  store i64 %or.minus.zero, ptr %q
""")
    one, minus_zero = [i.operands[2] for i in module.functions["f"].instructions if i.opcode == "select"]
    assert one.value == 1.0 and str(minus_zero) == "0x8000000000000000"  # type: ignore[attr-defined]


def test_four_bytes_are_single_precision() -> None:
    module = parse("""
define void @f(ptr %p, ptr %q, i1 %c) {
  %number = load float, ptr %p
  %x = load i32, ptr %p
  %either = select i1 %c, i32 %x, i32 1069547520
  store i32 %either, ptr %q
  ret void
}
""")
    function = module.functions["f"]
    retype_copies([function], Memory([function]))
    verify(module)
    assert stored(module) == ["float"]
    (select,) = [i for i in function.instructions if i.opcode == "select"]
    assert str(select.operands[2].type) == "float" and select.operands[2].value == 1.5  # type: ignore[attr-defined]


def test_a_vector_with_the_same_bits_is_no_number() -> None:
    module = retyped("""
  %pair = load <2 x float>, ptr %q
  %bits = bitcast <2 x float> %pair to i64
  %x = load i64, ptr %p
  %either = select i1 %c, i64 %bits, i64 %x
  store i64 %either, ptr %q
""")
    assert stored(module) == ["i64"]


def test_retyped_copies_move_the_same_bits() -> None:
    """Every pattern that is retyped, run on bit patterns that are no ordinary numbers."""
    patterns = [0, 1, -1, 0x7FF0000000000001, -0x8000000000000000, 0x3FF0000000000000, 123456789]
    for body in (COPY, THROUGH_SELECT, FROM_A_NUMBER, OUT_OF_A_VECTOR, THROUGH_VECTORS):
        text = f"define void @f(ptr %p, ptr %q, i64 %n, i1 %c) {{\nentry:\n{body}\n  ret void\n}}\n"
        plain, changed = (Native(t).function("f", None, P, P, I64, ctypes.c_bool)
                          for t in (text, print_module(retyped(body))))
        for pattern, condition in itertools.product(patterns, [False, True]):
            source = (ctypes.c_int64 * 4)(pattern, 42)
            targets = []
            for call in (plain, changed):
                target = (ctypes.c_int64 * 2)()
                call(ctypes.addressof(source), ctypes.addressof(target), 1, condition)
                targets.append(list(target))
            assert targets[0] == targets[1]
