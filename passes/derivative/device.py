"""Code that the derivatives of kernels call, for a GPU: text of LLVM in NVPTX's dialect.

`numbad.shared.*`: the shadows of shared memory (see `global_shadows`). All threads of a block clear them together.

`numbad.tape.*`: each thread has a stack of words in one array that the launch brings along. Words of the same number lie
beside each other for all threads, so that threads which keep the same thing at the same time write one stretch of memory:

    word k of thread t     memory[k * threads + t]

    open(tape, memory, words, needed)   words: how many each thread may use; 0 measures: everything goes to one place,
                                        and `is_measured` then says how many were wanted, in the largest of all threads
    push, pop                           as on the host (`tape`); without room `push` gives null, and `needed` tells
    place(tape, record, bytes)          where in a record something lies

The tape is six words on the thread's stack, which LLVM turns into registers.
"""

from __future__ import annotations

from numbad.passes.ir.function import Module

_POSITION = """
declare i32 @llvm.nvvm.read.ptx.sreg.tid.x()
declare i32 @llvm.nvvm.read.ptx.sreg.tid.y()
declare i32 @llvm.nvvm.read.ptx.sreg.tid.z()
declare i32 @llvm.nvvm.read.ptx.sreg.ntid.x()
declare i32 @llvm.nvvm.read.ptx.sreg.ntid.y()
declare i32 @llvm.nvvm.read.ptx.sreg.ntid.z()
declare i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
declare i32 @llvm.nvvm.read.ptx.sreg.ctaid.y()
declare i32 @llvm.nvvm.read.ptx.sreg.ctaid.z()
declare i32 @llvm.nvvm.read.ptx.sreg.nctaid.x()
declare i32 @llvm.nvvm.read.ptx.sreg.nctaid.y()
declare i32 @llvm.nvvm.read.ptx.sreg.nctaid.z()

define linkonce_odr i32 @numbad.thread.index() alwaysinline nounwind {
  %x = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %y = call i32 @llvm.nvvm.read.ptx.sreg.tid.y()
  %z = call i32 @llvm.nvvm.read.ptx.sreg.tid.z()
  %nx = call i32 @llvm.nvvm.read.ptx.sreg.ntid.x()
  %ny = call i32 @llvm.nvvm.read.ptx.sreg.ntid.y()
  %slice = mul i32 %z, %ny
  %row = add i32 %slice, %y
  %rows = mul i32 %row, %nx
  %index = add i32 %rows, %x
  ret i32 %index
}

define linkonce_odr i32 @numbad.thread.count() alwaysinline nounwind {
  %nx = call i32 @llvm.nvvm.read.ptx.sreg.ntid.x()
  %ny = call i32 @llvm.nvvm.read.ptx.sreg.ntid.y()
  %nz = call i32 @llvm.nvvm.read.ptx.sreg.ntid.z()
  %slice = mul i32 %nx, %ny
  %count = mul i32 %slice, %nz
  ret i32 %count
}
"""

_SHARED = """
declare void @llvm.nvvm.barrier.cta.sync.aligned.all(i32)

define linkonce_odr void @numbad.shared.wait() alwaysinline nounwind convergent {{
  call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)
  ret void
}}

define linkonce_odr void @numbad.shared.clear(ptr %memory, i64 %bytes) nounwind {{
entry:
  %thread = call i32 @numbad.thread.index()
  %threads = call i32 @numbad.thread.count()
  %first = zext i32 %thread to i64
  %step = zext i32 %threads to i64
  %words = lshr i64 %bytes, 2
  br label %test
test:
  %k = phi i64 [ %first, %entry ], [ %next, %store ]
  %more = icmp ult i64 %k, %words
  br i1 %more, label %store, label %done
store:
  %word = getelementptr i32, ptr %memory, i64 %k
  store i32 0, ptr %word
  %next = add i64 %k, %step
  br label %test
done:
  ret void
}}

define linkonce_odr i32 @numbad.shared.size() alwaysinline nounwind {{
  %all = call i32 asm "mov.u32 $0, %dynamic_smem_size;", "=r"()
  %size = udiv i32 %all, {parts}
  ret i32 %size
}}

define linkonce_odr ptr @numbad.shared.part(ptr %memory, i32 %number, i32 %parts) alwaysinline nounwind {{
  %size = call i32 @numbad.shared.size()
  %offset = mul i32 %size, %number
  %bytes = zext i32 %offset to i64
  %part = getelementptr i8, ptr %memory, i64 %bytes
  ret ptr %part
}}

define linkonce_odr void @numbad.shared.clear.dynamic(ptr %memory) nounwind {{
  %shadow = call ptr @numbad.shared.part(ptr %memory, i32 1, i32 2)
  %size = call i32 @numbad.shared.size()
  %bytes = zext i32 %size to i64
  call void @numbad.shared.clear(ptr %shadow, i64 %bytes)
  ret void
}}
"""

