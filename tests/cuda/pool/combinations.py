"""Features that work alone, where they meet: what random kernels (`cuda.fuzz`) have found."""

import math

import numpy as np
from cuda.pool.entry import entry
from numba import cuda, float64

import numbad as nd

N = 64


@entry(arguments=lambda rng: (rng.uniform(0.5, 2.0, N), np.zeros(N), 3), grid=2, block=32, active=(0, 1))
def powers_beside_shared_memory(x, out, n):
    """Functions that Numba writes out are kept apart while LLVM runs; shared memory must not go with them."""
    s = cuda.shared.array(32, float64)
    i, t = cuda.grid(1), cuda.threadIdx.x
    s[t] = x[i] ** n
    cuda.syncthreads()
    out[i] = s[31 - t] % 0.7 + x[i] // 0.3


@powers_beside_shared_memory.numpy
def _(x, out, n):
    out[:] = (x.reshape(2, 32)[:, ::-1].reshape(-1) ** n) % 0.7 + x // 0.3


@entry(arguments=lambda rng: (rng.normal(size=N), np.zeros(N)), grid=2, block=32, shared=32 * 8, active=(0, 1))
def constant_places_of_dynamic_memory(x, out):
    s = cuda.shared.array(0, float64)
    i, t = cuda.grid(1), cuda.threadIdx.x
    s[t] = x[i] * x[i]
    cuda.syncthreads()
    out[i] = s[t] * s[31] + s[5]


@constant_places_of_dynamic_memory.numpy
def _(x, out):
    rows = x.reshape(2, 32) ** 2
    out[:] = (rows * rows[:, 31:] + rows[:, 5:6]).reshape(-1)


@entry(arguments=lambda rng: (rng.normal(size=2 * N)[::2], rng.integers(0, N, N), np.zeros(N)), grid=2, block=32,
       active=(0, 2))
def strided_array_in_a_branch_and_after(x, index, out):
    """LLVM computes the array's address as an integer, once on each way to where the ways meet."""
    i = cuda.grid(1)
    v = 0.5
    if i >= 17:
        v = x[63 - i] * x[i]
    out[i] = v * x[index[i] % 61]


@strided_array_in_a_branch_and_after.numpy
def _(x, index, out):
    out[:] = np.where(np.arange(N) >= 17, x * x[::-1], 0.5) * x[index % 61]


@cuda.jit(device=True, inline="never")
def settled(u, v):
    k = 0
    while k < 4 and abs(v) > 0.05:
        k += 1
        u = 0.6 * u + 0.2 * math.sin(u * v)
        v = 0.5 * v + 0.3 * u * v
    return u * v


@entry(arguments=lambda rng: (rng.uniform(0.2, 1.0, N), rng.uniform(0.2, 1.0, N), np.zeros(N)), grid=2, block=32,
       active=(0, 1, 2))
def gradients_in_a_loop(x, y, out):
    """Both tangents of a number are one vector, which a thread keeps in two words."""
    i = cuda.grid(1)
    total = 0.0
    for k in range(i % 4 + 1):
        a, b = nd.grad(settled, (0, 1))(x[i], y[i] - 0.1 * k)
        total += a * b
    out[i] = total


@gradients_in_a_loop.numpy
def _(x, y, out):
    for i in range(N):
        for k in range(i % 4 + 1):
            u, v, slopes = x[i], y[i] - 0.1 * k, np.eye(2)  # rows: of u, of v
            for _ in range(4):
                if abs(v) <= 0.05:
                    break
                c = 0.2 * math.cos(u * v)
                u, slopes[0] = 0.6 * u + 0.2 * math.sin(u * v), 0.6 * slopes[0] + c * (v * slopes[0] + u * slopes[1])
                v, slopes[1] = 0.5 * v + 0.3 * u * v, (0.5 + 0.3 * u) * slopes[1] + 0.3 * v * slopes[0]
            out[i] += np.prod(v * slopes[0] + u * slopes[1])


@entry(arguments=lambda rng: (rng.normal(size=96), rng.normal(size=96), np.zeros(5)), grid=1, block=96, active=(0, 2))
def read_for_nobody_and_for_a_sum(x, unwatched, sums):
    """What the first load gives goes where nobody looks; the others are of the same place."""
    i, t = cuda.grid(1), cuda.threadIdx.x
    v = math.cos(unwatched[i]) * x[i]
    for _ in range(3, (t % 7) % 3, -1):
        cuda.atomic.add(sums, t % 5, 0.6 * x[i] - 0.3 * x[i])
    unwatched[i] += v


@read_for_nobody_and_for_a_sum.numpy
def _(x, unwatched, sums):
    t = np.arange(96)
    np.add.at(sums, t % 5, (3 - t % 7 % 3) * 0.3 * x)
    unwatched += np.cos(unwatched) * x
