"""Derivatives of what numba-cuda compiles. Importing this imports no numba-cuda.

Of kernels, launched as they are: `jvp` and `vjp` here. Of device functions, called in kernels: `numbad.grad` and its
relatives take them too, and functions for the host as device functions.

    @cuda.jit(device=True)
    def potential(x, y):
        return math.exp(-x * x) * y

    force = nd.grad(potential)                              # or nd.grad(potential)(x[i], 2.0) in the kernel

    @cuda.jit
    def kernel(x, out):
        i = cuda.grid(1)
        if i < x.size:
            out[i] = force(x[i], 2.0)

`grad`, `value_and_grad`, `jvp` and `vjp` differentiate by numbers and tuples of them there; gradients look like these.
Other arguments are constants: integers, and arrays, which are changed as by the function (states of random numbers).
Local arrays, loops, branches, calls of other device functions and of other derivatives may be in it. The cost is that
of the function for each number, side by side, with no memory for a tape. An exception ends the thread, as without a
derivative.

Refused are derivatives by arrays, arrays that differentiated numbers pass through, dynamic shared memory, `outputs=`.
The derivative is linked as PTX: it is not inlined into the kernel, needs CUDA's libdevice for mathematical functions,
and numba-cuda cannot keep such a kernel on disk (`cache=True`). A kernel that calls derivatives can be differentiated.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numbad.cuda.launch import Derivative

__all__ = ["is_for_gpu", "jvp", "vjp"]


def is_for_gpu(function: Any) -> bool:
    """Whether numba-cuda compiles it: a kernel or a device function."""
    theirs = sys.modules.get("numba.cuda.dispatcher")               # without it there is none
    return theirs is not None and isinstance(function, getattr(theirs, "CUDADispatcher", ()))


def jvp(kernel: Any) -> Derivative:
    """The tangents of a kernel, along with what it does: `jvp(kernel)[grid, block](Dup(x, dx), Const(n), Dup(y, dy))`.

    Arguments are those of the kernel, each in `Const`, or in `Dup` with its tangent: for an array an array on the device
    of the same shape, strides and dtype, for a float a float. The kernel's arrays are changed as by the kernel; the
    tangents of arrays that it writes are overwritten. An array under `Const` that derivatives are written into gets a
    tangent for the time of the launch.

    Dynamic shared memory is asked for as by the kernel; the derivative takes twice as much. Raises NoDerivative or
    Unsupported for what has no derivative here; ImportError without numba-cuda, Unsupported without a GPU.
    """
    return _derivative(kernel, "forward")


def vjp(kernel: Any) -> Derivative:
    """The adjoints of a kernel, along with what it does: `vjp(kernel)[grid, block](Dup(x, dx), Const(n), Dup(y, dy))`.

    Arguments are those of the kernel, each in `Const`, or in `Dup` with its shadow, an array on the device of the same
    shape, strides and dtype. Adjoints are added to it. The shadow of an array that the kernel writes holds the seed
    before the launch, and afterwards the adjoint of what the array held before the launch. The shadow of a float is an
    array of one number, to which all threads add. The kernel's arrays are changed as by the kernel.

    What a loop overwrites is kept in memory of the device, of as many words for each thread as the hungriest needs; to
    find out how many, the kernel is run once more before, and the arrays that it writes are put back. Additions are
    atomic, in an order that differs from launch to launch. Errors are those of `jvp`; MemoryError if the tape does not fit.
    """
    return _derivative(kernel, "reverse")


def _derivative(kernel: Any, mode: str) -> Derivative:
    from numbad.cuda.gpu import Gpu
    from numbad.cuda.launch import Derivative
    from numbad.cuda.numba_cuda import kernel_of

    return Derivative(kernel_of(kernel, "cuda.jvp" if mode == "forward" else "cuda.vjp"), mode, Gpu())
