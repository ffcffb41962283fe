"""Lorenz system by the classical Runge-Kutta method; gradient of |final state|^2 in the initial state and
parameters.

Almost no arithmetic per step and very many steps: it shows what recording and replaying one iteration costs. The
hand-written adjoint tapes the three state variables of every step and recomputes the four stages on the way back.
"""

import numpy as np
from numba import njit

from problems.problem import Problem

DT = 2e-5


@njit
def rhs(x, y, z, s, r, b):
    return s * (y - x), x * (r - z) - y, x * y - b * z


@njit
def lorenz(u, n, dt):
    x, y, z, s, r, b = u[0], u[1], u[2], u[3], u[4], u[5]
    for i in range(n):
        a1, b1, c1 = rhs(x, y, z, s, r, b)
        a2, b2, c2 = rhs(x + 0.5 * dt * a1, y + 0.5 * dt * b1, z + 0.5 * dt * c1, s, r, b)
        a3, b3, c3 = rhs(x + 0.5 * dt * a2, y + 0.5 * dt * b2, z + 0.5 * dt * c2, s, r, b)
        a4, b4, c4 = rhs(x + dt * a3, y + dt * b3, z + dt * c3, s, r, b)
        x += dt / 6.0 * (a1 + 2 * a2 + 2 * a3 + a4)
        y += dt / 6.0 * (b1 + 2 * b2 + 2 * b3 + b4)
        z += dt / 6.0 * (c1 + 2 * c2 + 2 * c3 + c4)
    return x * x + y * y + z * z


@njit
def rhs_adjoint(x, y, z, s, r, b, ga, gb, gc):
    """Adjoints of (x, y, z, s, r, b) for the adjoints ga, gb, gc of the three results of `rhs`."""
    return (
        -s * ga + (r - z) * gb + y * gc,
        s * ga - gb + x * gc,
        -x * gb - b * gc,
        (y - x) * ga,
        x * gb,
        -z * gc,
    )


@njit
def lorenz_adjoint(u, n, dt):
    x, y, z, s, r, b = u[0], u[1], u[2], u[3], u[4], u[5]
    h = 0.5 * dt
    w1, w2 = dt / 6.0, dt / 3.0
    tape = np.empty((n, 3))
    for i in range(n):
        tape[i, 0] = x
        tape[i, 1] = y
        tape[i, 2] = z
        a1, b1, c1 = rhs(x, y, z, s, r, b)
        a2, b2, c2 = rhs(x + h * a1, y + h * b1, z + h * c1, s, r, b)
        a3, b3, c3 = rhs(x + h * a2, y + h * b2, z + h * c2, s, r, b)
        a4, b4, c4 = rhs(x + dt * a3, y + dt * b3, z + dt * c3, s, r, b)
        x += w1 * (a1 + 2 * a2 + 2 * a3 + a4)
        y += w1 * (b1 + 2 * b2 + 2 * b3 + b4)
        z += w1 * (c1 + 2 * c2 + 2 * c3 + c4)
    gx, gy, gz, gs, gr, gb = 2 * x, 2 * y, 2 * z, 0.0, 0.0, 0.0
    for i in range(n - 1, -1, -1):
        x, y, z = tape[i, 0], tape[i, 1], tape[i, 2]
        a1, b1, c1 = rhs(x, y, z, s, r, b)
        x2, y2, z2 = x + h * a1, y + h * b1, z + h * c1
        a2, b2, c2 = rhs(x2, y2, z2, s, r, b)
        x3, y3, z3 = x + h * a2, y + h * b2, z + h * c2
        a3, b3, c3 = rhs(x3, y3, z3, s, r, b)
        x4, y4, z4 = x + dt * a3, y + dt * b3, z + dt * c3
        p4, q4, r4, s4, t4, v4 = rhs_adjoint(x4, y4, z4, s, r, b, w1 * gx, w1 * gy, w1 * gz)
        p3, q3, r3, s3, t3, v3 = rhs_adjoint(
            x3, y3, z3, s, r, b, w2 * gx + dt * p4, w2 * gy + dt * q4, w2 * gz + dt * r4
        )
        p2, q2, r2, s2, t2, v2 = rhs_adjoint(x2, y2, z2, s, r, b, w2 * gx + h * p3, w2 * gy + h * q3, w2 * gz + h * r3)
        p1, q1, r1, s1, t1, v1 = rhs_adjoint(x, y, z, s, r, b, w1 * gx + h * p2, w1 * gy + h * q2, w1 * gz + h * r2)
        gx += p1 + p2 + p3 + p4
        gy += q1 + q2 + q3 + q4
        gz += r1 + r2 + r3 + r4
        gs += s1 + s2 + s3 + s4
        gr += t1 + t2 + t3 + t4
        gb += v1 + v2 + v3 + v4
    return np.array([gx, gy, gz, gs, gr, gb])


def setup(steps: int = 100_000) -> tuple:
    return np.array([1.0, 1.0, 1.0, 10.0, 28.0, 8.0 / 3.0]), steps, DT


PROBLEM = Problem(
    name="ode",
    summary="Lorenz system, RK4, 100 000 steps; 3 initial values and 3 parameters",
    primal=lorenz,
    adjoint=lorenz_adjoint,
    setup=setup,
    small={"steps": 50},
)
