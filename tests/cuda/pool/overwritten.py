"""Memory that is read, overwritten and read again: what a reverse sweep must have kept."""

import math

import numpy as np
from cuda.pool.entry import entry
from numba import cuda

N = 100


@entry(arguments=lambda rng: (rng.normal(size=N), 7), grid=4, block=32, active=(0,))
def sine_again_and_again(x, times):
    i = cuda.grid(1)
    if i < x.size:
        for _ in range(times):
            x[i] = math.sin(x[i]) + 0.1 * x[i]


@sine_again_and_again.numpy
def _(x, times):
    for _ in range(times):
        x[:] = np.sin(x) + 0.1 * x


@entry(arguments=lambda rng: (rng.normal(size=N), rng.normal(size=N)), grid=4, block=32, active=(0, 1))
def swap(x, y):
    i = cuda.grid(1)
    if i < x.size:
        x[i], y[i] = y[i], x[i]


@swap.numpy
def _(x, y):
    x[:], y[:] = y.copy(), x.copy()


@entry(arguments=lambda rng: (rng.uniform(0.5, 2, N), rng.normal(size=N)), grid=4, block=32, active=(0, 1))
def two_passes(x, y):
    i = cuda.grid(1)
    if i < x.size:
        x[i] = x[i] * x[i] + y[i]
        y[i] = math.sin(x[i]) * y[i]
        x[i] = x[i] * y[i]


@two_passes.numpy
def _(x, y):
    x[:] = x * x + y
    y[:] = np.sin(x) * y
    x[:] = x * y


@entry(arguments=lambda rng: (rng.normal(size=N), rng.normal(size=N)), grid=4, block=32, active=(0, 1))
def accumulate_in_place(x, out):
    i = cuda.grid(1)
    if i < x.size:
        out[i] += x[i] * x[i]
        out[i] *= 1.0 + x[i]
        out[i] -= x[i]


@accumulate_in_place.numpy
def _(x, out):
    out[:] = (out + x * x) * (1 + x) - x


@entry(arguments=lambda rng: (rng.normal(size=(N, 6)), np.zeros(N)), grid=4, block=32, active=(0, 1))
def own_row_as_work_space(x, out):
    """Each thread reduces its row in place, pair by pair."""
    i = cuda.grid(1)
    if i < x.shape[0]:
        for last in range(x.shape[1] - 1, 0, -1):
            for j in range(last):
                x[i, j] = 0.5 * x[i, j] * x[i, j + 1] + x[i, j]
        out[i] = x[i, 0]


@own_row_as_work_space.numpy
def _(x, out):
    for last in range(x.shape[1] - 1, 0, -1):
        for j in range(last):
            x[:, j] = 0.5 * x[:, j] * x[:, j + 1] + x[:, j]
    out[:] = x[:, 0]


@entry(arguments=lambda rng: (rng.normal(size=96), np.zeros(96), 4), grid=3, block=32, active=(0, 1))
def heat_with_barriers_of_the_grid(a, b, steps):
    i = cuda.grid(1)
    n = a.size
    grid = cuda.cg.this_grid()
    for _ in range(steps):
        b[i] = a[i] + 0.2 * (a[(i + n - 1) % n] - 2.0 * a[i] + a[(i + 1) % n]) + 0.01 * a[i] ** 2
        grid.sync()
        a[i] = math.sin(b[i])
        grid.sync()


@heat_with_barriers_of_the_grid.numpy
def _(a, b, steps):
    for _ in range(steps):
        b[:] = a + 0.2 * (np.roll(a, 1) - 2 * a + np.roll(a, -1)) + 0.01 * a ** 2
        a[:] = np.sin(b)


@entry(arguments=lambda rng: (rng.normal(size=64), np.zeros(64), 6), grid=1, block=64, active=(0, 1))
def heat_with_two_buffers(a, b, steps):
    """One block steps a rod; barriers keep the halves of a step apart."""
    i = cuda.threadIdx.x
    n = a.size
    for _ in range(steps):
        left = a[i - 1] if i > 0 else 0.0
        right = a[i + 1] if i < n - 1 else 0.0
        b[i] = a[i] + 0.2 * (left - 2.0 * a[i] + right) - 0.01 * a[i] ** 3
        cuda.syncthreads()
        a[i] = b[i]
        cuda.syncthreads()


@heat_with_two_buffers.numpy
def _(a, b, steps):
    for _ in range(steps):
        p = np.pad(a, 1)
        b[:] = a + 0.2 * (p[:-2] - 2 * a + p[2:]) - 0.01 * a ** 3
        a[:] = b
