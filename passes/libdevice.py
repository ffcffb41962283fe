"""CUDA's library of mathematical functions, linked into code for a GPU.

Given   LLVM text that calls `__nv_*` functions, and the library, `libdevice.10.bc`.
Gives   `with_libdevice`: the text with the functions that it reaches.
Unsure  raises `llvm.InvalidIR`: no library, or a function that it lacks.

The library asks the compiler for its options at compile time:

    %1 = call i32 @__nvvm_reflect(ptr @.str)            ; c"__CUDA_PREC_SQRT\\00"

LLVM answers 0 to what it does not know, which makes every `sqrtf` an approximation. So the answers are written here.
"""

from __future__ import annotations

from numbad.passes import llvm
from numbad.passes.text import answered

PREFIX = "__nv_"


def with_libdevice(text: str, library: bytes | None, exact: bool, flush: bool) -> str:
    """`exact`: square roots and divisions rounded as IEEE says; `flush`: tiny floats are 0."""
    names = [name for name in llvm.declared(text) if name.startswith(PREFIX)]
    if not names:
        return text
    if library is None:
        raise llvm.InvalidIR(f"{names[0]} needs CUDA's libdevice")
    answers = {"__CUDA_PREC_SQRT": int(exact), "__CUDA_PREC_DIV": int(exact), "__CUDA_FTZ": int(flush)}
    linked = answered(llvm.with_library(text, library), answers)
    for name in llvm.declared(linked):
        if name.startswith(PREFIX):
            raise llvm.InvalidIR(f"{name} is no function of libdevice")
    return linked
