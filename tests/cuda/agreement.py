"""Whether the derivatives of a kernel of the pool are right, and whether one is refused as it should be.

For random tangents t of the arguments and seeds s of what they hold afterwards, <s, J t> = <J' s, t> to rounding, in
three orders of threads, without races; J t is compared with finite differences.
"""

from __future__ import annotations

import numpy as np
import pytest
from cuda.emulator import EmulatedKernel, flatten
from cuda.lowering import lowered
from cuda.machines import Emulated
from cuda.pool import copied

import numbad as nd
from numbad.cuda.derive import derive
from numbad.cuda.launch import Derivative
from numbad.request import Request

STEP = 1e-6


def leaves(value) -> list:
    return [leaf for part in value for leaf in leaves(part)] if isinstance(value, tuple) else [value]


def mapped(function, value):
    return tuple(mapped(function, part) for part in value) if isinstance(value, tuple) else function(value)


def is_number(value) -> bool:
    return not isinstance(value, np.ndarray) and isinstance(value, (float, np.floating))


def is_inexact(value) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "fc"


class Drawn:
    """A kernel's arguments, with tangents and seeds; only floats of active arguments have any."""

    def __init__(self, kernel, seed=0):
        self.kernel, self.rng = kernel, np.random.default_rng(5 + seed)
        self.arguments = kernel.drawn(seed)
        self.tangents = self.random()
        self.seeds = self.random()

    def random(self):
        def draw(value):
            if is_number(value):
                return type(value)(self.rng.normal())
            if not is_inexact(value):
                return None
            drawn = copied(value)
            parts = [self.rng.normal(size=value.shape) for _ in range(1 + (value.dtype.kind == "c"))]
            drawn[...] = parts[0] if len(parts) == 1 else parts[0] + 1j * parts[1]
            return drawn
        return tuple(mapped(draw, value) if k in self.kernel.active else None for k, value in enumerate(self.arguments))

    def launch(self, mode, shadows, machine):
        """Arguments and shadows afterwards."""
        arguments = copied(self.arguments)
        wrapped = [nd.Const(value) if shadow is None else nd.Dup(value, shadow)
                   for value, shadow in zip(arguments, shadows, strict=True)]
        derivative, kernel = Derivative(self.kernel.kernel, mode, machine), self.kernel
        with machine.holding(wrapped) as there:
            derivative[kernel.grid, kernel.block, 0, kernel.shared](*there)
        return arguments

    def pushed(self, machine):
        tangents = copied(self.tangents)
        return self.launch("forward", tangents, machine), tangents

    def pulled(self, machine):
        seeds = mapped(lambda s: np.zeros(1, type(s)) if is_number(s) else copied(s), self.seeds)
        return self.launch("reverse", seeds, machine), seeds

    def moved(self, by):
        """The arguments, further along the tangents."""
        def move(value, tangent):
            if isinstance(value, tuple):
                return tuple(map(move, value, tangent))
            if tangent is None:
                return copied(value)
            if is_number(value):
                return type(value)(value + by * tangent)
            place = copied(value)
            place += (by * tangent).astype(value.dtype)
            return place
        return tuple(copied(value) if tangent is None else move(value, tangent)
                     for value, tangent in zip(self.arguments, self.tangents, strict=True))

    def active(self, tree):
        return [leaf for k in self.kernel.active for leaf in leaves(tree[k])]


def inner(left, right) -> tuple[float, float]:
    """A scalar product, and its size."""
    pairs = [(a, b) for a, b in zip(left, right, strict=True) if a is not None]
    products = [np.vdot(a, b).real for a, b in pairs]
    return sum(products), sum(np.vdot(np.abs(a), np.abs(b)) for a, b in pairs) + 1e-300


def is_single(drawn) -> bool:
    return any(getattr(leaf, "dtype", None) in (np.float32, np.complex64) for leaf in leaves(drawn.arguments))


def check_derivatives(kernel, machine=None):
    """On the emulator, or where `machine` says."""
    drawn = Drawn(kernel)
    machine = machine or Emulated()
    primal, tangents = drawn.pushed(machine)
    check_tangents(drawn, tangents)  # by the primal on the emulator
    seeds = [None if is_number(leaf) else leaf for leaf in drawn.active(drawn.seeds)]
    known, size = inner(seeds, drawn.active(tangents))
    for order in machine.orders:
        machine.order = order
        after, adjoints = drawn.pulled(machine)
        found, other_size = inner(drawn.active(adjoints), drawn.active(drawn.tangents))
        assert abs(found - known) < (1e-4 if is_single(drawn) else 1e-11) * max(size, other_size)
        for a, b in zip(leaves(primal), leaves(after), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4 if is_single(drawn) else 1e-11, atol=1e-6)


def check_tangents(drawn, tangents):
    kernel = EmulatedKernel(*lowered(drawn.kernel.kernel, drawn.kernel.argtypes()))
    step = 1e-2 if is_single(drawn) else STEP

    def moved(by):
        arguments = drawn.moved(by)
        kernel.launch(drawn.kernel.grid, drawn.kernel.block, flatten(*arguments), drawn.kernel.shared)
        return drawn.active(arguments)
    for high, low, tangent in zip(moved(step), moved(-step), drawn.active(tangents), strict=True):
        if is_inexact(high):
            slope = (high - low) / (2 * step)
            tolerance = 2e-2 if is_single(drawn) else 2e-6
            np.testing.assert_allclose(tangent, slope, rtol=tolerance, atol=tolerance * (1 + np.abs(slope).max()))


def derivative_of(kernel, mode):
    """As the engine makes it for the kernel's launch."""
    active = tuple(k in kernel.active for k in range(len(kernel.drawn(0))))
    in_a_row = mode == "reverse" and not isinstance(kernel.grid, tuple) and not isinstance(kernel.block, tuple)
    return derive(kernel.kernel, kernel.argtypes(), Request(mode, active, in_a_row=in_a_row))


def check_refused(kernel):
    """In both modes, with the user's line."""
    for mode in (Drawn.pushed, Drawn.pulled):
        with pytest.raises((nd.Unsupported, nd.NoDerivative), match=rf"of {kernel.name} .*\n\n  .*refused.py:\d+, in "):
            mode(Drawn(kernel), Emulated())
