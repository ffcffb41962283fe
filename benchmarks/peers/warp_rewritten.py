"""The benchmark problems in Warp, rewritten until its gradients are right.

Warp differentiates a kernel by reading again, backwards, what its arrays hold: a value that is overwritten, be it an
array element or a local variable in a loop, is read as what it became. So each step gets an array of its own, sums and
states move from local variables into arrays, and a maximum into a kernel that is not differentiated. The data-dependent
loop of newton_sqrt has no such form.
"""

from functools import cache

import numpy as np
import warp as wp

from peers.warp_adbench import ba, gmm
from peers.warp_launch import D, State, program, zeros
from problems import burgers as burgers_problem
from problems import heat2d as heat_problem
from problems import nbody as nbody_problem


@cache
def ode_functions():
    @wp.func
    def rhs(q: wp.vec3d, p: wp.vec3d):
        return wp.vec3d(p[0] * (q[1] - q[0]), q[0] * (p[1] - q[2]) - q[1], q[0] * q[1] - p[2] * q[2])

    @wp.func
    def step(q: wp.vec3d, p: wp.vec3d, dt: D):
        h = dt * D(0.5)
        k1 = rhs(q, p)
        k2 = rhs(q + h * k1, p)
        k3 = rhs(q + h * k2, p)
        k4 = rhs(q + dt * k3, p)
        return q + dt / D(6.0) * (k1 + D(2.0) * k2 + D(2.0) * k3 + k4)

    return step


@cache
def ode_kernel():
    step = ode_functions()

    @wp.kernel
    def integrate(
        u: wp.array(dtype=wp.vec3d), n: int, dt: D, q: wp.array(dtype=wp.vec3d), loss: wp.array(dtype=D)
    ):
        q[0] = u[0]
        for i in range(n):
            q[i + 1] = step(q[i], u[1], dt)
        loss[0] = wp.dot(q[n], q[n])

    return integrate


def ode(x, steps, dt):
    kernel = ode_kernel()

    def allocate():
        u = wp.array(x.reshape(2, 3), dtype=wp.vec3d, requires_grad=True)
        q, loss = zeros(steps + 1, dtype=wp.vec3d), zeros(1)
        return State(
            reset=lambda: None,
            launch=lambda: wp.launch(kernel, dim=1, inputs=[u, steps, dt, q, loss]),
            loss=loss,
            gradient=lambda: u.grad.numpy().ravel(),
        )

    return program(allocate)


@cache
def heat_kernels():
    c = wp.constant(D(heat_problem.C))

    @wp.kernel
    def step(a: wp.array2d(dtype=D), b: wp.array2d(dtype=D), n: int):
        i, j = wp.tid()
        v = a[i, j]
        if i > 0 and j > 0 and i < n - 1 and j < n - 1:
            b[i, j] = v + c * (a[i - 1, j] + a[i + 1, j] + a[i, j - 1] + a[i, j + 1] - D(4.0) * v)
        else:
            b[i, j] = v

    @wp.kernel
    def squares(a: wp.array2d(dtype=D), loss: wp.array(dtype=D)):
        i, j = wp.tid()
        wp.atomic_add(loss, 0, a[i, j] * a[i, j])

    return step, squares


def heat_in(buffers, x, n, steps):
    step, squares = heat_kernels()

    def allocate():
        u = [zeros(n, n) for _ in range(buffers)]
        loss = zeros(1)

        def reset():
            u[0].assign(x.reshape(n, n))
            loss.zero_()

        def launch():
            for t in range(steps):
                wp.launch(step, dim=(n, n), inputs=[u[t % buffers], u[(t + 1) % buffers], n])
            wp.launch(squares, dim=(n, n), inputs=[u[steps % buffers], loss])

        return State(reset, launch, loss, lambda: u[0].grad.numpy().ravel())

    return program(allocate)


def heat2d(x, n, steps):
    return heat_in(steps + 1, x, n, steps)


@cache
def nbody_forces():
    eps2 = wp.constant(D(nbody_problem.EPS2))

    @wp.kernel
    def accelerate(p: wp.array(dtype=wp.vec3d), m: wp.array(dtype=D), n: int, a: wp.array(dtype=wp.vec3d)):
        i = wp.tid()
        s = wp.vec3d()
        p_i = p[i]
        for j in range(n):
            d = p[j] - p_i
            r2 = wp.dot(d, d) + eps2
            s += d * (m[j] / (r2 * wp.sqrt(r2)))
        a[i] = s

    @wp.kernel
    def squares(p: wp.array(dtype=wp.vec3d), v: wp.array(dtype=wp.vec3d), loss: wp.array(dtype=D)):
        i = wp.tid()
        wp.atomic_add(loss, 0, wp.dot(p[i], p[i]) + wp.dot(v[i], v[i]))

    return accelerate, squares


