"""Runs CUDA kernels on the CPU: LLVM IR in NVPTX's dialect, a fiber for each thread, in an order that the test chooses.

    runtime      the native part: fibers switch, accesses are noted
    operations   NVPTX intrinsics: registers, barriers, warp operations
    libdevice    its functions by the C library
    dialect      the kernel's text for the host
    fibers       stacks and records; where the emulator can run
    warps        what shuffles, votes and matches give
    blocks       who waits for whom
    races        conflicting accesses without a barrier between
    memory       arguments as numba-cuda passes them
    kernel       compile and launch

It finds missing barriers in three ways: thread orders give different results, shared and local memory start as NaN, and
with `races=True` any two accesses that conflict raise, whatever the order. What it does not show: real concurrency and
weak memory, so fences mean nothing; warps in lock-step; the last bits of libdevice.
"""

from cuda.emulator.errors import BudgetSpent, Deadlock, EmulationError, Misuse, OutOfBounds, Race, Unsupported
from cuda.emulator.fibers import Availability, available
from cuda.emulator.kernel import BUDGET, EmulatedKernel
from cuda.emulator.memory import Flat, Pointer, flatten

__all__ = [
    "BUDGET", "Availability", "BudgetSpent", "Deadlock", "EmulatedKernel", "EmulationError", "Flat", "Misuse",
    "OutOfBounds", "Pointer", "Race", "Unsupported", "available", "flatten",
]
