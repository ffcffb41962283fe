"""The kernels of `kernels.py` in Warp, written as Warp differentiates them.

Given   the arguments of a case, as NumPy arrays and numbers, and Warp's name of a device.
Gives   `Program`: the kernel and its gradient, to be called, and the adjoints of all active arguments.
Unsure  whoever measures compares the adjoints with others: Warp does not say where it is wrong.

Warp has no gradient of shared memory that a kernel handles itself, so the stencil and the bodies read global memory
and the reduction is one of Warp's tiles. It reads a local variable that a loop overwrites as what it became, so the
loop over the steps of a path is unrolled (MAX_UNROLL), as Warp does by itself for the nine populations. Literals among
themselves it computes in single precision.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import warp as wp

from kernels import BLOCK, STEPS

wp.config.quiet = True
wp.config.kernel_cache_dir = tempfile.mkdtemp(prefix="warp_kernels_")
wp.init()

D = wp.float64
MAX_UNROLL = STEPS
"""Rounds of a loop that Warp unrolls; more than that, and its gradient of Monte Carlo is wrong."""


@dataclass(frozen=True)
class Program:
    primal: Callable[[], None]
    gradient: Callable[[], None]
    """The primal and the adjoint sweep."""
    adjoints: Callable[[Sequence[np.ndarray]], list[np.ndarray]]
    """From seeds of the arrays that are written, of the active arguments that are not."""
    result: Callable[[], np.ndarray]
    """What is written."""


@cache
def kernels() -> Any:
    """Compiled when they are launched; made in a function because their module has options of its own."""
    wp.set_module_options({"max_unroll": MAX_UNROLL, "enable_backward": True})
    vector, volume = wp.array(dtype=D), wp.array(dtype=D, ndim=3)

    @wp.kernel
    def stencil(x: vector, out: vector):
        i = wp.tid()
        left, right = D(0.0), D(0.0)
        if i > 0:
            left = x[i - 1]
        if i + 1 < x.shape[0]:
            right = x[i + 1]
        out[i] = D(0.25) * left + D(0.5) * x[i] * x[i] + D(0.25) * right

    @wp.kernel
    def nbody(x: vector, y: vector, z: vector, force: vector):
        i = wp.tid()
        total = D(0.0)
        for j in range(x.shape[0]):
            dx, dy, dz = x[j] - x[i], y[j] - y[i], z[j] - z[i]
            square = dx * dx + dy * dy + dz * dz + D(1e-3)
            total += dx / (square * wp.sqrt(square))
        force[i] = total

    @wp.kernel
    def monte_carlo(start: vector, drift: vector, volatility: vector, payoff: vector):
        i = wp.tid()
        state = wp.uint64(i) * wp.uint64(2862933555777941757) + wp.uint64(3037000493)
        price = start[0]
        for _ in range(STEPS):
            state = state * wp.uint64(6364136223846793005) + wp.uint64(1442695040888963407)
            uniform = D((state >> wp.uint64(11)) & wp.uint64(0xFFFFFFFF)) / D(4294967296.0) - D(0.5)
            price = price * (D(1.0) + drift[0] + volatility[0] * uniform)
        payoff[i] = wp.max(price - D(1.0), D(0.0))

    @wp.kernel
    def reduction(x: vector, total: vector):
        tile = wp.tile_load(x, shape=BLOCK, offset=wp.tid() * BLOCK)
        wp.tile_atomic_add(total, wp.tile_sum(wp.tile_map(wp.mul, tile, tile)))

    @wp.kernel
    def lattice(f: volume, omega: D, out: volume):
        i, j = wp.tid()
        n, m = f.shape[1], f.shape[2]
        rho = f[0, i, j] + f[1, i, j] + f[2, i, j] + f[3, i, j] + f[4, i, j] + f[5, i, j] + f[6, i, j] + f[7, i, j] \
            + f[8, i, j]
        u = (f[1, i, j] - f[3, i, j] + f[5, i, j] - f[6, i, j] - f[7, i, j] + f[8, i, j]) / rho
        v = (f[2, i, j] - f[4, i, j] + f[5, i, j] + f[6, i, j] - f[7, i, j] - f[8, i, j]) / rho
        still = D(1.0) - D(1.5) * (u * u + v * v)
        for k in range(9):
            cx = 0 if k == 0 or k == 2 or k == 4 else (1 if k == 1 or k == 5 or k == 8 else -1)
            cy = 0 if k == 0 or k == 1 or k == 3 else (1 if k == 2 or k == 5 or k == 6 else -1)
            weight = D(4.0) / D(9.0) if k == 0 else (D(1.0) / D(9.0) if k < 5 else D(1.0) / D(36.0))
            along = D(3.0) * (D(cx) * u + D(cy) * v)
            equilibrium = weight * rho * (still + along + D(0.5) * along * along)
            out[k, (i + cx + n) % n, (j + cy + m) % m] = (D(1.0) - omega) * f[k, i, j] + omega * equilibrium

    return {"stencil": stencil, "n-body": nbody, "Monte Carlo": monte_carlo, "reduction": reduction,
            "LBM step": lattice}


DIMENSIONS = {
    "stencil": lambda x, out: x.size,
    "n-body": lambda x, y, z, force: x.size,
    "Monte Carlo": lambda start, drift, volatility, payoff: payoff.size,
    "reduction": lambda x, total: x.size // BLOCK,
    "LBM step": lambda f, omega, out: f.shape[1:],
}
"""How many threads, or tiles, of the arguments."""


def program(name: str, arguments: tuple, active: Sequence[int], device: str) -> Program:
    """The last argument of all cases is what is written."""
    kernel, dimensions = kernels()[name], DIMENSIONS[name](*arguments)

    def given(k: int, value: Any) -> Any:
        if k not in active:
            return wp.array(value, dtype=D, device=device) if isinstance(value, np.ndarray) else value
        return wp.array(np.atleast_1d(value), dtype=D, device=device, requires_grad=True)

    held = [given(k, value) for k, value in enumerate(arguments)]
    tape = wp.Tape()

    def primal() -> None:
        if name == "reduction":
            wp.launch_tiled(kernel, dim=[dimensions], inputs=held, block_dim=BLOCK, device=device)
        else:
            wp.launch(kernel, dim=dimensions, inputs=held, block_dim=BLOCK, device=device)

    with tape:
        primal()

    def gradient() -> None:
        primal()
        tape.backward()

    def adjoints(seeds: Sequence[np.ndarray]) -> list[np.ndarray]:
        tape.zero()
        for array, seed in zip(held[-len(seeds):], seeds, strict=True):
            array.grad.assign(seed)
        tape.backward()
        return [held[k].grad.numpy() for k in active if k < len(held) - len(seeds)]

    return Program(primal, gradient, adjoints, lambda: held[-1].numpy())


def milliseconds(action: Callable[[], object], rounds: int) -> float:
    """Median time on the GPU by Warp's events."""
    action()
    stream, times = wp.get_stream("cuda"), []
    for _ in range(rounds):
        begin, end = wp.Event("cuda", enable_timing=True), wp.Event("cuda", enable_timing=True)
        stream.record_event(begin)
        action()
        stream.record_event(end)
        times.append(wp.get_event_elapsed_time(begin, end))
    return float(np.median(times))
