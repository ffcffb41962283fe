"""Memory nodes, noted on small programs.

`node 1 + 8` says: the first node (nodes count in the order of the text), 8 bytes behind its start; `?` for an offset
that is not constant.
"""

from __future__ import annotations

import pytest

from analysis.notes import Notes
from numbad.passes.analysis.memory import Memory, Node, constant_offset, holds_float, holds_pointer
from numbad.passes.ir.type_parser import parse_type
from numbad.passes.ir.types import DOUBLE, I64
from numbad.passes.ir.values import Argument, Named, integer

FIELDS = """
define void @f(ptr %x, ptr %y) {           ; node 1: %x; node 2: %y
  %s = alloca { ptr, i64, ptr }            ; node 3
  %s.y = getelementptr { ptr, i64, ptr }, ptr %s, i64 0, i32 2    ; node 3 + 16
  store ptr %x, ptr %s
  store ptr %y, ptr %s.y
  %x.again = load ptr, ptr %s              ; node 1
  %y.again = load ptr, ptr %s.y            ; node 2
  %second = getelementptr double, ptr %y.again, i64 1             ; node 2 + 8
  ret void
}
"""

UNKNOWN_FIELD = """
define void @f(ptr %x, ptr %y, i64 %k) {   ; node 1: %x %y
  %s = alloca [2 x ptr]                    ; node 2 + ?
  %s.y = getelementptr [2 x ptr], ptr %s, i64 0, i64 1            ; node 2 + ?
  store ptr %x, ptr %s
  store ptr %y, ptr %s.y
  %s.k = getelementptr [2 x ptr], ptr %s, i64 0, i64 %k           ; node 2 + ?
  %either = load ptr, ptr %s.k             ; node 1
  ret void
}
"""

SWAPPED = """
define void @f(ptr %u, ptr %v, ptr %w, i1 %more) {                ; node 1: %u %v; node 2: %w
entry:
  br label %loop
loop:
  %now = phi ptr [ %u, %entry ], [ %next, %loop ]                 ; node 1
  %next = phi ptr [ %v, %entry ], [ %now, %loop ]                 ; node 1
  %other = phi ptr [ %w, %entry ], [ %other, %loop ]              ; node 2
  br i1 %more, label %loop, label %done
done:
  %last = phi ptr [ %now, %loop ]          ; node 1
  ret void
}
"""

WALK = """
define void @f(ptr %x, ptr %y, i1 %more) {                        ; node 1 + ?: %x; node 2: %y
entry:
  br label %loop
loop:
  %p = phi ptr [ %x, %entry ], [ %p.next, %loop ]                 ; node 1 + ?
  %p.next = getelementptr i8, ptr %p, i64 8                       ; node 1 + ?
  br i1 %more, label %loop, label %done
done:
  ret void
}
"""

LINKED_LIST = """
define void @f(ptr %head, i1 %more) {                             ; node 1: %head
entry:
  br label %loop
loop:
  %item = phi ptr [ %head, %entry ], [ %next, %loop ]             ; node 1
  %link = getelementptr i8, ptr %item, i64 8                      ; node 1 + 8
  %next = load ptr, ptr %link              ; node 1
  br i1 %more, label %loop, label %done
done:
  ret void
}
"""

COPIED = """
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)

define void @f(ptr %x, ptr %y) {           ; node 1: %x; node 2: %y
  %a = alloca { ptr, ptr }                 ; node 3
  %b = alloca { ptr, ptr }                 ; node 4
  %a.y = getelementptr i8, ptr %a, i64 8   ; node 3 + 8
  store ptr %x, ptr %a
  store ptr %y, ptr %a.y
  call void @llvm.memcpy.p0.p0.i64(ptr %b, ptr %a, i64 16, i1 false)
  %b.y = getelementptr i8, ptr %b, i64 8   ; node 4 + 8
  %x.again = load ptr, ptr %b              ; node 1
  %y.again = load ptr, ptr %b.y            ; node 2
  ret void
}
"""

COPIED_TO_ANOTHER_PLACE = """
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)

define void @f(ptr %x, ptr %y) {           ; node 1: %x %y
  %a = alloca { ptr, ptr }                 ; node 2 + ?
  %b = alloca { ptr, ptr }                 ; node 3 + ?
  %a.y = getelementptr i8, ptr %a, i64 8   ; node 2 + ?
  store ptr %x, ptr %a
  store ptr %y, ptr %a.y
  call void @llvm.memcpy.p0.p0.i64(ptr %b, ptr %a.y, i64 8, i1 false)
  %moved = load ptr, ptr %b                ; node 1
  ret void
}
"""

