"""The fence: every refusal has a program that meets it, in both modes, and is let through where nothing is active.

A row says what the message contains, and the instruction that it is about. The last test compares the rows with the
refusals in the text of `fence`: a new one needs a row.
"""

from __future__ import annotations

import ast
import inspect
from dataclasses import dataclass

import pytest

from numbad.passes import pipeline
from numbad.passes.derivative import fence
from numbad.passes.derivative.facts import Task, gather
from numbad.passes.diagnostics import Location, Refusal
from numbad.passes.ir.parser import parse
from numbad.passes.ir.types import DOUBLE

UNSUPPORTED, NO_DERIVATIVE = "unsupported", "no derivative"


@dataclass(frozen=True)
class Row:
    """`body` is that of `i32 @f(ptr %result, ptr %error, double %x, ptr %y, i64 %n)`, where %x and %y are active.

    always   refused even where nothing is active, since nobody can know
    """

    body: str
    kind: str
    what: str
    instruction: str
    outside: str = ""
    remedy: str = ""
    always: bool = False


def text_of(row: Row) -> str:
    return f"""{row.outside}
define i32 @f(ptr %result, ptr %error, double %x, ptr %y, i64 %n) {{
entry:
{row.body}
  ret i32 0
}}
"""


ROWS = {
    "bits computed with": Row("""
  %bits = bitcast double %x to i64
  %half = lshr i64 %bits, 1
  %guess = bitcast i64 %half to double
  store double %guess, ptr %result
""", UNSUPPORTED, "integer arithmetic on the bits of a floating-point number",
        "%bits = bitcast double %x to i64", remedy="use floating-point operations"),

    "bits counted": Row("""
  %bits = load i64, ptr %y
  %swapped = call i64 @llvm.bswap.i64(i64 %bits)
  store i64 %swapped, ptr %result
  %again = load double, ptr %result
  store double %again, ptr %y
""", UNSUPPORTED, "integer arithmetic on the bits of a floating-point number", "",
        "declare i64 @llvm.bswap.i64(i64)"),

    "integer among numbers": Row("""
  %place = getelementptr i8, ptr %y, i64 %n
  store double %x, ptr %place
  %other = getelementptr i8, ptr %y, i64 %n
  %count = load i32, ptr %other
  %more = add i32 %count, 1
  %at = bitcast i32 %more to float
  %wide = fpext float %at to double
  store double %wide, ptr %result
""", UNSUPPORTED, "an integer that lies among floating-point numbers", "%count = load i32, ptr %other",
        remedy="keep integers in an array of their own, and copy records field by field"),

    "half precision": Row("""
  %narrow = fptrunc double %x to half
  %wide = fpext half %narrow to double
  store double %wide, ptr %result
""", UNSUPPORTED, "numbers of type half (16 bits)", "%narrow = fptrunc double %x to half",
        remedy="use float64 or float32"),

    "long double": Row("""
  %wide = fpext double %x to x86_fp80
  %square = fmul x86_fp80 %wide, %wide
  %narrow = fptrunc x86_fp80 %square to double
  store double %narrow, ptr %result
""", UNSUPPORTED, "numbers of type x86_fp80 (128 bits)", "%wide = fpext double %x to x86_fp80"),

    "half precision stored": Row("""
  %place = alloca half
  %narrow = call half @narrow(double %x)
  store half %narrow, ptr %place
  %again = load half, ptr %place
  %wide = fpext half %again to double
  store double %wide, ptr %result
""", UNSUPPORTED, "numbers of type half", "%narrow = call half @narrow(double %x)", """
define internal half @narrow(double %x) {
  %y = fptrunc double %x to half
  ret half %y
}
"""),

    "volatile load": Row("""
  %z = load volatile double, ptr %y
  store double %z, ptr %result
""", UNSUPPORTED, "a volatile or atomic access to memory that is differentiated", "%z = load volatile double, ptr %y"),

    "atomic store": Row("""
  store atomic double %x, ptr %result release, align 8
""", UNSUPPORTED, "a volatile or atomic access to memory that is differentiated",
        "store atomic double %x, ptr %result"),

    "atomic maximum": Row("""
  %old = atomicrmw fmax ptr %y, double %x monotonic
  %z = load double, ptr %y
  store double %z, ptr %result
""", UNSUPPORTED, "an atomic operation (fmax) on memory that is differentiated",
        "%old = atomicrmw fmax ptr %y, double %x",
        remedy="only atomic additions and subtractions of floating-point numbers have a derivative"),

    "old value of an atomic sum": Row("""
  %old = atomicrmw fadd ptr %y, double %x monotonic
  store double %old, ptr %result
""", UNSUPPORTED, "an atomic addition whose old value is used", "%old = atomicrmw fadd ptr %y, double %x",
        remedy="which value that is depends on the other threads"),

    "compare and swap": Row("""
  %pair = cmpxchg ptr %y, i64 %n, i64 0 monotonic monotonic
  store double %x, ptr %result
""", UNSUPPORTED, "`cmpxchg`: which value is stored depends on other threads", "%pair = cmpxchg ptr %y", always=True),

    "two singles of a double": Row("""
  %pair = bitcast double %x to <2 x float>
  %first = extractelement <2 x float> %pair, i32 0
  %wide = fpext float %first to double
  store double %wide, ptr %result
""", UNSUPPORTED, "a floating-point number that is taken for one of another type",
        "%pair = bitcast double %x to <2 x float>", remedy="use a conversion that keeps the value"),

    "made-up address": Row("""
  %address = inttoptr i64 %n to ptr
  %z = load double, ptr %address
  %product = fmul double %z, %x
  store double %product, ptr %result
""", UNSUPPORTED, "memory that is reached through a pointer of unknown origin", "%z = load double, ptr %address",
        remedy="pass the array as an argument", always=True),

    "store to a made-up address": Row("""
  %address = inttoptr i64 %n to ptr
  %square = fmul double %x, %x
  store double %square, ptr %address
  %z = load double, ptr %y
  store double %z, ptr %result
""", UNSUPPORTED, "memory that is reached through a pointer of unknown origin", "store double %square, ptr %address",
        always=True),

    "global variable": Row("""
  store double %x, ptr @total
  %z = load double, ptr @total
  store double %z, ptr %result
""", UNSUPPORTED, "a global variable that differentiated values are written to", "store double %x, ptr @total",
        "@total = internal global double 0.0"),

    "memory of a list": Row("""
  %list = call ptr @NRT_MemInfo_new_varsize(i64 64)
  %slot = getelementptr i8, ptr %list, i64 24
  %data = load ptr, ptr %slot
  store double %x, ptr %data
  %z = load double, ptr %data
  store double %z, ptr %result
""", UNSUPPORTED, "memory that changes its size", "%list = call ptr @NRT_MemInfo_new_varsize(i64 64)",
        "declare ptr @NRT_MemInfo_new_varsize(i64)"),

    "function without a rule": Row("""
  %z = call double @erfinv(double %x)
  store double %z, ptr %result
""", NO_DERIVATIVE, "the derivative of `erfinv`, and there is no rule for it", "%z = call double @erfinv(double %x)",
        "declare double @erfinv(double)", "write it with functions that have a rule"),

    "function without a rule, on memory": Row("""
  call void @smooth(ptr %y, i64 %n)
  %z = load double, ptr %y
  store double %z, ptr %result
""", NO_DERIVATIVE, "the derivative of `smooth`, and there is no rule for it", "call void @smooth(ptr %y, i64 %n)",
        "declare void @smooth(ptr, i64)"),

    "function pointer": Row("""
  %function = load ptr, ptr @table
  %z = call double %function(double %x)
  store double %z, ptr %result
""", NO_DERIVATIVE, "a function called through a pointer", "%z = call double %function(double %x)",
        "@table = external constant ptr"),

    "function that is known to have none": Row("""
  %place = alloca i32
  %z = call double @frexp(double %x, ptr %place)
  store double %z, ptr %result
""", NO_DERIVATIVE, "the derivative of `frexp`: it gives a second result through a pointer",
        "%z = call double @frexp(double %x, ptr %place)", "declare double @frexp(double, ptr)",
        "keep it away from what is differentiated"),

    "number from Python": Row("""
  %z = call double @PyFloat_AsDouble(ptr null)
  store double %z, ptr %y
""", NO_DERIVATIVE, "its number comes from the Python interpreter", "%z = call double @PyFloat_AsDouble(ptr null)",
        "declare double @PyFloat_AsDouble(ptr)", always=True),

    "copy of two kinds of numbers": Row("""
  %place = alloca { double, float }
  %second = getelementptr i8, ptr %place, i64 8
  %narrow = fptrunc double %x to float
  store double %x, ptr %place
  store float %narrow, ptr %second
  %copy = alloca { double, float }
  call void @llvm.memcpy.p0.p0.i64(ptr %copy, ptr %place, i64 12, i1 false)
  %z = load double, ptr %copy
  store double %z, ptr %result
""", UNSUPPORTED, "a copy of memory that holds numbers of different types",
        "call void @llvm.memcpy.p0.p0.i64(ptr %copy, ptr %place, i64 12, i1 false)",
        "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)", "copy element by element"),

    "copy of numbers and pointers": Row("""
  %place = alloca { double, ptr }
  %second = getelementptr i8, ptr %place, i64 8
  store double %x, ptr %place
  store ptr %y, ptr %second
  %copy = alloca { double, ptr }
  call void @llvm.memcpy.p0.p0.i64(ptr %copy, ptr %place, i64 %n, i1 false)
  %z = load double, ptr %copy
  %copied = getelementptr i8, ptr %copy, i64 8
  %y.again = load ptr, ptr %copied
  %w = load double, ptr %y.again
  %product = fmul double %z, %w
  store double %product, ptr %result
""", UNSUPPORTED, "a copy of memory that mixes numbers and pointers",
        "call void @llvm.memcpy.p0.p0.i64(ptr %copy, ptr %place, i64 %n, i1 false)",
        "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)"),

    "a pointer over a number": Row("""
  %place = alloca [2 x double]
  store double %x, ptr %place
  %taken = load ptr, ptr %place
  %copy = alloca [2 x double]
  store ptr %taken, ptr %copy
  %z = load double, ptr %copy
  %w = load double, ptr %place
  %product = fmul double %z, %w
  store double %product, ptr %result
""", UNSUPPORTED, "memory that is used for a pointer and for a floating-point number", "%taken = load ptr, ptr %place"),

    "complex matrix product": Row("""
  %status = call i32 @numba_xxdot(i8 122, i8 0, i64 %n, ptr %y, ptr %y, ptr %result)
  %z = load double, ptr %result
  store double %z, ptr %y
""", UNSUPPORTED, "a matrix product of complex numbers", "call i32 @numba_xxdot(i8 122",
        "declare i32 @numba_xxdot(i8, i8, i64, ptr, ptr, ptr)", "write the product as loops"),
}

