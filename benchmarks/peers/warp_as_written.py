"""The benchmark problems in Warp as one would write them for their value: the same loops as in the primal.

State in local variables, arrays changed in place, buffers swapped. Warp computes the value, and says nothing about
the gradient, which is right for some of them only: see `warp_rewritten`.
"""

from functools import cache

import numpy as np
import warp as wp

from peers.warp_adbench import ba, gmm_as_written
from peers.warp_launch import D, State, program, zeros
from peers.warp_rewritten import burgers_in, heat_in, nbody_forces, ode_functions
from problems import nbody as nbody_problem
from problems import newton_sqrt as newton_problem


@cache
def ode_kernel():
    step = ode_functions()

    @wp.kernel
    def integrate(u: wp.array(dtype=wp.vec3d), n: int, dt: D, loss: wp.array(dtype=D)):
        q = u[0]
        p = u[1]
        for _i in range(n):
            q = step(q, p, dt)
        loss[0] = wp.dot(q, q)

    return integrate


def ode(x, steps, dt):
    kernel = ode_kernel()

    def allocate():
        u, loss = wp.array(x.reshape(2, 3), dtype=wp.vec3d, requires_grad=True), zeros(1)
        return State(
            reset=lambda: None,
            launch=lambda: wp.launch(kernel, dim=1, inputs=[u, steps, dt, loss]),
            loss=loss,
            gradient=lambda: u.grad.numpy().ravel(),
        )

    return program(allocate)


def heat2d(x, n, steps):
    return heat_in(2, x, n, steps)


@cache
def nbody_moves():
    dt, half = wp.constant(D(nbody_problem.DT)), wp.constant(D(0.5 * nbody_problem.DT))

    @wp.kernel
    def kick_and_drift(p: wp.array(dtype=wp.vec3d), v: wp.array(dtype=wp.vec3d), a: wp.array(dtype=wp.vec3d)):
        i = wp.tid()
        v[i] += a[i] * half
        p[i] += v[i] * dt

    @wp.kernel
    def kick(v: wp.array(dtype=wp.vec3d), a: wp.array(dtype=wp.vec3d)):
        i = wp.tid()
        v[i] += a[i] * half

    return kick_and_drift, kick


def nbody(x, m, n, steps):
    accelerate, squares = nbody_forces()
    kick_and_drift, kick = nbody_moves()

    def allocate():
        p, v, a = (zeros(n, dtype=wp.vec3d) for _ in range(3))
        masses, loss = wp.array(m, dtype=D), zeros(1)
        start = x.reshape(2, n, 3)

        def reset():
            p.assign(start[0])
            v.assign(start[1])
            loss.zero_()

        def launch():
            wp.launch(accelerate, dim=n, inputs=[p, masses, n, a])
            for _ in range(steps):
                wp.launch(kick_and_drift, dim=n, inputs=[p, v, a])
                wp.launch(accelerate, dim=n, inputs=[p, masses, n, a])
                wp.launch(kick, dim=n, inputs=[v, a])
            wp.launch(squares, dim=n, inputs=[p, v, loss])

        def gradient():
            return np.concatenate([p.grad.numpy().ravel(), v.grad.numpy().ravel()])

        return State(reset, launch, loss, gradient)

    return program(allocate)


@cache
def lu_kernel():
    @wp.kernel
    def logdet(a: wp.array2d(dtype=D), n: int, loss: wp.array(dtype=D)):
        for k in range(n):
            for i in range(k + 1, n):
                a[i, k] = a[i, k] / a[k, k]
                for j in range(k + 1, n):
                    a[i, j] -= a[i, k] * a[k, j]
        for k in range(n):
            loss[0] += wp.log(wp.abs(a[k, k]))

    return logdet


def lu_logdet(x, n):
    kernel = lu_kernel()

    def allocate():
        a, loss = zeros(n, n), zeros(1)

        def reset():
            a.assign(x.reshape(n, n))
            loss.zero_()

        return State(
            reset=reset,
            launch=lambda: wp.launch(kernel, dim=1, inputs=[a, n, loss]),
            loss=loss,
            gradient=lambda: a.grad.numpy().ravel(),
        )

    return program(allocate)


@cache
def newton_kernel():
    tol = wp.constant(D(newton_problem.TOL))

    @wp.kernel
    def roots(a: wp.array(dtype=D), w: wp.array(dtype=D), loss: wp.array(dtype=D)):
        i = wp.tid()
        v = a[i]
        x = D(1.0)
        while wp.abs(x * x - v) > tol * v:
            x = D(0.5) * (x + v / x)
        wp.atomic_add(loss, 0, w[i] * x)

    return roots


def newton_sqrt(a, w):
    kernel = newton_kernel()

    def allocate():
        radicands, weights = wp.array(a, dtype=D, requires_grad=True), wp.array(w, dtype=D)
        loss = zeros(1)
        return State(
            reset=loss.zero_,
            launch=lambda: wp.launch(kernel, dim=len(a), inputs=[radicands, weights, loss]),
            loss=loss,
            gradient=lambda: radicands.grad.numpy(),
        )

    return program(allocate)


def burgers(x, n, steps):
    return burgers_in(2, x, n, steps)


SMALLER: dict[str, dict[str, int]] = {}
PROGRAMS = {f.__name__: f for f in (ode, heat2d, nbody, ba, lu_logdet, newton_sqrt, burgers)} | {"gmm": gmm_as_written}
