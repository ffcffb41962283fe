"""Local, constant, and shared memory, static and dynamic, with barriers."""

import math

import numpy as np
from cuda.pool.entry import entry
from numba import cuda, float32, float64, int64

N = 100
BLOCK = 32
PADDED = BLOCK + 2
WEIGHTS = np.array([0.05, 0.25, 0.4, 0.25, 0.05])


@entry(arguments=lambda rng: (rng.normal(size=N), np.zeros(N)), grid=4, block=BLOCK, active=(0, 1))
def powers_in_a_local_array(x, out):
    i = cuda.grid(1)
    powers = cuda.local.array(5, float64)
    if i < x.size:
        powers[0] = 1.0
        for k in range(1, 5):
            powers[k] = powers[k - 1] * math.sin(x[i])
        total = 0.0
        for k in range(5):
            total += powers[k] * powers[4 - k] + k * powers[k]
        out[i] = total


@powers_in_a_local_array.numpy
def _(x, out):
    s = np.sin(x)
    out[:] = 5 * s ** 4 + sum(k * s ** k for k in range(5))


@entry(arguments=lambda rng: (rng.normal(size=N), np.zeros(N)), grid=4, block=BLOCK, active=(0, 1))
def filter_by_constants(x, out):
    weights = cuda.const.array_like(WEIGHTS)
    i = cuda.grid(1)
    if i < x.size:
        total = 0.0
        for k in range(5):
            j = min(max(i + k - 2, 0), x.size - 1)
            total += weights[k] * x[j]
        out[i] = total * total


@filter_by_constants.numpy
def _(x, out):
    out[:] = np.convolve(np.pad(x, 2, mode="edge"), WEIGHTS, mode="valid") ** 2


@entry(arguments=lambda rng: (rng.normal(size=N), np.zeros(N)), grid=4, block=BLOCK, active=(0, 1))
def stencil(x, out):
    s = cuda.shared.array(PADDED, float64)
    t = cuda.threadIdx.x
    i = cuda.grid(1)
    n = x.size
    s[t + 1] = x[i] if i < n else 0.0
    if t == 0:
        s[0] = x[i - 1] if 0 < i <= n else 0.0
    if t == BLOCK - 1:
        s[t + 2] = x[i + 1] if i + 1 < n else 0.0
    cuda.syncthreads()
    if i < n:
        out[i] = 0.25 * s[t] + 0.5 * s[t + 1] * s[t + 1] + 0.25 * s[t + 2]


@stencil.numpy
def _(x, out):
    p = np.pad(x, 1)
    out[:] = 0.25 * p[:-2] + 0.5 * x * x + 0.25 * p[2:]


@entry(arguments=lambda rng: (rng.normal(size=(12, 20)), np.zeros((20, 12))), grid=(3, 2), block=(8, 8), active=(0, 1))
def transpose(x, out):
    tile = cuda.shared.array((8, 9), float64)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    i, j = cuda.blockIdx.y * 8 + ty, cuda.blockIdx.x * 8 + tx
    if i < x.shape[0] and j < x.shape[1]:
        tile[ty, tx] = x[i, j]
    cuda.syncthreads()
    i, j = cuda.blockIdx.x * 8 + ty, cuda.blockIdx.y * 8 + tx
    if i < out.shape[0] and j < out.shape[1]:
        out[i, j] = tile[tx, ty] * tile[tx, ty]


@transpose.numpy
def _(x, out):
    out[:] = x.T ** 2


@entry(arguments=lambda rng: (rng.normal(size=(14, 10)), rng.normal(size=(10, 13)), np.zeros((14, 13))), grid=(2, 2),
       block=(8, 8), active=(0, 1, 2))
def tiled_matmul(a, b, c):
    ta = cuda.shared.array((8, 8), float64)
    tb = cuda.shared.array((8, 8), float64)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    j, i = cuda.grid(2)
    total = 0.0
    for start in range(0, a.shape[1], 8):
        ta[ty, tx] = a[i, start + tx] if i < a.shape[0] and start + tx < a.shape[1] else 0.0
        tb[ty, tx] = b[start + ty, j] if start + ty < b.shape[0] and j < b.shape[1] else 0.0
        cuda.syncthreads()
        for k in range(8):
            total += ta[ty, k] * tb[k, tx]
        cuda.syncthreads()
    if i < c.shape[0] and j < c.shape[1]:
        c[i, j] = total


@tiled_matmul.numpy
def _(a, b, c):
    c[:] = a @ b


@entry(arguments=lambda rng: (rng.normal(size=150), np.zeros(3)), grid=3, block=64, active=(0, 1))
def block_sum_tree(x, out):
    s = cuda.shared.array(64, float64)
    t = cuda.threadIdx.x
    i = cuda.grid(1)
    s[t] = x[i] * x[i] if i < x.size else 0.0
    cuda.syncthreads()
    d = 32
    while d > 0:
        if t < d:
            s[t] += s[t + d]
        cuda.syncthreads()
        d //= 2
    if t == 0:
        out[cuda.blockIdx.x] = s[0]


@block_sum_tree.numpy
def _(x, out):
    out[:] = (np.pad(x, (0, 42)) ** 2).reshape(3, 64).sum(1)