@cache
def nbody_moves():
    dt, half = wp.constant(D(nbody_problem.DT)), wp.constant(D(0.5 * nbody_problem.DT))

    @wp.kernel
    def kick_and_drift(
        p: wp.array(dtype=wp.vec3d),
        v: wp.array(dtype=wp.vec3d),
        a: wp.array(dtype=wp.vec3d),
        p_next: wp.array(dtype=wp.vec3d),
        v_next: wp.array(dtype=wp.vec3d),
    ):
        i = wp.tid()
        w = v[i] + a[i] * half
        v_next[i] = w
        p_next[i] = p[i] + w * dt

    @wp.kernel
    def kick(v: wp.array(dtype=wp.vec3d), a: wp.array(dtype=wp.vec3d), v_next: wp.array(dtype=wp.vec3d)):
        i = wp.tid()
        v_next[i] = v[i] + a[i] * half

    return kick_and_drift, kick


def nbody(x, m, n, steps):
    accelerate, squares = nbody_forces()
    kick_and_drift, kick = nbody_moves()

    def allocate():
        p, v, between, a = ([zeros(n, dtype=wp.vec3d) for _ in range(steps + 1)] for _ in range(4))
        masses, loss = wp.array(m, dtype=D), zeros(1)
        start = x.reshape(2, n, 3)

        def reset():
            p[0].assign(start[0])
            v[0].assign(start[1])
            loss.zero_()

        def launch():
            wp.launch(accelerate, dim=n, inputs=[p[0], masses, n, a[0]])
            for t in range(steps):
                wp.launch(kick_and_drift, dim=n, inputs=[p[t], v[t], a[t], p[t + 1], between[t]])
                wp.launch(accelerate, dim=n, inputs=[p[t + 1], masses, n, a[t + 1]])
                wp.launch(kick, dim=n, inputs=[between[t], a[t + 1], v[t + 1]])
            wp.launch(squares, dim=n, inputs=[p[-1], v[-1], loss])

        def gradient():
            return np.concatenate([p[0].grad.numpy().ravel(), v[0].grad.numpy().ravel()])

        return State(reset, launch, loss, gradient)

    return program(allocate)


@cache
def lu_kernel():
    @wp.kernel
    def eliminate(a: wp.array2d(dtype=D), k: int, b: wp.array2d(dtype=D), loss: wp.array(dtype=D)):
        i, j = wp.tid()
        if i > k and j > k:
            b[i, j] = a[i, j] - a[i, k] / a[k, k] * a[k, j]
        elif i == k and j == k:
            wp.atomic_add(loss, 0, wp.log(wp.abs(a[k, k])))

    return eliminate


def lu_logdet(x, n):
    kernel = lu_kernel()

    def allocate():
        a = [zeros(n, n) for _ in range(n + 1)]
        loss = zeros(1)

        def reset():
            a[0].assign(x.reshape(n, n))
            loss.zero_()

        def launch():
            for k in range(n):
                wp.launch(kernel, dim=(n, n), inputs=[a[k], k, a[k + 1], loss])

        return State(reset, launch, loss, lambda: a[0].grad.numpy().ravel())

    return program(allocate)


@cache
def burgers_kernels():
    lam = wp.constant(D(burgers_problem.LAM))

    @wp.func
    def moved(u: wp.array(dtype=D), i: int, n: int):
        v = u[i]
        r = D(0.0)
        if v > D(0.0):
            r = v - lam * v * (v - u[(i + n - 1) % n])
        else:
            r = v - lam * v * (u[(i + 1) % n] - v)
        return r

    @wp.kernel
    def step(u: wp.array(dtype=D), w: wp.array(dtype=D), n: int):
        i = wp.tid()
        w[i] = moved(u, i, n)

    @wp.kernel
    def squares(u: wp.array(dtype=D), loss: wp.array(dtype=D)):
        i = wp.tid()
        wp.atomic_add(loss, 0, u[i] * u[i])

    return step, squares


def burgers_in(buffers, x, n, steps):
    step, squares = burgers_kernels()

    def allocate():
        u = [zeros(n) for _ in range(buffers)]
        loss = zeros(1)

        def reset():
            u[0].assign(x)
            loss.zero_()

        def launch():
            for t in range(steps):
                wp.launch(step, dim=n, inputs=[u[t % buffers], u[(t + 1) % buffers], n])
            wp.launch(squares, dim=n, inputs=[u[steps % buffers], loss])

        return State(reset, launch, loss, lambda: u[0].grad.numpy())

    return program(allocate)


def burgers(x, n, steps):
    return burgers_in(steps + 1, x, n, steps)


SMALLER: dict[str, dict[str, int]] = {}
PROGRAMS = {f.__name__: f for f in (ode, heat2d, nbody, gmm, ba, lu_logdet, burgers)}