COPIED_WITHIN = """
declare void @llvm.memmove.p0.p0.i64(ptr, ptr, i64, i1)

define void @f(ptr %x, ptr %y) {           ; node 1: %x %y
  %a = alloca { ptr, ptr }                 ; node 2 + ?
  %a.y = getelementptr i8, ptr %a, i64 8   ; node 2 + ?
  store ptr %x, ptr %a
  store ptr %y, ptr %a.y
  call void @llvm.memmove.p0.p0.i64(ptr %a, ptr %a.y, i64 8, i1 false)
  %moved = load ptr, ptr %a                ; node 1
  ret void
}
"""

MEMINFO = """
declare ptr @NRT_MemInfo_alloc_aligned(i64, i32)
declare ptr @NRT_Allocate(i64)

define void @f(i64 %n) {
  %info = call ptr @NRT_MemInfo_alloc_aligned(i64 %n, i32 32)     ; node 1
  %place = getelementptr i8, ptr %info, i64 24                    ; node 1 + 24
  %data = load ptr, ptr %place             ; node 2
  %element = getelementptr double, ptr %data, i64 %n              ; node 2 + ?
  %place.again = getelementptr i8, ptr %info, i64 24              ; node 1 + 24
  %data.again = load ptr, ptr %place.again                        ; node 2
  %raw = call ptr @NRT_Allocate(i64 %n)    ; node 3
  ret void
}
"""

AGGREGATES = """
define void @f(ptr %x, ptr %y, i1 %c) {    ; node 1: %x; node 2: %y
  %one = insertvalue { ptr, i64, ptr } undef, ptr %x, 0           ; node 3
  %both = insertvalue { ptr, i64, ptr } %one, ptr %y, 2           ; node 3
  %frozen = freeze { ptr, i64, ptr } %both ; node 3
  %first = extractvalue { ptr, i64, ptr } %frozen, 0              ; node 1
  %second = extractvalue { ptr, i64, ptr } %frozen, 2             ; node 2
  ret void
}
"""

SELECTED = """
define void @f(ptr %x, ptr %y, ptr %z, i1 %c) {                   ; node 1: %x %z; node 2: %y
  %either = select i1 %c, ptr %x, ptr %z   ; node 1
  %frozen = freeze ptr %y                  ; node 2
  %nothing = select i1 %c, ptr %y, ptr null                       ; node 2
  ret void
}
"""

CALLS = """
define void @f(ptr %x, ptr %y, ptr %z) {   ; node 1: %x; node 2: %y %z
  call void @g(ptr %x, ptr %y)
  call void @g(ptr %x, ptr %z)
  ret void
}

define void @g(ptr %a, ptr %b) {           ; node 1: %a; node 2: %b
  ret void
}
"""

RECURSION = """
define void @f(ptr %x, ptr %y, ptr %z) {   ; node 1: %x %y; node 2: %z
  call void @g(ptr %x, ptr %y, ptr %z)
  ret void
}

define void @g(ptr %a, ptr %b, ptr %c) {   ; node 1: %a %b; node 2: %c
  call void @g(ptr %b, ptr %a, ptr %c)
  ret void
}
"""

RETURNED = """
define void @f(ptr %x, ptr %y, ptr %z, i1 %c) {                   ; node 1: %x %y; node 2: %z
  %either = call ptr @g(ptr %x, ptr %y, i1 %c)                    ; node 1
  %same = call ptr @h(ptr %z)              ; node 2
  ret void
}

define ptr @g(ptr %a, ptr %b, i1 %c) {     ; node 1: %a %b
entry:
  br i1 %c, label %yes, label %no
yes:
  ret ptr %a
no:
  ret ptr %b
}

define ptr @h(ptr %a) {                    ; node 2: %a
  ret ptr %a
}
"""

GLOBALS = """
@table = internal constant [4 x double] zeroinitializer
@pair = internal constant { ptr, ptr } { ptr @table, ptr null }

define void @f(i64 %k) {
  %element = getelementptr double, ptr @table, i64 %k             ; node 1 + ?
  %second = getelementptr i8, ptr getelementptr inbounds (i8, ptr @table, i64 8), i64 8       ; node 1 + 16
  %other = getelementptr i8, ptr @pair, i64 8                     ; node 2 + 8
  ret void
}
"""

