"""`numbad.tape.*`: each thread has a stack of words in one array that the launch brings along.

Words of the same number lie beside each other for all threads: those that keep the same thing at the same time write
one stretch of memory.

    word k of thread t     memory[k * threads + t]

    open(tape, memory, words, needed)   words: how many each thread may use; 0 measures: everything goes to one place,
                                        and `is_measured` then says how many were wanted, in the largest of all threads
    push, pop, keep                     as on the host (`tape`); without room they give null, and `needed` tells.
                                        What is kept is one word, at the other end of the thread's stack.
                                        Where `needed` is null the number of words is one that the engine has proved:
                                        without room the whole launch then ends with an error, as an assertion does.
    place(tape, record, bytes)          where in a record something lies

The tape is six words on the thread's stack, which LLVM turns into registers.
"""

TEXT = """
declare void @llvm.trap()

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
  %is.constant = icmp eq ptr %needed, null
  br i1 %is.constant, label %wrong, label %tell
wrong:
  call void @llvm.trap()
  unreachable
tell:
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
  %is.constant = icmp eq ptr %needed, null
  br i1 %is.constant, label %wrong, label %tell
wrong:
  call void @llvm.trap()
  unreachable
tell:
  %old = atomicrmw umax ptr %needed, i64 %all syncscope("device") monotonic
  ret ptr null
good:
  %stride = load i64, ptr %stride.at
  %base = load ptr, ptr %tape
  %number = sub i64 %words, %more
  %row = mul i64 %number, %stride
  %place = getelementptr i64, ptr %base, i64 %row
  store i64 0, ptr %place, align 8
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
