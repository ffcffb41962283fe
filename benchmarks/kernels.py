"""CUDA kernels at full size: what each does, on which arguments, how many bytes it has to move.

A kernel's arrays are larger than the cache of a GPU where it is bound by memory. `active` are the arguments that are
differentiated; a number among them has an array of one element for its adjoint.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import cuda, float64

BLOCK = 256
EDGE = BLOCK + 2
STEPS = 64


@cuda.jit
def stencil(x, out):
    s = cuda.shared.array(EDGE, float64)
    i, t = cuda.grid(1), cuda.threadIdx.x
    n = x.size
    s[t + 1] = x[i] if i < n else 0.0
    if t == 0:
        s[0] = x[i - 1] if i > 0 else 0.0
    if t == BLOCK - 1:
        s[t + 2] = x[i + 1] if i + 1 < n else 0.0
    cuda.syncthreads()
    if i < n:
        out[i] = 0.25 * s[t] + 0.5 * s[t + 1] * s[t + 1] + 0.25 * s[t + 2]


@cuda.jit
def nbody(x, y, z, force):
    """The force on each body in one direction; bodies come by tiles through shared memory."""
    sx, sy, sz = cuda.shared.array(BLOCK, float64), cuda.shared.array(BLOCK, float64), cuda.shared.array(BLOCK, float64)
    i, t = cuda.grid(1), cuda.threadIdx.x
    total = 0.0
    for tile in range(x.size // BLOCK):
        k = tile * BLOCK + t
        sx[t], sy[t], sz[t] = x[k], y[k], z[k]
        cuda.syncthreads()
        for j in range(BLOCK):
            dx, dy, dz = sx[j] - x[i], sy[j] - y[i], sz[j] - z[i]
            square = dx * dx + dy * dy + dz * dz + 1e-3
            total += dx / (square * math.sqrt(square))
        cuda.syncthreads()
    force[i] = total


@cuda.jit
def monte_carlo(start, drift, volatility, payoff):
    """One path a thread, with random numbers of its own."""
    i = cuda.grid(1)
    if i < payoff.size:
        state = np.uint64(i) * np.uint64(2862933555777941757) + np.uint64(3037000493)
        price = start
        for _ in range(STEPS):
            state = state * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
            uniform = ((state >> np.uint64(11)) & np.uint64(0xFFFFFFFF)) / 4294967296.0 - 0.5
            price *= 1.0 + drift + volatility * uniform
        payoff[i] = max(price - 1.0, 0.0)


@cuda.jit
def reduction(x, total):
    """A sum of squares: a tree in each block, then one atomic addition."""
    s = cuda.shared.array(BLOCK, float64)
    i, t = cuda.grid(1), cuda.threadIdx.x
    s[t] = x[i] * x[i] if i < x.size else 0.0
    cuda.syncthreads()
    half = BLOCK // 2
    while half > 0:
        if t < half:
            s[t] += s[t + half]
        cuda.syncthreads()
        half //= 2
    if t == 0:
        cuda.atomic.add(total, 0, s[0])


@cuda.jit
def lattice(f, omega, out):
    """Collision and streaming of nine populations a cell (D2Q9), periodic."""
    i, j = cuda.grid(2)
    n, m = f.shape[1], f.shape[2]
    if i < n and j < m:
        rho = f[0, i, j] + f[1, i, j] + f[2, i, j] + f[3, i, j] + f[4, i, j] + f[5, i, j] + f[6, i, j] + f[7, i, j] \
            + f[8, i, j]
        u = (f[1, i, j] - f[3, i, j] + f[5, i, j] - f[6, i, j] - f[7, i, j] + f[8, i, j]) / rho
        v = (f[2, i, j] - f[4, i, j] + f[5, i, j] + f[6, i, j] - f[7, i, j] - f[8, i, j]) / rho
        still = 1.0 - 1.5 * (u * u + v * v)
        for k in range(9):
            cx = 0 if k == 0 or k == 2 or k == 4 else (1 if k == 1 or k == 5 or k == 8 else -1)
            cy = 0 if k == 0 or k == 1 or k == 3 else (1 if k == 2 or k == 5 or k == 6 else -1)
            weight = 4.0 / 9.0 if k == 0 else (1.0 / 9.0 if k < 5 else 1.0 / 36.0)
            along = 3.0 * (cx * u + cy * v)
            equilibrium = weight * rho * (still + along + 0.5 * along * along)
            out[k, (i + cx) % n, (j + cy) % m] = (1.0 - omega) * f[k, i, j] + omega * equilibrium


@dataclass(frozen=True)
class Case:
    name: str
    kernel: Any
    arguments: Callable[[np.random.Generator, int], tuple]
    size: int
    small: int
    launch: Callable[[int], tuple]
    active: tuple[int, ...]
    bound_by_memory: bool
    limit: float
    """What its gradient may cost, in primals."""

    def bytes(self, arguments: tuple) -> int:
        """Each array moved once."""
        return sum(a.nbytes for a in arguments if isinstance(a, np.ndarray))

    def gradient_bytes(self, arguments: tuple) -> int:
        """Each array moved once, and the shadows of those that are differentiated read and written."""
        shadows = [arguments[k] for k in self.active if isinstance(arguments[k], np.ndarray)]
        return self.bytes(arguments) + 2 * sum(a.nbytes for a in shadows)


def blocks(n: int) -> tuple:
    return -(-n // BLOCK), BLOCK


def squares(n: int) -> tuple:
    return (-(-n // 16), -(-n // 16)), (16, 16)


CASES = (
    Case("stencil", stencil, lambda rng, n: (rng.normal(size=n), np.zeros(n)), 1 << 26, 512, blocks, (0, 1), True, 2.5),
    Case("n-body", nbody, lambda rng, n: (*rng.normal(size=(3, n)), np.zeros(n)), 1 << 16, 256, blocks, (0, 1, 2, 3),
         False, 4.0),
    Case("Monte Carlo", monte_carlo, lambda rng, n: (1.0, 0.001, 0.02, np.zeros(n)), 1 << 22, 256, blocks,
         (0, 1, 2, 3), False, 4.0),
    Case("reduction", reduction, lambda rng, n: (rng.normal(size=n), np.zeros(1)), 1 << 26, 512, blocks, (0, 1), True,
         2.5),
    Case("LBM step", lattice, lambda rng, n: (rng.uniform(0.5, 1.5, size=(9, n, n)), 1.2, np.zeros((9, n, n))), 1 << 11,
         32, squares, (0, 2), True, 2.5),
)
