"""Device functions: several calls, nested, with arrays and tuples, not inlined, recursive."""

import math

import numpy as np
from cuda.pool.entry import entry
from numba import cuda, float64
from scipy import special

N = 100


@cuda.jit(device=True)
def bump(v, width):
    return math.exp(-v * v / width)


@cuda.jit(device=True)
def two_bumps(v, width):
    return bump(v - 1.0, width) + 0.5 * bump(v + 1.0, 2.0 * width)


@entry(arguments=lambda rng: (rng.normal(size=N), 0.8, np.zeros(N)), grid=4, block=32, active=(0, 1, 2))
def nested_calls(x, width, out):
    i = cuda.grid(1)
    if i < x.size:
        out[i] = two_bumps(x[i], width) * bump(x[i], 3.0)


def np_bump(v, width):
    return np.exp(-v * v / width)


@nested_calls.numpy
def _(x, width, out):
    out[:] = (np_bump(x - 1, width) + 0.5 * np_bump(x + 1, 2 * width)) * np_bump(x, 3.0)


@cuda.jit(device=True, inline="never")
def row_norm(x, i):
    total = 0.0
    for j in range(x.shape[1]):
        total += x[i, j] * x[i, j]
    return math.sqrt(total)


@cuda.jit(device=True, inline="never")
def scale_row(x, i, factor):
    for j in range(x.shape[1]):
        x[i, j] *= factor


@entry(arguments=lambda rng: (rng.normal(size=(N, 4)),), grid=4, block=32, active=(0,))
def functions_of_arrays(x):
    i = cuda.grid(1)
    if i < x.shape[0]:
        scale_row(x, i, 1.0 / row_norm(x, i))
        scale_row(x, i, 1.0 + x[i, 0])


@functions_of_arrays.numpy
def _(x):
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    x *= 1 + x[:, :1]


@cuda.jit(device=True)
def potential(x, y, strength):
    """Large; LLVM inlines it all the same, since its threshold for NVPTX is eleven times that of other targets."""
    r2 = x * x + y * y
    wave = math.sin(3.0 * x) * math.cos(2.0 * y) + math.sin(x * y) * math.cos(x - y)
    well = -strength * math.exp(-r2) + math.log(1.0 + r2) + math.tanh(x) * math.sqrt(1.0 + y * y)
    for _ in range(2):
        well = math.sin(well) + 0.1 * math.exp(-well * well) + math.atan(x * well) + math.cosh(0.1 * y)
    return wave + well + math.erf(x) * math.hypot(1.0 + x * x, y) + math.log1p(r2) / (1.0 + math.exp(-x))


@entry(arguments=lambda rng: (rng.normal(size=(N, 2)), 0.7, np.zeros(N)), grid=4, block=32, active=(0, 1, 2))
def large_function_called_three_times(p, strength, out):
    i = cuda.grid(1)
    if i < out.size:
        here = potential(p[i, 0], p[i, 1], strength)
        mirrored = potential(p[i, 1], -p[i, 0], 2.0 * strength)
        out[i] = here * mirrored + potential(here, mirrored, 1.0)


def np_potential(x, y, strength):
    r2 = x * x + y * y
    wave = np.sin(3 * x) * np.cos(2 * y) + np.sin(x * y) * np.cos(x - y)
    well = -strength * np.exp(-r2) + np.log(1 + r2) + np.tanh(x) * np.sqrt(1 + y * y)
    for _ in range(2):
        well = np.sin(well) + 0.1 * np.exp(-well * well) + np.arctan(x * well) + np.cosh(0.1 * y)
    return wave + well + special.erf(x) * np.hypot(1 + x * x, y) + np.log1p(r2) / (1 + np.exp(-x))


@large_function_called_three_times.numpy
def _(p, strength, out):
    here = np_potential(p[:, 0], p[:, 1], strength)
    mirrored = np_potential(p[:, 1], -p[:, 0], 2 * strength)
    out[:] = here * mirrored + np_potential(here, mirrored, 1.0)


@cuda.jit(device=True)
def complex_product(a, b):
    return a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]


@entry(arguments=lambda rng: (rng.normal(size=(N, 2)), np.zeros((N, 2))), grid=4, block=32, active=(0, 1))
def functions_of_tuples(x, out):
    i = cuda.grid(1)
    if i < x.shape[0]:
        z = (x[i, 0], x[i, 1])
        out[i, 0], out[i, 1] = complex_product(complex_product(z, z), z)


@functions_of_tuples.numpy
def _(x, out):
    cube = (x[:, 0] + 1j * x[:, 1]) ** 3
    out[:, 0], out[:, 1] = cube.real, cube.imag


@cuda.jit(device=True)
def chebyshev(x, n):
    if n == 0:
        return 1.0
    if n == 1:
        return x
    return 2.0 * x * chebyshev(x, n - 1) - chebyshev(x, n - 2)


@entry(arguments=lambda rng: (rng.uniform(-0.9, 0.9, N), np.zeros(N)), grid=4, block=32, active=(0, 1))
def recursive_function(x, out):
    i = cuda.grid(1)
    if i < x.size:
        out[i] = chebyshev(x[i], i % 6)


@recursive_function.numpy
def _(x, out):
    out[:] = np.cos(np.arange(N) % 6 * np.arccos(x))


@cuda.jit(device=True, inline="never")
def sort_three(a):
    for k in range(2):
        for j in range(2 - k):
            if a[j] > a[j + 1]:
                a[j], a[j + 1] = a[j + 1], a[j]


@entry(arguments=lambda rng: (rng.normal(size=(N, 3)), np.zeros(N)), grid=4, block=32, active=(0, 1))
def local_array_through_function(x, out):
    i = cuda.grid(1)
    a = cuda.local.array(3, float64)
    if i < x.shape[0]:
        for j in range(3):
            a[j] = x[i, j]
        sort_three(a)
        out[i] = a[0] + a[1] ** 2 + a[2] ** 3


@local_array_through_function.numpy
def _(x, out):
    a = np.sort(x, axis=1)
    out[:] = a[:, 0] + a[:, 1] ** 2 + a[:, 2] ** 3
