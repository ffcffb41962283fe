"""Code that the derivatives of kernels call, for a GPU: text of LLVM in NVPTX's dialect.

`numbad.shared.*`: the shadows of shared memory (see `global_shadows`). All threads of a block clear them together.

`numbad.shfl.*`: exchanges within a warp (see `rules.threads`), and their adjoints. Which lane has read a number is
known from the mode: the adjoint comes back the other way, from a lane that takes part and that had found one to read.

`numbad.tape.*`: each thread has a stack of words in one array that the launch brings along. Words of the same number
lie beside each other for all threads: those that keep the same thing at the same time write one stretch of memory.

    word k of thread t     memory[k * threads + t]

    open(tape, memory, words, needed)   words: how many each thread may use; 0 measures: everything goes to one place,
                                        and `is_measured` then says how many were wanted, in the largest of all threads
    push, pop, keep                     as on the host (`tape`); without room they give null, and `needed` tells.
                                        What is kept is one word, at the other end of the thread's stack.
    place(tape, record, bytes)          where in a record something lies

The tape is six words on the thread's stack, which LLVM turns into registers.
"""

from __future__ import annotations

from numbad.passes.ir.function import Module
from numbad.passes.rules.targets import NVPTX

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

_SHUFFLES = """
declare { i32, i1 } @llvm.nvvm.shfl.sync.i32(i32, i32, i32, i32, i32) CONVERGENT
declare i32 @llvm.nvvm.read.ptx.sreg.laneid()

define linkonce_odr { float, i1 } @numbad.shfl.f32(i32 %mask, i32 %mode, float %x, i32 %lane, i32 %clamp) DEFINED {
  %bits = bitcast float %x to i32
  %pair = call { i32, i1 } @llvm.nvvm.shfl.sync.i32(i32 %mask, i32 %mode, i32 %bits, i32 %lane, i32 %clamp)
  %other = extractvalue { i32, i1 } %pair, 0
  %there = extractvalue { i32, i1 } %pair, 1
  %y = bitcast i32 %other to float
  %first = insertvalue { float, i1 } poison, float %y, 0
  %both = insertvalue { float, i1 } %first, i1 %there, 1
  ret { float, i1 } %both
}

define linkonce_odr { double, i1 } @numbad.shfl.f64(i32 %mask, i32 %mode, double %x, i32 %lane, i32 %clamp) DEFINED {
  %bits = bitcast double %x to i64
  %low = trunc i64 %bits to i32
  %shifted = lshr i64 %bits, 32
  %high = trunc i64 %shifted to i32
  %a = call { i32, i1 } @llvm.nvvm.shfl.sync.i32(i32 %mask, i32 %mode, i32 %low, i32 %lane, i32 %clamp)
  %b = call { i32, i1 } @llvm.nvvm.shfl.sync.i32(i32 %mask, i32 %mode, i32 %high, i32 %lane, i32 %clamp)
  %low.there = extractvalue { i32, i1 } %a, 0
  %high.there = extractvalue { i32, i1 } %b, 0
  %there = extractvalue { i32, i1 } %a, 1
  %low.64 = zext i32 %low.there to i64
  %high.64 = zext i32 %high.there to i64
  %left = shl i64 %high.64, 32
  %together = or i64 %left, %low.64
  %y = bitcast i64 %together to double
  %first = insertvalue { double, i1 } poison, double %y, 0
  %both = insertvalue { double, i1 } %first, i1 %there, 1
  ret { double, i1 } %both
}
"""

_SHUFFLE_ADJOINT = """
define linkonce_odr TYPE @numbad.shfl.adjoint.CODE(i32 %mask, i32 %mode, TYPE %y, i32 %lane, i32 %clamp) DEFINED {
  %tried = call { i32, i1 } @llvm.nvvm.shfl.sync.i32(i32 %mask, i32 %mode, i32 0, i32 %lane, i32 %clamp)
  %was.there = extractvalue { i32, i1 } %tried, 1
  %sent = select i1 %was.there, TYPE %y, TYPE 0.0
  %kept = select i1 %was.there, TYPE 0.0, TYPE %y
  %is.up = icmp eq i32 %mode, 1
  %is.down = icmp eq i32 %mode, 2
  br i1 %is.up, label %from.above, label %not.up
not.up:
  br i1 %is.down, label %from.below, label %across
from.above:
  %above = call { TYPE, i1 } @numbad.shfl.CODE(i32 %mask, i32 2, TYPE %sent, i32 %lane, i32 31)
  br label %sum
from.below:
  %below = call { TYPE, i1 } @numbad.shfl.CODE(i32 %mask, i32 1, TYPE %sent, i32 %lane, i32 0)
  br label %sum
across:
  %opposite = call { TYPE, i1 } @numbad.shfl.CODE(i32 %mask, i32 3, TYPE %sent, i32 %lane, i32 31)
  br label %sum
sum:
  %pair = phi { TYPE, i1 } [ %above, %from.above ], [ %below, %from.below ], [ %opposite, %across ]
  %self = call i32 @llvm.nvvm.read.ptx.sreg.laneid()
  %distance = and i32 %lane, 31
  %up.from = add i32 %self, %distance
  %down.from = sub i32 %self, %distance
  %across.from = xor i32 %self, %distance
  %not.up.from = select i1 %is.down, i32 %down.from, i32 %across.from
  %from = select i1 %is.up, i32 %up.from, i32 %not.up.from
  %bit = and i32 %from, 31
  %shifted = lshr i32 %mask, %bit
  %part = trunc i32 %shifted to i1
  %there = extractvalue { TYPE, i1 } %pair, 1
  %takes.part = and i1 %there, %part
  %other = extractvalue { TYPE, i1 } %pair, 0
  %received = select i1 %takes.part, TYPE %other, TYPE 0.0
  %both = fadd TYPE %received, %kept
  ret TYPE %both
}
"""

