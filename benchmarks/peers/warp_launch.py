"""How a program in Warp runs: kernels launched one by one, recorded on a tape for the gradient.

Kernels are made inside functions, so that only those of the problem that is measured are compiled; the functions are
cached, so that they are compiled once. Everything runs on the CPU, where Warp uses one thread.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import warp as wp

from peers.program import Program

wp.config.quiet = True
wp.config.kernel_cache_dir = tempfile.mkdtemp(prefix="warp_kernels_")  # empty: compile times are wanted
wp.init()
wp.set_device("cpu")

D = wp.float64


def zeros(*shape, dtype=D):
    return wp.zeros(shape, dtype=dtype, requires_grad=True)


@dataclass(frozen=True)
class State:
    """The arrays of a program and what is done with them."""

    reset: Callable[[], None]
    launch: Callable[[], None]
    loss: wp.array
    gradient: Callable[[], np.ndarray]
    offset: float = 0.0
    """A part of the loss that does not depend on what is differentiated."""


def program(allocate: Callable[[], State]) -> Program:
    """Arrays are allocated by the first call, so that they count as memory that the call needs."""
    state = cache(allocate)

    def primal():
        s = state()
        s.reset()
        s.launch()
        return float(s.loss.numpy()[0]) + s.offset

    def gradient():
        s = state()
        s.reset()
        tape = wp.Tape()
        with tape:
            s.launch()
        tape.backward(s.loss)
        found = s.gradient().copy()
        tape.zero()
        return found

    return Program(primal, gradient)
