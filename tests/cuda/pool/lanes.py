"""Shuffles in which a lane is read by any number of others: by name, or at distances that differ from lane to lane."""

import math

import numpy as np
from cuda.pool.entry import entry
from numba import cuda, int32

FULL = 0xFFFFFFFF


def numbers(size, dtype=np.float64):
    return lambda rng: (rng.normal(size=size).astype(dtype), np.zeros(size, dtype))


def rows(x):
    """One row for each warp."""
    return x.reshape(-1, 32)


@entry(arguments=numbers(64), grid=1, block=64, active=(0, 1))
def broadcast(x, out):
    i = cuda.grid(1)
    out[i] = x[i] * cuda.shfl_sync(FULL, x[i], 3)


@broadcast.numpy
def _(x, out):
    out[:] = (rows(x) * rows(x)[:, 3:4]).reshape(-1)


@entry(arguments=numbers(64), grid=1, block=64, active=(0, 1))
def rotation(x, out):
    """The lane that is read is taken modulo 32."""
    i = cuda.grid(1)
    v = math.sin(x[i])
    out[i] = v * cuda.shfl_sync(FULL, v, cuda.laneid + 5) * cuda.shfl_sync(FULL, v, cuda.laneid - 1)


@rotation.numpy
def _(x, out):
    v = np.sin(rows(x))
    out[:] = (v * np.roll(v, -5, 1) * np.roll(v, 1, 1)).reshape(-1)


@entry(arguments=lambda rng: (rng.normal(size=64), rng.integers(-40, 40, 64).astype(np.int32), np.zeros(64)), grid=2,
       block=32, active=(0, 2))
def gather(x, lanes, out):
    """Some are read often, some never."""
    i = cuda.grid(1)
    out[i] = x[i] * cuda.shfl_sync(FULL, x[i] * x[i], lanes[i])


@gather.numpy
def _(x, lanes, out):
    out[:] = (rows(x) * np.take_along_axis(rows(x) ** 2, rows(lanes) % 32, 1)).reshape(-1)


@entry(arguments=lambda rng: (rng.normal(size=64).astype(np.float32), rng.integers(0, 3, 64), np.zeros(64, np.float32)),
       grid=1, block=64, active=(0, 2), precision=1e-5)
def gather_in_float32(x, lanes, out):
    i = cuda.grid(1)
    out[i] = x[i] * cuda.shfl_sync(FULL, math.exp(x[i]), lanes[i])


@gather_in_float32.numpy
def _(x, lanes, out):
    out[:] = (rows(x) * np.take_along_axis(np.exp(rows(x)), rows(lanes), 1)).reshape(-1)


@entry(arguments=numbers(32), grid=1, block=32, active=(0, 1))
def reader_chosen_by_the_numbers(x, out):
    i = cuda.threadIdx.x
    out[i] = x[i] * cuda.shfl_sync(FULL, x[i], int(math.floor(8.0 * x[i])))


@reader_chosen_by_the_numbers.numpy
def _(x, out):
    out[:] = x * x[np.floor(8 * x).astype(int) % 32]


