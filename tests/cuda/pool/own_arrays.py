"""Loops of constant length, too long to be unrolled: a thread keeps what they overwrite on its own stack, if it is
little enough."""

import math

import numpy as np
from cuda.pool.entry import entry
from numba import cuda, float32

N = 40


def numbers(rng):
    return rng.uniform(0.2, 0.9, N), 1.3, np.zeros(N)


@entry(arguments=lambda rng: (rng.uniform(0.2, 0.9, N).astype(np.float32), np.float32(1.3), np.zeros(N, np.float32)),
       grid=3, block=16, active=(0, 1, 2), precision=1e-4)
def ways_of_sixty_steps(x, a, out):
    """In single precision; which way was taken is kept too."""
    i = cuda.grid(1)
    if i < x.size:
        y = x[i]
        for k in range(60):
            if y > float32(0.6):
                y = y * y + float32(0.01) * float32(k % 7)
            else:
                y = a * y * (float32(1.0) - y) + float32(0.2)
        out[i] = y


@ways_of_sixty_steps.numpy
def _(x, a, out):
    y = x.copy()
    for k in range(60):
        y = np.where(y > np.float32(0.6), y * y + np.float32(0.01 * (k % 7)), a * y * (1 - y) + np.float32(0.2))
    out[:] = y


@entry(arguments=lambda rng: (*numbers(rng)[:2], rng.integers(0, 9, N), np.zeros(N)), grid=3, block=16,
       active=(0, 1, 3))
def constant_then_counted_then_constant(x, a, n, out):
    """The first and the last have their arrays, the one between does not."""
    i = cuda.grid(1)
    if i < x.size:
        y = x[i]
        for _ in range(40):
            y = a * y * (1.0 - y) + 0.1
        for _ in range(n[i]):
            y = math.sin(y) * a
        for _ in range(48):
            y = 0.7 * y * y + 0.1 * a
        out[i] = y


@constant_then_counted_then_constant.numpy
def _(x, a, n, out):
    for i in range(N):
        y = x[i]
        for _ in range(40):
            y = a * y * (1 - y) + 0.1
        for _ in range(n[i]):
            y = math.sin(y) * a
        for _ in range(48):
            y = 0.7 * y * y + 0.1 * a
        out[i] = y


@entry(arguments=lambda rng: (*numbers(rng)[:2], 3, np.zeros(N)), grid=3, block=16, active=(0, 1, 3))
def constant_within_counted(x, a, n, out):
    """What the inner loop keeps, it keeps as often as the outer loop runs."""
    i = cuda.grid(1)
    if i < x.size:
        y = x[i]
        for k in range(n):
            y += 0.01 * k
            for _ in range(40):
                y = a * y * (1.0 - y) + 0.1
        out[i] = y


@constant_within_counted.numpy
def _(x, a, n, out):
    y = x.copy()
    for k in range(n):
        y += 0.01 * k
        for _ in range(40):
            y = a * y * (1 - y) + 0.1
    out[:] = y


@entry(arguments=lambda rng: (*numbers(rng)[:2], np.zeros((N, 3))), grid=3, block=16, active=(0, 1, 2))
def constant_within_constant(x, a, out):
    """Memory overwritten in three by five steps, then in some threads again."""
    i = cuda.grid(1)
    if i < x.size:
        for k in range(3):
            out[i, k] = x[i] + 0.1 * k
            for _ in range(5):
                out[i, k] = math.sin(a * out[i, k])
            out[i, (k + 1) % 3] += out[i, k] * out[i, k]
        if x[i] > 0.5:
            for _ in range(4):
                out[i, 0] = math.cos(out[i, 0] * a)


@constant_within_constant.numpy
def _(x, a, out):
    for i in range(N):
        for k in range(3):
            out[i, k] = x[i] + 0.1 * k
            for _ in range(5):
                out[i, k] = math.sin(a * out[i, k])
            out[i, (k + 1) % 3] += out[i, k] * out[i, k]
        if x[i] > 0.5:
            for _ in range(4):
                out[i, 0] = math.cos(out[i, 0] * a)


@entry(arguments=numbers, grid=3, block=16, active=(0, 1, 2))
def more_than_a_stack_holds(x, a, out):
    """520 states, one kept for eight: 65 words."""
    i = cuda.grid(1)
    if i < x.size:
        y = x[i]
        for _ in range(520):
            y = a * y * (1.0 - y) + 0.1
        out[i] = y


@more_than_a_stack_holds.numpy
def _(x, a, out):
    y = x.copy()
    for _ in range(520):
        y = a * y * (1 - y) + 0.1
    out[:] = y
