"""How the threads of a GPU meet: barriers, votes, shuffles, by LLVM's names in NVPTX's dialect.

`Synchronise` is an effect (see `memory`): in the reverse sweep the threads that waited for each other wait again, at
the mirrored place, so that what a thread adds to a shadow after a barrier of the primal is there before it is read.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Synchronise:
    """Threads wait for each other.

    mirror      what the reverse sweep calls
    arguments   how many of the arguments it repeats
    block       all threads of the block meet, so all must come here; else those that a mask of arguments names
    """

    mirror: str
    arguments: int
    block: bool = True


_BLOCK = "llvm.nvvm.barrier.cta.sync.aligned.all"
_VOTING = "llvm.nvvm.barrier.cta.red."  # a barrier that also counts or combines a truth value of each thread


@dataclass(frozen=True)
class Shuffle:
    """Gives the number `arguments[2]` of another lane of the warp, or of its own if there is none, and which of both.

    Arguments: mask of the lanes that take part, mode, number, lane, clamp. Mode 0 reads the lane that is named, 1 to 3
    that at a distance: up, down, by xor. Each lane may name another, and lanes may be read by several.
    """


SHUFFLE = "numbad.shfl."
OF_A_WARP = (SHUFFLE, *(f"llvm.nvvm.{name}" for name in ("shfl.", "vote.", "match.", "bar.warp.sync")))
"""What the lanes do together that the first argument, a mask, names."""
SHUFFLE_ADJOINT = "numbad.shfl.adjoint."
"""Takes the adjoint of the result for the number, and behind the others whether the lane is a constant."""

SYNCHRONISATIONS: dict[str, Synchronise] = {
    _BLOCK: Synchronise(_BLOCK, 1),
    **{f"{_VOTING}{operation}.aligned.all": Synchronise(_BLOCK, 1) for operation in ("popc", "and", "or")},
    "llvm.nvvm.barrier0": Synchronise("llvm.nvvm.barrier0", 0),
    **{f"llvm.nvvm.barrier0.{operation}": Synchronise("llvm.nvvm.barrier0", 0) for operation in ("popc", "and", "or")},
    "llvm.nvvm.bar.warp.sync": Synchronise("llvm.nvvm.bar.warp.sync", 1, block=False),
    **{f"llvm.nvvm.membar.{scope}": Synchronise(f"llvm.nvvm.membar.{scope}", 0, block=False)
       for scope in ("cta", "gl", "sys")},
    "cudaCGSynchronize": Synchronise("cudaCGSynchronize", 2),  # all blocks of the grid
}

def is_vote_of_block(name: str) -> bool:
    """All threads of a block get the same answer."""
    return name.startswith(_VOTING) or name.startswith("llvm.nvvm.barrier0.")


SAME_FOR_BLOCK = ("numbad.shared.size", "cudaCGGetIntrinsicHandle",
                  *(f"llvm.nvvm.read.ptx.sreg.{name}" for name in ("ntid.", "ctaid.", "nctaid.", "warpsize")))
"""Where a block is, and how many there are of what."""

POSITIONS = SAME_FOR_BLOCK + tuple(f"llvm.nvvm.read.ptx.sreg.{name}" for name in ("tid.", "laneid", "lanemask"))
"""Where a thread is: constant for the thread, so computed again wherever it is needed."""
