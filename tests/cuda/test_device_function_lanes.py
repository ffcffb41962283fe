"""In the gradient of a device function each lane has a tangent of one number: the others' are zero, not computed.

A product with a tangent of 0 is nan where its other factor is infinite, so this shows in the values too.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")

from cuda.calls import device, run  # noqa: E402
from cuda.emulated import normal  # noqa: E402
from cuda.emulator import available  # noqa: E402
from numba import cuda, float64  # noqa: E402

import numbad as nd  # noqa: E402

pytestmark = pytest.mark.skipif(not available(), reason=available().reason)

INF = math.inf


@device
def product(x, y):
    return x * y


@device
def quotient(x, y):
    return x / y


@device
def scaled_sine(x, y):
    return math.sin(x) * y


@device
def repeated(x, y):
    for _ in range(3):
        x = x + 0.5 * x
    for _ in range(4):
        y = y * 1.0
    return x * y


@device
def chosen(x, y):
    if y > 1.0:
        scale = x * 2.0
    else:
        scale = math.exp(x)
    return scale * y


@device
def by_places(x, y):
    xs = cuda.local.array(4, float64)
    ys = cuda.local.array(4, float64)
    for k in range(4):
        xs[k] = x * (k + 1)
        ys[k] = y
    total = 0.0
    for k in range(4):
        total += xs[k] * ys[3 - k]
    return total


@cuda.jit(device=True, inline="never")
def called_product(x, y):
    return x * y


@device
def by_call(x, y):
    return called_product(2.0 * x, y)


ROWS = {
    product: [((INF, 2.0), (2.0, INF)), ((3.0, INF), (INF, 3.0)), ((0.0, INF), (INF, 0.0))],
    quotient: [((3.0, INF), (0.0, 0.0)), ((INF, 2.0), (0.5, -INF)), ((1.0, 0.0), (INF, -INF))],
    scaled_sine: [((0.0, INF), (INF, 0.0)), ((0.5, INF), (INF, math.sin(0.5)))],
    repeated: [((INF, 2.0), (3.375 * 2.0, INF)), ((1.0, INF), (INF, 3.375))],
    chosen: [((INF, 2.0), (4.0, INF)), ((1.0, INF), (INF, 2.0)), ((INF, 0.5), (INF, INF))],
    by_places: [((INF, 2.0), (20.0, INF)), ((1.0, INF), (INF, 10.0))],
    by_call: [((INF, 2.0), (4.0, INF)), ((1.0, INF), (INF, 2.0))],
}


@pytest.mark.parametrize("function", ROWS, ids=lambda f: f.py_func.__name__)
def test_gradients_at_infinity(function):
    gradient = nd.grad(function, argnums=(0, 1))
    pull = nd.vjp(function)

    @cuda.jit
    def kernel(x, y, out, pulled):
        i = cuda.grid(1)
        if i < x.size:
            out[i, 0], out[i, 1] = gradient(x[i], y[i])
            pulled[i, 0], pulled[i, 1] = pull((x[i], y[i]), 1.0)[1]

    points, expected = zip(*ROWS[function], strict=True)
    x, y = np.array(points).T.copy()
    out, pulled = np.zeros((len(x), 2)), np.zeros((len(x), 2))
    run(kernel, x, y, out, pulled)
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(pulled, expected)


@device
def separable(a, b, c, d):
    return math.sin(a) * math.cos(b) + math.exp(c) * (a + d) + b * d


def test_tangents_that_are_given_and_some_that_are_not():
    push = nd.jvp(separable)

    @cuda.jit
    def kernel(x, out):
        i = cuda.grid(1)
        if i < x.size:
            out[i, 0] = push((x[i], 0.5, 0.25, 2.0), (3.0, None, None, 1.0))[1]
            out[i, 1] = push((x[i], 0.5, 0.25, 2.0), (None, x[i], None, None))[1]

    x = normal(40)
    out = np.zeros((40, 2))
    run(kernel, x, out)
    np.testing.assert_allclose(out[:, 0], 3 * (np.cos(x) * np.cos(0.5) + np.exp(0.25)) + np.exp(0.25) + 0.5, rtol=1e-13)
    np.testing.assert_allclose(out[:, 1], x * (2.0 - np.sin(x) * np.sin(0.5)), rtol=1e-13)
