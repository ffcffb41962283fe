"""The native part: LLVM IR that starts fibers, switches between them, and takes notes of memory accesses.

A thread is a *record*: its glibc context, its special registers, and what it waits for. `emu.run` resumes records one
after another and comes back to Python when all have yielded, so that Python works once a round and never on a fiber's
stack. A fiber yields by `emu.yield`; why, and the operands, are in its record, where the scheduler puts the result too.

The offsets in the IR are those of the NumPy dtype RECORD, so both sides agree by construction.
"""

from __future__ import annotations

import numpy as np

CONTEXT_BYTES = 1024
"""ucontext_t of glibc on x86-64 takes 968 bytes."""

RECORD = np.dtype([
    ("context", np.uint8, CONTEXT_BYTES),
    ("register", np.int32, 16),
    ("reason", np.int32),
    ("site", np.int32),
    ("operand", np.int64, 6),
    ("result", np.int64, 2),
    ("thread", np.int64),
    ("epoch", np.int64),
    ("padding", np.uint8, 40),
], align=True)
assert RECORD.itemsize % 64 == 0 and RECORD.fields is not None
OFFSET = {name: field[1] for name, field in RECORD.fields.items()}

DONE, BARRIER, WARP, GRID, PAUSE, NOTES_FULL, OUT_OF_BOUNDS = range(7)
"""Why a fiber yields. From NOTES_FULL on, `emu.run` returns at once."""

STEPS_BETWEEN_PAUSES = 4096
"""So many backward branches in a row and a fiber lets others run: a wait for another thread's store may then end."""

NOTE = np.dtype([(name, np.int64) for name in ("address", "size", "what", "thread", "epoch")])
NOTES = 1 << 15
EXTENTS = 256

REGISTERS = {f"{register}.{axis}": 3 * i + j
             for i, register in enumerate(("tid", "ntid", "ctaid", "nctaid")) for j, axis in enumerate("xyz")}
REGISTERS |= {"laneid": 12, "warpsize": 13, "dynamic_smem_size": 14, "lanemask.lt": 15}


def field(name: str, value: str, index: int = 0, width: int = 4) -> str:
    """IR of `value`, a pointer to a field of the running record."""
    return (f"  {value}.self = load volatile ptr, ptr @emu.self\n"
            f"  {value} = getelementptr i8, ptr {value}.self, i64 {OFFSET[name] + width * index}\n")


RUNTIME = f"""
@emu.self = global ptr null
@emu.main = global [{CONTEXT_BYTES} x i8] zeroinitializer, align 64
@emu.arguments = global ptr null
@emu.steps = global i32 0
declare i32 @swapcontext(ptr, ptr)
declare i32 @getcontext(ptr) returns_twice
declare void @makecontext(ptr, ptr, i32, ...)

define void @emu.yield(i32 %reason) noinline {{
{field("reason", "%where")}
  store volatile i32 %reason, ptr %where
  %self = load volatile ptr, ptr @emu.self
  %r = call i32 @swapcontext(ptr %self, ptr @emu.main)
  ret void
}}

define void @emu.site(i32 %site) {{
{field("site", "%where")}
  store volatile i32 %site, ptr %where
  ret void
}}

define void @emu.step() alwaysinline {{
  %old = load i32, ptr @emu.steps
  %new = add i32 %old, 1
  store i32 %new, ptr @emu.steps
  %many = icmp uge i32 %new, {STEPS_BETWEEN_PAUSES}
  br i1 %many, label %pause, label %go
pause:
  store i32 0, ptr @emu.steps
  call void @emu.yield(i32 {PAUSE})
  br label %go
go:
  ret void
}}

define void @emu.start(ptr %records, i64 %count, ptr %stacks, i64 %stride, i64 %guard) {{
entry:
  br label %next
next:
  %i = phi i64 [ 0, %entry ], [ %i1, %body ]
  %i1 = add i64 %i, 1
  %more = icmp ult i64 %i, %count
  br i1 %more, label %body, label %out
body:
  %at = mul i64 %i, {RECORD.itemsize}
  %record = getelementptr i8, ptr %records, i64 %at
  %g = call i32 @getcontext(ptr %record) returns_twice
  %link = getelementptr i8, ptr %record, i64 8
  store ptr @emu.main, ptr %link
  %below = mul i64 %i, %stride
  %low = add i64 %below, %guard
  %stack = getelementptr i8, ptr %stacks, i64 %low
  %sp = getelementptr i8, ptr %record, i64 16
  store ptr %stack, ptr %sp
  %size = sub i64 %stride, %guard
  %ss = getelementptr i8, ptr %record, i64 32
  store i64 %size, ptr %ss
  call void (ptr, ptr, i32, ...) @makecontext(ptr %record, ptr @emu.entry, i32 0)
  br label %next
out:
  ret void
}}

define i64 @emu.run(ptr %list, i64 %from, i64 %count) {{
entry:
  br label %next
next:
  %i = phi i64 [ %from, %entry ], [ %i1, %back ]
  %more = icmp ult i64 %i, %count
  br i1 %more, label %body, label %out
body:
  %where = getelementptr ptr, ptr %list, i64 %i
  %record = load ptr, ptr %where
  store volatile ptr %record, ptr @emu.self
  store i32 0, ptr @emu.steps
  %r = call i32 @swapcontext(ptr @emu.main, ptr %record)
  %at = getelementptr i8, ptr %record, i64 {OFFSET["reason"]}
  %reason = load volatile i32, ptr %at
  %stop = icmp uge i32 %reason, {NOTES_FULL}
  br i1 %stop, label %out, label %back
back:
  %i1 = add i64 %i, 1
  br label %next
out:
  ret i64 %i
}}
"""

