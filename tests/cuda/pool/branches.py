"""Decisions, early exits, and loops of every kind of bound."""

import math

import numpy as np
from cuda.pool.entry import entry
from numba import cuda

N = 100


@entry(arguments=lambda rng: (rng.normal(size=N), np.zeros(N)), grid=4, block=32, active=(0, 1))
def leaky_with_early_exit(x, out):
    i = cuda.grid(1)
    if i >= x.size:
        return
    if x[i] < 0.0:
        out[i] = 0.1 * x[i]
        return
    out[i] = x[i] * x[i]


@leaky_with_early_exit.numpy
def _(x, out):
    out[:] = np.where(x < 0, 0.1 * x, x * x)


@entry(arguments=lambda rng: (3 * rng.normal(size=N), 0.9, np.zeros(N)), grid=4, block=32, active=(0, 1, 2))
def huber(x, delta, out):
    i = cuda.grid(1)
    if i < x.size:
        size = abs(x[i])
        if size <= delta:
            loss = 0.5 * x[i] * x[i]
        elif size <= 2.0 * delta:
            loss = delta * (size - 0.5 * delta)
        else:
            loss = math.log(size) + delta
        out[i] = loss


@huber.numpy
def _(x, delta, out):
    size = np.abs(x)
    out[:] = np.select([size <= delta, size <= 2 * delta], [0.5 * x * x, delta * (size - 0.5 * delta)],
                       np.log(size) + delta)


@entry(arguments=lambda rng: (rng.normal(size=N), np.zeros(N)), grid=4, block=32, active=(0, 1))
def work_by_thread(x, out):
    """What a thread does depends on its number, and how often too."""
    i = cuda.grid(1)
    if i < x.size:
        v = x[i]
        for k in range(i % 5):
            if k % 2 == 0:
                v = math.sin(v)
            else:
                v = v * x[i]
        out[i] = v


@work_by_thread.numpy
def _(x, out):
    for i, v in enumerate(x):
        for k in range(i % 5):
            v = math.sin(v) if k % 2 == 0 else v * x[i]
        out[i] = v


@entry(arguments=lambda rng: (rng.uniform(-1, 1, N), rng.normal(size=8), np.zeros(N)), grid=4, block=32,
       active=(0, 1, 2))
def horner(x, coefficients, out):
    """The bound is known when the kernel runs."""
    i = cuda.grid(1)
    if i < x.size:
        value = 0.0
        for k in range(coefficients.size):
            value = value * x[i] + coefficients[k]
        out[i] = value


@horner.numpy
def _(x, coefficients, out):
    out[:] = np.polyval(coefficients, x)


@entry(arguments=lambda rng: (rng.uniform(0.5, 20, N), np.zeros(N)), grid=4, block=32, active=(0, 1))
def newton_root(a, out):
    """How often depends on the data."""
    i = cuda.grid(1)
    if i < a.size:
        x = a[i]
        while abs(x * x - a[i]) > 1e-14 * a[i]:
            x = 0.5 * (x + a[i] / x)
        out[i] = x


@newton_root.numpy
def _(a, out):
    out[:] = np.sqrt(a)


@entry(arguments=lambda rng: (rng.uniform(0.1, 1.0, (N, 10)), 2.0, np.zeros(N)), grid=4, block=32, active=(0, 2))
def break_and_continue(x, limit, out):
    i = cuda.grid(1)
    if i < x.shape[0]:
        total = 0.0
        for j in range(x.shape[1]):
            if j % 3 == 1:
                continue
            total += x[i, j] ** 2
            if total > limit:
                break
        out[i] = total


@break_and_continue.numpy
def _(x, limit, out):
    for i, row in enumerate(x):
        out[i] = 0.0
        for j, v in enumerate(row):
            if j % 3 != 1:
                out[i] += v * v
                if out[i] > limit:
                    break


@entry(arguments=lambda rng: (rng.normal(size=(N, 7)), np.zeros(N), np.zeros(N, np.int64)), grid=4, block=32,
       active=(0, 1))
def largest_of_row(x, out, where):
    i = cuda.grid(1)
    if i < x.shape[0]:
        best = 0
        for j in range(1, x.shape[1]):
            if x[i, j] > x[i, best]:
                best = j
        where[i] = best
        out[i] = x[i, best] ** 2


@largest_of_row.numpy
def _(x, out, where):
    where[:] = np.argmax(x, axis=1)
    out[:] = np.max(x, axis=1) ** 2


@entry(arguments=lambda rng: (rng.uniform(-0.6, 0.3, N), rng.uniform(-0.4, 0.4, N), 12, np.zeros(N)), grid=4, block=32,
       active=(0, 1, 3))
def escape_of_mandelbrot(cx, cy, most, out):
    i = cuda.grid(1)
    if i < cx.size:
        x, y, n = 0.0, 0.0, 0
        while n < most and x * x + y * y < 4.0:
            x, y = x * x - y * y + cx[i], 2.0 * x * y + cy[i]
            n += 1
        out[i] = x * x + y * y


@escape_of_mandelbrot.numpy
def _(cx, cy, most, out):
    for i, c in enumerate(cx + 1j * cy):
        z, n = 0j, 0
        while n < most and abs(z) < 2:
            z, n = z * z + c, n + 1
        out[i] = abs(z) ** 2
