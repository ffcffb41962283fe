"""`numbad.shared.*`: the shadows of shared memory (see `global_shadows`); a block's threads clear them together, eight
bytes at a time, but for dynamic memory, whose size is a multiple of four bytes only."""

_CLEAR = """
define linkonce_odr void @NAME(ptr %memory, i64 %bytes) nounwind {{
entry:
  %thread = call i32 @numbad.thread.index()
  %threads = call i32 @numbad.thread.count()
  %first = zext i32 %thread to i64
  %step = zext i32 %threads to i64
  %words = lshr i64 %bytes, SHIFT
  br label %test
test:
  %k = phi i64 [ %first, %entry ], [ %next, %store ]
  %more = icmp ult i64 %k, %words
  br i1 %more, label %store, label %done
store:
  %word = getelementptr TYPE, ptr %memory, i64 %k
  store TYPE 0, ptr %word, align BYTES
  %next = add i64 %k, %step
  br label %test
done:
  ret void
}}
"""


def _clear(name: str, type: str, shift: int) -> str:
    sized = _CLEAR.replace("SHIFT", str(shift)).replace("BYTES", str(1 << shift))
    return sized.replace("NAME", name).replace("TYPE", type)


TEXT = _clear("numbad.shared.clear", "i64", 3) + _clear("numbad.shared.clear.halves", "i32", 2) + """
declare void @llvm.nvvm.barrier.cta.sync.aligned.all(i32)

define linkonce_odr void @numbad.shared.wait() alwaysinline nounwind convergent {{
  call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)
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
  call void @numbad.shared.clear.halves(ptr %shadow, i64 %bytes)
  ret void
}}
"""
