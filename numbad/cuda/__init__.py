"""Derivatives of what numba-cuda compiles. Importing this imports no numba-cuda.

Of kernels, launched as they are: `jvp`, `vjp` and `check_grads` here. Of device functions, called in kernels:
`numbad.grad` and its relatives take them too, and functions for the host as device functions.

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
from functools import update_wrapper
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numbad.api import Argnums
    from numbad.cuda.agreement import Check
    from numbad.cuda.launch import Derivative

__all__ = ["check_grads", "is_for_gpu", "jvp", "vjp"]


def is_for_gpu(function: Any) -> bool:
    """Whether numba-cuda compiles it: a kernel or a device function."""
    theirs = sys.modules.get("numba.cuda.dispatcher")               # without it there is none
    return theirs is not None and isinstance(function, getattr(theirs, "CUDADispatcher", ()))


def jvp(kernel: Any) -> Derivative:
    """The tangents of a kernel, along with what it does: `jvp(kernel)[grid, block](Dup(x, dx), Const(n), Dup(y, dy))`.

    Arguments are those of the kernel, each in `Const`, or in `Dup` with its tangent: for an array one on the device of
    the same shape, strides and dtype, for a float a float. The kernel's arrays are changed as by the kernel; the
    tangents of arrays that it writes are overwritten. An array under `Const` that derivatives are written into gets a
    tangent for the time of the launch.

    `jvp(kernel).forall(ntasks)(...)` chooses grid and block, as `kernel.forall` does.

    Dynamic shared memory is asked for as by the kernel; the derivative takes twice as much. Raises NoDerivative or
    Unsupported for what has no derivative here; ImportError without numba-cuda, Unsupported without a GPU.
    """
    return _derivative(kernel, "forward")


def vjp(kernel: Any) -> Derivative:
    """The adjoints of a kernel, along with what it does: `vjp(kernel)[grid, block](Dup(x, dx), Const(n), Dup(y, dy))`.

    Arguments are those of the kernel, each in `Const`, or in `Dup` with its shadow, an array on the device of the same
    shape, strides and dtype. Adjoints are added to it. The shadow of an array that the kernel writes holds the seed
    before the launch, and afterwards the adjoint of what the array held before the launch. The shadow of a float is an
    array of one number, to which all threads add. The kernel's arrays are changed as by the kernel. `forall` is that of
    `jvp`.

    What a loop overwrites and cannot be computed again is kept: up to 64 words of loops of constant length on the
    thread's stack, the rest in memory of the device, of as many words for each thread as the hungriest needs. Where
    that depends on data, the kernel is run once more before to find out, and the arrays that it writes are put back.
    Additions are atomic, in an order that differs from launch to launch. Errors are those of `jvp`; MemoryError if the
    tape does not fit.
    """
    return _derivative(kernel, "reverse")


def check_grads(kernel: Any, argnums: Argnums | None = None, modes: Sequence[str] = ("fwd", "rev"), *,
                atol: float = 0.0, rtol: float | None = None, seed: int = 0) -> Check:
    """Compare a kernel's derivatives with each other and with finite differences of the kernel itself, where it runs.

        check_grads(kernel)[grid, block](x, 0.5, out)

    Arguments are given as to the kernel, and arrays hold afterwards what they held before. Compared is what those
    arrays hold after the launch that the kernel writes and that are differentiated.

    argnums     which arguments, by position or name; by default all that hold floats, also those that are only written
    modes       "fwd": `jvp` against finite differences; "rev": `vjp` against `jvp`, or against finite differences if
                "fwd" is not asked for
    atol, rtol, seed    as in `numbad.check_grads`

    Raises what `numbad.check_grads` does. It takes some tens of launches, and copies the arrays to the host for each.
    Finite differences move the arguments by about a per cent of their size: a kernel that makes an index of them must
    stay within its arrays there.
    """
    from numbad.cuda.agreement import Check
    from numbad.cuda.gpu import GPU
    from numbad.cuda.numba_cuda import kernel_of

    kernel = kernel.kernel if isinstance(kernel, DifferentiableKernel) else kernel
    return Check(kernel_of(kernel, "cuda.check_grads"), GPU, argnums, modes, atol, rtol, seed)


class DifferentiableKernel:
    """A kernel with its derivatives: launched as `kernel[grid, block](...)`; all else is as numba-cuda has it."""

    def __init__(self, kernel: Any):
        self.kernel = kernel
        update_wrapper(self, kernel.py_func)  # type: ignore[arg-type]

    def __getitem__(self, configuration: Any) -> Any:
        return self.kernel[configuration]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["kernel"], name)

    @property
    def jvp(self) -> Derivative:
        """The kernel's tangents, see `numbad.cuda.jvp`."""
        return jvp(self.kernel)

    @property
    def vjp(self) -> Derivative:
        """The kernel's adjoints, see `numbad.cuda.vjp`."""
        return vjp(self.kernel)

    def report(self) -> str:
        """What the reverse sweeps that were compiled in this process keep and compute again, and why."""
        from numbad.cuda.derive import report
        return report(self.kernel)


def _derivative(kernel: Any, mode: str) -> Derivative:
    from numbad.cuda.gpu import GPU
    from numbad.cuda.launch import Derivative
    from numbad.cuda.numba_cuda import kernel_of

    kernel = kernel.kernel if isinstance(kernel, DifferentiableKernel) else kernel
    kernel = kernel_of(kernel, "cuda.jvp" if mode == "forward" else "cuda.vjp")
    known = vars(kernel).setdefault("_numbad_derivatives", {})  # what has been compiled and measured is used again
    return known.setdefault(mode, Derivative(kernel, mode, GPU))
