"""The canonical form: one return for each outcome, hints and unreachable blocks are gone (see also `test_retyping`).

What a function computes stays the same: texts are run before and after.
"""

from __future__ import annotations

import ctypes
import itertools

import pytest

from derivative.native import DOUBLE, I32, I64, Native, P
from numbad.passes.analysis.outcomes import NORMAL, is_normal_return, returns_status
from numbad.passes.canonical import canonicalise
from numbad.passes.ir.function import Module
from numbad.passes.ir.parser import parse
from numbad.passes.ir.printer import print_function, print_module
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


ADDRESS = """
define double @f(ptr %p, ptr %q, i64 %x) {{
  %a = ptrtoint ptr %p to i64
  %b = ptrtoint ptr %q to i64
  {0}
  %place = inttoptr i64 %sum to ptr
  %y = load double, ptr %place
  ret double %y
}}
"""


@pytest.mark.parametrize("sums, base", [
    ("%sum = add i64 %a, %x", "%p"),
    ("%twice = mul i64 %x, 16\n  %first = add i64 %twice, %a\n  %sum = add i64 %first, 8", "%p"),
    ("%apart = sub i64 %b, %a\n  %sum = add i64 %a, %apart", None),  # that is q
    ("%both = add i64 %a, %b\n  %sum = add i64 %both, %x", None),
    ("%back = mul i64 %b, -1\n  %sum = add i64 %a, %back", None),
    ("%sum = add i64 %x, 8", None),
    ("%one = select i1 true, i64 %x, i64 8\n  %sum = sub i64 %a, %one", "%p"),
    ("%one = add i64 %a, %x\n  %sum = select i1 true, i64 %one, i64 %a", "%p"),
    ("%c = ptrtoint ptr %p to i64\n  %sum = select i1 true, i64 %c, i64 %a", "%p"),
    ("%sum = select i1 true, i64 %b, i64 %a", None),
    ("%twice = add i64 %a, %a\n  %sum = select i1 true, i64 %twice, i64 %a", None),
])
def test_addresses_that_are_computed_as_integers(sums: str, base: str | None) -> None:
    """They belong to the one pointer that they are made of; a difference of pointers leads elsewhere."""
    module = parse(ADDRESS.format(sums))
    canonicalise(module.functions["f"])
    text = print_module(module)
    assert not verify(module)
    assert ("inttoptr" in text) == (base is None)
    assert base is None or f"getelementptr i8, ptr {base}, i64" in text


@pytest.mark.parametrize("step, based", [("%x", True), ("%a", False), ("%here", False)])
def test_addresses_that_a_loop_moves(step: str, based: bool) -> None:
    module = parse(f"""
define double @f(ptr %p, i64 %x, i64 %n) {{
entry:
  %a = ptrtoint ptr %p to i64
  br label %loop
loop:
  %here = phi i64 [ %a, %entry ], [ %next, %loop ]
  %next = add i64 %here, {step}
  %more = icmp slt i64 %next, %n
  br i1 %more, label %loop, label %done
done:
  %place = inttoptr i64 %here to ptr
  %y = load double, ptr %place
  ret double %y
}}
""")
    canonicalise(module.functions["f"])
    assert not verify(module)
    assert ("inttoptr" in print_module(module)) != based