_DEFINED = {"DEFINED": "alwaysinline convergent nounwind",
            "CONVERGENT": "convergent nocallback nounwind memory(inaccessiblemem: readwrite)"}

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
  %kept.at = getelementptr i8, ptr %tape, i64 40
  store i64 0, ptr %kept.at
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
  %kept.at = getelementptr i8, ptr %tape, i64 40
  %kept = load i64, ptr %kept.at
  %all = add i64 %after, %kept
  %enough = icmp ule i64 %all, %words
  %measures = icmp eq i64 %words, 0
  %fits = or i1 %enough, %measures
  br i1 %fits, label %good, label %full
full:
  %needed = load ptr, ptr %needed.at
  %old = atomicrmw umax ptr %needed, i64 %all syncscope("device") monotonic
  ret ptr null
good:
  %base = load ptr, ptr %tape
  %stride = load i64, ptr %stride.at
  %row = mul i64 %used, %stride
  %record = getelementptr i64, ptr %base, i64 %row
  ret ptr %record
}

define linkonce_odr ptr @numbad.tape.keep(ptr %tape, i64 %bytes) alwaysinline nounwind {
  %words.at = getelementptr i8, ptr %tape, i64 16
  %kept.at = getelementptr i8, ptr %tape, i64 40
  %stride.at = getelementptr i8, ptr %tape, i64 24
  %used.at = getelementptr i8, ptr %tape, i64 8
  %needed.at = getelementptr i8, ptr %tape, i64 32
  %used = load i64, ptr %used.at
  %kept = load i64, ptr %kept.at
  %more = add i64 %kept, 1
  store i64 %more, ptr %kept.at
  %words = load i64, ptr %words.at
  %all = add i64 %used, %more
  %enough = icmp ule i64 %all, %words
  %measures = icmp eq i64 %words, 0
  %fits = or i1 %enough, %measures
  br i1 %fits, label %good, label %full
full:
  %needed = load ptr, ptr %needed.at
  %old = atomicrmw umax ptr %needed, i64 %all syncscope("device") monotonic
  ret ptr null
good:
  %stride = load i64, ptr %stride.at
  %base = load ptr, ptr %tape
  %number = sub i64 %words, %more
  %row = mul i64 %number, %stride
  %place = getelementptr i64, ptr %base, i64 %row
  store i64 0, ptr %place
  ret ptr %place
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
  %kept.at = getelementptr i8, ptr %tape, i64 40
  %kept = load i64, ptr %kept.at
  %all = add i64 %used, %kept
  %needed = load ptr, ptr %needed.at
  %old = atomicrmw umax ptr %needed, i64 %all syncscope("device") monotonic
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
    # The launch of a kernel's derivative always brings room for the shadows; a device function is in others' launches.
    is_kernel = any(NVPTX.conventions & set(f.head.split()) for f in module.functions.values())
    parts = width + 1 if is_kernel else 1
    text = (_SHARED.format(parts=parts) if shared else "") + (_TAPE if tape else "")
    return ([_POSITION + text] if text else []) + _shuffles(declared)


def _shuffles(declared: list[str]) -> list[str]:
    if not any(name.startswith("numbad.shfl.") for name in declared):
        return []
    text = _SHUFFLES
    for code, type in (("f32", "float"), ("f64", "double")):
        if f"numbad.shfl.adjoint.{code}" in declared:
            text += _SHUFFLE_ADJOINT.replace("TYPE", type).replace("CODE", code)
    for word, attributes in _DEFINED.items():
        text = text.replace(word, attributes)
    return [text]
