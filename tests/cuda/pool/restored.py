"""Shared memory and local arrays that loops fill again and again: the reverse sweep puts back what was there."""

import math

import numpy as np
from cuda.pool.entry import entry
from numba import cuda, float64, int64

BLOCK = 16
TILES = 3


def tiles(rng):
    return rng.normal(size=TILES * BLOCK), np.zeros(TILES * BLOCK)


@entry(arguments=tiles, grid=3, block=BLOCK, active=(0, 1))
def tiles_of_pairs(x, out):
    s = cuda.shared.array(BLOCK, float64)
    i, t = cuda.grid(1), cuda.threadIdx.x
    total = 0.0
    for tile in range(x.size // BLOCK):
        s[t] = x[tile * BLOCK + t]
        cuda.syncthreads()
        for j in range(BLOCK):
            d = s[j] - x[i]
            total += d / (1.0 + d * d)
        cuda.syncthreads()
    out[i] = total


@tiles_of_pairs.numpy
def _(x, out):
    d = x - x[:, None]
    out[:] = np.sum(d / (1 + d * d), axis=1)


@entry(arguments=tiles, grid=3, block=BLOCK, active=(0, 1))
def read_before_a_barrier_and_used_behind_it(x, out):
    """What was read from the tile cannot be read there again when it is wanted: the next tile is there."""
    s = cuda.shared.array(BLOCK, float64)
    i, t = cuda.grid(1), cuda.threadIdx.x
    total, last = 0.0, 1.0
    for tile in range(x.size // BLOCK):
        s[t] = x[tile * BLOCK + t] * last
        cuda.syncthreads()
        v = s[BLOCK - 1 - t]
        w = s[(t + 1) % BLOCK]
        cuda.syncthreads()
        s[t] = v * w
        cuda.syncthreads()
        for j in range(3):
            total += math.sin(v * s[j])
        last = math.cos(w)
        cuda.syncthreads()
    out[i] = total


@read_before_a_barrier_and_used_behind_it.numpy
def _(x, out):
    t = np.arange(BLOCK)
    for block in range(3):
        total, last = np.zeros(BLOCK), np.ones(BLOCK)
        for tile in range(TILES):
            s = x[tile * BLOCK + t] * last
            v, w = s[BLOCK - 1 - t], s[(t + 1) % BLOCK]
            s = v * w
            total += sum(np.sin(v * s[j]) for j in range(3))
            last = np.cos(w)
        out[block * BLOCK + t] = total


@entry(arguments=lambda rng: (*tiles(rng), rng.integers(1, 5, size=TILES * BLOCK)), grid=3, block=BLOCK, active=(0, 1))
def places_and_counts_in_shared_memory(x, out, numbers):
    """Whole numbers in shared memory say where to read and how often: they are wanted again as well."""
    s, n = cuda.shared.array(BLOCK, float64), cuda.shared.array(BLOCK, int64)
    i, t = cuda.grid(1), cuda.threadIdx.x
    total = 0.0
    for tile in range(x.size // BLOCK):
        s[t] = x[tile * BLOCK + t]
        n[t] = numbers[tile * BLOCK + t]
        cuda.syncthreads()
        for j in range(BLOCK):
            total += s[(j + n[j]) % BLOCK] * s[j]
            if n[j] > 2:
                total = math.sin(total)
        for j in range(n[t]):
            total += 0.1 * s[j] * total
        cuda.syncthreads()
    out[i] = total


@places_and_counts_in_shared_memory.numpy
def _(x, out, numbers):
    for i in range(x.size):
        total, t = 0.0, i % BLOCK
        for tile in range(TILES):
            s, n = x[tile * BLOCK:][:BLOCK], numbers[tile * BLOCK:][:BLOCK]
            for j in range(BLOCK):
                total += s[(j + n[j]) % BLOCK] * s[j]
                if n[j] > 2:
                    total = math.sin(total)
            for j in range(n[t]):
                total += 0.1 * s[j] * total
        out[i] = total


@entry(arguments=tiles, grid=3, block=BLOCK, active=(0, 1))
def branches_by_shared_memory(x, out):
    """The branch was taken by what the tile held, and ends behind a barrier for all."""
    s = cuda.shared.array(BLOCK, float64)
    i, t = cuda.grid(1), cuda.threadIdx.x
    total = 0.0
    for tile in range(x.size // BLOCK):
        s[t] = x[tile * BLOCK + t]
        cuda.syncthreads()
        first, second = s[(t + 3) % BLOCK], s[(t + 5) % BLOCK]
        product = first * second
        if first > 0.0:
            product *= second
        cuda.syncthreads()
        s[t] = product
        cuda.syncthreads()
        if first < 0.3:
            total += product * s[(t + 1) % BLOCK]
        else:
            total -= s[(t + 2) % BLOCK] ** 2
        cuda.syncthreads()
    out[i] = total


@branches_by_shared_memory.numpy
def _(x, out):
    t = np.arange(BLOCK)
    for block in range(3):
        total = np.zeros(BLOCK)
        for tile in range(TILES):
            s = x[tile * BLOCK + t]
            first, second = s[(t + 3) % BLOCK], s[(t + 5) % BLOCK]
            product = np.where(first > 0, first * second * second, first * second)
            total += np.where(first < 0.3, product * product[(t + 1) % BLOCK], -product[(t + 2) % BLOCK] ** 2)
        out[block * BLOCK + t] = total


@entry(arguments=lambda rng: (rng.normal(size=40), np.zeros(40), 5), grid=3, block=BLOCK, active=(0, 1))
def local_array_in_a_loop(x, out, steps):
    i = cuda.grid(1)
    state = cuda.local.array(8, float64)
    if i < x.size:
        for k in range(8):
            state[k] = x[i] * (k + 1)
        for step in range(steps):
            for k in range(8):
                state[k] = math.sin(state[(k + step) % 8] * state[(k * step + 1) % 8])
        out[i] = state[0] * state[3]


@local_array_in_a_loop.numpy
def _(x, out, steps):
    for i in range(x.size):
        state = [x[i] * (k + 1) for k in range(8)]
        for step in range(steps):
            for k in range(8):
                state[k] = math.sin(state[(k + step) % 8] * state[(k * step + 1) % 8])
        out[i] = state[0] * state[3]


@entry(arguments=lambda rng: (rng.normal(size=BLOCK), np.zeros(BLOCK), 4), grid=1, block=BLOCK, shared=2 * 8 * BLOCK,
       active=(0, 1))
def ping_pong_in_dynamic_memory(x, out, steps):
    s = cuda.shared.array(0, float64)
    t = cuda.threadIdx.x
    s[t] = x[t]
    cuda.syncthreads()
    here, there = 0, BLOCK
    for _step in range(steps):
        left, right = s[here + (t - 1) % BLOCK], s[here + (t + 1) % BLOCK]
        s[there + t] = math.sin(left * right) + s[here + t]
        cuda.syncthreads()
        here, there = there, here
    out[t] = s[here + t]


@ping_pong_in_dynamic_memory.numpy
def _(x, out, steps):
    s = x.copy()
    for _ in range(steps):
        s = np.sin(np.roll(s, 1) * np.roll(s, -1)) + s
    out[:] = s
