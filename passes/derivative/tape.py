"""The tape: memory that keeps primal values between the forward and the reverse sweep.

A tape is a block of 72 bytes on the stack that holds two chains of chunks:

    stack   records are pushed by the forward sweep and popped by the reverse sweep, last in, first out; a chunk is
            freed when the reverse sweep has left it behind
    kept    memory that lives until the release: shadows of local arrays

    0 chunk, 8 used, 16 capacity of the stack;  24 chunk, 32 used, 40 capacity of the kept chain;  48 bytes in all
    56 chunk, 64 used of the stack when it was marked

A chunk starts with 64 bytes: the previous chunk, its use and its capacity, and the chunk's own size. `push` and `keep`
return null when no memory can be had; the writers test that. All memory comes from and goes back to Numba's run time,
so its counters see it; in between it waits in the arena (`arena`).

`mark` notes how long the stack is; `rewind`, told so, takes off what was pushed since. `is_over` says whether the tape
holds more than so many bytes (see `reruns`).

`push` and `pop` are told the kind of the record, a number for each loop of each function, and so is `part`, which gives
the address of an array inside a record. They do nothing with it: it tells the analysis of a derivative that is
differentiated again which records, and which arrays in them, are never mistaken for each other.

The functions are `linkonce_odr`, the same text in every derivative of one version, and known to the engine
(`rules.memory`): a derivative that is differentiated again has a shadow tape with the same history.
"""

from __future__ import annotations

from collections.abc import Iterator

from numbad.passes.derivative import arena
from numbad.passes.ir.builder import Builder, i64
from numbad.passes.ir.function import Function, Module
from numbad.passes.ir.types import I1, I64, PTR, VOID, ArrayType, FunctionType, IntType, Type, size_of
from numbad.passes.ir.values import Value
from numbad.passes.rules.targets import target_of

TAPE = ArrayType(9, I64)
BYTES = "numbad_tape_bytes"  # registered by the caller: receives the size of each tape that is released

SIGNATURES = {
    "numbad.tape.init": FunctionType(VOID, (PTR,)),
    "numbad.tape.push": FunctionType(PTR, (PTR, I64, I64)),
    "numbad.tape.pop": FunctionType(PTR, (PTR, I64, I64)),
    "numbad.tape.part": FunctionType(PTR, (PTR, I64, I64)),
    "numbad.tape.keep": FunctionType(PTR, (PTR, I64)),
    "numbad.tape.mark": FunctionType(VOID, (PTR,)),
    "numbad.tape.is_over": FunctionType(I64, (PTR, I64)),
    "numbad.tape.rewind": FunctionType(VOID, (PTR, I64)),
    "numbad.tape.release": FunctionType(VOID, (PTR,)),
}

OF_DEVICE = {
    "numbad.tape.open": FunctionType(VOID, (PTR, PTR, I64, PTR)),
    "numbad.tape.is_measured": FunctionType(I1, (PTR,)),
    "numbad.tape.place": FunctionType(PTR, (PTR, PTR, I64)),
}
"""Besides these, on a GPU (see `device`)."""


def array_bytes(builder: Builder, trips: Value, size: int) -> Value:
    """trips * size, or more than can be had if that would overflow."""
    too_many = builder.compare("icmp", "ugt", trips, i64(1 << 47))
    return builder.select(too_many, i64(-1), builder.binary("mul", trips, i64(size)))


def place_in_array(builder: Builder, base: Value, trips: Value, offset: int, kind: int, type: Type,
                   iteration: Value) -> Value:
    """Where an item of one iteration lies: behind the arrays of the items with smaller offsets."""
    behind = builder.binary("mul", trips, i64(offset))
    array = builder.call(tape_function(builder.module, "part"), [base, behind, i64(kind)])
    return builder.element(type, array, iteration)


def place_in_record(builder: Builder, tape: Value, record: Value, offset: int) -> Value:
    """Where an item of a record lies. On a GPU the words of a record do not lie beside each other."""
    if not target_of(builder.module).many_threads:
        return builder.offset(record, offset)
    return builder.call(tape_function(builder.module, "place"), [tape, record, i64(offset)])


