"""Loops whose state goes on from iteration to iteration: a GPU keeps one for several iterations."""

import math

import numpy as np
from cuda.pool.entry import entry
from numba import cuda, float32

N = 40


@entry(arguments=lambda rng: (rng.uniform(0.1, 0.9, N), 2.9, np.zeros(N)), grid=3, block=16, active=(0, 1, 2))
def logistic_map(x, rate, out):
    i = cuda.grid(1)
    if i < x.size:
        y = x[i]
        for _ in range(48):
            y = rate * y * (1.0 - y)
        out[i] = y


@logistic_map.numpy
def _(x, rate, out):
    y = x.copy()
    for _ in range(48):
        y = rate * y * (1 - y)
    out[:] = y


def steps_of(rng):
    return rng.uniform(0.5, 1.5, N), rng.uniform(0.1, 0.9, N), np.arange(N) % 21, 0.05, np.zeros(N)


@entry(arguments=steps_of, grid=3, block=16, active=(0, 1, 3, 4))
def oscillators_for_their_own_times(position, velocity, steps, h, out):
    """From none to twenty steps, so that groups of iterations, a rest, and neither occur."""
    i = cuda.grid(1)
    if i < out.size:
        x, v = position[i], velocity[i]
        for k in range(steps[i]):
            v -= h * math.sin(x) + 0.01 * k * v * v
            x += h * v
        out[i] = x * v


@oscillators_for_their_own_times.numpy
def _(position, velocity, steps, h, out):
    for i in range(N):
        x, v = position[i], velocity[i]
        for k in range(steps[i]):
            v -= h * math.sin(x) + 0.01 * k * v * v
            x += h * v
        out[i] = x * v


@entry(arguments=lambda rng: (rng.uniform(-1, 1, (N, 19)).astype(np.float32), np.float32(0.3), np.zeros(N, np.float32)),
       grid=3, block=16, active=(0, 1, 2), precision=1e-4)
def filter_with_memory(signal, keep, out):
    """Numbers that are read on the way, a step of two, single precision."""
    i = cuda.grid(1)
    if i < out.size:
        state = float32(1.0)
        for k in range(0, signal.shape[1], 2):
            state = keep * state * state + signal[i, k]
        out[i] = state


@filter_with_memory.numpy
def _(signal, keep, out):
    state = np.ones(N, np.float32)
    for k in range(0, signal.shape[1], 2):
        state = keep * state * state + signal[:, k]
    out[:] = state


@entry(arguments=lambda rng: (rng.uniform(1.0, 2.0, N), 11, np.zeros(N)), grid=3, block=16, active=(0, 2))
def backwards_and_with_branches(x, n, out):
    i = cuda.grid(1)
    if i < x.size:
        y = x[i]
        for k in range(n, 0, -1):
            if y > 1.3:
                y = math.sqrt(y) * (1.0 + 0.02 * k)
            else:
                y = y * y + 0.3
        out[i] = y


@backwards_and_with_branches.numpy
def _(x, n, out):
    for i in range(N):
        y = x[i]
        for k in range(n, 0, -1):
            y = math.sqrt(y) * (1 + 0.02 * k) if y > 1.3 else y * y + 0.3
        out[i] = y
