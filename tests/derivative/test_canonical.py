"""The canonical form: one return for each outcome, floats that travel as integers are floats, hints are gone.

What a function computes stays the same: texts are run before and after.
"""

from __future__ import annotations

import ctypes
import itertools

import pytest

from derivative.native import DOUBLE, I32, I64, Native, P
from numbad.passes.analysis.memory import Memory
from numbad.passes.canonical import NORMAL, canonicalise, is_normal_return, returns_status, retype_copies
from numbad.passes.ir.function import Module
from numbad.passes.ir.instructions import Store
from numbad.passes.ir.parser import parse
from numbad.passes.ir.printer import print_function, print_module
from numbad.passes.ir.types import DOUBLE as REAL
from numbad.passes.ir.types import I32 as INT32
from numbad.passes.ir.values import integer
from numbad.passes.ir.verifier import verify


def canonical(text: str) -> Module:
    module = parse(text)
    for function in module.functions.values():
        if not function.is_declaration:
            canonicalise(function)
    verify(module)
    return module


def outcomes(text: str) -> list[tuple[int, float]]:
    """Status and result of `@f(result, error, n, x)` for some arguments."""
    function = Native(text).function("f", I32, P, P, I64, DOUBLE)
    found = []
    for n, x in itertools.product([-1, 0, 1, 2, 3], [-1.5, 0.0, 2.5]):
        result = ctypes.c_double(0.0)
        status = function(ctypes.addressof(result), None, n, x)
        found.append((status, result.value))
    return found


# --- returns ---------------------------------------------------------------------------------------------------------


CONSTANTS = """
define i32 @f(ptr %result, ptr %error, i64 %n, double %x) {
entry:
  switch i64 %n, label %done [ i64 0, label %common
                               i64 1, label %common
                               i64 2, label %none ]
none:
  br label %common
done:
  store double %x, ptr %result
  %bad = fcmp olt double %x, 0.0
  br i1 %bad, label %common, label %fine
fine:
  br label %common
common:
  %status = phi i32 [ 1, %entry ], [ 1, %entry ], [ -2, %none ], [ 2, %done ], [ 0, %fine ]
  %y = phi double [ %x, %entry ], [ %x, %entry ], [ 0.0, %none ], [ 1.0, %done ], [ 3.0, %fine ]
  %z = fadd double %y, 1.0
  store double %z, ptr %result
  ret i32 %status
}
"""

RUN_TIME = """
define i32 @f(ptr %result, ptr %error, i64 %n, double %x) {
entry:
  %small = trunc i64 %n to i32
  %test = fcmp olt double %x, 0.0
  br i1 %test, label %common, label %fine
fine:
  store double %x, ptr %result
  br label %common
common:
  %status = phi i32 [ %small, %entry ], [ 0, %fine ]
  ret i32 %status
}
"""

WITHOUT_PHI = """
define i32 @f(ptr %result, ptr %error, i64 %n, double %x) {
  store double %x, ptr %result
  %status = trunc i64 %n to i32
  ret i32 %status
}
"""

PHI_ELSEWHERE = """
define i32 @f(ptr %result, ptr %error, i64 %n, double %x) {
entry:
  %test = fcmp olt double %x, 0.0
  br i1 %test, label %bad, label %join
bad:
  br label %join
join:
  %status = phi i32 [ 0, %entry ], [ 3, %bad ]
  store double %x, ptr %result
  br label %common
common:
  ret i32 %status
}
"""

NONE_AT_RUN_TIME = """
define i32 @f(ptr %result, ptr %error, i64 %n, double %x) {
  %test = fcmp olt double %x, 0.0
  store double %x, ptr %result
  %status = select i1 %test, i32 -2, i32 0
  ret i32 %status
}
"""


@pytest.mark.parametrize("text", [CONSTANTS, RUN_TIME, WITHOUT_PHI, PHI_ELSEWHERE, NONE_AT_RUN_TIME],
                         ids=["constants", "known at run time", "without a phi", "phi elsewhere", "none at run time"])
def test_a_return_is_either_normal_or_an_exception(text: str) -> None:
    """The same outcomes; and 0 and -2, even if known at run time only, never leave by an exception, others always."""
    before, module = outcomes(text), canonical(text)
    assert outcomes(print_module(module)) == before
    assert len({status for status, _ in before}) > 1
    marked = [b for b in module.functions["f"].blocks if b.terminator.opcode == "ret" and not is_normal_return(b)]
    for block in marked:
        block.terminator.set_operand(0, integer(INT32, 77))
    assert outcomes(print_module(module)) == [(status if status in NORMAL else 77, result) for status, result in before]