@entry(arguments=numbers(32), grid=1, block=32, active=(0, 1))
def halves_of_a_warp(x, out):
    """Two masks at one place, chosen at run time; every lane stays in its half."""
    i = cuda.threadIdx.x
    first = i < 16
    mask = 0x0000FFFF if first else 0xFFFF0000
    base = 0 if first else 16
    out[i] = x[i] * cuda.shfl_sync(mask, math.cos(x[i]), base + (i // 3) % 16)


@halves_of_a_warp.numpy
def _(x, out):
    i = np.arange(32)
    out[:] = x * np.cos(x)[i // 16 * 16 + (i // 3) % 16]


@entry(arguments=numbers(32), grid=1, block=32, active=(0, 1))
def partial_mask_in_a_branch(x, out):
    i = cuda.threadIdx.x
    v = x[i] * x[i]
    if i % 2 == 0:
        v *= cuda.shfl_sync(0x55555555, x[i], 6)
    else:
        v += cuda.shfl_sync(0xAAAAAAAA, x[i], (i + 2) | 1)
    out[i] = v


@partial_mask_in_a_branch.numpy
def _(x, out):
    i = np.arange(32)
    out[:] = np.where(i % 2 == 0, x * x * x[6], x * x + x[((i + 2) | 1) % 32])


@entry(arguments=numbers(20), grid=1, block=20, active=(0, 1))
def block_of_less_than_a_warp(x, out):
    """The mask names lanes that do not exist."""
    i = cuda.threadIdx.x
    v = cuda.shfl_sync(FULL, x[i], (7 * i) % 20) * x[i]
    above = cuda.shfl_down_sync(FULL, v, 3)
    out[i] = v * above if i + 3 < 20 else v


@block_of_less_than_a_warp.numpy
def _(x, out):
    v = x[7 * np.arange(20) % 20] * x
    out[:] = v
    out[:17] *= v[3:]


@entry(arguments=numbers(32), grid=1, block=32, active=(0, 1))
def lanes_that_have_returned(x, out):
    i = cuda.threadIdx.x
    if i < 5 or i > 20:
        return
    v = x[i]
    w = cuda.shfl_down_sync(FULL, v, 2)
    u = cuda.shfl_sync(FULL, v, 9)
    if i + 2 <= 20:
        v *= w
    out[i] = v + math.sin(u)


@lanes_that_have_returned.numpy
def _(x, out):
    v = x[5:21].copy()
    v[:-2] *= x[7:21]
    out[5:21] = v + np.sin(x[9])


@entry(arguments=numbers(64), grid=2, block=32, active=(0, 1))
def broadcasts_in_a_loop(x, out):
    """Each lane in turn is read by all, as in a solver that keeps a row a lane."""
    i = cuda.grid(1)
    v = x[i]
    for k in range(6):
        pivot = cuda.shfl_sync(FULL, v, 5 * k)
        if cuda.laneid != 5 * k:
            v -= 0.1 * pivot * v
    out[i] = v


@broadcasts_in_a_loop.numpy
def _(x, out):
    v = rows(x).copy()
    for k in range(6):
        pivot, own = v[:, 5 * k:5 * k + 1].copy(), v[:, 5 * k].copy()
        v -= 0.1 * pivot * v
        v[:, 5 * k] = own
    out[:] = v.reshape(-1)


@entry(arguments=numbers(64), grid=1, block=64, active=(0, 1))
def broadcast_under_a_uniform_branch(x, out):
    i = cuda.grid(1)
    v = x[i]
    if cuda.any_sync(FULL, i == 40):
        v *= cuda.shfl_sync(FULL, v, 31)
    out[i] = v


@broadcast_under_a_uniform_branch.numpy
def _(x, out):
    v = rows(x)
    out[:32], out[32:] = v[0], v[1] * v[1, 31]


@entry(arguments=lambda rng: (rng.normal(size=32), rng.integers(0, 32, 32).astype(np.int32), np.zeros(32)), grid=1,
       block=32, active=(0, 2))
def distances_of_their_own(x, distances, out):
    """Up, down and across by another distance in each lane: several may read the same."""
    i = cuda.threadIdx.x
    d = distances[i]
    out[i] = cuda.shfl_down_sync(FULL, x[i], d) * cuda.shfl_up_sync(FULL, math.sin(x[i]), d) \
        + cuda.shfl_xor_sync(FULL, x[i] * x[i], d)


@distances_of_their_own.numpy
def _(x, distances, out):
    i, d = np.arange(32), distances
    down, up = np.where(i + d < 32, i + d, i), np.where(i >= d, i - d, i)
    out[:] = x[down] * np.sin(x)[up] + x[i ^ d] ** 2


@entry(arguments=lambda rng: (rng.normal(size=32), np.array([0, 3, 35, 16]), np.zeros(32)), grid=1, block=32,
       active=(0, 2))
def distances_from_memory(x, distances, out):
    """The same for all, but only the data say so; 0, and more than a warp has lanes."""
    i = cuda.threadIdx.x
    v = x[i]
    for k in range(distances.size):
        v = v * cuda.shfl_down_sync(FULL, v, distances[k]) + cuda.shfl_xor_sync(FULL, v, distances[k])
    out[i] = v


@distances_from_memory.numpy
def _(x, distances, out):
    v, i = x.copy(), np.arange(32)
    for d in distances % 32:
        v = v * v[np.where(i + d < 32, i + d, i)] + v[i ^ d]
    out[:] = v


@entry(arguments=lambda rng: (rng.normal(size=32), rng.integers(0, 4, 32), np.zeros(32)), grid=1, block=32,
       active=(0, 2))
def sums_of_equals(x, keys, out):
    """Integers in a warp are beside the derivative: which lanes match, how many and the first of them."""
    i = cuda.threadIdx.x
    peers = cuda.match_any_sync(FULL, int32(keys[i]))
    first = cuda.ffs(peers) - 1
    same, all_same = cuda.match_all_sync(FULL, int32(keys[0]))
    before = cuda.popc(peers & cuda.lanemask_lt())
    leader = cuda.shfl_sync(FULL, x[i], first)
    everyone = cuda.popc(cuda.activemask()) if all_same else 0
    out[i] = x[i] * leader * (1 + before) + everyone * (cuda.popc(same) // cuda.warpsize) \
        + 0.1 * cuda.clz(cuda.brev(peers)) * leader


@sums_of_equals.numpy
def _(x, keys, out):
    first = np.array([np.flatnonzero(keys == key)[0] for key in keys])
    before = np.array([np.sum(keys[:i] == keys[i]) for i in range(32)])
    out[:] = x * x[first] * (1 + before) + 32 + 0.1 * first * x[first]