@entry(arguments=lambda rng: (rng.uniform(0.9, 1.1, 128), np.zeros(2)), grid=2, block=64, active=(0, 1))
def block_product_tree(x, out):
    """A product needs the factors that the tree overwrites."""
    s = cuda.shared.array(64, float64)
    t = cuda.threadIdx.x
    s[t] = x[cuda.grid(1)]
    cuda.syncthreads()
    d = 1
    while d < 64:
        if t % (2 * d) == 0:
            s[t] *= s[t + d]
        cuda.syncthreads()
        d *= 2
    if t == 0:
        out[cuda.blockIdx.x] = s[0]


@block_product_tree.numpy
def _(x, out):
    out[:] = x.reshape(2, 64).prod(1)


@entry(arguments=lambda rng: (rng.normal(size=64), np.zeros(64)), grid=2, block=32, active=(0, 1))
def scan_with_two_buffers(x, out):
    s = cuda.shared.array((2, 32), float64)
    t = cuda.threadIdx.x
    s[0, t] = x[cuda.grid(1)]
    cuda.syncthreads()
    now, d = 0, 1
    while d < 32:
        s[1 - now, t] = s[now, t] + s[now, t - d] if t >= d else s[now, t]
        now, d = 1 - now, d * 2
        cuda.syncthreads()
    out[cuda.grid(1)] = s[now, t]


@scan_with_two_buffers.numpy
def _(x, out):
    out[:] = np.cumsum(x.reshape(2, 32), axis=1).reshape(-1)


@entry(arguments=lambda rng: (rng.uniform(0.8, 1.2, 64), np.zeros(64)), grid=2, block=32, active=(0, 1))
def product_scan_in_place(x, out):
    s = cuda.shared.array(32, float64)
    t = cuda.threadIdx.x
    s[t] = x[cuda.grid(1)]
    cuda.syncthreads()
    d = 1
    while d < 32:
        other = s[t - d] if t >= d else 1.0
        cuda.syncthreads()
        s[t] *= other
        cuda.syncthreads()
        d *= 2
    out[cuda.grid(1)] = s[t]


@product_scan_in_place.numpy
def _(x, out):
    out[:] = np.cumprod(x.reshape(2, 32), axis=1).reshape(-1)


@entry(arguments=lambda rng: (rng.normal(size=96), np.zeros(96)), grid=3, block=32, shared=32 * 8, active=(0, 1))
def reverse_in_dynamic_memory(x, out):
    s = cuda.shared.array(0, float64)
    t = cuda.threadIdx.x
    s[t] = math.sin(x[cuda.grid(1)])
    cuda.syncthreads()
    out[cuda.grid(1)] = s[cuda.blockDim.x - 1 - t] * s[t]


@reverse_in_dynamic_memory.numpy
def _(x, out):
    s = np.sin(x.reshape(3, 32))
    out[:] = (s * s[:, ::-1]).reshape(-1)


@entry(arguments=lambda rng: (rng.normal(size=64).astype(np.float32), np.zeros(64, np.float32)), grid=2, block=32,
       shared=64 * 4, active=(0, 1), precision=1e-5)
def two_parts_of_dynamic_memory(x, out):
    both = cuda.shared.array(0, float32)
    first, second = both[:32], both[32:]
    t = cuda.threadIdx.x
    first[t] = x[cuda.grid(1)]
    second[t] = first[t] * first[t]
    cuda.syncthreads()
    out[cuda.grid(1)] = first[(t + 1) % 32] * second[(t + 5) % 32]


@two_parts_of_dynamic_memory.numpy
def _(x, out):
    rows = x.reshape(2, 32)
    out[:] = (np.roll(rows, -1, 1) * np.roll(rows * rows, -5, 1)).reshape(-1)


@entry(arguments=lambda rng: (rng.normal(size=(4, 50)), np.zeros((4, 50))), grid=4, block=32, active=(0, 1))
def softmax(x, out):
    """A row a block: the largest, then the sum, by trees in one shared array."""
    s = cuda.shared.array(32, float64)
    t, row = cuda.threadIdx.x, cuda.blockIdx.x
    largest = -math.inf
    for j in range(t, x.shape[1], 32):
        largest = max(largest, x[row, j])
    s[t] = largest
    cuda.syncthreads()
    d = 16
    while d > 0:
        if t < d:
            s[t] = max(s[t], s[t + d])
        cuda.syncthreads()
        d //= 2
    largest = s[0]
    cuda.syncthreads()
    s[t] = 0.0
    for j in range(t, x.shape[1], 32):
        s[t] += math.exp(x[row, j] - largest)
    cuda.syncthreads()
    d = 16
    while d > 0:
        if t < d:
            s[t] += s[t + d]
        cuda.syncthreads()
        d //= 2
    for j in range(t, x.shape[1], 32):
        out[row, j] = math.exp(x[row, j] - largest) / s[0]


@softmax.numpy
def _(x, out):
    e = np.exp(x - x.max(1, keepdims=True))
    out[:] = e / e.sum(1, keepdims=True)


@entry(grid=2, block=32, shared=32 * 8, active=(0, 1),
       arguments=lambda rng: (rng.normal(size=64), np.zeros(64)))
def size_of_dynamic_memory(x, out):
    """Only integers are shared: nothing there has a shadow, and the size is that of the kernel all the same."""
    s = cuda.shared.array(0, int64)
    i, t = cuda.grid(1), cuda.threadIdx.x
    s[t] = t
    cuda.syncthreads()
    total = 0.0
    for k in range(s.size):
        total += s[k] * x[i] * x[i]
    out[i] = total


@size_of_dynamic_memory.numpy
def _(x, out):
    out[:] = 31 * 16 * x * x
