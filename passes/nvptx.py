"""What numba-cuda emits for a kernel, ready to be differentiated.

Given   the LLVM texts of one kernel (or device function) and of all that it calls, and its name.
Gives   `prepared`: one text as `preparation.prepared` gives it for a CPU, for NVIDIA's GPUs: only the entry is external,
        calls of libdevice (`__nv_sin`) are still calls.
Unsure  raises `llvm.InvalidIR`.

numba-cuda sets no attributes. Without `convergent` LLVM may move a call of a function with a barrier into a branch or
duplicate it, and without `memory(none)` each sine might write any memory. So attributes come before all passes.
"""

from __future__ import annotations

from collections.abc import Sequence

from numbad.passes import llvm, preparation
from numbad.passes.atomics import PREFIX as ATOMIC
from numbad.passes.atomics import with_subtractions
from numbad.passes.text import relaxed, with_attributes, without_used_list

TRIPLE = "nvptx64-nvidia-cuda"
LIBDEVICE = "__nv_"

_PURE = "nounwind willreturn nosync nofree nocallback memory(none)"
_RESULT_IN_MEMORY = "nounwind willreturn nosync nofree nocallback memory(argmem: write)"
_ATOMIC = "nounwind willreturn nofree nocallback memory(argmem: readwrite)"


def machine(sm: str) -> llvm.Machine:
    """A GPU by its architecture: `sm_90`, `sm_90a`."""
    return llvm.Machine(cpu=sm, features=_ptx(sm), triple=TRIPLE)


def prepared(modules: Sequence[str], entry: str, sm: str = "sm_80") -> str:
    target = machine(sm)
    text = without_used_list(llvm.link(*modules, machine=target))
    text = with_subtractions(with_attributes(relaxed(text), _attributes, of_assembly="convergent"))
    return preparation.prepared(text, entry, target)


def _attributes(name: str, takes_pointer: bool) -> str:
    """What LLVM may assume of a function."""
    if name.startswith("llvm."):
        return ""                               # LLVM knows its own
    if name.startswith(LIBDEVICE):
        return _RESULT_IN_MEMORY if takes_pointer else _PURE
    return _ATOMIC if name.startswith(ATOMIC) else "convergent"


def _ptx(sm: str) -> str:
    """The version of PTX to write: 8.0 is what CUDA 12.0 reads, and newer GPUs have their own lowest version. LLVM aborts
    on instructions that the version lacks, and its default for older GPUs lacks some that libdevice uses."""
    return "+ptx80" if int(sm.removeprefix("sm_").rstrip("af")) <= 90 else ""
