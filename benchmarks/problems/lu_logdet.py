"""In-place LU factorisation without pivoting, loss = log |det A|; gradient in A.

Every entry of the matrix is overwritten up to n times. The hand-written adjoint tapes nothing: the final factors
hold all that it needs, because a multiplier is never changed once it is computed and a row of U is final when it is
first used.
"""

import numpy as np
from numba import njit

from problems.problem import Problem


@njit
def logdet(x, n):
    a = x.reshape(n, n).copy()
    s = 0.0
    for k in range(n):
        for i in range(k + 1, n):
            a[i, k] /= a[k, k]
            for j in range(k + 1, n):
                a[i, j] -= a[i, k] * a[k, j]
        s += np.log(abs(a[k, k]))
    return s


@njit
def logdet_adjoint(x, n):
    a = x.reshape(n, n).copy()
    for k in range(n):
        for i in range(k + 1, n):
            a[i, k] /= a[k, k]
            for j in range(k + 1, n):
                a[i, j] -= a[i, k] * a[k, j]
    g = np.zeros((n, n))
    for k in range(n - 1, -1, -1):
        g[k, k] += 1.0 / a[k, k]
        for i in range(n - 1, k, -1):
            lik = a[i, k]
            w = g[i, k]
            for j in range(k + 1, n):
                w -= g[i, j] * a[k, j]
                g[k, j] -= g[i, j] * lik
            g[i, k] = w / a[k, k]
            g[k, k] -= w * lik / a[k, k]
    return g.reshape(n * n)


def setup(n: int = 128) -> tuple:
    rng = np.random.default_rng(0)
    return (rng.standard_normal((n, n)) + 2 * np.sqrt(n) * np.eye(n)).ravel(), n


PROBLEM = Problem(
    name="lu_logdet",
    summary="in-place LU of a 128 x 128 matrix, log |det|; the matrix",
    primal=logdet,
    adjoint=logdet_adjoint,
    setup=setup,
    small={"n": 6},
)