PROGRAMS = {name.lower().replace("_", " "): text for name, text in list(globals().items())
            if name.isupper() and isinstance(text, str)}


def analysed(notes: Notes) -> Memory:
    return Memory([f for f in notes.module.functions.values() if not f.is_declaration])


@pytest.mark.parametrize("text", PROGRAMS.values(), ids=PROGRAMS)
def test_noted(text: str) -> None:
    notes = Notes(text, "node")
    memory = analysed(notes)
    numbers: dict[Node, int] = {}

    def cell(subject: Named) -> str | None:
        if not holds_pointer(subject.type):
            return None
        node, offset = memory.cell(subject)
        number = numbers.setdefault(node, len(numbers) + 1)
        return str(number) if offset == 0 else f"{number} + {'?' if offset is None else offset}"

    notes.check("node", cell)


# --- what is known of a node -----------------------------------------------------------------------------------------


def test_roots() -> None:
    notes = Notes("""
declare ptr @NRT_Allocate(i64)
declare ptr @somebody(ptr)
@table = internal constant [4 x double] zeroinitializer

define void @f(ptr %x, ptr %y, i64 %n, i1 %c) {
  %heap = call ptr @NRT_Allocate(i64 %n)
  %either = select i1 %c, ptr %x, ptr %heap
  %made.up = inttoptr i64 %n to ptr
  %theirs = call ptr @somebody(ptr %y)
  %stack = alloca double
  %constant = getelementptr i8, ptr @table, i64 %n
  ret void
}
""")
    memory = analysed(notes)
    values = {str(value): value for value in notes.subjects}

    def roots(name: str) -> list[str]:
        return sorted(map(str, memory.node(values[name]).roots))

    assert roots("%either") == roots("%x") == ["%heap", "%x"]
    assert roots("%made.up") == ["unknown"]
    assert roots("%theirs") == ["%theirs", "unknown"]
    assert roots("%stack") == ["%stack"]
    assert roots("%constant") == ["@table"]
    assert [name for name in ("%x", "%y", "%stack") if memory.node(values[name]).escaped] == ["%y"]


def test_written() -> None:
    notes = Notes("""
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
declare void @somebody(ptr)

define void @f(ptr %a, ptr %b, ptr %c, ptr %d, ptr %e, ptr %g) {    ; written: %a %b %c %e %g
  store double 1.0, ptr %a
  call void @llvm.memset.p0.i64(ptr %b, i8 0, i64 8, i1 false)
  call void @llvm.memcpy.p0.p0.i64(ptr %c, ptr %d, i64 8, i1 false)
  %old = atomicrmw fadd ptr %e, double 1.0 monotonic
  call void @somebody(ptr %g)
  %x = load double, ptr %d
  ret void
}
""", "written")
    memory = analysed(notes)
    notes.check("written", lambda s: "" if isinstance(s, Argument) and memory.node(s).written else None)


def test_accesses() -> None:
    notes = Notes("""
define void @f(ptr %x, i64 %k) {
  %second = getelementptr i8, ptr %x, i64 8
  %number = load double, ptr %second
  store i64 %k, ptr %x
  %any = getelementptr i8, ptr %x, i64 %k
  %half = load float, ptr %any
  ret void
}
""")
    (argument, _) = notes.function().arguments
    accesses = Memory([notes.function()], {argument: DOUBLE}).node(argument).accesses
    assert {(at, str(type)) for at, type in accesses} == {(8, "double"), (0, "i64"), (None, "float"), (None, "double")}


def test_copies_show_the_types_on_both_sides() -> None:
    notes = Notes("""
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)

define void @f(ptr %x, ptr %y) {
  call void @llvm.memcpy.p0.p0.i64(ptr %y, ptr %x, i64 8, i1 false)
  %number = load double, ptr %x
  ret void
}
""")
    memory = analysed(notes)
    assert {(0, DOUBLE)} == memory.node(notes.function().arguments[1]).accesses