each = pytest.mark.parametrize("name", ROWS)
modes = pytest.mark.parametrize("mode", ["forward", "reverse"])


def differentiate(text: str, mode: str, active: frozenset[int] = frozenset([2, 3])) -> pipeline.Derivative:
    contents = ((3, DOUBLE),) if 3 in active else ()
    return pipeline.differentiate(text, Task("f", mode, active, contents))


def refused(row: Row, mode: str) -> Refusal:
    with pytest.raises(Refusal) as caught:
        differentiate(text_of(row), mode)
    return caught.value


@modes
@each
def test_refused(name: str, mode: str) -> None:
    row = ROWS[name]
    refusal = refused(row, mode)
    assert refusal.kind == row.kind
    assert row.what in refusal.what
    assert row.instruction in refusal.instruction
    assert row.remedy in refusal.remedy


@modes
@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if not row.always])
def test_let_through_where_nothing_is_active(name: str, mode: str) -> None:
    assert differentiate(text_of(ROWS[name]), mode, frozenset()).shadows == ()


@modes
def test_let_through_towards_an_error(mode: str) -> None:
    """What only an exception sees has no influence on a result."""
    text = """
declare double @erfinv(double)
define i32 @f(ptr %result, ptr %error, double %x, ptr %y, i64 %n) {
entry:
  %test = fcmp olt double %x, 0.0
  br i1 %test, label %bad, label %good
bad:
  %z = call double @erfinv(double %x)
  store double %z, ptr %y
  ret i32 1
good:
  store double %x, ptr %result
  ret i32 0
}
"""
    assert 2 in differentiate(text, mode).shadows