def test_copies_of_the_return_do_not_share_what_they_compute() -> None:
    module = canonical(CONSTANTS)
    text = print_function(module.functions["f"])
    assert text.count("fadd") == 4 and "phi i32" not in text
    assert len([b for b in module.functions["f"].blocks if b.terminator.opcode == "ret"]) == 4


def test_only_functions_in_numba_s_convention_have_a_status() -> None:
    module = parse("""
define i32 @status(ptr %r, ptr %e, double %x) { 
  ret i32 0
}
define i32 @short(ptr %r) {
  ret i32 0
}
define i64 @wide(ptr %r, ptr %e) {
  ret i64 0
}
define i32 @numbers(ptr %r, i64 %e) {
  ret i32 0
}
define double @number(ptr %r, ptr %e) {
  ret double 1.0
}
""")
    assert [f.name for f in module.functions.values() if returns_status(f)] == ["status"]
    assert all(is_normal_return(f.entry) for f in module.functions.values())


def test_a_number_is_returned_as_it_is() -> None:
    text = """
define double @f(double %x, i1 %c) {
entry:
  br i1 %c, label %yes, label %common
yes:
  br label %common
common:
  %y = phi double [ %x, %entry ], [ 1.0, %yes ]
  ret double %y
}
"""
    assert print_module(canonical(text)) == print_module(parse(text))


def test_unreachable_blocks_are_forgotten() -> None:
    module = canonical("""
define i32 @f(ptr %result, ptr %error, i64 %n, double %x) {
entry:
  br label %join
island:
  %y = fadd double %x, 1.0
  br i1 true, label %join, label %beach
beach:
  %w = fadd double %y, %y
  store double %w, ptr %result
  br label %island
join:
  %z = phi double [ %x, %entry ], [ %y, %island ]
  store double %z, ptr %result
  ret i32 0
}
""")
    function = module.functions["f"]
    assert [b.name for b in function.blocks] == ["entry", "join"]
    (phi,) = function.blocks[1].phis
    assert [str(value) for value, _ in phi.incoming] == ["%x"]


def test_hints_are_dropped() -> None:
    module = canonical("""
declare void @llvm.lifetime.start.p0(ptr)
declare void @llvm.lifetime.end.p0(ptr)
declare void @llvm.assume(i1)
declare void @llvm.experimental.noalias.scope.decl(metadata)
declare void @somebody()

define i32 @f(ptr %result, ptr %error, i64 %n, double %x) {
  %place = alloca double
  call void @llvm.lifetime.start.p0(ptr %place)
  call void @llvm.experimental.noalias.scope.decl(metadata !0)
  store double %x, ptr %place
  call void @somebody()
  %positive = icmp sgt i64 %n, 0
  call void @llvm.assume(i1 %positive)
  call void @llvm.lifetime.end.p0(ptr %place)
  ret i32 0
}

!0 = !{}
""")
    calls = [i.callee_name for i in module.functions["f"].instructions if i.opcode == "call"]  # type: ignore[attr-defined]
    assert calls == ["somebody"]


# --- integers that are floats ----------------------------------------------------------------------------------------


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
    (COMPUTED_WITH, ["i64"]), (COMPARED, ["i64"]), (WITH_AN_ARGUMENT, ["i64"]), (PASSED_ON, ["i64"]),
    (OTHER_WIDTH, ["i32"]), (AS_AN_ADDRESS, ["i64"]), (ATOMIC, ["i64"]), (OF_INTEGERS, ["i64"]),
], ids="copy select loop to-number from-number computed compared argument passed-on width address atomic int".split())
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
    for body in (COPY, THROUGH_SELECT, FROM_A_NUMBER):
        text = f"define void @f(ptr %p, ptr %q, i64 %n, i1 %c) {{\nentry:\n{body}\n  ret void\n}}\n"
        plain, changed = (Native(t).function("f", None, P, P, I64, ctypes.c_bool)
                          for t in (text, print_module(retyped(body))))
        for pattern, condition in itertools.product(patterns, [False, True]):
            source = (ctypes.c_int64 * 2)(pattern, 42)
            targets = []
            for call in (plain, changed):
                target = ctypes.c_int64(0)
                call(ctypes.addressof(source), ctypes.addressof(target), 1, condition)
                targets.append(target.value)
            assert targets[0] == targets[1]
