"""What NVPTX intrinsics mean: a register, an operation that the scheduler does, or a few lines of IR.

Given   the name of an intrinsic without `llvm.nvvm.`, or the text of an inline assembly.
Gives   IR that defines it under the name `emu.nvvm.<name>`.
Unsure  raises Unsupported: unknown PTX must not reach the machine.
"""

from __future__ import annotations

from cuda.emulator.errors import Unsupported
from cuda.emulator.runtime import BARRIER, REGISTERS, WARP, operation, register

SYNC, COUNT, AND, OR, SYNCWARP, SHUFFLE, VOTE, MATCH_ANY, MATCH_ALL, ACTIVE = range(10)
"""What waiting threads want done. The first four are barriers of the block, the others of lanes of a warp."""

IDX, UP, DOWN, BUTTERFLY = range(4)
ALL, ANY, UNIFORM, BALLOT = range(4)
BOTH = "{ i32, i1 }"

# Barriers: the operands are the barrier's number and the predicate. LLVM 20 keeps numba-cuda's spelling barrier0, which
# has no number; WRAPPERS adds it.
OPERATIONS: dict[str, tuple[str, list[str], int, int]] = {
    "barrier.cta.sync.aligned.all": ("void", ["i32"], BARRIER, SYNC),
    "barrier.cta.sync.all": ("void", ["i32"], BARRIER, SYNC),
    "barrier.cta.red.popc.aligned.all": ("i32", ["i32", "i1"], BARRIER, COUNT),
    "barrier.cta.red.and.aligned.all": ("i1", ["i32", "i1"], BARRIER, AND),
    "barrier.cta.red.or.aligned.all": ("i1", ["i32", "i1"], BARRIER, OR),
    "bar.warp.sync": ("void", ["i32"], WARP, SYNCWARP),
    "shfl.sync.i32": (BOTH, ["i32"] * 5, WARP, SHUFFLE),
    "vote.sync": (BOTH, ["i32", "i32", "i1"], WARP, VOTE),
    "match.any.sync.i32": ("i32", ["i32", "i32"], WARP, MATCH_ANY),
    "match.any.sync.i64": ("i32", ["i32", "i64"], WARP, MATCH_ANY),
    "match.all.sync.i32": (BOTH, ["i32", "i32"], WARP, MATCH_ALL),
    "match.all.sync.i64": (BOTH, ["i32", "i64"], WARP, MATCH_ALL),
    "match.all.sync.i32p": (BOTH, ["i32", "i32"], WARP, MATCH_ALL),
    "match.all.sync.i64p": (BOTH, ["i32", "i64"], WARP, MATCH_ALL),
    "activemask": ("i32", [], WARP, ACTIVE),
}

# Intrinsics that are one of the operations with an operand fixed: the operation, and IR that calls it.
WRAPPERS: dict[str, tuple[str, str]] = {
    "barrier0": ("barrier.cta.sync.aligned.all",
                 "define internal void @emu.nvvm.barrier0() {\n"
                 "  call void @emu.nvvm.barrier.cta.sync.aligned.all(i32 0)\n  ret void\n}\n"),
}
for _word, _type in (("popc", "i32"), ("and", "i1"), ("or", "i1")):
    _name = f"barrier.cta.red.{_word}.aligned.all"
    _end = "  ret i32 %r\n}\n" if _type == "i32" else "  %z = zext i1 %r to i32\n  ret i32 %z\n}\n"
    WRAPPERS[f"barrier0.{_word}"] = (_name, (
        f"define internal i32 @emu.nvvm.barrier0.{_word}(i32 %a) {{\n  %p = icmp ne i32 %a, 0\n"
        f"  %r = call {_type} @emu.nvvm.{_name}(i32 0, i1 %p)\n{_end}"))
for _mode, _word in enumerate(("idx", "up", "down", "bfly")):
    _call = f"call {BOTH} @emu.nvvm.shfl.sync.i32(i32 %m, i32 {_mode}, i32 %v, i32 %b, i32 %c)"
    for _type in ("i32", "f32"):
        _ir = "i32" if _type == "i32" else "float"
        _in = "" if _type == "i32" else "  %v = bitcast float %f to i32\n"
        _head = f"({'i32 %m, i32 %v' if _type == 'i32' else 'i32 %m, float %f'}, i32 %b, i32 %c)"
        _out = "  %x = bitcast i32 %w to i32\n" if _type == "i32" else "  %x = bitcast i32 %w to float\n"
        _body = f"{_in}  %r = {_call}\n  %w = extractvalue {BOTH} %r, 0\n{_out}"
        WRAPPERS[f"shfl.sync.{_word}.{_type}"] = ("shfl.sync.i32", (
            f"define internal {_ir} @emu.nvvm.shfl.sync.{_word}.{_type}{_head} {{\n{_body}  ret {_ir} %x\n}}\n"))
        _pair = f"{{ {_ir}, i1 }}"
        WRAPPERS[f"shfl.sync.{_word}.{_type}p"] = ("shfl.sync.i32", (
            f"define internal {_pair} @emu.nvvm.shfl.sync.{_word}.{_type}p{_head} {{\n{_body}"
            f"  %i = extractvalue {BOTH} %r, 1\n  %s = insertvalue {_pair} undef, {_ir} %x, 0\n"
            f"  %t = insertvalue {_pair} %s, i1 %i, 1\n  ret {_pair} %t\n}}\n"))
for _mode, _word in enumerate(("all", "any", "uni", "ballot")):
    _type = "i32" if _word == "ballot" else "i1"
    WRAPPERS[f"vote.{_word}.sync"] = ("vote.sync", (
        f"define internal {_type} @emu.nvvm.vote.{_word}.sync(i32 %m, i1 %p) {{\n"
        f"  %r = call {BOTH} @emu.nvvm.vote.sync(i32 %m, i32 {_mode}, i1 %p)\n"
        f"  %v = extractvalue {BOTH} %r, {0 if _word == 'ballot' else 1}\n  ret {_type} %v\n}}\n"))

ASSEMBLY = {
    "mov.u32 $0, %dynamic_smem_size;": "read.ptx.sreg.dynamic_smem_size",
    "mov.u32 $0, %lanemask_lt;": "read.ptx.sreg.lanemask.lt",
    "activemask.b32 $0;": "activemask",
    "nanosleep.u32 $0;": "nanosleep",
}
"""The inline assembly that numba-cuda itself writes, and the intrinsic that means the same."""


def defined(names: set[str]) -> str:
    """IR that defines these intrinsics, each once."""
    text, todo, done = "", sorted(names), set()
    while todo:
        name = todo.pop()
        if name in done:
            continue
        done.add(name)
        if name in OPERATIONS:
            text += operation(f"emu.nvvm.{name}", *OPERATIONS[name])
        elif name in WRAPPERS:
            needed, body = WRAPPERS[name]
            todo.append(needed)
            text += body
        elif name.startswith("read.ptx.sreg.") and name[len("read.ptx.sreg."):] in REGISTERS:
            text += register(f"emu.nvvm.{name}", REGISTERS[name[len("read.ptx.sreg."):]])
        elif name in ("membar.cta", "membar.gl", "membar.sys"):
            text += f"define internal void @emu.nvvm.{name}() {{\n  fence seq_cst\n  ret void\n}}\n"
        elif name == "nanosleep":
            text += f"define internal void @emu.nvvm.{name}(i32 %a) {{\n  call void @emu.step()\n  ret void\n}}\n"
        else:
            raise Unsupported(f"the emulator has no meaning for llvm.nvvm.{name}")
    return text
