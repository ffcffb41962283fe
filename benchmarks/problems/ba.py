"""Bundle adjustment (the ADBench camera model), loss = sum of squared residuals; gradient in cameras and points.

A camera has 11 numbers: rotation vector w, centre, focal length, principal point, two radial distortions. The
hand-written adjoint goes backwards through each observation right after its residuals, while all of its values are
in registers; nothing is taped. Computing each camera's rotation once instead of once per observation would speed up
the primal as much as the adjoint, and the ratio of the two is what is measured, so neither does it.

The rotation is R = Y cos t + (a x Y) sin t + a (a . Y)(1 - cos t), t = |w|, a = w / t. With R' the adjoint of R:
    Y' = R' cos t + (R' x a) sin t + a (a . R')(1 - cos t)
    a' = (Y x R') sin t + (R' (a . Y) + Y (a . R'))(1 - cos t)
    t' = -(Y . R') sin t + ((a x Y) . R') cos t + (a . Y)(a . R') sin t
    w' = (a' - a (a . a')) / t + a t'
"""

import numpy as np
from numba import njit

from problems.problem import Problem


@njit
def residuals(x, nc, ci, pi, feat, w):
    C = x[: 11 * nc].reshape(nc, 11)
    P = x[11 * nc :].reshape(-1, 3)
    Y = np.empty(3)
    R = np.empty(3)
    tot = 0.0
    for o in range(ci.shape[0]):
        c = ci[o]
        p = pi[o]
        t2 = 0.0
        for k in range(3):
            Y[k] = P[p, k] - C[c, 3 + k]
            t2 += C[c, k] * C[c, k]
        if t2 > 0.0:
            th = np.sqrt(t2)
            cs = np.cos(th)
            sn = np.sin(th)
            a0 = C[c, 0] / th
            a1 = C[c, 1] / th
            a2 = C[c, 2] / th
            dt = (a0 * Y[0] + a1 * Y[1] + a2 * Y[2]) * (1.0 - cs)
            R[0] = Y[0] * cs + (a1 * Y[2] - a2 * Y[1]) * sn + a0 * dt
            R[1] = Y[1] * cs + (a2 * Y[0] - a0 * Y[2]) * sn + a1 * dt
            R[2] = Y[2] * cs + (a0 * Y[1] - a1 * Y[0]) * sn + a2 * dt
        else:
            R[0] = Y[0] + C[c, 1] * Y[2] - C[c, 2] * Y[1]
            R[1] = Y[1] + C[c, 2] * Y[0] - C[c, 0] * Y[2]
            R[2] = Y[2] + C[c, 0] * Y[1] - C[c, 1] * Y[0]
        u = R[0] / R[2]
        v = R[1] / R[2]
        r2 = u * u + v * v
        L = 1.0 + C[c, 9] * r2 + C[c, 10] * r2 * r2
        e0 = w[o] * (C[c, 6] * u * L + C[c, 7] - feat[o, 0])
        e1 = w[o] * (C[c, 6] * v * L + C[c, 8] - feat[o, 1])
        tot += e0 * e0 + e1 * e1
    return tot


@njit
def cross(a0, a1, a2, b0, b1, b2):
    return a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0


