"""One kernel of the pool, as data.

    @entry(arguments=lambda rng: (2.0, rng.normal(size=100), np.zeros(100)), grid=4, block=32, active=(0, 1, 2))
    def scaled(a, x, out):
        ...

    @scaled.numpy
    def _(a, x, out):
        out[:] = a * x

`arguments` draws them in a region where the kernel is smooth; arrays that it only writes may hold anything. `numpy` is
the same computation in place on the same arguments. `active` are the positions that carry derivatives. A kernel under
`refuse` has no derivative that we know how to generate, and says why not.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numba import cuda, typeof

REGISTRY: dict[str, Kernel] = {}


@dataclass
class Kernel:
    name: str
    kernel: cuda.dispatcher.CUDADispatcher
    arguments: Callable[[np.random.Generator], tuple]
    grid: int | tuple[int, ...]
    block: int | tuple[int, ...]
    shared: int = 0
    """Bytes of dynamic shared memory."""
    active: tuple[int, ...] = ()
    reference: Callable[..., None] | None = None
    refused: str = ""
    """Why there is no derivative, where there is none."""
    precision: float = 1e-12

    def numpy(self, reference: Callable[..., None]) -> None:
        """Decorator of the reference."""
        self.reference = reference

    def drawn(self, seed: int = 0) -> tuple:
        return self.arguments(np.random.default_rng(seed))

    def argtypes(self) -> tuple:
        return tuple(typeof(a) for a in self.drawn())

    def expected(self, arguments: tuple) -> tuple:
        """The arguments after the reference has run on copies of them."""
        arguments = copied(arguments)
        assert self.reference is not None, f"{self.name} has no reference"
        self.reference(*arguments)
        return arguments


def copied(value):
    """A copy that keeps strides: the layout of an array is part of a kernel's signature."""
    if isinstance(value, tuple):
        return tuple(copied(v) for v in value)
    if isinstance(value, np.ndarray) and value.base is not None:
        base = copied(value.base)
        start = value.ctypes.data - value.base.ctypes.data
        return np.ndarray(value.shape, value.dtype, base, start, value.strides)
    return copy.copy(value)


def entry(*, arguments, grid, block, shared=0, active=(), precision=1e-12, **options) -> Callable[..., Kernel]:
    """Decorator that makes a Kernel of a function; `options` are those of `cuda.jit`."""

    def register(function) -> Kernel:
        kernel = cuda.jit(**options)(function)
        made = Kernel(function.__name__, kernel, arguments, grid, block, shared, active, precision=precision)
        assert made.name not in REGISTRY, f"two kernels are called {made.name}"
        REGISTRY[made.name] = made
        return made

    return register


def refuse(reason: str, **data) -> Callable[..., Kernel]:
    def register(function) -> Kernel:
        made = entry(**data)(function)
        made.refused = reason
        return made

    return register
