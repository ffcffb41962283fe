"""The arena: chunks of memory that tapes leave for the next tapes of the process.

Fresh memory costs a page fault for every 4 KiB, more than the arithmetic on it; and a tape is often as large as the one
of the call before. `numbad_arena` is an array of words that the caller registers: the bytes kept, then `SLOTS`
addresses of chunks that nobody uses, or null, the larger chunks first.

    take(bytes)   a chunk of at least so many bytes, or null; the first one, so that a stack has few chunks
    give(chunk)   keeps it, or frees it: the smallest one goes when all slots are taken, and none is kept beyond `LIMIT`
    drain()       frees all chunks, and gives the sum of their sizes

A chunk is checked out and put back by atomic exchange, so threads, recursive and nested calls never share one. While a
thread looks at a chunk others may miss it; then they allocate. The word 24 bytes into a chunk is its size.
"""

from __future__ import annotations

ARENA = "numbad_arena"
SLOTS = 8
LIMIT = 256 << 20

TEXT = f"""
@{ARENA} = external global [{SLOTS + 1} x i64]

declare void @NRT_Free(ptr)

define linkonce_odr ptr @numbad.arena.take(i64 %bytes) nounwind noinline cold minsize optsize {{
  br label %test
test:
  %slot = phi i64 [ 1, %0 ], [ %next, %following ]
  %done = icmp ugt i64 %slot, {SLOTS}
  br i1 %done, label %fail, label %look
look:
  %place = getelementptr [{SLOTS + 1} x i64], ptr @{ARENA}, i64 0, i64 %slot
  %seen = load atomic ptr, ptr %place monotonic, align 8
  %none = icmp eq ptr %seen, null
  br i1 %none, label %following, label %check.out
check.out:
  %chunk = atomicrmw xchg ptr %place, ptr null acq_rel
  %gone = icmp eq ptr %chunk, null
  br i1 %gone, label %following, label %measure
measure:
  %size.at = getelementptr i8, ptr %chunk, i64 24
  %size = load i64, ptr %size.at
  %enough = icmp uge i64 %size, %bytes
  br i1 %enough, label %found, label %put.back
put.back:
  %meanwhile = atomicrmw xchg ptr %place, ptr %chunk acq_rel
  call void @numbad.arena.free(ptr %meanwhile)
  br label %following
following:
  %next = add i64 %slot, 1
  br label %test
found:
  %before = atomicrmw sub ptr @{ARENA}, i64 %size monotonic
  ret ptr %chunk
fail:
  ret ptr null
}}

define linkonce_odr void @numbad.arena.give(ptr %chunk) nounwind noinline cold minsize optsize {{
  %size.at = getelementptr i8, ptr %chunk, i64 24
  %size = load i64, ptr %size.at
  %before = atomicrmw add ptr @{ARENA}, i64 %size monotonic
  %after = add i64 %before, %size
  %too.much = icmp ugt i64 %after, {LIMIT}
  br i1 %too.much, label %free, label %test
test:
  %slot = phi i64 [ 1, %0 ], [ %next, %pass.on ]
  %carried = phi ptr [ %chunk, %0 ], [ %smaller, %pass.on ]
  %full = icmp ugt i64 %slot, {SLOTS}
  br i1 %full, label %free, label %look
look:
  %place = getelementptr [{SLOTS + 1} x i64], ptr @{ARENA}, i64 0, i64 %slot
  %other = atomicrmw xchg ptr %place, ptr null acq_rel
  %empty = icmp eq ptr %other, null
  br i1 %empty, label %put, label %pass.on
pass.on:
  %carried.size.at = getelementptr i8, ptr %carried, i64 24
  %carried.size = load i64, ptr %carried.size.at
  %other.size.at = getelementptr i8, ptr %other, i64 24
  %other.size = load i64, ptr %other.size.at
  %is.larger = icmp uge i64 %other.size, %carried.size
  %larger = select i1 %is.larger, ptr %other, ptr %carried
  %smaller = select i1 %is.larger, ptr %carried, ptr %other
  %meanwhile = atomicrmw xchg ptr %place, ptr %larger acq_rel
  call void @numbad.arena.free(ptr %meanwhile)
  %next = add i64 %slot, 1
  br label %test
put:
  %displaced = atomicrmw xchg ptr %place, ptr %carried acq_rel
  call void @numbad.arena.free(ptr %displaced)
  ret void
free:
  %rest = phi ptr [ %chunk, %0 ], [ %carried, %test ]
  call void @numbad.arena.free(ptr %rest)
  ret void
}}

define linkonce_odr void @numbad.arena.free(ptr %chunk) nounwind noinline cold minsize optsize {{
  %none = icmp eq ptr %chunk, null
  br i1 %none, label %done, label %free
free:
  %size.at = getelementptr i8, ptr %chunk, i64 24
  %size = load i64, ptr %size.at
  %before = atomicrmw sub ptr @{ARENA}, i64 %size monotonic
  call void @NRT_Free(ptr %chunk)
  br label %done
done:
  ret void
}}
"""

DRAIN = f"""
define i64 @numbad.arena.drain() nounwind {{
  br label %test
test:
  %total = phi i64 [ 0, %0 ], [ %total, %look ], [ %more, %free ]
  %slot = phi i64 [ 1, %0 ], [ %next, %look ], [ %next, %free ]
  %done = icmp ugt i64 %slot, {SLOTS}
  br i1 %done, label %end, label %look
look:
  %next = add i64 %slot, 1
  %place = getelementptr [{SLOTS + 1} x i64], ptr @{ARENA}, i64 0, i64 %slot
  %chunk = atomicrmw xchg ptr %place, ptr null acq_rel
  %none = icmp eq ptr %chunk, null
  br i1 %none, label %test, label %free
free:
  %size.at = getelementptr i8, ptr %chunk, i64 24
  %size = load i64, ptr %size.at
  %more = add i64 %total, %size
  call void @numbad.arena.free(ptr %chunk)
  br label %test
end:
  ret i64 %total
}}
"""