@njit
def residuals_adjoint(x, nc, ci, pi, feat, w):
    C = x[: 11 * nc].reshape(nc, 11)
    P = x[11 * nc :].reshape(-1, 3)
    g = np.zeros(x.shape[0])
    gC = g[: 11 * nc].reshape(nc, 11)
    gP = g[11 * nc :].reshape(-1, 3)
    for o in range(ci.shape[0]):
        c = ci[o]
        p = pi[o]
        w0, w1, w2 = C[c, 0], C[c, 1], C[c, 2]
        y0, y1, y2 = P[p, 0] - C[c, 3], P[p, 1] - C[c, 4], P[p, 2] - C[c, 5]
        t2 = w0 * w0 + w1 * w1 + w2 * w2
        turned = t2 > 0.0
        # at rest R = Y + w x Y, which is the formula with a = w, sin = 1, cos = 1
        th, cs, sn = 1.0, 1.0, 1.0
        if turned:
            th = np.sqrt(t2)
            cs = np.cos(th)
            sn = np.sin(th)
        it = 1.0 / th
        a0, a1, a2 = w0 * it, w1 * it, w2 * it
        k0, k1, k2 = cross(a0, a1, a2, y0, y1, y2)
        ay = a0 * y0 + a1 * y1 + a2 * y2
        dt = ay * (1.0 - cs)
        r0 = y0 * cs + k0 * sn + a0 * dt
        r1 = y1 * cs + k1 * sn + a1 * dt
        r2 = y2 * cs + k2 * sn + a2 * dt
        iz = 1.0 / r2
        u, v = r0 * iz, r1 * iz
        q = u * u + v * v
        f, d1, d2 = C[c, 6], C[c, 9], C[c, 10]
        L = 1.0 + d1 * q + d2 * q * q
        # adjoints of the projected point before weighting
        h0 = 2.0 * w[o] * w[o] * (f * u * L + C[c, 7] - feat[o, 0])
        h1 = 2.0 * w[o] * w[o] * (f * v * L + C[c, 8] - feat[o, 1])
        uv = h0 * u + h1 * v
        gL = f * uv
        gq = gL * (d1 + 2.0 * d2 * q)
        gu = h0 * f * L + 2.0 * u * gq
        gv = h1 * f * L + 2.0 * v * gq
        gC[c, 6] += uv * L
        gC[c, 7] += h0
        gC[c, 8] += h1
        gC[c, 9] += gL * q
        gC[c, 10] += gL * q * q
        b0, b1, b2 = gu * iz, gv * iz, -(gu * u + gv * v) * iz
        ab = a0 * b0 + a1 * b1 + a2 * b2
        m = 1.0 - cs
        n0, n1, n2 = cross(b0, b1, b2, a0, a1, a2)
        gy0 = cs * b0 + sn * n0 + m * ab * a0
        gy1 = cs * b1 + sn * n1 + m * ab * a1
        gy2 = cs * b2 + sn * n2 + m * ab * a2
        gP[p, 0] += gy0
        gP[p, 1] += gy1
        gP[p, 2] += gy2
        gC[c, 3] -= gy0
        gC[c, 4] -= gy1
        gC[c, 5] -= gy2
        n0, n1, n2 = cross(y0, y1, y2, b0, b1, b2)
        ga0 = sn * n0 + m * (ay * b0 + ab * y0)
        ga1 = sn * n1 + m * (ay * b1 + ab * y1)
        ga2 = sn * n2 + m * (ay * b2 + ab * y2)
        along = 0.0  # what w' has along a: nothing to correct at rest, where a is w itself
        if turned:
            yb = y0 * b0 + y1 * b1 + y2 * b2
            kb = k0 * b0 + k1 * b1 + k2 * b2
            along = cs * kb + sn * (ay * ab - yb) - it * (a0 * ga0 + a1 * ga1 + a2 * ga2)
        gC[c, 0] += it * ga0 + along * a0
        gC[c, 1] += it * ga1 + along * a1
        gC[c, 2] += it * ga2 + along * a2
    return g


def setup(cameras: int = 50, points: int = 2000, observations: int = 10_000, at_rest: int = 0) -> tuple:
    """The first `at_rest` cameras have a rotation of exactly zero, which takes the other branch."""
    rng = np.random.default_rng(0)
    cams = np.concatenate(
        [
            0.2 * rng.standard_normal((cameras, 3)),
            0.3 * rng.standard_normal((cameras, 3)) + [0, 0, -6],
            1.0 + 0.1 * rng.random((cameras, 1)),
            0.05 * rng.standard_normal((cameras, 2)),
            0.05 * rng.standard_normal((cameras, 2)),
        ],
        1,
    )
    cams[:at_rest, :3] = 0.0
    x = np.concatenate([cams.ravel(), rng.standard_normal((points, 3)).ravel()])
    ci = rng.integers(0, cameras, observations)
    pi = rng.integers(0, points, observations)
    return x, cameras, ci, pi, 0.2 * rng.standard_normal((observations, 2)), rng.random(observations)


PROBLEM = Problem(
    name="ba",
    summary="bundle adjustment (ADBench), 50 cameras, 2000 points, 10 000 observations; cameras and points",
    primal=residuals,
    adjoint=residuals_adjoint,
    setup=setup,
    small={"cameras": 3, "points": 5, "observations": 24, "at_rest": 1},
)
