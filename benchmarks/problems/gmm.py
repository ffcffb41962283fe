"""Log-likelihood of a Gaussian mixture with a Wishart prior (the ADBench objective); gradient in all its parameters.

x holds the K weights alpha, the K means, and for each component the logarithms of the d diagonal entries and then
the d (d - 1) / 2 strictly lower entries, column by column, of the square root Q of its inverse covariance. The
hand-written adjoint keeps the terms of one data point only. Per point and component it needs the responsibility r
and y = Q (x - mean): the adjoint of y is -r y; its sum over the points gives the mean's gradient by one product with
Q' at the very end.
"""

import math

import numpy as np
from numba import njit

from problems.problem import Problem

GAMMA, M = 1.0, 0


@njit
def logsumexp(v):
    m = v[0]
    for i in range(1, v.shape[0]):
        if v[i] > m:
            m = v[i]
    s = 0.0
    for i in range(v.shape[0]):
        s += np.exp(v[i] - m)
    return m + np.log(s)


@njit
def gmm(x, X, K, cst):
    n, d = X.shape
    nt = d * (d - 1) // 2
    al = x[:K]
    mu = x[K : K + K * d].reshape(K, d)
    icf = x[K + K * d :].reshape(K, d + nt)
    Qd = np.empty((K, d))
    sq = np.empty(K)
    for k in range(K):
        s = 0.0
        for i in range(d):
            s += icf[k, i]
            Qd[k, i] = np.exp(icf[k, i])
        sq[k] = s
    mt = np.empty(K)
    xc = np.empty(d)
    qx = np.empty(d)
    tot = 0.0
    for p in range(n):
        for k in range(K):
            for i in range(d):
                xc[i] = X[p, i] - mu[k, i]
            for i in range(d):
                qx[i] = Qd[k, i] * xc[i]
            L = d
            for i in range(d):
                for j in range(i + 1, d):
                    qx[j] += icf[k, L] * xc[i]
                    L += 1
            s = 0.0
            for i in range(d):
                s += qx[i] * qx[i]
            mt[k] = al[k] + sq[k] - 0.5 * s
        tot += logsumexp(mt)
    w = 0.0
    for k in range(K):
        s = 0.0
        for i in range(d):
            s += Qd[k, i] * Qd[k, i]
        for i in range(d, d + nt):
            s += icf[k, i] * icf[k, i]
        w += 0.5 * GAMMA * GAMMA * s - M * sq[k]
    return -n * d * 0.5 * np.log(2 * np.pi) + tot - n * logsumexp(al) + w - cst


@njit
def softmax(v, out):
    """Writes the gradient of logsumexp(v)."""
    m = v[0]
    for i in range(1, v.shape[0]):
        if v[i] > m:
            m = v[i]
    s = 0.0
    for i in range(v.shape[0]):
        out[i] = np.exp(v[i] - m)
        s += out[i]
    for i in range(v.shape[0]):
        out[i] /= s


@njit
def gmm_adjoint(x, X, K, cst):
    n, d = X.shape
    nt = d * (d - 1) // 2
    al = x[:K]
    mu = x[K : K + K * d].reshape(K, d)
    icf = x[K + K * d :].reshape(K, d + nt)
    g = np.zeros(x.shape[0])
    g_al = g[:K]
    g_mu = g[K : K + K * d].reshape(K, d)
    g_icf = g[K + K * d :].reshape(K, d + nt)
    Qd = np.empty((K, d))
    sq = np.empty(K)
    for k in range(K):
        s = 0.0
        for i in range(d):
            s += icf[k, i]
            Qd[k, i] = np.exp(icf[k, i])
        sq[k] = s
    mt = np.empty(K)
    r = np.empty(K)
    xc = np.empty((K, d))
    qx = np.empty((K, d))
    g_qx = np.zeros((K, d))  # summed over the points
    for p in range(n):
        for k in range(K):
            for i in range(d):
                xc[k, i] = X[p, i] - mu[k, i]
                qx[k, i] = Qd[k, i] * xc[k, i]
            L = d
            for i in range(d):
                for j in range(i + 1, d):
                    qx[k, j] += icf[k, L] * xc[k, i]
                    L += 1
            s = 0.0
            for i in range(d):
                s += qx[k, i] * qx[k, i]
            mt[k] = al[k] + sq[k] - 0.5 * s
        softmax(mt, r)
        for k in range(K):
            rk = r[k]
            g_al[k] += rk
            for i in range(d):
                qx[k, i] *= -rk  # from here on the adjoint of qx
                g_qx[k, i] += qx[k, i]
            for i in range(d):
                g_icf[k, i] += qx[k, i] * xc[k, i]
            L = d
            for i in range(d):
                for j in range(i + 1, d):
                    g_icf[k, L] += qx[k, j] * xc[k, i]
                    L += 1
    for k in range(K):
        for i in range(d):
            s = Qd[k, i] * g_qx[k, i]
            L = d + i * d - i * (i + 1) // 2
            for j in range(i + 1, d):
                s += icf[k, L] * g_qx[k, j]
                L += 1
            g_mu[k, i] = -s
            # so far the adjoint of Qd; sq has the adjoint sum(r) - M
            g_icf[k, i] = (g_icf[k, i] + GAMMA * GAMMA * Qd[k, i]) * Qd[k, i] + g_al[k] - M
        for i in range(d, d + nt):
            g_icf[k, i] += GAMMA * GAMMA * icf[k, i]
    softmax(al, r)
    for k in range(K):
        g_al[k] -= n * r[k]
    return g


def wishart_constant(d: int, K: int) -> float:
    """The part of the prior that does not depend on the parameters."""
    n = d + M + 1
    lg = 0.25 * d * (d - 1) * math.log(math.pi) + sum(math.lgamma(0.5 * n + 0.5 * (1 - j)) for j in range(1, d + 1))
    return K * (n * d * (math.log(GAMMA) - 0.5 * math.log(2)) - lg)


def setup(d: int = 10, K: int = 25, n: int = 1000) -> tuple:
    rng = np.random.default_rng(0)
    factors = d + d * (d - 1) // 2
    x = np.concatenate([rng.standard_normal(K), rng.random(K * d), 0.3 * rng.standard_normal(K * factors)])
    return x, rng.random((n, d)), K, wishart_constant(d, K)


PROBLEM = Problem(
    name="gmm",
    summary="Gaussian mixture log-likelihood (ADBench), d = 10, K = 25, 1000 points; all its parameters",
    primal=gmm,
    adjoint=gmm_adjoint,
    setup=setup,
    small={"d": 3, "K": 4, "n": 6},
)
