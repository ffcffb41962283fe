"""Kernels that call derivatives of device functions, on the emulator."""

import math

import numpy as np
from cuda.emulator import EmulatedKernel, flatten
from numba import cuda

from numbad.cuda import numba_cuda
from numbad.passes import nvptx

N = 40


def run(kernel, *arguments):
    """Launch a kernel for N threads on the emulator, with the derivatives that it calls linked in."""
    argtypes = tuple(map(numba_cuda.typeof, arguments))
    lowered = numba_cuda.lower(kernel, argtypes)
    EmulatedKernel(nvptx.prepared(lowered.texts, lowered.entry), lowered.entry).launch(2, 32, flatten(*arguments))


def applied(function, *columns, result=float):
    """A kernel's results: `function`, a device function of numbers, at each row."""
    out = np.zeros(N, result)
    count = len(columns)
    if count == 1:
        @cuda.jit
        def kernel(a, out):
            i = cuda.grid(1)
            if i < out.size:
                out[i] = function(a[i])
    elif count == 2:
        @cuda.jit
        def kernel(a, b, out):
            i = cuda.grid(1)
            if i < out.size:
                out[i] = function(a[i], b[i])
    else:
        @cuda.jit
        def kernel(a, b, c, out):
            i = cuda.grid(1)
            if i < out.size:
                out[i] = function(a[i], b[i], c[i])
    run(kernel, *columns, out)
    return out


def device(function):
    return cuda.jit(device=True)(function)


@cuda.jit(device=True)
def potential(x, y):
    return math.exp(-x * x) * y
