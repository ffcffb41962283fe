"""Kernels that use all that numba-cuda has for threads to talk to each other, with the types of their arguments."""

import math

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="needs numba-cuda: pip install numba-cuda")

from numba import cuda, float32, float64, int32, int64, uint32, uint64  # noqa: E402

F8, F4, I4 = float64[::1], float32[::1], int32[::1]
TABLE = np.array([0.5, 1.5, 2.5, 3.5])


@cuda.jit
def saxpy(a, x, y, out):
    i = cuda.grid(1)
    if i < x.shape[0]:
        out[i] = a * x[i] + y[i]


@cuda.jit
def stencil(x, out):
    s = cuda.shared.array(34, float64)
    tx = cuda.threadIdx.x
    i = cuda.grid(1)
    n = x.shape[0]
    s[tx + 1] = x[i] if i < n else 0.0
    if tx == 0:
        s[0] = x[i - 1] if i > 0 else 0.0
    if tx == cuda.blockDim.x - 1:
        s[tx + 2] = x[i + 1] if i + 1 < n else 0.0
    cuda.syncthreads()
    if i < n:
        out[i] = 0.25 * s[tx] + 0.5 * s[tx + 1] * s[tx + 1] + 0.25 * s[tx + 2]


@cuda.jit(device=True)
def poly(v, k):
    return math.sin(v) * v ** 2 + k


@cuda.jit
def loopy(x, out, m):
    i = cuda.grid(1)
    local = cuda.local.array(16, float64)
    if i < x.shape[0]:
        for k in range(16):
            local[k] = x[i] * k
        total = 0.0
        for k in range(m):
            total += poly(local[k % 16], float(k))
        cuda.atomic.add(out, 0, total)


@cuda.jit
def tree_sum(x, out):
    s = cuda.shared.array(64, float64)
    tx = cuda.threadIdx.x
    s[tx] = x[cuda.grid(1)]
    cuda.syncthreads()
    width = 32
    while width > 0:
        if tx < width:
            s[tx] += s[tx + width]
        cuda.syncthreads()
        width //= 2
    if tx == 0:
        out[cuda.blockIdx.x] = s[0]


@cuda.jit(device=True)
def exchanged(s, v):
    tx = cuda.threadIdx.x
    s[tx] = v
    cuda.syncthreads()
    return s[cuda.blockDim.x - 1 - tx]


@cuda.jit
def barrier_in_function(x, out):
    s = cuda.shared.array(64, float64)
    i = cuda.grid(1)
    v = exchanged(s, x[i])
    if v > 0.0:
        out[i] = v * x[i]


@cuda.jit
def barrier_between_equal_tests(x, out):
    i = cuda.grid(1)
    v = 0.0
    if x[0] > 1.0:
        v = x[i] * 2.0
    cuda.syncthreads()
    if x[0] > 1.0:
        v *= x[i]
    out[i] = v


@cuda.jit
def barrier_in_both_branches(x, out):
    s = cuda.shared.array(64, float64)
    i = cuda.grid(1)
    s[cuda.threadIdx.x] = x[i]
    if x[0] > 1.0:
        cuda.syncthreads()
        v = s[0]
    else:
        cuda.syncthreads()
        v = s[1]
    out[i] = v * x[i]


@cuda.jit
def dynamic(x, out):
    s = cuda.shared.array(0, float64)
    tx = cuda.threadIdx.x
    s[tx] = x[cuda.grid(1)]
    cuda.syncthreads()
    out[cuda.grid(1)] = s[cuda.blockDim.x - 1 - tx] * 2.0


@cuda.jit
def shuffles(x, y, out):
    i = cuda.threadIdx.x
    v, w = x[i], y[i]
    v += cuda.shfl_down_sync(0xffffffff, v, 1)
    w += cuda.shfl_xor_sync(0xffffffff, w, 2)
    w += cuda.shfl_up_sync(0xffffffff, w, 1)
    v += cuda.shfl_sync(0xffffffff, v, 0)
    out[i] = v * w


@cuda.jit
def votes(x, out):
    i = cuda.threadIdx.x
    positive = x[i] > 0.0
    out[0] = cuda.ballot_sync(0xffffffff, positive)
    out[1] = cuda.all_sync(0xffffffff, positive)
    out[2] = cuda.any_sync(0xffffffff, positive)
    out[3] = cuda.activemask()
    out[4] = cuda.match_any_sync(0xffffffff, i)
    out[5] = cuda.syncthreads_count(i)
    same, out[6] = cuda.match_all_sync(0xffffffff, i)
    out[7] = cuda.syncthreads_or(same) + cuda.eq_sync(0xffffffff, positive)
    cuda.syncwarp()


@cuda.jit
def constants(x):
    c = cuda.const.array_like(TABLE)
    i = cuda.threadIdx.x
    x[i] *= c[i % 4] + TABLE[0]


@cuda.jit
def whole_grid(x):
    g = cuda.cg.this_grid()
    i = cuda.grid(1)
    x[i] *= 2.0
    g.sync()
    x[i] += x[0]


@cuda.jit
def single(x, y):
    i = cuda.grid(1)
    if i < x.shape[0]:
        v = x[i]
        y[i] = math.sqrt(v) / (v + float32(1.0)) + v * v


@cuda.jit
def atomics(x, out):
    i = cuda.grid(1)
    cuda.atomic.add(out, 0, x[i])
    cuda.atomic.sub(out, 1, x[i])
    cuda.atomic.max(out, 2, x[i])
    cuda.atomic.nanmin(out, 3, x[i])


@cuda.jit
def counters(few, many, flags):
    i = cuda.grid(1)
    cuda.atomic.inc(few, 0, 7)
    cuda.atomic.dec(many, 1, 7)
    cuda.atomic.add(flags, 0, 1)
    cuda.atomic.max(flags, 1, i)
    cuda.atomic.exch(flags, 2, 5)
    cuda.atomic.cas(flags, 3, 0, 1)


@cuda.jit
def fences(x):
    x[0] = 1.0
    cuda.threadfence()
    cuda.threadfence_block()
    cuda.threadfence_system()
    x[1] = 2.0


@cuda.jit(launch_bounds=(128, 2))
def bounded(x):
    x[cuda.grid(1)] *= 2.0


KERNELS = {
    "saxpy": (saxpy, (float64, F8, F8, F8)),
    "stencil": (stencil, (F8, F8)),
    "loopy": (loopy, (F8, F8, int64)),
    "tree_sum": (tree_sum, (F8, F8)),
    "barrier_in_function": (barrier_in_function, (F8, F8)),
    "barrier_between_equal_tests": (barrier_between_equal_tests, (F8, F8)),
    "barrier_in_both_branches": (barrier_in_both_branches, (F8, F8)),
    "dynamic": (dynamic, (F8, F8)),
    "shuffles": (shuffles, (F8, F4, F8)),
    "votes": (votes, (F8, I4)),
    "constants": (constants, (F8,)),
    "whole_grid": (whole_grid, (F8,)),
    "single": (single, (F4, F4)),
    "atomics": (atomics, (F8, F8)),
    "counters": (counters, (uint32[::1], uint64[::1], I4)),
    "fences": (fences, (F8,)),
    "bounded": (bounded, (F8,)),
}
