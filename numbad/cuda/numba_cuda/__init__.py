"""All that numbad knows of numba-cuda's insides; nothing else imports more of numba-cuda than its documented names.

    lowering     `lower`: LLVM text of a kernel, or of a device function, and of all that it calls
    code         `ptx` of a text of ours
    launching    `launcher`: launches PTX of ours as numba-cuda launches its own
    functions    `TypedFunction`: device functions that are made when the types of a call are known
    arrays       `on_device`, `interface`: arrays of other libraries
    calls        `declare`: text of ours as a function that kernels call

Unsure  ImportError if numba-cuda is missing or of a version that was not tried; tests pin every private name.

Two names are asked for before this is imported, and stand elsewhere: numba-cuda compiles the attribute
`_CUDATypingContext__dispatcher` in the place of a dispatcher for the host (`numbad.wrapper`), and what is a
`numba.cuda.dispatcher.CUDADispatcher`, numba-cuda has compiled (`numbad.cuda.is_for_gpu`).
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from numba.core import config

from numbad.compat import NUMBA_CUDA

try:
    NUMBA_CUDA.check(version("numba-cuda"))
except PackageNotFoundError:
    raise ImportError("derivatives of CUDA kernels need numba-cuda: pip install 'numbad[cuda]'") from None

if config.ENABLE_CUDASIM:
    raise ImportError("NUMBA_ENABLE_CUDASIM is set: the simulator compiles nothing that could be differentiated")

from numbad.cuda.numba_cuda.arrays import interface, on_device, typeof, wait
from numbad.cuda.numba_cuda.calls import Foreign, declare, memory_type
from numbad.cuda.numba_cuda.code import architecture, linked_names, ptx
from numbad.cuda.numba_cuda.functions import TypedFunction, device_function_of
from numbad.cuda.numba_cuda.launching import DriverError, Launcher, block_size, launcher
from numbad.cuda.numba_cuda.lowering import LoweredKernel, called_types, capability, kernel_of, lower

__all__ = [
    "DriverError", "Foreign", "Launcher", "LoweredKernel", "TypedFunction", "architecture", "block_size",
    "called_types", "capability", "declare", "device_function_of", "interface", "kernel_of", "launcher",
    "linked_names", "lower", "memory_type", "on_device", "ptx", "typeof", "wait",
]
