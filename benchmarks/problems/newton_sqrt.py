"""Square roots by Newton's iteration, a `while` loop per element; gradient of sum(w * sqrt(a)) in a.

The trip count depends on the data, and the elements are independent. The hand-written adjoint keeps the iterates of
one element only and walks back over them before it goes to the next element.
"""

import numpy as np
from numba import njit

from problems.problem import Problem

TOL = 1e-13
MOST_ITERATES = 64  # Newton needs about 20 from 1 for the largest input; 64 would serve up to 1e30


@njit
def newton(a, w):
    s = 0.0
    for i in range(a.shape[0]):
        v = a[i]
        x = 1.0
        while abs(x * x - v) > TOL * v:
            x = 0.5 * (x + v / x)
        s += w[i] * x
    return s


@njit
def newton_adjoint(a, w):
    g = np.empty_like(a)
    iterates = np.empty(MOST_ITERATES)
    for i in range(a.shape[0]):
        v = a[i]
        x = 1.0
        k = 0
        while abs(x * x - v) > TOL * v:
            iterates[k] = x
            k += 1
            x = 0.5 * (x + v / x)
        gx = w[i]
        gv = 0.0
        while k > 0:
            k -= 1
            x = iterates[k]
            gv += 0.5 * gx / x
            gx *= 0.5 * (1.0 - v / (x * x))
        g[i] = gv
    return g


def setup(n: int = 100_000) -> tuple:
    rng = np.random.default_rng(0)
    return 10.0 ** rng.uniform(-3, 3, n), rng.random(n)


PROBLEM = Problem(
    name="newton_sqrt",
    summary="Newton square roots, a data-dependent while loop, 100 000 elements; the radicands",
    primal=newton,
    adjoint=newton_adjoint,
    setup=setup,
    small={"n": 20},
)
