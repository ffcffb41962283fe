"""From NVPTX's dialect of LLVM IR to the host's, line by line.

    %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()         %t = call i32 @emu.nvvm.read.ptx.sreg.tid.x()
    call void @llvm.nvvm.barrier.cta.sync...(i32 0)        call void @emu.site(i32 41)
                                                           call void @emu.nvvm.barrier.cta.sync...(i32 0)
    store double %v, ptr %p, align 8                       %n1 = ptrtoint ptr %p to i64
                                                           call void @emu.note(i64 %n1, i64 <size>, i64 <site and kind>)
                                                           store double %v, ptr %p, align 8
    br i1 %c, label %loop, label %out                      call void @emu.step()
                                                           br i1 %c, label %loop, label %out

Given   text as llvmlite prints it, and whether accesses are to be noted.
Gives   Host: text that x86-64 runs once the entry is added, the lines that sites number, and the shared globals.
Unsure  raises Unsupported.

Address spaces stay: x86 takes all below 256 for the flat one, and casts between them for no operation.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from cuda.emulator import libdevice, operations
from cuda.emulator.errors import Unsupported
from cuda.emulator.runtime import NOTING, RUNTIME

READ, WRITE, ATOMIC, ATOMIC_READ = range(4)
"""Kinds of accesses. A volatile load is atomic, as PTX has it: numba-cuda's loops around cmpxchg begin with one."""

DYNAMIC = "emu.dynamic"
MEMSET = "llvm.memset.p0.i64"
DYNAMIC_BYTES = 1 << 18
NAME = r'(?:[-\w.$]+|"[^"]*")'
ORDERINGS = "unordered|monotonic|acquire|release|acq_rel|seq_cst"
DROPPED = re.compile(r"target (datalayout|triple)|!nvvm\.annotations|!nvvmir\.version|@llvm\.(used|compiler\.used) "
                     r"|@_ZN08NumbaEnv|declare .*@llvm\.nvvm\.")
ATTRIBUTES = r"(?:(?:align \d+|\w+(?:\([^)]*\))?) )*(?=[%@]|getelementptr|addrspacecast|inttoptr)"
"""What may stand between the type and the value of an argument."""

ALLOWED = {"swapcontext", "getcontext", "makecontext"}

GRID_SYNC = """
define i64 @cudaCGGetIntrinsicHandle(i32 %a) {
  ret i64 1
}
define i32 @cudaCGSynchronize(i64 %h, i32 %f) noinline {
  call void @emu.yield(i32 3)
  ret i32 0
}
"""
PRINT = "define i32 @vprintf(ptr %format, ptr %values) {\n  ret i32 0\n}\n"


class Host(NamedTuple):
    text: str
    sites: list[str]
    shared: list[str]
    """Names of the shared globals, without quotes."""
    dynamic: bool
    """Whether there is dynamic shared memory. CUDA puts all of its arrays at the same place; so does DYNAMIC."""


def to_host(text: str, entry: str, notes: bool) -> Host:
    lines = text.splitlines()
    shared, dynamic = shared_globals(lines)
    body, sites = [], [""]
    for line in unfolded(lines):
        body.extend(rewritten(line, notes, sites))
    host = instrumented_loops("\n".join(body))
    for name in dynamic:
        host = re.sub(rf"@{re.escape(name)}(?![-\w.$])", f"@{DYNAMIC}", host)
    if dynamic:
        host += f"\n@{DYNAMIC} = addrspace(3) global [{DYNAMIC_BYTES} x i8] zeroinitializer, align 256\n"
    names = {name for name in re.findall(rf"@emu\.nvvm\.({NAME})", host)}
    host += RUNTIME + (NOTING if notes else "") + operations.defined(names)
    host = with_libraries(host)
    return Host(host, sites, [name.strip('"') for name in shared], bool(dynamic))


