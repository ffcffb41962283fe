"""The emulator's blocks, memories and atomics, against NumPy."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")

from cuda.emulated import F32, F64, I32, I64, ORDERS, emulated, normal  # noqa: E402
from cuda.emulator import BudgetSpent, Deadlock, EmulatedKernel, Misuse, Pointer, available, flatten  # noqa: E402
from numba import cuda, float32, float64, int32  # noqa: E402

from cuda_kernels import stencil  # noqa: E402

pytestmark = pytest.mark.skipif(not available(), reason=available().reason)

# indices

@cuda.jit
def indices(out):
    i, j, k = cuda.grid(3)
    nx, ny, nz = cuda.gridsize(3)
    at = cuda.blockIdx.z * 1000 + cuda.threadIdx.z * 100 + cuda.blockDim.y * 10 + cuda.gridDim.x
    out[(k * ny + j) * nx + i] = at + cuda.laneid * 10000


def test_indices():
    out = np.zeros((4, 6, 8), np.int64)
    emulated(indices, I64).launch((4, 2, 2), (2, 3, 2), flatten(out.reshape(-1)))
    k, j, i = np.indices(out.shape)
    lane = (k % 2 * 3 + j % 3) * 2 + i % 2
    assert np.array_equal(out, k // 2 * 1000 + k % 2 * 100 + 30 + 4 + lane * 10000)


# shared memory and barriers

@pytest.mark.parametrize("races", [False, True])
@pytest.mark.parametrize("level", [0, 2, 3])
def test_stencil(level, races):
    x = normal(100)
    padded = np.concatenate([[0], x, [0]])
    for order in ORDERS:
        out = np.zeros_like(x)
        emulated(stencil, F64, F64, level=level, races=races).launch(4, 32, flatten(x, out), order=order)
        assert np.allclose(out, 0.25 * padded[:-2] + 0.5 * padded[1:-1] ** 2 + 0.25 * padded[2:], rtol=1e-15)


@cuda.jit
def no_barrier(x, out):
    s = cuda.shared.array(64, float64)
    i = cuda.threadIdx.x
    s[i] = x[i]
    out[i] = s[63 - i]


def test_missing_barrier_is_seen_by_poison_and_order():
    results = []
    for order in ("forward", "reverse"):
        out = np.zeros(64)
        emulated(no_barrier, F64, F64).launch(1, 64, flatten(normal(64), out), order=order)
        results.append(out)
    assert np.isnan(results[0]).sum() == 32
    assert not np.array_equal(*results, equal_nan=True)


def test_shared_memory_is_poisoned_for_each_block():
    @cuda.jit
    def kept(out):
        s = cuda.shared.array(2, float64)
        out[cuda.blockIdx.x] = s[0]
        s[0] = 1.0

    out = np.zeros(3)
    emulated(kept, F64).launch(3, 1, flatten(out))
    assert np.isnan(out).all()


@cuda.jit
def dynamic(x, out):
    s = cuda.shared.array(0, float32)
    same = cuda.shared.array(0, int32)
    i = cuda.threadIdx.x
    s[i] = x[i]
    cuda.syncthreads()
    out[i] = s[cuda.blockDim.x - 1 - i] + len(s)
    if same[0] == 0:
        out[i] = -1.0


def test_dynamic_shared_memory():
    x, out = normal(16, np.float32), np.zeros(16, np.float32)
    emulated(dynamic, F32, F32).launch(1, 16, flatten(x, out), shared=80)
    assert np.array_equal(out, x[::-1] + np.float32(20))


@cuda.jit
def reductions(x, out):
    i = cuda.threadIdx.x
    out[0, i] = cuda.syncthreads_count(x[i])
    out[1, i] = cuda.syncthreads_and(x[i])
    out[2, i] = cuda.syncthreads_or(x[i])


@pytest.mark.parametrize("x", [np.zeros(48), np.ones(48), np.arange(48) % 3])
def test_barriers_that_reduce(x):
    x = x.astype(np.int32)
    out = np.zeros((3, 48), np.int32)
    emulated(reductions, I32, int32[:, ::1]).launch(1, 48, flatten(x, out))
    assert (out[0] == np.count_nonzero(x)).all() and (out[1] == x.all()).all() and (out[2] == x.any()).all()


@cuda.jit
def early_exit(x, out):
    i = cuda.threadIdx.x
    if i >= x.size:
        return
    s = cuda.shared.array(64, float64)
    s[i] = x[i]
    cuda.syncthreads()
    out[i] = s[x.size - 1 - i]


def test_threads_that_have_returned_do_not_count_in_a_barrier():
    x, out = normal(40), np.zeros(40)
    emulated(early_exit, F64, F64, races=True).launch(1, 64, flatten(x, out))
    assert np.array_equal(out, x[::-1])


@cuda.jit
def divergent(x):
    if cuda.threadIdx.x < 8:
        cuda.syncthreads()
        x[cuda.threadIdx.x] = 1.0
    else:
        x[cuda.threadIdx.x] = 2.0
        cuda.syncthreads()
        x[cuda.threadIdx.x] += 1.0


def test_different_barriers_are_misuse():
    with pytest.raises(Misuse, match="different barriers"):
        emulated(divergent, F64, level=0).launch(1, 16, flatten(np.zeros(16)))


@cuda.jit
def barrier_against_warp(x):
    if cuda.threadIdx.x < 8:
        cuda.syncthreads()
    cuda.syncwarp()
    x[cuda.threadIdx.x] = 1.0


def test_deadlock():
    kernel = emulated(barrier_against_warp, F64)
    with pytest.raises(Deadlock, match=r"block \(0, 0, 0\): threads 0, 1, 2, 3 ... at"):
        kernel.launch(2, 16, flatten(np.zeros(32)))
    x = np.zeros(8)  # an exception leaves the kernel usable
    kernel.launch(1, 8, flatten(x))
    assert (x == 1).all()


@cuda.jit
def spin(flag, out):
    if cuda.grid(1) == 0:
        while cuda.atomic.cas(flag, 0, 1, 1) == 0:
            pass
        out[0] = 1.0
    elif cuda.grid(1) == cuda.gridsize(1) - 1:
        cuda.atomic.exch(flag, 0, 1)


def test_wait_for_another_thread_ends():
    for grid, block in ((1, 8), (8, 1)):
        out = np.zeros(1)
        emulated(spin, I32, F64).launch(grid, block, flatten(np.zeros(1, np.int32), out))
        assert out[0] == 1


def test_endless_wait_spends_the_budget():
    with pytest.raises(BudgetSpent):
        emulated(spin, I32, F64).launch(1, 1, flatten(np.zeros(1, np.int32), np.zeros(1)), budget=100)


@cuda.jit
def endless(x):
    i = 0
    while x[0] < 1.0:
        x[1] = i
        i += 1


def test_endless_loop_spends_the_budget():
    with pytest.raises(BudgetSpent):
        emulated(endless, F64).launch(1, 1, flatten(np.zeros(2)), budget=100)


@cuda.jit
def grid_sync(x, out):
    s = cuda.shared.array(1, float64)
    i = cuda.grid(1)
    g = cuda.cg.this_grid()
    for step in range(3):
        if cuda.threadIdx.x == 0:
            s[0] = cuda.blockIdx.x * 10.0
        x[i] = i + step
        g.sync()
        out[i] += x[x.size - 1 - i] + s[0]
        g.sync()


def test_grid_sync_keeps_shared_memory_of_blocks_apart():
    x, out = np.zeros(8), np.zeros(8)
    emulated(grid_sync, F64, F64, races=True).launch(2, 4, flatten(x, out))
    assert np.array_equal(out, 3 * (np.arange(8)[::-1] + 1.0) + 30 * (np.arange(8) // 4))


# local, constant

TABLE = np.array([2.0, 3.0, 5.0, 7.0])


@cuda.jit
def memories(x, out):
    i = cuda.threadIdx.x
    local = cuda.local.array(4, float64)
    table = cuda.const.array_like(TABLE)
    for k in range(4):
        local[k] = x[i] ** k
    cuda.syncthreads()
    total = 0.0
    for k in range(4):
        total += local[(k + i) % 4] * table[k] + TABLE[(k + i) % 4]
    out[i] = total


def test_local_and_constant_memory():
    x, out = normal(8), np.zeros(8)
    for races in (False, True):
        emulated(memories, F64, F64, races=races).launch(1, 8, flatten(x, out))
        expected = [sum(v ** ((k + i) % 4) * TABLE[k] for k in range(4)) + 17 for i, v in enumerate(x)]
        assert np.allclose(out, expected)


LOCAL = """
define ptx_kernel void @k(ptr %out, i64 %n) {
  %fixed = alloca [4 x double], align 8
  %1 = alloca float, i64 %n, align 4
  %p = getelementptr double, ptr %fixed, i64 %n
  %v = load double, ptr %p
  %q = getelementptr float, ptr %1, i64 1
  %w = load float, ptr %q
  %x = fpext float %w to double
  store double %v, ptr %out
  %second = getelementptr double, ptr %out, i64 1
  store double %x, ptr %second
  ret void
}
"""


def test_local_memory_is_poisoned():
    """numba-cuda fills its own local arrays with zeros; those of generated code start undefined."""
    out = np.zeros(2)
    EmulatedKernel(LOCAL, "k").launch(1, 1, flatten(Pointer(out), 3))
    assert np.isnan(out).all()


# device functions

@cuda.jit(device=True, inline="never")
def filled(a, n, v):
    for i in range(n):
        a[i] = v + i


@cuda.jit
def calls(x, out):
    i = cuda.threadIdx.x
    a = cuda.local.array(3, float64)
    filled(a, 3, x[i])
    cuda.syncthreads()
    out[i] = a[0] * a[1] * a[2]


@pytest.mark.parametrize("level", [0, 2])
def test_device_functions(level):
    x, out = normal(8), np.zeros(8)
    emulated(calls, F64, F64, level=level).launch(1, 8, flatten(x, out))
    assert np.allclose(out, x * (x + 1) * (x + 2))


# atomics

@cuda.jit
def atomics(x, n, out, counts):
    s = cuda.shared.array(1, float64)
    i = cuda.grid(1)
    if cuda.threadIdx.x == 0:
        s[0] = 0.0
    cuda.syncthreads()
    cuda.atomic.add(s, 0, x[i])
    cuda.atomic.add(out, 0, x[i])
    cuda.atomic.sub(out, 1, x[i])
    cuda.atomic.max(out, 2, x[i])
    cuda.atomic.min(out, 3, x[i])
    cuda.atomic.add(counts, n[i], 1)
    cuda.atomic.max(counts, 4, n[i])
    cuda.syncthreads()
    if cuda.threadIdx.x == 0:
        cuda.atomic.add(out, 4, s[0])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_atomics(dtype):
    x, n = normal(128, dtype), np.random.default_rng(0).integers(0, 4, 128).astype(np.int32)
    element = float64 if dtype == np.float64 else float32
    out, counts = np.zeros(5, dtype), np.zeros(5, np.int32)
    kernel = emulated(atomics, element[::1], I32, element[::1], I32, races=True)
    kernel.launch(2, 64, flatten(x, n, out, counts), order="random")
    total = x.sum()
    assert np.allclose(out, [total, -total, x.max(), x.min(), total], rtol=1e-5 if dtype == np.float32 else 1e-13)
    assert np.array_equal(counts, [*np.bincount(n, minlength=4), n.max()])


# launches

def test_wrong_number_of_arguments():
    with pytest.raises(TypeError, match="14 flat arguments, 7 given"):
        emulated(stencil, F64, F64).launch(1, 1, flatten(np.zeros(3)))


def test_many_launches():
    x, out = normal(64), np.zeros(64)
    kernel = emulated(stencil, F64, F64)
    flat = flatten(x, out)
    for _ in range(1000):
        kernel.launch(1, 32, flat)
    with open("/proc/self/statm") as file:
        before = int(file.read().split()[1])
    for _ in range(500):
        kernel.launch(1, 32, flat)
    with open("/proc/self/statm") as file:
        assert int(file.read().split()[1]) - before < 256, "pages stay"
    assert math.isfinite(out[0])
