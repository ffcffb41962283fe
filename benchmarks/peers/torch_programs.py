"""The benchmark problems in torch: whole-array operations in Python loops, recorded as they run (eager mode)."""

import math

import numpy as np
import torch

from peers.program import Program
from problems import burgers as burgers_problem
from problems import gmm as gmm_problem
from problems import heat2d as heat_problem
from problems import nbody as nbody_problem
from problems import newton_sqrt as newton_problem

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)


def program(loss, x, *arrays) -> Program:
    given = [torch.as_tensor(array) for array in arrays]

    def primal():
        with torch.no_grad():
            return float(loss(torch.as_tensor(x), *given))

    def gradient():
        leaf = torch.tensor(x, requires_grad=True)
        loss(leaf, *given).backward()
        return leaf.grad.numpy()

    return Program(primal, gradient)


def ode(u, steps, dt):
    def loss(u):
        s, r, b = u[3:]

        def rhs(q):
            return torch.stack([s * (q[1] - q[0]), q[0] * (r - q[2]) - q[1], q[0] * q[1] - b * q[2]])

        q = u[:3]
        for _ in range(steps):
            k1 = rhs(q)
            k2 = rhs(q + 0.5 * dt * k1)
            k3 = rhs(q + 0.5 * dt * k2)
            k4 = rhs(q + dt * k3)
            q = q + dt / 6.0 * (k1 + 2 * k2 + 2 * k3 + k4)
        return q @ q

    return program(loss, u)


def heat2d(x, n, steps):
    def loss(x):
        u = x.reshape(n, n)
        for _ in range(steps):
            neighbours = u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:]
            u = u + torch.nn.functional.pad(heat_problem.C * (neighbours - 4.0 * u[1:-1, 1:-1]), (1, 1, 1, 1))
        return (u * u).sum()

    return program(loss, x)


def nbody(x, m, n, steps):
    dt = nbody_problem.DT

    def acceleration(p, m):
        d = p[None] - p[:, None]
        r2 = (d * d).sum(-1) + nbody_problem.EPS2
        return ((m[None] / (r2 * torch.sqrt(r2)))[..., None] * d).sum(1)

    def loss(x, m):
        p, v = x.reshape(2, n, 3)
        a = acceleration(p, m)
        for _ in range(steps):
            v = v + 0.5 * dt * a
            p = p + dt * v
            a = acceleration(p, m)
            v = v + 0.5 * dt * a
        return (p * p).sum() + (v * v).sum()

    return program(loss, x, m)


def gmm(x, points, K, constant):
    n, d = points.shape
    columns, rows = map(torch.as_tensor, np.triu_indices(d, 1))  # the strictly lower entries, column by column
    gamma, m = gmm_problem.GAMMA, gmm_problem.M

    def loss(x, points):
        alpha, mean = x[:K], x[K : K + K * d].reshape(K, d)
        factor = x[K + K * d :].reshape(K, -1)
        diagonal, sums = torch.exp(factor[:, :d]), factor[:, :d].sum(1)
        at = (torch.arange(K)[:, None], rows[None], columns[None])
        Q = torch.diag_embed(diagonal).index_put(at, factor[:, d:])
        y = torch.einsum("kij,pkj->pki", Q, points[:, None] - mean)
        terms = alpha + sums - 0.5 * (y * y).sum(-1)
        prior = 0.5 * gamma**2 * ((diagonal**2).sum() + (factor[:, d:] ** 2).sum()) - m * sums.sum()
        fit = torch.logsumexp(terms, 1).sum() - n * torch.logsumexp(alpha, 0)
        return -n * d * 0.5 * math.log(2 * math.pi) + fit + prior - constant

    return program(loss, x, points)


def ba(x, cameras, camera, point, features, weights):
    def loss(x, camera, point, features, weights):
        C = x[: 11 * cameras].reshape(cameras, 11)[camera]
        w = C[:, :3]
        Y = x[11 * cameras :].reshape(-1, 3)[point] - C[:, 3:6]
        t2 = (w * w).sum(1, keepdim=True)
        turned = t2 > 0
        t = torch.sqrt(torch.where(turned, t2, torch.ones_like(t2)))
        a = w / t
        along = a * (a * Y).sum(1, keepdim=True)
        R = Y * torch.cos(t) + torch.linalg.cross(a, Y) * torch.sin(t) + along * (1 - torch.cos(t))
        R = torch.where(turned, R, Y + torch.linalg.cross(w, Y))
        q = R[:, :2] / R[:, 2:]
        r2 = (q * q).sum(1, keepdim=True)
        lens = 1 + C[:, 9:10] * r2 + C[:, 10:11] * r2 * r2
        e = weights[:, None] * (C[:, 6:7] * q * lens + C[:, 7:9] - features)
        return (e * e).sum()

    return program(loss, x, camera, point, features, weights)


def lu_logdet(x, n):
    def loss(x):
        a = x.reshape(n, n)
        s = 0.0
        for _ in range(n):
            s = s + a[0, 0].abs().log()
            a = a[1:, 1:] - a[1:, :1] / a[0, 0] * a[:1, 1:]
        return s

    return program(loss, x)


def newton_sqrt(a, w):
    def loss(a, w):
        x = torch.ones_like(a)
        while (open_ := (x * x - a).abs() > newton_problem.TOL * a).any():
            x = torch.where(open_, 0.5 * (x + a / x), x)
        return (w * x).sum()

    return program(loss, a, w)


def burgers(x, n, steps):
    def loss(u):
        for _ in range(steps):
            slope = torch.where(u > 0, u - torch.roll(u, 1), torch.roll(u, -1) - u)
            u = u - burgers_problem.LAM * u * slope
        return (u * u).sum()

    return program(loss, x)


SMALLER = {"ode": {"steps": 1000}}
PROGRAMS = {f.__name__: f for f in (ode, heat2d, nbody, gmm, ba, lu_logdet, newton_sqrt, burgers)}