def parts_in_record(builder: Builder, tape: Value, record: Value, offset: int, slot: Value,
                    type: Type) -> Iterator[tuple[Type, Value, Value]]:
    """An item as what is moved at once: its type, where it lies in the item's slot on the stack, where in the record.
    On a GPU a wide item is several words, since the next word of the memory is another thread's."""
    bytes = size_of(type)
    if bytes <= 8 or not target_of(builder.module).many_threads:
        yield type, slot, place_in_record(builder, tape, record, offset)
        return
    for at in range(0, bytes, 8):
        part = IntType(8 * min(8, bytes - at))
        yield part, builder.offset(slot, at), place_in_record(builder, tape, record, offset + at)


def tape_function(module: Module, operation: str) -> Function:
    """The function of one operation, declared in the module; `TEXT` defines it."""
    name = f"numbad.tape.{operation}"
    return module.declare(name, SIGNATURES.get(name) or OF_DEVICE[name])


TEXT = arena.TEXT + """
@numbad_tape_bytes = external global i64

declare ptr @NRT_Allocate(i64)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
declare i64 @llvm.umax.i64(i64, i64)

define linkonce_odr void @numbad.tape.init(ptr %tape) nounwind {
  call void @llvm.memset.p0.i64(ptr align 8 %tape, i8 0, i64 72, i1 false)
  ret void
}

define linkonce_odr ptr @numbad.tape.grow(ptr %tape, ptr %chain, i64 %bytes) nounwind noinline cold minsize optsize {
  %used.at = getelementptr i8, ptr %chain, i64 8
  %capacity.at = getelementptr i8, ptr %chain, i64 16
  %total.at = getelementptr i8, ptr %tape, i64 48
  %chunk = load ptr, ptr %chain
  %used = load i64, ptr %used.at
  %capacity = load i64, ptr %capacity.at
  %double = shl i64 %capacity, 1
  %is.small = icmp ult i64 %double, 4096
  %least = select i1 %is.small, i64 4096, i64 %double
  %is.large = icmp ugt i64 %least, 67108864
  %wanted = select i1 %is.large, i64 67108864, i64 %least
  %needed = add i64 %bytes, 64
  %is.enough = icmp uge i64 %wanted, %needed
  %wanted.size = select i1 %is.enough, i64 %wanted, i64 %needed
  %overflow = icmp ult i64 %needed, %bytes
  br i1 %overflow, label %failed, label %reuse
reuse:
  %spare = call ptr @numbad.arena.take(i64 %needed)
  %no.spare = icmp eq ptr %spare, null
  br i1 %no.spare, label %allocate, label %measure
measure:
  %spare.size.at = getelementptr i8, ptr %spare, i64 24
  %spare.size = load i64, ptr %spare.size.at
  br label %link
allocate:
  %fresh = call ptr @NRT_Allocate(i64 %wanted.size)
  %none = icmp eq ptr %fresh, null
  br i1 %none, label %failed, label %link
link:
  %new = phi ptr [ %spare, %measure ], [ %fresh, %allocate ]
  %size = phi i64 [ %spare.size, %measure ], [ %wanted.size, %allocate ]
  %size.at = getelementptr i8, ptr %new, i64 24
  store i64 %size, ptr %size.at
  store ptr %chunk, ptr %new
  %new.used = getelementptr i8, ptr %new, i64 8
  store i64 %used, ptr %new.used
  %new.capacity = getelementptr i8, ptr %new, i64 16
  store i64 %capacity, ptr %new.capacity
  store ptr %new, ptr %chain
  store i64 %needed, ptr %used.at
  store i64 %size, ptr %capacity.at
  %total = load i64, ptr %total.at
  %more = add i64 %total, %size
  store i64 %more, ptr %total.at
  %memory = getelementptr i8, ptr %new, i64 64
  ret ptr %memory
failed:
  ret ptr null
}

define linkonce_odr ptr @numbad.tape.push(ptr %tape, i64 %bytes, i64 %kind) nounwind {
  %used.at = getelementptr i8, ptr %tape, i64 8
  %capacity.at = getelementptr i8, ptr %tape, i64 16
  %used = load i64, ptr %used.at
  %capacity = load i64, ptr %capacity.at
  %left = sub i64 %capacity, %used
  %fits = icmp ule i64 %bytes, %left
  br i1 %fits, label %fast, label %slow
fast:
  %chunk = load ptr, ptr %tape
  %after = add i64 %used, %bytes
  store i64 %after, ptr %used.at
  %memory = getelementptr i8, ptr %chunk, i64 %used
  ret ptr %memory
slow:
  %grown = call ptr @numbad.tape.grow(ptr %tape, ptr %tape, i64 %bytes)
  ret ptr %grown
}

define linkonce_odr void @numbad.tape.drop(ptr %chain) nounwind noinline cold minsize optsize {
  %chunk = load ptr, ptr %chain
  %previous = load ptr, ptr %chunk
  %used.from = getelementptr i8, ptr %chunk, i64 8
  %used = load i64, ptr %used.from
  %capacity.from = getelementptr i8, ptr %chunk, i64 16
  %capacity = load i64, ptr %capacity.from
  %used.at = getelementptr i8, ptr %chain, i64 8
  %capacity.at = getelementptr i8, ptr %chain, i64 16
  store ptr %previous, ptr %chain
  store i64 %used, ptr %used.at
  store i64 %capacity, ptr %capacity.at
  call void @numbad.arena.give(ptr %chunk)
  ret void
}

define linkonce_odr ptr @numbad.tape.pop(ptr %tape, i64 %bytes, i64 %kind) nounwind {
  %used.at = getelementptr i8, ptr %tape, i64 8
  br label %test
test:
  %used = load i64, ptr %used.at
  %is.left = icmp eq i64 %used, 64
  br i1 %is.left, label %leave, label %take
leave:
  call void @numbad.tape.drop(ptr %tape)
  br label %test
take:
  %before = sub i64 %used, %bytes
  store i64 %before, ptr %used.at
  %chunk = load ptr, ptr %tape
  %memory = getelementptr i8, ptr %chunk, i64 %before
  ret ptr %memory
}

define linkonce_odr ptr @numbad.tape.part(ptr %record, i64 %bytes, i64 %kind) nounwind memory(none) alwaysinline {
  %array = getelementptr i8, ptr %record, i64 %bytes
  ret ptr %array
}

define linkonce_odr ptr @numbad.tape.keep(ptr %tape, i64 %bytes) nounwind {
  %something = call i64 @llvm.umax.i64(i64 %bytes, i64 1)
  %padded = add i64 %something, 63
  %rounded = and i64 %padded, -64
  %chain = getelementptr i8, ptr %tape, i64 24
  %used.at = getelementptr i8, ptr %tape, i64 32
  %capacity.at = getelementptr i8, ptr %tape, i64 40
  %used = load i64, ptr %used.at
  %capacity = load i64, ptr %capacity.at
  %left = sub i64 %capacity, %used
  %overflow = icmp ult i64 %padded, %bytes
  %enough = icmp ule i64 %rounded, %left
  %good = xor i1 %overflow, true
  %fits = and i1 %enough, %good
  br i1 %fits, label %fast, label %slow
fast:
  %chunk = load ptr, ptr %chain
  %after = add i64 %used, %rounded
  store i64 %after, ptr %used.at
  %memory = getelementptr i8, ptr %chunk, i64 %used
  call void @llvm.memset.p0.i64(ptr %memory, i8 0, i64 %bytes, i1 false)
  ret ptr %memory
slow:
  %asked = select i1 %overflow, i64 -1, i64 %rounded
  %grown = call ptr @numbad.tape.grow(ptr %tape, ptr %chain, i64 %asked)
  %none = icmp eq ptr %grown, null
  br i1 %none, label %failed, label %clear
clear:
  call void @llvm.memset.p0.i64(ptr %grown, i8 0, i64 %bytes, i1 false)
  ret ptr %grown
failed:
  ret ptr null
}

define linkonce_odr void @numbad.tape.mark(ptr %tape) nounwind {
  %used.at = getelementptr i8, ptr %tape, i64 8
  %chunk.mark = getelementptr i8, ptr %tape, i64 56
  %used.mark = getelementptr i8, ptr %tape, i64 64
  %chunk = load ptr, ptr %tape
  %used = load i64, ptr %used.at
  store ptr %chunk, ptr %chunk.mark
  store i64 %used, ptr %used.mark
  ret void
}

define linkonce_odr i64 @numbad.tape.is_over(ptr %tape, i64 %limit) nounwind {
  %used.at = getelementptr i8, ptr %tape, i64 8
  %capacity.at = getelementptr i8, ptr %tape, i64 16
  %kept.used.at = getelementptr i8, ptr %tape, i64 32
  %kept.capacity.at = getelementptr i8, ptr %tape, i64 40
  %total.at = getelementptr i8, ptr %tape, i64 48
  %total = load i64, ptr %total.at
  %may.be = icmp ugt i64 %total, %limit
  br i1 %may.be, label %look, label %done
look:
  %used = load i64, ptr %used.at
  %capacity = load i64, ptr %capacity.at
  %kept.used = load i64, ptr %kept.used.at
  %kept.capacity = load i64, ptr %kept.capacity.at
  %without = sub i64 %total, %capacity
  %stack = add i64 %without, %used
  %without.kept = sub i64 %stack, %kept.capacity
  %holds = add i64 %without.kept, %kept.used
  %is.over = icmp ugt i64 %holds, %limit
  %over = zext i1 %is.over to i64
  br label %done
done:
  %result = phi i64 [ 0, %0 ], [ %over, %look ]
  ret i64 %result
}

define linkonce_odr void @numbad.tape.rewind(ptr %tape, i64 %really) nounwind {
  %no = icmp eq i64 %really, 0
  br i1 %no, label %done, label %look
look:
  %chunk.mark = getelementptr i8, ptr %tape, i64 56
  %mark = load ptr, ptr %chunk.mark
  %chunk = load ptr, ptr %tape
  %is.there = icmp eq ptr %chunk, %mark
  br i1 %is.there, label %set, label %drop
drop:
  %total.at = getelementptr i8, ptr %tape, i64 48
  %total = load i64, ptr %total.at
  %size.at = getelementptr i8, ptr %tape, i64 16
  %size = load i64, ptr %size.at
  %less = sub i64 %total, %size
  store i64 %less, ptr %total.at
  call void @numbad.tape.drop(ptr %tape)
  br label %look
set:
  %used.mark = getelementptr i8, ptr %tape, i64 64
  %used = load i64, ptr %used.mark
  %used.at = getelementptr i8, ptr %tape, i64 8
  store i64 %used, ptr %used.at
  br label %done
done:
  ret void
}

define linkonce_odr void @numbad.tape.free(ptr %chain) nounwind noinline cold minsize optsize {
  br label %test
test:
  %chunk = load ptr, ptr %chain
  %none = icmp eq ptr %chunk, null
  br i1 %none, label %done, label %drop
drop:
  call void @numbad.tape.drop(ptr %chain)
  br label %test
done:
  ret void
}

define linkonce_odr void @numbad.tape.release(ptr %tape) nounwind {
  %total.at = getelementptr i8, ptr %tape, i64 48
  %total = load i64, ptr %total.at
  store i64 %total, ptr @numbad_tape_bytes
  %empty = icmp eq i64 %total, 0
  br i1 %empty, label %done, label %free
free:
  call void @numbad.tape.free(ptr %tape)
  %chain = getelementptr i8, ptr %tape, i64 24
  call void @numbad.tape.free(ptr %chain)
  br label %done
done:
  ret void
}
"""
