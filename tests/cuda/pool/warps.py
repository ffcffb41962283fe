"""Shuffles and votes."""

import math

import numpy as np
from cuda.pool.entry import entry
from numba import cuda, float64, int32

FULL = 0xFFFFFFFF


@entry(arguments=lambda rng: (rng.normal(size=90), np.zeros(1)), grid=2, block=64, active=(0, 1))
def warp_sum(x, out):
    i = cuda.grid(1)
    v = x[i] * x[i] if i < x.size else 0.0
    d = 16
    while d > 0:
        v += cuda.shfl_down_sync(FULL, v, d)
        d //= 2
    if cuda.laneid == 0:
        cuda.atomic.add(out, 0, v)


@warp_sum.numpy
def _(x, out):
    out[0] += np.sum(x * x)


@entry(arguments=lambda rng: (rng.normal(size=64).astype(np.float32), np.zeros(2, np.float32)), grid=1, block=64,
       active=(0, 1), precision=1e-5)
def warp_sum_in_float32(x, out):
    """Unrolled by hand, as in many textbooks."""
    i = cuda.grid(1)
    v = math.sin(x[i])
    v += cuda.shfl_down_sync(FULL, v, 16)
    v += cuda.shfl_down_sync(FULL, v, 8)
    v += cuda.shfl_down_sync(FULL, v, 4)
    v += cuda.shfl_down_sync(FULL, v, 2)
    v += cuda.shfl_down_sync(FULL, v, 1)
    if i % 32 == 0:
        out[i // 32] = v


@warp_sum_in_float32.numpy
def _(x, out):
    out[:] = np.sin(x).reshape(2, 32).sum(1)


@entry(arguments=lambda rng: (rng.normal(size=64), np.zeros(64)), grid=1, block=64, active=(0, 1))
def warp_scan(x, out):
    i = cuda.grid(1)
    v = x[i]
    d = 1
    while d < 32:
        other = cuda.shfl_up_sync(FULL, v, d)
        if cuda.laneid >= d:
            v += other
        d *= 2
    out[i] = v * v


@warp_scan.numpy
def _(x, out):
    out[:] = np.cumsum(x.reshape(2, 32), axis=1).reshape(-1) ** 2


@entry(arguments=lambda rng: (rng.uniform(0.9, 1.1, 64), np.zeros(64)), grid=2, block=32, active=(0, 1))
def butterfly_product(x, out):
    """All lanes get the product; each stage overwrites what the next needs."""
    i = cuda.grid(1)
    v = x[i]
    d = 16
    while d > 0:
        v *= cuda.shfl_xor_sync(FULL, v, d)
        d //= 2
    out[i] = v / x[i]


@butterfly_product.numpy
def _(x, out):
    rows = x.reshape(2, 32)
    out[:] = (rows.prod(1, keepdims=True) / rows).reshape(-1)


@entry(arguments=lambda rng: (rng.normal(size=64).astype(np.float32), np.zeros(64, np.float32)), grid=2, block=32,
       active=(0, 1), precision=1e-5)
def neighbours_by_shuffle(x, out):
    i = cuda.grid(1)
    v = x[i]
    left = cuda.shfl_up_sync(FULL, v, 1)
    right = cuda.shfl_down_sync(FULL, v, 1)
    out[i] = left * right - v * v


@neighbours_by_shuffle.numpy
def _(x, out):
    rows = np.pad(x.reshape(2, 32), ((0, 0), (1, 1)), mode="edge")  # a lane at the end gets its own value
    out[:] = (rows[:, :-2] * rows[:, 2:] - rows[:, 1:-1] ** 2).reshape(-1)


@entry(arguments=lambda rng: (rng.normal(size=200), np.zeros(2)), grid=2, block=128, active=(0, 1))
def block_sum_by_warps(x, out):
    s = cuda.shared.array(4, float64)
    t = cuda.threadIdx.x
    i = cuda.grid(1)
    v = math.exp(0.1 * x[i]) if i < x.size else 0.0
    for k in range(5):
        v += cuda.shfl_down_sync(FULL, v, 16 >> k)
    if cuda.laneid == 0:
        s[t // 32] = v
    cuda.syncthreads()
    if t < 32:
        v = s[t] if t < 4 else 0.0
        v += cuda.shfl_down_sync(FULL, v, 2)
        v += cuda.shfl_down_sync(FULL, v, 1)
        if t == 0:
            out[cuda.blockIdx.x] = v


@block_sum_by_warps.numpy
def _(x, out):
    e = np.exp(0.1 * x)
    out[:] = e[:128].sum(), e[128:].sum()


@entry(arguments=lambda rng: (rng.normal(size=64), np.zeros(64)), grid=1, block=64, active=(0, 1))
def votes(x, out):
    i = cuda.grid(1)
    v = x[i]
    positive = cuda.popc(int32(cuda.ballot_sync(FULL, v > 0.0)))
    if cuda.any_sync(FULL, v > 1.0):
        v = v * positive
    if not cuda.all_sync(FULL, v > -1.0):
        v = math.sin(v)
    out[i] = v


@votes.numpy
def _(x, out):
    for w in (slice(0, 32), slice(32, 64)):
        v = x[w].copy()
        positive = np.sum(v > 0)
        if np.any(v > 1):
            v *= positive
        out[w] = np.sin(v) if not np.all(v > -1) else v


@entry(arguments=lambda rng: (rng.normal(size=128), np.zeros(128)), grid=2, block=64, active=(0, 1))
def mean_of_the_positive(x, out):
    s = cuda.shared.array(1, float64)
    i = cuda.grid(1)
    v = x[i]
    if cuda.threadIdx.x == 0:
        s[0] = 0.0
    count = cuda.syncthreads_count(int32(v > 0.0))
    if v > 0.0:
        cuda.atomic.add(s, 0, v)
    if cuda.syncthreads_or(int32(v > 1.0)):
        out[i] = v * s[0] / count
    else:
        out[i] = v


@mean_of_the_positive.numpy
def _(x, out):
    for row, to in zip(x.reshape(2, 64), out.reshape(2, 64), strict=True):
        mean = row[row > 0].mean()
        to[:] = row * mean if np.any(row > 1) else row


@entry(arguments=lambda rng: (rng.normal(size=64), np.zeros(64)), grid=1, block=64, active=(0, 1))
def exchange_through_shared_with_syncwarp(x, out):
    s = cuda.shared.array(64, float64)
    t = cuda.threadIdx.x
    s[t] = x[t] * x[t]
    cuda.syncwarp()
    out[t] = s[t ^ 1] + s[t ^ 2]


@exchange_through_shared_with_syncwarp.numpy
def _(x, out):
    t = np.arange(64)
    out[:] = x[t ^ 1] ** 2 + x[t ^ 2] ** 2