def shared_globals(lines: list[str]) -> tuple[list[str], list[str]]:
    """The names of globals in shared memory: those of a fixed size, and the dynamic ones."""
    shared, dynamic = [], []
    for line in lines:
        match = re.match(rf"@({NAME}) = ([^@]*?)addrspace\(3\) (?:externally_initialized )?global ", line)
        if match:
            (dynamic if re.search(r"\bexternal\b", match[2]) else shared).append(match[1])
    return shared, dynamic


def unfolded(lines: list[str]) -> list[str]:
    """An instruction a line: a switch is printed on several."""
    joined: list[str] = []
    for line in lines:
        if joined and re.match(r"\s+switch ", joined[-1]) and "]" not in joined[-1]:
            joined[-1] += " " + line.strip()
        else:
            joined.append(line)
    return joined


def rewritten(line: str, notes: bool, sites: list[str]) -> list[str]:
    """The lines that stand for one line."""
    if DROPPED.match(line):
        return []
    if line.startswith("attributes #"):
        # what the optimiser concluded about memory no longer holds once notes are taken
        return [re.sub(r"\{.*\}", "{ nounwind }", line)]
    if re.match(rf"@{NAME} = ", line) and re.search(r"addrspace\(3\) (externally_initialized )?global ", line):
        # seen from outside, or the optimiser would know what is in it
        if " external " in line:
            return []
        return [re.sub(r" = .*?addrspace\(3\) (?:\w+ )?global (.*?)(undef|poison|zeroinitializer)(,|$)",
                       r" = addrspace(3) global \1zeroinitializer\3", line)]
    line = line.replace("ptx_kernel ", "").replace("ptx_device ", "")
    for assembly, name in operations.ASSEMBLY.items():
        line = re.sub(r'asm (?:sideeffect )?"' + re.escape(assembly) + r'", "[^"]*"', f"@emu.nvvm.{name}", line)
    if re.search(r'\basm (sideeffect )?(alignstack )?"', line):
        raise Unsupported(f"inline assembly: {line.strip()}")
    line = line.replace("@llvm.nvvm.", "@emu.nvvm.")
    if not line.startswith(" "):
        return [line]
    before = []
    if "@emu.nvvm.bar" in line:
        sites.append(line.strip())
        before.append(f"  call void @emu.site(i32 {len(sites) - 1})")
    if notes:
        before += noted(line, sites)
    return [*before, line, *poisoned(line, sites)]


def poisoned(line: str, sites: list[str]) -> list[str]:
    """Local memory starts as NaN bytes, not as whatever suits the optimiser."""
    match = re.match(rf"\s+(%{NAME}) = alloca (?:inalloca )?", line)
    if not match:
        return []
    type, *rest = operands(line[match.end():])
    count = next((operand for operand in rest if re.match(r"i\d+ ", operand)), None)
    size, lines = size_of(type), []
    if count:
        sites.append(line.strip())
        name, (width, number) = f"%emu.n{len(sites) - 1}", count.split(" ")
        cast = f"add i64 {number}, 0" if width == "i64" else f"zext {width} {number} to i64"
        lines = [f"  {name}.count = {cast}", f"  {name} = mul i64 {name}.count, {size.removeprefix('i64 ')}"]
        size = f"i64 {name}"
    return [*lines, f"  call void @{MEMSET}(ptr {match[1]}, i8 -1, {size}, i1 false)"]