NOTING = f"""
@emu.notes = global [{NOTES} x [5 x i64]] zeroinitializer, align 64
@emu.noted = global i64 0
@emu.extents = global [{EXTENTS} x [2 x i64]] zeroinitializer
@emu.extent_count = global i64 0

define void @emu.note(i64 %address, i64 %size, i64 %what) noinline {{
entry:
  %extents = load i64, ptr @emu.extent_count
  %end = add i64 %address, %size
  br label %next
next:
  %i = phi i64 [ 0, %entry ], [ %i1, %body ]
  %i1 = add i64 %i, 1
  %more = icmp ult i64 %i, %extents
  br i1 %more, label %body, label %outside
body:
  %extent = getelementptr [2 x i64], ptr @emu.extents, i64 %i
  %low = load i64, ptr %extent
  %extent.high = getelementptr i64, ptr %extent, i64 1
  %high = load i64, ptr %extent.high
  %over = icmp uge i64 %address, %low
  %under = icmp ule i64 %end, %high
  %in = and i1 %over, %under
  br i1 %in, label %write, label %next
outside:
{field("operand", "%op0")}
{field("operand", "%op1", 1, 8)}
{field("operand", "%op2", 2, 8)}
  store volatile i64 %address, ptr %op0
  store volatile i64 %size, ptr %op1
  store volatile i64 %what, ptr %op2
  call void @emu.yield(i32 {OUT_OF_BOUNDS})
  ret void
write:
  %n = load i64, ptr @emu.noted
  %full = icmp uge i64 %n, {NOTES}
  br i1 %full, label %flush, label %room
flush:
  call void @emu.yield(i32 {NOTES_FULL})
  br label %room
room:
  %at = load volatile i64, ptr @emu.noted
  %note = getelementptr [5 x i64], ptr @emu.notes, i64 %at
  store i64 %address, ptr %note
  %note.1 = getelementptr i64, ptr %note, i64 1
  store i64 %size, ptr %note.1
  %note.2 = getelementptr i64, ptr %note, i64 2
  store i64 %what, ptr %note.2
  %self = load volatile ptr, ptr @emu.self
  %thread.p = getelementptr i8, ptr %self, i64 {OFFSET["thread"]}
  %thread = load volatile i64, ptr %thread.p
  %note.3 = getelementptr i64, ptr %note, i64 3
  store i64 %thread, ptr %note.3
  %epoch.p = getelementptr i8, ptr %self, i64 {OFFSET["epoch"]}
  %epoch = load volatile i64, ptr %epoch.p
  %note.4 = getelementptr i64, ptr %note, i64 4
  store i64 %epoch, ptr %note.4
  %at1 = add i64 %at, 1
  store volatile i64 %at1, ptr @emu.noted
  ret void
}}
"""


def register(name: str, index: int) -> str:
    """IR of a function that reads a special register of the running thread."""
    return (f"define internal i32 @{name}() alwaysinline {{\n{field('register', '%where', index)}"
            "  %v = load i32, ptr %where\n  ret i32 %v\n}\n")


def operation(name: str, result: str, parameters: list[str], reason: int, kind: int) -> str:
    """IR of a function that hands its operands to the scheduler, lets it do `kind`, and returns what it decided."""
    text = f"define {result} @{name}({', '.join(f'{t} %a{i}' for i, t in enumerate(parameters))}) noinline {{\n"
    for i, t in enumerate(["", *parameters]):
        text += field("operand", f"%p{i}", i, 8)
        if i == 0:
            value = str(kind)
        elif t == "i64":
            value = f"%a{i - 1}"
        else:
            value = f"%z{i}"
            cast = f"bitcast float %a{i - 1} to i32" if t == "float" else f"zext {t} %a{i - 1} to i64"
            text += f"  {value}{'.i' if t == 'float' else ''} = {cast}\n"
            if t == "float":
                text += f"  {value} = zext i32 {value}.i to i64\n"
        text += f"  store volatile i64 {value}, ptr %p{i}\n"
    text += f"  call void @emu.yield(i32 {reason})\n"
    if result == "void":
        return text + "  ret void\n}\n"
    text += field("result", "%q") + "  %r = load volatile i64, ptr %q\n"
    if result.startswith("{"):
        inner = result.strip("{} ").split(",")[0]
        text += field("result", "%q1", 1, 8) + "  %r1 = load volatile i64, ptr %q1\n  %flag = trunc i64 %r1 to i1\n"
        text += converted(inner)
        text += f"  %s0 = insertvalue {result} undef, {inner} %v, 0\n  %s = insertvalue {result} %s0, i1 %flag, 1\n"
        return text + f"  ret {result} %s\n}}\n"
    return text + converted(result) + f"  ret {result} %v\n}}\n"


def converted(type: str) -> str:
    """IR of %v, the 64-bit result %r as the type that the operation returns."""
    if type == "float":
        return "  %b = trunc i64 %r to i32\n  %v = bitcast i32 %b to float\n"
    if type == "i64":
        return "  %v = add i64 %r, 0\n"
    return f"  %v = trunc i64 %r to {type}\n"
