"""Kernels of numba-cuda on the emulator, and names that its tests share."""

from functools import cache

import numpy as np
from cuda.emulator import EmulatedKernel
from cuda.lowering import lowered
from numba import float32, float64, int32, int64

ORDERS = ("forward", "reverse", "random")
F64, F32, I64, I32 = float64[::1], float32[::1], int64[::1], int32[::1]


@cache
def emulated(kernel, *argtypes, races=False, level=2):
    return EmulatedKernel(*lowered(kernel, argtypes, level), races=races)


def normal(n, dtype=float, seed=0):
    return np.random.default_rng(seed).normal(size=n).astype(dtype)
