"""Heat equation on a square, 5-point stencil, two buffers swapped every step; loss sum(u^2), gradient in the start.

The scheme is linear, so nothing needs a tape. The hand-written adjoint is a gather: every cell is written once per
step, which vectorises; transposing the loop mechanically scatters into five cells per step and does not.
"""

import numpy as np
from numba import njit

from problems.problem import Problem

C = 0.2


@njit
def heat(x, n, nt):
    a = x.reshape(n, n).copy()
    b = a.copy()
    for t in range(nt):
        for i in range(1, n - 1):
            for j in range(1, n - 1):
                b[i, j] = a[i, j] + C * (a[i - 1, j] + a[i + 1, j] + a[i, j - 1] + a[i, j + 1] - 4.0 * a[i, j])
        a, b = b, a
    s = 0.0
    for i in range(n):
        for j in range(n):
            s += a[i, j] * a[i, j]
    return s


@njit
def heat_adjoint(x, n, nt):
    a = x.reshape(n, n).copy()
    b = a.copy()
    for t in range(nt):
        for i in range(1, n - 1):
            for j in range(1, n - 1):
                b[i, j] = a[i, j] + C * (a[i - 1, j] + a[i + 1, j] + a[i, j - 1] + a[i, j + 1] - 4.0 * a[i, j])
        a, b = b, a
    g = 2.0 * a
    # Boundary cells keep their value, so their adjoint only accumulates: it is kept apart and the halo of g stays 0.
    border = g.copy()
    g[0, :] = 0.0
    g[-1, :] = 0.0
    g[:, 0] = 0.0
    g[:, -1] = 0.0
    h = np.zeros((n, n))
    for t in range(nt):
        for j in range(1, n - 1):
            border[0, j] += C * g[1, j]
            border[n - 1, j] += C * g[n - 2, j]
            border[j, 0] += C * g[j, 1]
            border[j, n - 1] += C * g[j, n - 2]
        for i in range(1, n - 1):
            for j in range(1, n - 1):
                h[i, j] = (1.0 - 4.0 * C) * g[i, j] + C * (g[i - 1, j] + g[i + 1, j] + g[i, j - 1] + g[i, j + 1])
        g, h = h, g
    for j in range(n):
        g[0, j] = border[0, j]
        g[n - 1, j] = border[n - 1, j]
        g[j, 0] = border[j, 0]
        g[j, n - 1] = border[j, n - 1]
    return g.reshape(n * n)


def setup(n: int = 256, steps: int = 100) -> tuple:
    return np.random.default_rng(0).random(n * n), n, steps


PROBLEM = Problem(
    name="heat2d",
    summary="2-D heat equation, 256 x 256 cells, 100 steps, two buffers swapped; the start field",
    primal=heat,
    adjoint=heat_adjoint,
    setup=setup,
    small={"n": 7, "steps": 5},
)