def noted(line: str, sites: list[str]) -> list[str]:
    """The lines that note what an instruction does to memory."""
    found = []
    if match := re.match(rf"\s+%{NAME} = load (atomic )?(volatile )?", line):
        type, pointer = split_pointer(line[match.end():])
        found.append((pointer, size_of(type), ATOMIC_READ if match[1] or match[2] else READ))
    elif match := re.match(r"\s+store (atomic )?(volatile )?", line):
        value, pointer = split_pointer(line[match.end():])
        found.append((pointer, size_of(type_of(value)), ATOMIC if match[1] or match[2] else WRITE))
    elif match := re.match(rf"\s+%{NAME} = (?:atomicrmw (?:volatile )?\w+|cmpxchg (?:weak )?(?:volatile )?) ?", line):
        pointer, value = operands(line[match.end():])[:2]
        found.append((pointer, size_of(type_of(value)), ATOMIC))
    elif match := re.search(r"@llvm\.(memcpy|memmove|memset)\.[\w.]+\(", line):
        target, source, count = operands(line[match.end():])[:3]
        found.append((target, count, WRITE))
        if match[1] != "memset":
            found.append((source, count, READ))
    lines = []
    for pointer, size, kind in found:
        sites.append(line.strip())
        n = len(sites) - 1
        space = re.match(r"ptr(?: addrspace\(\d+\))?", pointer)
        assert space, line
        value = re.sub(rf"^{re.escape(space[0])} {ATTRIBUTES}", f"{space[0]} ", pointer)
        lines += [f"  %emu.n{n} = ptrtoint {value} to i64",
                  f"  call void @emu.note(i64 %emu.n{n}, {size}, i64 {n << 8 | kind})"]
    return lines


def operands(text: str) -> list[str]:
    """The parts of a list of operands, split at commas outside of brackets."""
    parts, depth, start = [], 0, 0
    for i, c in enumerate(text):
        if c in "([{<":
            depth += 1
        elif c in ")]}>":
            depth -= 1
            if depth < 0:
                return [*parts, text[start:i].strip()]
        elif c == "," and depth == 0:
            parts.append(text[start:i].strip())
            start = i + 1
    return [*parts, text[start:].strip()]


def split_pointer(text: str) -> tuple[str, str]:
    """What stands before the pointer of a load or store, and the pointer without what follows."""
    first, pointer = operands(text)[:2]
    return first, re.sub(rf' (syncscope\("[^"]*"\) )?({ORDERINGS})$', "", pointer)


def type_of(operand: str) -> str:
    """The type of `type value`: it ends at the first blank outside of brackets, but an address space belongs to it."""
    depth = 0
    for i, c in enumerate(operand):
        depth += (c in "([{<") - (c in ")]}>")
        if c == " " and depth == 0 and not operand[i:].startswith(" addrspace("):
            return operand[:i]
    raise Unsupported(f"operand {operand}")


def size_of(type: str) -> str:
    return f"i64 ptrtoint (ptr getelementptr ({type}, ptr null, i32 1) to i64)"


def instrumented_loops(text: str) -> str:
    """A step is counted at each branch to a block that stands earlier: every cycle has one."""
    lines, seen = [], set()
    for line in text.split("\n"):
        if line.startswith("define "):
            seen = set()
        elif match := re.match(rf"({NAME}):", line):
            seen.add(match[1])
        elif re.match(r"\s+(br|switch) ", line) and seen.intersection(re.findall(rf"label %({NAME})", line)):
            lines.append("  call void @emu.step()")
        lines.append(line)
    return "\n".join(lines)


def with_libraries(text: str) -> str:
    """libdevice, grid synchronisation and print defined; any other name that is declared only is refused."""
    declare = re.compile(rf"^declare [^@]*@({NAME})\(.*$", re.M)
    needed, bodies = {MEMSET: f"declare void @{MEMSET}(ptr, i8, i64, i1)\n"}, []
    for name in sorted(set(declare.findall(text))):
        if name.startswith("__nv_"):
            body, declarations = libdevice.definition(name)
            bodies.append(body)
            needed |= declarations
        elif name.startswith("cudaCG"):
            bodies = [b for b in bodies if b != GRID_SYNC] + [GRID_SYNC]
        elif name == "vprintf":
            bodies.append(PRINT)
        elif name not in ALLOWED and not name.startswith("llvm."):
            raise Unsupported(f"the kernel calls {name}, which is not defined")
    text = declare.sub(lambda m: "" if m[1].startswith(("__nv_", "cudaCG")) or m[1] == "vprintf" else m[0], text)
    there = set(declare.findall(text))
    return text + "\n".join(bodies) + "".join(line for name, line in needed.items() if name not in there)