RECORDS = """
declare ptr @numbad.tape.push(ptr, i64, i64)
declare ptr @numbad.tape.pop(ptr, i64, i64)
declare ptr @numbad.tape.keep(ptr, i64)

define void @f(ptr %x, i64 %n) {
  %tape = alloca [8 x i64]
  %one = call ptr @numbad.tape.push(ptr %tape, i64 16, i64 1)
  %two = call ptr @numbad.tape.push(ptr %tape, i64 16, i64 2)
  %kept = call ptr @numbad.tape.keep(ptr %tape, i64 8)
  %place = getelementptr i8, ptr %two, i64 8
  store ptr %kept, ptr %place
  store double 1.0, ptr %kept
  %two.again = call ptr @numbad.tape.pop(ptr %tape, i64 16, i64 KIND)
  %there = getelementptr i8, ptr %two.again, i64 8
  %kept.again = load ptr, ptr %there
  ret void
}
"""


def test_records_on_the_tape_are_told_apart_by_their_kind() -> None:
    notes = Notes(RECORDS.replace("KIND", "2"))
    memory, value = analysed(notes), {str(s): s for s in notes.subjects}
    assert memory.cell(value["%two.again"]) == memory.cell(value["%two"])
    assert memory.node(value["%one"]) is not memory.node(value["%two"])
    assert memory.cell(value["%kept.again"]) == memory.cell(value["%kept"])
    assert len({memory.node(value[name]) for name in ("%one", "%two", "%kept", "%tape", "%x")}) == 5


def test_records_of_an_unknown_kind_may_be_any() -> None:
    notes = Notes(RECORDS.replace("KIND", "%n"))
    memory, value = analysed(notes), {str(s): s for s in notes.subjects}
    assert memory.node(value["%one"]) is memory.node(value["%two"]) is memory.node(value["%two.again"])
    assert memory.cell(value["%two"])[1] is None
    assert memory.node(value["%kept.again"]) is memory.node(value["%kept"])


def test_arrays_in_a_record_are_told_apart_by_their_kind() -> None:
    """A loop of a known length keeps numbers and pointers in arrays of one record, at offsets that are not constant."""
    notes = Notes("""
declare ptr @numbad.tape.push(ptr, i64, i64)
declare ptr @numbad.tape.part(ptr, i64, i64)

define void @f(ptr %x, i64 %n, i64 %i) {
  %tape = alloca [8 x i64]
  %record = call ptr @numbad.tape.push(ptr %tape, i64 %n, i64 1)
  %numbers = call ptr @numbad.tape.part(ptr %record, i64 0, i64 2)
  %pointers = call ptr @numbad.tape.part(ptr %record, i64 %n, i64 3)
  %number = getelementptr double, ptr %numbers, i64 %i
  %pointer = getelementptr ptr, ptr %pointers, i64 %i
  store double 1.0, ptr %number
  store ptr %x, ptr %pointer
  %pointers.again = call ptr @numbad.tape.part(ptr %record, i64 %n, i64 3)
  %pointer.again = getelementptr ptr, ptr %pointers.again, i64 %i
  %x.again = load ptr, ptr %pointer.again
  ret void
}
""")
    memory, value = analysed(notes), {str(s): s for s in notes.subjects}
    assert memory.node(value["%numbers"]) is not memory.node(value["%pointers"])
    assert memory.node(value["%pointers"]) is memory.node(value["%pointers.again"])
    assert memory.node(value["%x.again"]) is memory.node(value["%x"])
    assert not memory.node(value["%numbers"]).pointees


def test_offsets_of_types() -> None:
    record = parse_type("{ i8, double, [3 x { i32, ptr }], i16 }")
    zero, one, two = (integer(I64, k) for k in range(3))
    assert constant_offset(record, [zero, one]) == 8
    assert constant_offset(record, [zero, two, one, one]) == 16 + 16 + 8
    assert constant_offset(record, [one]) == 72
    assert constant_offset(parse_type("<{ i8, double }>"), [one, one]) == 9 + 1
    assert constant_offset(DOUBLE, [integer(I64, -2)]) == -16
    assert constant_offset(DOUBLE, [Argument(I64, "n")]) is None


def test_what_types_hold() -> None:
    texts = ["double", "<2 x float>", "{ i64, [2 x double] }", "i64", "ptr", "{ i64, { ptr } }", "<2 x ptr>", "{}"]
    assert [holds_float(parse_type(t)) for t in texts] == [True, True, True, False, False, False, False, False]
    assert [holds_pointer(parse_type(t)) for t in texts] == [False] * 4 + [True, True, True, False]
