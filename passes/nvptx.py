"""Kernels of numba-cuda: into the engine, and out of it.

Given   the LLVM texts of one kernel (or device function) and of all that it calls, and its name.
Gives   `prepared`: one text as `preparation.prepared` gives it for a CPU, for NVIDIA's GPUs: only the entry is
        external, calls of libdevice (`__nv_sin`) are still calls, products that are added are fused.
Given   LLVM text of kernels, like the engine's.
Gives   `assembly`: PTX. What is external keeps its name but for characters that PTX does not allow (`ptx_name`).
Unsure  raises `llvm.InvalidIR`.

numba-cuda sets no attributes. Without `convergent` LLVM may move a call of a function with a barrier into a branch or
duplicate it, and without `memory(none)` each sine might write any memory. So attributes come before all passes, for the
engine's own functions too. numba-cuda's own kernels are compiled by libNVVM, which reads no text that LLVM's passes
have seen; PTX must round as its PTX does.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from numbad.passes import llvm, preparation, warp
from numbad.passes.atomics import PREFIX as ATOMIC
from numbad.passes.atomics import with_bodies, with_subtractions
from numbad.passes.device_symbols import check_callable
from numbad.passes.fuse import fused
from numbad.passes.kernel_calls import kernel_calls
from numbad.passes.libdevice import PREFIX as LIBDEVICE
from numbad.passes.libdevice import with_libdevice
from numbad.passes.spelled_out import spelled_out
from numbad.passes.text import (
    approximate,
    ptx_name,
    relaxed,
    with_attributes,
    without_used_list,
)

TRIPLE = "nvptx64-nvidia-cuda"

_PURE = "nounwind willreturn nosync nofree nocallback memory(none)"
_RESULT_IN_MEMORY = "nounwind willreturn nosync nofree nocallback memory(argmem: write)"
_ATOMIC = "nounwind willreturn nofree nocallback memory(argmem: readwrite)"


def machine(sm: str) -> llvm.Machine:
    """A GPU by its architecture: `sm_90`, `sm_90a`."""
    return llvm.Machine(cpu=sm, features=_ptx(sm), triple=TRIPLE)


def prepared(modules: Sequence[str], entry: str, sm: str = "sm_80") -> str:
    target = machine(sm)
    text = kernel_calls(spelled_out(without_used_list(llvm.link(*modules, machine=target))))
    return fused(preparation.prepared(with_subtractions(attributed(text)), entry, target))


def attributed(text: str) -> str:
    """The text with what LLVM must know of functions and atomic operations before any of its passes runs."""
    return with_attributes(relaxed(text), _attributes, of_assembly="convergent")


def assembly(text: str, sm: str, libdevice: bytes | None = None, fastmath: bool = False,
             linked: Collection[str] = ()) -> str:
    """The PTX of all that the text defines.

    libdevice   the bitcode of CUDA's mathematical functions, needed where `__nv_*` are called
    fastmath    as numba-cuda's: in single precision approximate quotients and roots, tiny numbers 0
    linked      names that files define which are linked later
    """
    target = machine(sm)
    text = warp.with_own_names(with_bodies(llvm.link(text, machine=target)))
    names = llvm.declared(text)
    check_callable([name for name in names if not name.startswith(LIBDEVICE)], linked)
    text = with_libdevice(text, libdevice, exact=not fastmath, flush=fastmath)
    text = with_attributes(text, _attributes, of_assembly="convergent")
    if fastmath:
        text = approximate(with_attributes(text, lambda name, takes_pointer: _FLUSH))
    return llvm.assembly(llvm.optimise(llvm.renamed(fused(text), ptx_name), machine=target), target)


_FLUSH = '"denormal-fp-math-f32"="preserve-sign,preserve-sign"'


def _attributes(name: str, takes_pointer: bool) -> str:
    """What LLVM may assume of a function."""
    if name in warp.NAMES:
        return warp.ATTRIBUTES
    if name.startswith("llvm."):
        return ""                               # LLVM knows its own
    if name.startswith(LIBDEVICE):
        return _RESULT_IN_MEMORY if takes_pointer else _PURE
    return _ATOMIC if name.startswith(ATOMIC) else "convergent"


def _ptx(sm: str) -> str:
    """The version of PTX to write: 8.0 is what CUDA 12.0 reads, and newer GPUs have their own lowest version. LLVM ends
    the process on instructions that the version lacks, as its default for older GPUs lacks some of libdevice's."""
    return "+ptx80" if int(sm.removeprefix("sm_").rstrip("af")) <= 90 else ""
