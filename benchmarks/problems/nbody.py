"""Bodies under softened gravity, leapfrog steps in place; loss |p|^2 + |v|^2 at the end, gradient in the start.

Quadratic work on linear data: what is stored per step decides the cost. The hand-written adjoint tapes the positions
only (3 n numbers per step) and computes the pair terms again. The force between two bodies is symmetric, so is its
derivative, and every pair is visited once: with d = p_j - p_i, r2 = |d|^2 + eps2, s = r2^(-3/2) and b = m_i a_j' -
m_j a_i' (a' the adjoint of the acceleration), the pair adds s b - 3 s (b . d) / r2 d to the adjoint of p_i and takes
it from that of p_j.
"""

import numpy as np
from numba import njit

from problems.problem import Problem

EPS2, DT = 1e-2, 1e-2


@njit
def accelerate(p, m, a):
    n = p.shape[0]
    for i in range(n):
        ax = 0.0
        ay = 0.0
        az = 0.0
        for j in range(n):
            dx = p[j, 0] - p[i, 0]
            dy = p[j, 1] - p[i, 1]
            dz = p[j, 2] - p[i, 2]
            r2 = dx * dx + dy * dy + dz * dz + EPS2
            w = m[j] / (r2 * np.sqrt(r2))
            ax += w * dx
            ay += w * dy
            az += w * dz
        a[i, 0] = ax
        a[i, 1] = ay
        a[i, 2] = az


@njit
def nbody(x, m, n, nt):
    p = x[: 3 * n].reshape(n, 3).copy()
    v = x[3 * n :].reshape(n, 3).copy()
    a = np.zeros((n, 3))
    accelerate(p, m, a)
    for t in range(nt):
        for i in range(n):
            for c in range(3):
                v[i, c] += 0.5 * DT * a[i, c]
                p[i, c] += DT * v[i, c]
        accelerate(p, m, a)
        for i in range(n):
            for c in range(3):
                v[i, c] += 0.5 * DT * a[i, c]
    s = 0.0
    for i in range(n):
        for c in range(3):
            s += p[i, c] * p[i, c] + v[i, c] * v[i, c]
    return s


@njit
def accelerate_adjoint(p, m, ga, gp):
    """Adds to gp what the adjoint ga of the accelerations at p contributes; all three are stored as (3, n)."""
    n = p.shape[1]
    for j in range(n):
        px, py, pz, mj = p[0, j], p[1, j], p[2, j], m[j]
        gx, gy, gz = ga[0, j], ga[1, j], ga[2, j]
        sx, sy, sz = 0.0, 0.0, 0.0
        for i in range(j):
            dx = px - p[0, i]
            dy = py - p[1, i]
            dz = pz - p[2, i]
            w = 1.0 / (dx * dx + dy * dy + dz * dz + EPS2)
            s = w * np.sqrt(w)
            bx = m[i] * gx - mj * ga[0, i]
            by = m[i] * gy - mj * ga[1, i]
            bz = m[i] * gz - mj * ga[2, i]
            q = 3.0 * w * (bx * dx + by * dy + bz * dz)
            fx = s * (bx - q * dx)
            fy = s * (by - q * dy)
            fz = s * (bz - q * dz)
            gp[0, i] += fx
            gp[1, i] += fy
            gp[2, i] += fz
            sx += fx
            sy += fy
            sz += fz
        gp[0, j] -= sx
        gp[1, j] -= sy
        gp[2, j] -= sz


@njit
def nbody_adjoint(x, m, n, nt):
    p = x[: 3 * n].reshape(n, 3).copy()
    v = x[3 * n :].reshape(n, 3).copy()
    a = np.zeros((n, 3))
    path = np.empty((nt + 1, 3, n))
    path[0] = p.T
    accelerate(p, m, a)
    for t in range(nt):
        for i in range(n):
            for c in range(3):
                v[i, c] += 0.5 * DT * a[i, c]
                p[i, c] += DT * v[i, c]
                path[t + 1, c, i] = p[i, c]
        accelerate(p, m, a)
        for i in range(n):
            for c in range(3):
                v[i, c] += 0.5 * DT * a[i, c]
    gp = 2.0 * p.T.copy()
    gv = 2.0 * v.T.copy()
    ga = np.zeros((3, n))
    for t in range(nt, 0, -1):
        # ga holds what the first kick of the next step gave; the second kick of this one adds to it
        for c in range(3):
            for i in range(n):
                ga[c, i] += 0.5 * DT * gv[c, i]
        accelerate_adjoint(path[t], m, ga, gp)
        for c in range(3):
            for i in range(n):
                gv[c, i] += DT * gp[c, i]
                ga[c, i] = 0.5 * DT * gv[c, i]
    accelerate_adjoint(path[0], m, ga, gp)
    g = np.empty(6 * n)
    for i in range(n):
        for c in range(3):
            g[3 * i + c] = gp[c, i]
            g[3 * n + 3 * i + c] = gv[c, i]
    return g


def setup(n: int = 64, steps: int = 100) -> tuple:
    rng = np.random.default_rng(0)
    state = np.concatenate([rng.standard_normal(3 * n), 0.3 * rng.standard_normal(3 * n)])
    return state, rng.random(n) / n * 2, n, steps


PROBLEM = Problem(
    name="nbody",
    summary="64 bodies, softened gravity, 100 leapfrog steps in place; positions and velocities",
    primal=nbody,
    adjoint=nbody_adjoint,
    setup=setup,
    small={"n": 4, "steps": 6},
)
