"""What differs between machines, as data: the walks ask the target, and never which machine it is.

Given   a module.
Gives   its `Target`, by the triple in its header.
Unsure  means the host: one thread, one address space, the C library.
"""

from __future__ import annotations

from dataclasses import dataclass

from numbad.passes.ir.function import Module


@dataclass(frozen=True)
class Target:
    """
    library         where elementary functions come from (`names.symbol`)
    many_threads    the function runs in many threads at once: memory that is not a thread's own may be written by
                    others at any time, and what is added to it has to be added atomically
    shared_space    the address space of memory that the threads of a block share
    shared_bytes    how much of it a kernel may declare
    conventions     words at the head of a definition that its derivative needs too
    launch          attributes of a definition that say how it may be launched: its derivative has the same
    separator       between the parts of the names of derivatives: assemblers differ in what a name may hold
    kept_word       what it costs to keep eight bytes in a loop and to read them back, in quarters of an addition
    read_again      what it costs to read memory once more
    own_arrays      bytes that a function may use for what its loops keep, on its own stack (see `own_arrays`)
    """

    library: str
    many_threads: bool
    shared_space: int | None
    shared_bytes: int
    conventions: frozenset[str]
    launch: frozenset[str]
    separator: str
    kept_word: int
    read_again: int
    own_arrays: int


HOST = Target("libm", False, None, 0, frozenset(), frozenset(), ".", kept_word=16, read_again=4, own_arrays=0)
# 64 words, for what a thread keeps on its stack is to stay in its multiprocessor's cache: where a sweep takes 128
# registers, 512 threads run there, and 512 bytes for each are the 256 KiB that it has from sm_90 on (192 on sm_80).
# A GPU's arithmetic outruns its memory: while a word goes to the tape and comes back, an H200 (34 TFLOP/s in double
# precision, 4.8 TB/s, as NVIDIA gives them) does 113 operations, a GPU for graphics with little double precision 20.
NVPTX = Target("libdevice", True, 3, 48 << 10, frozenset(["ptx_kernel"]),
               frozenset(["nvvm.maxntid", "nvvm.minctasm"]), "_", kept_word=256, read_again=64, own_arrays=512)


def target_of(module: Module) -> Target:
    return NVPTX if any(line.startswith("target triple") and "nvptx" in line for line in module.header) else HOST
