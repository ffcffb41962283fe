"""Where the derivatives of kernels run in tests: on the emulator, always; on a GPU too, where there is one.

`Emulated` stands for `numbad.cuda.gpu.Gpu`: arrays are NumPy's, and each launch looks for races. `on_gpu` gives the
latter, with arrays copied to and fro.
"""

from __future__ import annotations

from contextlib import contextmanager
from inspect import signature

import numpy as np
from cuda.emulator import EmulatedKernel, flatten
from cuda.lowering import lowered
from numba import typeof

from numbad.cuda.memory import Array

SWITCHES = 1 << 24
"""Between the threads of a block: lanes that add up among themselves take ten for a number."""


class Emulated:
    orders = ("forward", "reverse", "random")

    @contextmanager
    def holding(self, arguments):
        """Wrapped arguments as the machine wants them; what a launch has put there is in the given ones afterwards."""
        yield arguments

    def __init__(self, order: str = "forward", races: bool = True):
        self.order, self.races = order, races
        self.kernels: dict[tuple, EmulatedKernel] = {}
        self.launches = 0

    def arguments(self, kernel):
        return tuple(signature(kernel.py_func).parameters)

    def typeof(self, value):
        return typeof(value)

    def array(self, value):
        if not isinstance(value, np.ndarray):
            return None
        return Array(value.ctypes.data, value.shape, value.strides, str(value.dtype), value.itemsize,
                     not value.flags.writeable, value)

    def wait(self, values):
        pass

    def words(self, count):
        return self.array(np.zeros(count, np.int64))

    def room(self, count):
        return self.array(np.full(count, -1, np.int64))

    def number(self, words):
        return int(words.owner[0])

    def saved(self, array):
        return array.copy()

    def restore(self, array, saved):
        array[...] = saved

    def like(self, array):
        low, high = array.extent
        base = np.zeros(max(high - low, 1), np.uint8)
        return np.ndarray(array.shape, array.dtype, base, array.address - low if array.size else 0, array.strides)

    def numbers(self, array):
        return array.copy()

    def put(self, array, numbers):
        array[...] = numbers

    def run(self, kernel, configuration, arguments):
        grid, block, _, shared = configuration
        argtypes = tuple(map(self.typeof, arguments))
        key = kernel, argtypes
        if key not in self.kernels:
            self.kernels[key] = EmulatedKernel(*lowered(kernel, argtypes))
        self.kernels[key].launch(grid, block, flatten(*arguments), shared, self.order, self.launches)

    def block_size(self, derivative, extra, shared):
        assert len(extra) + len(derivative.lowered.parameters) == len(EmulatedKernel(
            derivative.text, derivative.symbol).parameters)
        return 48

    def launch(self, derivative, configuration, arguments, extra):
        grid, block, _, shared = configuration
        measures = derivative.tape is not None and extra[-2][1] == 0  # all threads write what they keep to one place
        races = self.races and not measures
        key = derivative.text, races
        if key not in self.kernels:
            self.kernels[key] = EmulatedKernel(derivative.text, derivative.symbol, races=races)
        self.launches += 1
        flat = [*flatten(*arguments), *(value for _, value in extra)]
        self.kernels[key].launch(grid, block, flat, shared, self.order, self.launches, SWITCHES)


def on_gpu():
    from numba import cuda

    from numbad.cuda.gpu import Gpu

    def put(value):
        if isinstance(value, tuple):
            moved = tuple(map(put, value))
            return type(value)(*moved) if hasattr(value, "_fields") else moved
        return cuda.to_device(value) if isinstance(value, np.ndarray) else value

    def get(there, value):
        if isinstance(value, tuple):
            for a, b in zip(there, value, strict=True):
                get(a, b)
        elif isinstance(value, np.ndarray):
            value[...] = there.copy_to_host()

    class OnGpu(Gpu):
        orders = ("once", "again")

        @contextmanager
        def holding(self, arguments):
            there = put(tuple(arguments))
            yield there
            get(there, tuple(arguments))

    return OnGpu()
