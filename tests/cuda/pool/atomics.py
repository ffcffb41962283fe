"""Sums that many threads add to."""

import math

import numpy as np
from cuda.pool.entry import entry
from numba import cuda, float32, float64

N = 100


@entry(arguments=lambda rng: (rng.normal(size=N), rng.normal(size=1)), grid=4, block=32, active=(0, 1))
def scalar_sum(x, out):
    i = cuda.grid(1)
    if i < x.size:
        cuda.atomic.add(out, 0, math.sin(x[i]) * x[i])


@scalar_sum.numpy
def _(x, out):
    out[0] += np.sum(np.sin(x) * x)


@entry(arguments=lambda rng: (rng.normal(size=N), rng.integers(0, 6, N), np.zeros(6)), grid=4, block=32, active=(0, 2))
def scatter(x, bin, out):
    i = cuda.grid(1)
    if i < x.size:
        cuda.atomic.add(out, bin[i], x[i] ** 2)


@scatter.numpy
def _(x, bin, out):
    np.add.at(out, bin, x ** 2)


@entry(arguments=lambda rng: (rng.normal(size=N), rng.normal(size=3), np.zeros(3)), grid=4, block=32, active=(0, 1, 2))
def subtract(x, w, out):
    i = cuda.grid(1)
    if i < x.size:
        cuda.atomic.sub(out, i % 3, x[i] * w[i % 3])


@subtract.numpy
def _(x, w, out):
    np.subtract.at(out, np.arange(N) % 3, x * np.resize(w, N))


@entry(arguments=lambda rng: (rng.uniform(0, 4, N), np.zeros(5)), grid=4, block=32, active=(0, 1))
def soft_histogram(x, out):
    """Each number is shared between the two bins next to it; a block adds up in shared memory first."""
    counts = cuda.shared.array(5, float64)
    t, i = cuda.threadIdx.x, cuda.grid(1)
    if t < 5:
        counts[t] = 0.0
    cuda.syncthreads()
    if i < x.size:
        low = int(x[i])
        part = x[i] - low
        cuda.atomic.add(counts, low, 1.0 - part)
        cuda.atomic.add(counts, low + 1, part)
    cuda.syncthreads()
    if t < 5:
        cuda.atomic.add(out, t, counts[t])


@soft_histogram.numpy
def _(x, out):
    low = x.astype(int)
    np.add.at(out, low, 1 - (x - low))
    np.add.at(out, low + 1, x - low)


@entry(arguments=lambda rng: (rng.normal(size=N).astype(np.float32), np.zeros(2, np.float32)), grid=4, block=32,
       active=(0, 1), precision=1e-5)
def sums_in_float32(x, out):
    s = cuda.shared.array(1, float32)
    i = cuda.grid(1)
    if cuda.threadIdx.x == 0:
        s[0] = 0.0
    cuda.syncthreads()
    if i < x.size:
        cuda.atomic.add(s, 0, x[i] * x[i])
        cuda.atomic.add(out, 1, x[i])
    cuda.syncthreads()
    if cuda.threadIdx.x == 0:
        cuda.atomic.add(out, 0, s[0])


@sums_in_float32.numpy
def _(x, out):
    out[0] += np.sum(x * x)
    out[1] += np.sum(x)


@entry(arguments=lambda rng: (rng.normal(size=(40, 2)), np.stack([np.arange(39), np.arange(1, 40)], 1), 1.5,
                              np.zeros((40, 2)), np.zeros(1)), grid=2, block=32, active=(0, 2, 3, 4))
def springs(position, edges, stiffness, force, energy):
    e = cuda.grid(1)
    if e < edges.shape[0]:
        a, b = edges[e, 0], edges[e, 1]
        dx, dy = position[b, 0] - position[a, 0], position[b, 1] - position[a, 1]
        length = math.sqrt(dx * dx + dy * dy)
        pull = stiffness * (length - 1.0) / length
        cuda.atomic.add(force, (a, 0), pull * dx)
        cuda.atomic.add(force, (a, 1), pull * dy)
        cuda.atomic.sub(force, (b, 0), pull * dx)
        cuda.atomic.sub(force, (b, 1), pull * dy)
        cuda.atomic.add(energy, 0, 0.5 * stiffness * (length - 1.0) ** 2)


@springs.numpy
def _(position, edges, stiffness, force, energy):
    d = position[edges[:, 1]] - position[edges[:, 0]]
    length = np.linalg.norm(d, axis=1)
    pull = (stiffness * (length - 1) / length)[:, None] * d
    np.add.at(force, edges[:, 0], pull)
    np.add.at(force, edges[:, 1], -pull)
    energy += 0.5 * stiffness * np.sum((length - 1) ** 2)


@entry(arguments=lambda rng: (rng.normal(size=N), np.zeros(3, np.int32), np.zeros(N)), grid=4, block=32, active=(0, 2))
def integer_counts_beside(x, counts, out):
    i = cuda.grid(1)
    if i < x.size:
        if x[i] > 0.0:
            cuda.atomic.add(counts, 0, 1)
            cuda.atomic.max(counts, 1, i)
        out[i] = x[i] ** 3


@integer_counts_beside.numpy
def _(x, counts, out):
    counts[0] = np.sum(x > 0)
    counts[1] = np.flatnonzero(x > 0).max()
    out[:] = x ** 3