@modes
def test_let_through_what_only_prints(mode: str) -> None:
    text = """
declare i32 @printf(ptr, double)
@format = internal constant [4 x i8] c"%f\\0A\\00"
define i32 @f(ptr %result, ptr %error, double %x, ptr %y, i64 %n) {
  %count = call i32 @printf(ptr @format, double %x)
  store double %x, ptr %result
  ret i32 0
}
"""
    assert 2 in differentiate(text, mode).shadows


# --- refusals from other places --------------------------------------------------------------------------------------


IRREDUCIBLE = """
define i32 @f(ptr %result, ptr %error, double %x, ptr %y, i64 %n) {
entry:
  %test = icmp sgt i64 %n, 0
  br i1 %test, label %left, label %right
left:
  br i1 %test, label %right, label %after
right:
  br i1 %test, label %left, label %after
after:
  store double %x, ptr %result
  ret i32 0
}
"""

TWO_LATCHES = """
define i32 @f(ptr %result, ptr %error, double %x, ptr %y, i64 %n) {
entry:
  br label %loop
loop:
  %a = phi double [ %x, %entry ], [ %b, %loop ], [ %c, %other ]
  %b = fmul double %a, %x
  %test = icmp sgt i64 %n, 0
  br i1 %test, label %loop, label %other
other:
  %c = fmul double %b, %x
  br i1 %test, label %loop, label %after
after:
  store double %c, ptr %result
  ret i32 0
}
"""