_TAPE = """
define linkonce_odr void @numbad.tape.open(ptr %tape, ptr %memory, i64 %words, ptr %needed) alwaysinline nounwind {
  %thread = call i32 @numbad.thread.index()
  %in.block = call i32 @numbad.thread.count()
  %bx = call i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
  %by = call i32 @llvm.nvvm.read.ptx.sreg.ctaid.y()
  %bz = call i32 @llvm.nvvm.read.ptx.sreg.ctaid.z()
  %nx = call i32 @llvm.nvvm.read.ptx.sreg.nctaid.x()
  %ny = call i32 @llvm.nvvm.read.ptx.sreg.nctaid.y()
  %nz = call i32 @llvm.nvvm.read.ptx.sreg.nctaid.z()
  %slice = mul i32 %bz, %ny
  %row = add i32 %slice, %by
  %rows = mul i32 %row, %nx
  %block = add i32 %rows, %bx
  %plane = mul i32 %nx, %ny
  %blocks = mul i32 %plane, %nz
  %thread.64 = zext i32 %thread to i64
  %in.block.64 = zext i32 %in.block to i64
  %block.64 = zext i32 %block to i64
  %blocks.64 = zext i32 %blocks to i64
  %before = mul i64 %block.64, %in.block.64
  %index = add i64 %before, %thread.64
  %threads = mul i64 %blocks.64, %in.block.64
  %measures = icmp eq i64 %words, 0
  %number = select i1 %measures, i64 0, i64 %index
  %stride = select i1 %measures, i64 0, i64 %threads
  %base = getelementptr i64, ptr %memory, i64 %number
  %used.at = getelementptr i8, ptr %tape, i64 8
  %words.at = getelementptr i8, ptr %tape, i64 16
  %stride.at = getelementptr i8, ptr %tape, i64 24
  %needed.at = getelementptr i8, ptr %tape, i64 32
  store ptr %base, ptr %tape
  store i64 0, ptr %used.at
  store i64 %words, ptr %words.at
  store i64 %stride, ptr %stride.at
  store ptr %needed, ptr %needed.at
  ret void
}

define linkonce_odr ptr @numbad.tape.push(ptr %tape, i64 %bytes, i64 %kind) alwaysinline nounwind {
  %used.at = getelementptr i8, ptr %tape, i64 8
  %words.at = getelementptr i8, ptr %tape, i64 16
  %stride.at = getelementptr i8, ptr %tape, i64 24
  %needed.at = getelementptr i8, ptr %tape, i64 32
  %padded = add i64 %bytes, 7
  %wanted = lshr i64 %padded, 3
  %used = load i64, ptr %used.at
  %words = load i64, ptr %words.at
  %after = add i64 %used, %wanted
  store i64 %after, ptr %used.at
  %enough = icmp ule i64 %after, %words
  %measures = icmp eq i64 %words, 0
  %fits = or i1 %enough, %measures
  br i1 %fits, label %good, label %full
full:
  %needed = load ptr, ptr %needed.at
  %old = atomicrmw umax ptr %needed, i64 %after syncscope("device") monotonic
  ret ptr null
good:
  %base = load ptr, ptr %tape
  %stride = load i64, ptr %stride.at
  %row = mul i64 %used, %stride
  %record = getelementptr i64, ptr %base, i64 %row
  ret ptr %record
}

define linkonce_odr ptr @numbad.tape.pop(ptr %tape, i64 %bytes, i64 %kind) alwaysinline nounwind {
  %used.at = getelementptr i8, ptr %tape, i64 8
  %stride.at = getelementptr i8, ptr %tape, i64 24
  %padded = add i64 %bytes, 7
  %wanted = lshr i64 %padded, 3
  %used = load i64, ptr %used.at
  %before = sub i64 %used, %wanted
  store i64 %before, ptr %used.at
  %base = load ptr, ptr %tape
  %stride = load i64, ptr %stride.at
  %row = mul i64 %before, %stride
  %record = getelementptr i64, ptr %base, i64 %row
  ret ptr %record
}

define linkonce_odr ptr @numbad.tape.place(ptr %tape, ptr %record, i64 %bytes) alwaysinline nounwind {
  %stride.at = getelementptr i8, ptr %tape, i64 24
  %stride = load i64, ptr %stride.at
  %word = lshr i64 %bytes, 3
  %row = mul i64 %word, %stride
  %place = getelementptr i64, ptr %record, i64 %row
  %rest = and i64 %bytes, 7
  %byte = getelementptr i8, ptr %place, i64 %rest
  ret ptr %byte
}

define linkonce_odr i1 @numbad.tape.is_measured(ptr %tape) alwaysinline nounwind {
  %used.at = getelementptr i8, ptr %tape, i64 8
  %words.at = getelementptr i8, ptr %tape, i64 16
  %needed.at = getelementptr i8, ptr %tape, i64 32
  %words = load i64, ptr %words.at
  %measures = icmp eq i64 %words, 0
  br i1 %measures, label %tell, label %done
tell:
  %used = load i64, ptr %used.at
  %needed = load ptr, ptr %needed.at
  %old = atomicrmw umax ptr %needed, i64 %used syncscope("device") monotonic
  br label %done
done:
  ret i1 %measures
}

define linkonce_odr void @numbad.tape.release(ptr %tape) alwaysinline nounwind {
  ret void
}
"""


def texts(module: Module, width: int) -> list[str]:
    """What the module declares and a GPU needs."""
    declared = [name for name, f in module.functions.items() if f.is_declaration]
    shared = any(name.startswith("numbad.shared.") for name in declared)
    tape = any(name.startswith("numbad.tape.") for name in declared)
    parts = width + 1 if "numbad.shared.part" in declared else 1
    text = (_SHARED.format(parts=parts) if shared else "") + (_TAPE if tape else "")
    return [_POSITION + text] if text else []
