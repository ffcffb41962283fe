"""Code that the derivatives of kernels call, for a GPU: text of LLVM in NVPTX's dialect."""

from __future__ import annotations

from numbad.passes.derivative.device import position, shared, shuffles, sums, tape
from numbad.passes.ir.function import Module
from numbad.passes.rules.targets import NVPTX


def texts(module: Module, width: int) -> list[str]:
    """What the module declares and a GPU needs."""
    declared = [name for name, f in module.functions.items() if f.is_declaration]
    # The launch of a kernel's derivative always brings room for the shadows; a device function is in others' launches.
    is_kernel = any(NVPTX.conventions & set(f.head.split()) for f in module.functions.values())
    block = ""
    if any(name.startswith("numbad.shared.") for name in declared):
        block += shared.TEXT.format(parts=width + 1 if is_kernel else 1)
    if any(name.startswith("numbad.tape.") for name in declared):
        block += tape.TEXT
    warp = sums.text(declared)
    if warp or any(name.startswith("numbad.shfl.") for name in declared):
        warp = shuffles.text(declared) + warp
    return [text for text in (position.TEXT + block if block else "", warp) if text]
