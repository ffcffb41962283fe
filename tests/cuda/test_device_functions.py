"""Derivatives of device functions in kernels, on the emulator: against closed formulas and finite differences."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")

from cuda.calls import N, applied, device, potential, run  # noqa: E402
from cuda.emulated import F64, normal  # noqa: E402
from cuda.emulator import EmulatedKernel, available, flatten  # noqa: E402
from cuda.machines import Emulated  # noqa: E402
from numba import cuda, float32, float64, njit  # noqa: E402
from numba.cuda import dispatcher  # noqa: E402
from numba.cuda.cudadrv import nvvm  # noqa: E402

import numbad as nd  # noqa: E402
from numbad.cuda import numba_cuda  # noqa: E402
from numbad.cuda.launch import Derivative  # noqa: E402
from numbad.cuda.numba_cuda import lowering  # noqa: E402
from numbad.passes import nvptx  # noqa: E402

pytestmark = pytest.mark.skipif(not available(), reason=available().reason)

@device
def power_by_loop(x, n):
    result = 1.0
    for _ in range(n):
        result *= x
    return result


@device
def branches(x):
    if x > 0.5:
        return x * x
    if x < -0.5:
        return math.sin(x)
    return 3.0 * x


@device
def newton(a):
    """A square root, by a loop whose length the number decides."""
    x = a
    while abs(x * x - a) > 1e-13 * a:
        x = 0.5 * (x + a / x)
    return x


@device
def nested(x, y):
    return potential(x, y) * branches(y) + potential(potential(y, x), 2.0)


@cuda.jit(device=True, inline="never")
def factorial(x, n):
    return 1.0 if n <= 0 else x * factorial(x, n - 1)


@device
def by_local_array(x, y):
    a = cuda.local.array(4, float64)
    for k in range(4):
        a[k] = x * k + y
    total = 0.0
    for k in range(4):
        total += a[k] * a[3 - k]
    return total


X, Y = normal(N), normal(N, seed=1)
E = np.exp(-X * X)


def test_gradient_made_outside():
    gradient = nd.grad(potential)
    np.testing.assert_allclose(applied(gradient, X, Y), -2 * X * E * Y, rtol=1e-13)


def test_gradient_made_inside():
    @cuda.jit
    def kernel(x, out):
        i = cuda.grid(1)
        if i < x.size:
            out[i] = nd.grad(potential, argnums=1)(x[i], 2.0)

    out = np.zeros(N)
    run(kernel, X, out)
    np.testing.assert_allclose(out, E, rtol=1e-13)


def test_argnums():
    both = nd.grad(potential, argnums=(1, "x"))
    single = nd.grad(potential, argnums=("y",))
    value = nd.value_and_grad(potential, argnums=(0, 1))
    one = nd.value_and_grad(potential)

    @cuda.jit
    def kernel(x, y, out):
        i = cuda.grid(1)
        if i < x.size:
            out[i, 0], out[i, 1] = both(x[i], y[i])
            out[i, 2] = single(x[i], y[i])[0]
            out[i, 3], (out[i, 4], out[i, 5]) = value(x[i], y[i])
            out[i, 6], out[i, 7] = one(x[i], y[i])

    out = np.zeros((N, 8))
    run(kernel, X, Y, out)
    f, fx, fy = E * Y, -2 * X * E * Y, E
    np.testing.assert_allclose(out, np.stack([fy, fx, fy, f, fx, fy, f, fx], axis=1), rtol=1e-13)


def test_products():
    pushed, pulled, by_y = nd.jvp(potential), nd.vjp(potential), nd.vjp(potential, argnums="y")

    @cuda.jit
    def kernel(x, y, out):
        i = cuda.grid(1)
        if i < x.size:
            out[i, 0], out[i, 1] = pushed((x[i], y[i]), (2.0, 3.0))
            out[i, 2], out[i, 3] = pushed((x[i], y[i]), (None, 1.0))
            out[i, 4], (out[i, 5], out[i, 6]) = pulled((x[i], y[i]), x[i])
            out[i, 7], gradients = by_y((x[i], y[i]), 2.0)
            out[i, 8] = gradients[1]
            out[i, 9], out[i, 10] = nd.jvp(potential, (x[i], y[i]), (1.0, None))
            out[i, 11], _ = pulled((x[i], y[i]), None)

    out = np.zeros((N, 12))
    run(kernel, X, Y, out)
    f, fx, fy = E * Y, -2 * X * E * Y, E
    np.testing.assert_allclose(out, np.stack(
        [f, 2 * fx + 3 * fy, f, fy, f, X * fx, X * fy, f, 2 * fy, f, fx, f], axis=1), rtol=1e-13)


def test_tangent_of_a_tuple():
    @device
    def polar(r, phi):
        return (r * math.cos(phi), r * math.sin(phi)), r

    pushed = nd.jvp(polar)

    @cuda.jit
    def kernel(x, y, out):
        i = cuda.grid(1)
        if i < x.size:
            _, ((out[i, 0], out[i, 1]), out[i, 2]) = pushed((x[i], y[i]), (None, 2.0))

    out = np.zeros((N, 3))
    run(kernel, X, Y, out)
    np.testing.assert_allclose(out, np.stack([-2 * X * np.sin(Y), 2 * X * np.cos(Y), 0 * X], axis=1), rtol=1e-13)


def test_loops():
    n = np.arange(N) % 7
    np.testing.assert_allclose(applied(nd.grad(power_by_loop), X, n), n * X ** np.maximum(n - 1, 0), rtol=1e-13)
    a = X * X + 0.1
    np.testing.assert_allclose(applied(nd.grad(newton), a), 0.5 / np.sqrt(a), rtol=1e-10)


def test_branches():
    expected = np.where(X > 0.5, 2 * X, np.where(X < -0.5, np.cos(X), 3.0))
    np.testing.assert_allclose(applied(nd.grad(branches), X), expected, rtol=1e-13)


def test_nested_functions():
    step = 1e-6
    slope = (applied(nested, X, Y + step) - applied(nested, X, Y - step)) / (2 * step)
    near = np.abs(np.abs(Y) - 0.5) < 1e-5
    assert not near.any()
    np.testing.assert_allclose(applied(nd.grad(nested, argnums=1), X, Y), slope, rtol=1e-6, atol=1e-8)


def test_recursion():
    n = np.arange(N) % 5
    np.testing.assert_allclose(applied(nd.grad(factorial), X, n), n * X ** np.maximum(n - 1, 0), rtol=1e-13)


def test_local_array():
    """2 y (3 x + y) + 2 (x + y) (2 x + y)"""
    np.testing.assert_allclose(applied(nd.grad(by_local_array), X, Y), 8 * X + 12 * Y, rtol=1e-12)


def test_single_precision():
    x, y = X.astype(np.float32), Y.astype(np.float32)
    expected = (-2 * x * np.exp(-x * x) * y)
    np.testing.assert_allclose(applied(nd.grad(potential), x, y, result=np.float32), expected, rtol=1e-5)


def test_gradient_has_the_type_of_the_argument():
    gradient = nd.grad(potential, argnums=(0, 1))
    variant = gradient.variant((float32, float64))
    with lowering._offline():
        assert variant.compile_device((float32, float64)).signature.return_type.types == (float32, float64)
    out = applied(nd.grad(potential), X.astype(np.float32), Y)
    x = X.astype(np.float32).astype(float)
    np.testing.assert_allclose(out, (-2 * x * np.exp(-x * x) * Y).astype(np.float32), rtol=1e-6)


def test_declared_types(monkeypatch):
    """Arguments are converted as for the function itself."""
    with monkeypatch.context() as offline:
        offline.setattr(dispatcher, "get_current_device", lambda: SimpleNamespace(compute_capability=(9, 0)))
        offline.setattr(nvvm, "NVVM", lambda: SimpleNamespace(data_layout=nvvm._datalayout,
                                                              get_ir_version=lambda: (2, 0, 3, 2)))
        single = cuda.jit("float32(float32, int32)", device=True)(lambda x, n: x * x * n)
    np.testing.assert_allclose(applied(nd.grad(single), X, np.full(N, 3)), 6 * X.astype(np.float32), rtol=1e-6)


def test_defaults():
    @device
    def scaled(x, factor=3.0):
        return factor * x * x

    np.testing.assert_allclose(applied(nd.grad(scaled), X), 6 * X, rtol=1e-13)


def test_arrays_as_constants():
    @device
    def interpolated(x, table):
        k = int(x)
        return table[k] + (x - k) * (table[k + 1] - table[k])

    gradient = nd.grad(interpolated)

    @cuda.jit
    def kernel(x, table, out):
        i = cuda.grid(1)
        if i < x.size:
            out[i] = gradient(x[i], table)

    x, table, out = np.linspace(0.1, 5.9, N), normal(8), np.zeros(N)
    run(kernel, x, table, out)
    k = x.astype(int)
    np.testing.assert_allclose(out, table[k + 1] - table[k], rtol=1e-12)


def test_constants_are_changed_once():
    @device
    def counted(x, y, count):
        return x * y * (1 + cuda.atomic.add(count, 0, 1) * 0)

    gradient = nd.grad(counted, argnums=(0, 1))

    @cuda.jit
    def kernel(x, count, out):
        i = cuda.grid(1)
        if i < x.size:
            out[i], _ = gradient(x[i], 3.0, count)

    count, out = np.zeros(1, np.int64), np.zeros(N)
    run(kernel, X, count, out)
    assert count[0] == N and np.all(out == 3.0)


def test_tuples_as_constants():
    @device
    def weighted(x, w):
        return w[0] * x * x + w[1] * x

    gradient = nd.grad(weighted)

    @cuda.jit
    def kernel(x, out):
        i = cuda.grid(1)
        if i < x.size:
            out[i] = gradient(x[i], (3.0, 2))

    out = np.zeros(N)
    run(kernel, X, out)
    np.testing.assert_allclose(out, 6 * X + 2, rtol=1e-13)


def test_tuples():
    @device
    def energy(p, k, n):
        return k * (p[0] * p[0] + 3.0 * p[0] * p[1][0]) * n

    gradient, pulled, pushed = nd.grad(energy), nd.vjp(energy, argnums=(0, 1)), nd.jvp(energy)

    @cuda.jit
    def kernel(x, y, out):
        i = cuda.grid(1)
        if i < x.size:
            p = (x[i], (y[i], 5))
            out[i, 0], (out[i, 1], _) = gradient(p, 2.0, 1)
            out[i, 2], (d, out[i, 3], _) = pulled((p, 2.0, 1), 3.0)
            out[i, 4], out[i, 5] = d[0], d[1][0]
            _, out[i, 6] = pushed((p, 2.0, 1), ((1.0, None), 1.0, None))

    out = np.zeros((N, 7))
    run(kernel, X, Y, out)
    f, by_x, by_y = 2 * (X * X + 3 * X * Y), 4 * X + 6 * Y, 6 * X
    columns = [by_x, by_y, f, 1.5 * f, 3 * by_x, 3 * by_y, by_x + f / 2]
    np.testing.assert_allclose(out, np.stack(columns, axis=1), rtol=1e-12)


@njit
def cube(x):
    return x ** 3


def square(x):
    return x * x


def test_functions_for_the_host():
    np.testing.assert_allclose(applied(nd.grad(cube), X), 3 * X ** 2, rtol=1e-13)
    np.testing.assert_allclose(applied(nd.grad(square), X), 2 * X, rtol=1e-13)
    assert nd.grad(cube)(2.0) == 12.0

    @cuda.jit
    def kernel(x, out):
        i = cuda.grid(1)
        if i < x.size:
            out[i] = nd.grad(cube)(x[i])

    out = np.zeros(N)
    run(kernel, X, out)
    np.testing.assert_allclose(out, 3 * X ** 2, rtol=1e-13)
    value, pulled = nd.value_and_grad(cube, ("x",)), nd.vjp(cube)

    @cuda.jit
    def products(x, out):
        i = cuda.grid(1)
        if i < x.size:
            y, (slope,) = value(x[i])
            out[i] = y + 10.0 * slope + 100.0 * pulled((x[i],), 2.0)[1][0]

    run(products, X, out)
    np.testing.assert_allclose(out, X ** 3 + 630 * X ** 2, rtol=1e-13)


def test_second_derivatives():
    np.testing.assert_allclose(applied(nd.grad(nd.grad(potential)), X, Y), (4 * X * X - 2) * E * Y, rtol=1e-12)
    np.testing.assert_allclose(applied(nd.grad(nd.grad(cube)), X), 6 * X, rtol=1e-13)


def test_derivative_within_a_function_that_is_differentiated():
    slope = nd.grad(potential)

    @device
    def squared_slope(x, y):
        return slope(x, y) ** 2

    expected = 2 * (-2 * X * E * Y) * (4 * X * X - 2) * E * Y
    np.testing.assert_allclose(applied(nd.grad(squared_slope), X, Y), expected, rtol=1e-12)


slope_of_potential = nd.grad(potential)


@cuda.jit
def relax(x, out):
    i = cuda.grid(1)
    if i < x.size:
        out[i] = x[i] * slope_of_potential(x[i], 2.0)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_kernel_that_calls_a_derivative_is_differentiated(mode):
    expected = 2 * E * (4 * X ** 3 - 4 * X)
    out, shadow, seed = np.zeros(N), np.zeros(N), np.ones(N)
    launch = Derivative(relax, mode, Emulated())[2, 32]
    if mode == "forward":
        launch(nd.Dup(X.copy(), seed), nd.Dup(out, shadow))
    else:
        launch(nd.Dup(X.copy(), shadow), nd.Dup(out, seed))
    np.testing.assert_allclose(shadow, expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(out, -4 * X * X * E, rtol=1e-13)


def test_exceptions_end_the_thread():
    @device
    def checked(x):
        if x < 0.0:
            raise ValueError("negative")
        return x * x

    expected = np.where(X < 0, 0.0, 2 * X)
    np.testing.assert_allclose(applied(nd.grad(checked), X), expected, rtol=1e-13)


def test_shared_memory_of_the_block():
    """Each thread pushes its tangent through memory that all see; barriers stay where they are."""
    @device
    def neighbour(x):
        s = cuda.shared.array(32, float64)
        t = cuda.threadIdx.x
        s[t] = x * x
        cuda.syncthreads()
        return s[(t + 1) % 32]

    pushed = nd.jvp(neighbour)

    @cuda.jit
    def kernel(x, out):
        t = cuda.threadIdx.x
        _, out[t] = pushed((x[t],), (1.0,))

    x, out = normal(32), np.zeros(32)
    lowered = numba_cuda.lower(kernel, (F64, F64))
    EmulatedKernel(nvptx.prepared(lowered.texts, lowered.entry), lowered.entry).launch(1, 32, flatten(x, out))
    np.testing.assert_allclose(out, 2 * np.roll(x, -1), rtol=1e-13)
