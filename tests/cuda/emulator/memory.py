"""Arguments as numba-cuda passes them to a kernel.

An array is its meminfo, parent, number of items, size of an item, data, shape and strides; a tuple is its items; a
Pointer is the address of an array's data alone, for parameters that a compiler adds.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.lib.array_utils import byte_bounds


class Pointer(NamedTuple):
    array: np.ndarray


class Flat(list):
    """Flat arguments that remember the arrays: they stay alive, and accesses outside of them are found."""

    def __init__(self, values=(), arrays: tuple[np.ndarray, ...] = ()):
        super().__init__(values)
        self.arrays = arrays

    def __add__(self, other):
        if not isinstance(other, Flat):
            return list(self) + list(other)
        return Flat([*self, *other], self.arrays + other.arrays)


def flatten(*arguments: Any) -> Flat:
    flat = Flat()
    for a in arguments:
        if isinstance(a, np.ndarray):
            flat = flat + Flat([0, 0, a.size, a.itemsize, a.ctypes.data, *a.shape, *a.strides], (a,))
        elif isinstance(a, Pointer):
            flat = flat + Flat([a.array.ctypes.data], (a.array,))
        elif isinstance(a, tuple | list):
            flat = flat + flatten(*a)
        else:
            flat = flat + Flat([a])
    return flat


def extent(array: np.ndarray) -> tuple[int, int]:
    """The first byte of an array and the one behind its last."""
    return byte_bounds(array) if array.size else (array.ctypes.data, array.ctypes.data)
