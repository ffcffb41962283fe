"""The benchmark problems in JAX: functions of whole arrays without assignment, loops as `lax.scan` and `fori_loop`."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from peers.program import Program
from problems import burgers as burgers_problem
from problems import gmm as gmm_problem
from problems import heat2d as heat_problem
from problems import nbody as nbody_problem
from problems import newton_sqrt as newton_problem

jax.config.update("jax_enable_x64", True)


def program(loss, *arrays) -> Program:
    """`loss` and its gradient in the first array; compiled ahead, so that the time of compiling can be told."""
    given = [jnp.asarray(array) for array in arrays]
    compiled = {}

    def compile_as(name, function):
        compiled[name] = jax.jit(function).lower(*given).compile()

    return Program(
        primal=lambda: float(compiled["primal"](*given)),
        gradient=lambda: np.asarray(compiled["gradient"](*given)),
        compile_primal=lambda: compile_as("primal", loss),
        compile_gradient=lambda: compile_as("gradient", jax.grad(loss)),
    )


def ode(u, steps, dt):
    def loss(u):
        s, r, b = u[3:]

        def rhs(q):
            return jnp.stack([s * (q[1] - q[0]), q[0] * (r - q[2]) - q[1], q[0] * q[1] - b * q[2]])

        def step(q, _):
            k1 = rhs(q)
            k2 = rhs(q + 0.5 * dt * k1)
            k3 = rhs(q + 0.5 * dt * k2)
            k4 = rhs(q + dt * k3)
            return q + dt / 6.0 * (k1 + 2 * k2 + 2 * k3 + k4), None

        q, _ = lax.scan(step, u[:3], None, length=steps)
        return q @ q

    return program(loss, u)


def heat2d(x, n, steps):
    def step(_, u):
        neighbours = u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:]
        return u.at[1:-1, 1:-1].add(heat_problem.C * (neighbours - 4.0 * u[1:-1, 1:-1]))

    def loss(x):
        u = lax.fori_loop(0, steps, step, x.reshape(n, n))
        return (u * u).sum()

    return program(loss, x)


def nbody(x, m, n, steps):
    dt = nbody_problem.DT

    def loss(x, m):
        def acceleration(p):
            d = p[None] - p[:, None]
            r2 = (d * d).sum(-1) + nbody_problem.EPS2
            return jnp.einsum("ij,ijc->ic", m[None] / (r2 * jnp.sqrt(r2)), d)

        def step(state, _):
            p, v, a = state
            v = v + 0.5 * dt * a
            p = p + dt * v
            a = acceleration(p)
            return (p, v + 0.5 * dt * a, a), None

        p, v = x.reshape(2, n, 3)
        (p, v, _), _ = lax.scan(step, (p, v, acceleration(p)), None, length=steps)
        return (p * p).sum() + (v * v).sum()

    return program(loss, x, m)


def gmm(x, points, K, constant):
    n, d = points.shape
    columns, rows = np.triu_indices(d, 1)  # the strictly lower entries, column by column
    gamma, m = gmm_problem.GAMMA, gmm_problem.M

    def loss(x, points):
        alpha, mean = x[:K], x[K : K + K * d].reshape(K, d)
        factor = x[K + K * d :].reshape(K, -1)
        diagonal, sums = jnp.exp(factor[:, :d]), factor[:, :d].sum(1)
        Q = jax.vmap(jnp.diag)(diagonal).at[:, rows, columns].set(factor[:, d:])
        y = jnp.einsum("kij,pkj->pki", Q, points[:, None] - mean)
        terms = alpha + sums - 0.5 * (y * y).sum(-1)
        prior = 0.5 * gamma**2 * ((diagonal**2).sum() + (factor[:, d:] ** 2).sum()) - m * sums.sum()
        fit = jax.nn.logsumexp(terms, 1).sum() - n * jax.nn.logsumexp(alpha)
        return -n * d * 0.5 * math.log(2 * math.pi) + fit + prior - constant

    return program(loss, x, points)


def ba(x, cameras, camera, point, features, weights):
    def residual(c, p, feature, weight):
        Y = p - c[3:6]
        t2 = c[:3] @ c[:3]
        turned = t2 > 0
        t = jnp.sqrt(jnp.where(turned, t2, 1.0))  # no root of 0: its infinite slope would spoil the other branch
        a = c[:3] / t
        R = Y * jnp.cos(t) + jnp.cross(a, Y) * jnp.sin(t) + a * (a @ Y) * (1 - jnp.cos(t))
        R = jnp.where(turned, R, Y + jnp.cross(c[:3], Y))
        q = R[:2] / R[2]
        r2 = q @ q
        e = weight * (c[6] * q * (1 + c[9] * r2 + c[10] * r2 * r2) + c[7:9] - feature)
        return e @ e

    def loss(x, camera, point, features, weights):
        C, P = x[: 11 * cameras].reshape(cameras, 11), x[11 * cameras :].reshape(-1, 3)
        return jax.vmap(residual)(C[camera], P[point], features, weights).sum()

    return program(loss, x, camera, point, features, weights)


def lu_logdet(x, n):
    def loss(x):
        index = jnp.arange(n)

        def step(k, a):
            below = jnp.where(index > k, a[:, k] / a[k, k], 0.0)
            right = jnp.where(index > k, a[k], 0.0)
            a = a - jnp.outer(below, right)
            return a.at[:, k].set(jnp.where(index > k, below, a[:, k]))

        a = lax.fori_loop(0, n, step, x.reshape(n, n))
        return jnp.log(jnp.abs(jnp.diag(a))).sum()

    return program(loss, x)


def newton_sqrt(a, w):
    """`lax.while_loop` has no reverse mode: a fixed number of iterations, of which those beyond the last do nothing."""

    def loss(a, w):
        def step(_, x):
            return jnp.where(jnp.abs(x * x - a) > newton_problem.TOL * a, 0.5 * (x + a / x), x)

        return (w * lax.fori_loop(0, 24, step, jnp.ones_like(a))).sum()

    return program(loss, a, w)


def burgers(x, n, steps):
    def step(_, u):
        slope = jnp.where(u > 0, u - jnp.roll(u, 1), jnp.roll(u, -1) - u)
        return u - burgers_problem.LAM * u * slope

    def loss(x):
        u = lax.fori_loop(0, steps, step, x)
        return (u * u).sum()

    return program(loss, x)


SMALLER: dict[str, dict[str, int]] = {}
PROGRAMS = {f.__name__: f for f in (ode, heat2d, nbody, gmm, ba, lu_logdet, newton_sqrt, burgers)}