@modes
def test_irreducible_control_flow(mode: str) -> None:
    with pytest.raises(Refusal, match="a loop that can be entered in two places") as caught:
        differentiate(IRREDUCIBLE, mode)
    assert caught.value.kind == UNSUPPORTED and caught.value.remedy == "restructure the loop"
    assert caught.value.instruction.startswith("br ")


def test_several_latches_in_reverse_mode() -> None:
    with pytest.raises(Refusal, match="a loop with several entries or latches") as caught:
        differentiate(TWO_LATCHES, "reverse")
    assert caught.value.kind == UNSUPPORTED
    assert differentiate(TWO_LATCHES, "forward", frozenset([2])).shadows == (0, 2)


def test_an_entry_without_a_status_in_reverse_mode() -> None:
    text = "define double @f(double %x) {\n  %y = fmul double %x, %x\n  ret double %y\n}\n"
    with pytest.raises(Refusal, match="the entry does not follow the status convention"):
        differentiate(text, "reverse", frozenset([0]))


# --- where -----------------------------------------------------------------------------------------------------------


def test_the_user_s_line() -> None:
    row = ROWS["function without a rule"]
    text = text_of(row).replace("(double %x)\n  store", "(double %x), !dbg !5\n  store") + """
!llvm.module.flags = !{!0}
!llvm.dbg.cu = !{!1}
!0 = !{i32 2, !"Debug Info Version", i32 3}
!1 = distinct !DICompileUnit(language: DW_LANG_C, file: !2, emissionKind: FullDebug)
!2 = !DIFile(filename: "model.py", directory: "/home/user")
!3 = distinct !DISubprogram(name: "step", scope: !2, file: !2, line: 40, unit: !1, spFlags: DISPFlagDefinition)
!4 = distinct !DISubprogram(name: "f", scope: !2, file: !2, line: 10, unit: !1, spFlags: DISPFlagDefinition)
!5 = !DILocation(line: 1, column: 3, scope: !3, inlinedAt: !6)
!6 = !DILocation(line: 17, column: 1, scope: !4)
"""
    assert "!dbg !5" in text
    with pytest.raises(Refusal) as caught:
        fence.check(gather(parse(text), Task("f", "forward", frozenset([2]))))
    assert caught.value.locations[0] == Location("/home/user/model.py", 17, "f"), "line 1 is none of the user's"


def test_no_line() -> None:
    assert refused(ROWS["function without a rule"], "forward").locations == ()


# --- completeness ----------------------------------------------------------------------------------------------------


def refusals_in(module: object) -> list[list[str]]:
    """For each call of `self.refusal(kind, what, ...)`, the constant pieces of what it says."""
    found = []
    for node in ast.walk(ast.parse(inspect.getsource(module))):  # type: ignore[arg-type]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "refusal":
            constants = [n.value for n in ast.walk(node.args[1]) if isinstance(n, ast.Constant)]
            found.append([piece for piece in constants if isinstance(piece, str) and len(piece) > 1])
    return found


def test_every_refusal_has_a_row() -> None:
    said = [refused(row, "forward").what for row in ROWS.values()]
    templates = refusals_in(fence)
    assert len(templates) >= 14
    missing = [pieces for pieces in templates if not any(all(piece in what for piece in pieces) for what in said)]
    assert not missing
