"""Burgers' equation on a periodic line, upwind with a branch per cell; loss sum(u^2), gradient in the start profile.

The branch decides which neighbour is read. The hand-written adjoint tapes one row per step and evaluates the branch
again from it; being the reverse of an upwind scheme, it scatters into the upwind neighbour.
"""

import numpy as np
from numba import njit

from problems.problem import Problem

LAM = 0.4  # time step / cell width


@njit
def burgers(x, n, nt):
    u = x.copy()
    w = np.empty_like(u)
    for t in range(nt):
        for i in range(n):
            v = u[i]
            if v > 0.0:
                w[i] = v - LAM * v * (v - u[i - 1 if i > 0 else n - 1])
            else:
                w[i] = v - LAM * v * (u[i + 1 if i < n - 1 else 0] - v)
        u, w = w, u
    s = 0.0
    for i in range(n):
        s += u[i] * u[i]
    return s


@njit
def burgers_adjoint(x, n, nt):
    rows = np.empty((nt + 1, n))
    rows[0] = x
    for t in range(nt):
        for i in range(n):
            v = rows[t, i]
            if v > 0.0:
                rows[t + 1, i] = v - LAM * v * (v - rows[t, i - 1 if i > 0 else n - 1])
            else:
                rows[t + 1, i] = v - LAM * v * (rows[t, i + 1 if i < n - 1 else 0] - v)
    g = 2.0 * rows[nt]
    h = np.zeros(n)
    for t in range(nt - 1, -1, -1):
        for i in range(n):
            h[i] = 0.0
        for i in range(n):
            v = rows[t, i]
            w = g[i]
            if v > 0.0:
                k = i - 1 if i > 0 else n - 1
                h[i] += w * (1.0 - LAM * (2.0 * v - rows[t, k]))
                h[k] += w * LAM * v
            else:
                k = i + 1 if i < n - 1 else 0
                h[i] += w * (1.0 - LAM * (rows[t, k] - 2.0 * v))
                h[k] -= w * LAM * v
        g, h = h, g
    return g


def setup(n: int = 1000, steps: int = 500) -> tuple:
    rng = np.random.default_rng(0)
    s = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return 0.3 + np.sin(s) + 0.02 * rng.standard_normal(n), n, steps


PROBLEM = Problem(
    name="burgers",
    summary="1-D Burgers, upwind branch per cell, 1000 cells, 500 steps, two buffers swapped; the start profile",
    primal=burgers,
    adjoint=burgers_adjoint,
    setup=setup,
    small={"n": 30, "steps": 8},
)
