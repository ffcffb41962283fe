"""The emulator, against definitions in Python and NumPy."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")

from numba import cuda, float32, float64, int32, int64, types  # noqa: E402

from cuda.emulator import (  # noqa: E402
    BudgetSpent,
    Deadlock,
    EmulatedKernel,
    Misuse,
    OutOfBounds,
    Pointer,
    Race,
    Unsupported,
    available,
    flatten,
)
from cuda.lowering import lowered  # noqa: E402

pytestmark = pytest.mark.skipif(not available(), reason=available().reason)

ORDERS = ("forward", "reverse", "random")
ALL = 0xFFFFFFFF
F64, F32, I64, I32 = float64[::1], float32[::1], int64[::1], int32[::1]


@cache
def emulated(kernel, *argtypes, races=False, level=2):
    return EmulatedKernel(*lowered(kernel, argtypes, level), races=races)


def normal(n, dtype=float, seed=0):
    return np.random.default_rng(seed).normal(size=n).astype(dtype)


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


# warp operations, each by its definition

def shuffle_source(kind, lane, b):
    source = {"down": lane + b, "up": lane - b, "xor": lane ^ b, "idx": b % 32}[kind]
    return source if 0 <= source < 32 else lane


@cuda.jit
def shuffle_down(x, b, out):
    out[cuda.grid(1)] = cuda.shfl_down_sync(ALL, x[cuda.grid(1)], b)


@cuda.jit
def shuffle_up(x, b, out):
    out[cuda.grid(1)] = cuda.shfl_up_sync(ALL, x[cuda.grid(1)], b)


@cuda.jit
def shuffle_xor(x, b, out):
    out[cuda.grid(1)] = cuda.shfl_xor_sync(ALL, x[cuda.grid(1)], b)


@cuda.jit
def shuffle_idx(x, b, out):
    out[cuda.grid(1)] = cuda.shfl_sync(ALL, x[cuda.grid(1)], b)


SHUFFLES = {"down": shuffle_down, "up": shuffle_up, "xor": shuffle_xor, "idx": shuffle_idx}


@pytest.mark.parametrize("dtype", ["float64", "float32", "int32", "int64"])
@pytest.mark.parametrize("kind", SHUFFLES)
def test_shuffle(kind, dtype):
    element = getattr(types, dtype)
    x = (1000 * normal(64)).astype(dtype)
    kernel = emulated(SHUFFLES[kind], element[::1], int32, element[::1])
    for b in (0, 1, 5, 16, 31):
        for order in ORDERS:
            out = np.zeros_like(x)
            kernel.launch(1, 64, flatten(x, b, out), order=order)
            assert np.array_equal(out, [x[t // 32 * 32 + shuffle_source(kind, t % 32, b)] for t in range(64)])


DIRECT = """
target triple = "nvptx64-nvidia-cuda"
declare {{ i32, i1 }} @llvm.nvvm.shfl.sync.i32(i32, i32, i32, i32, i32)
declare i32 @llvm.nvvm.shfl.sync.down.i32(i32, i32, i32, i32)
declare i32 @llvm.nvvm.read.ptx.sreg.tid.x()
define ptx_kernel void @k(ptr %out, ptr %flag) {{
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %v = mul i32 %t, 7
  %r = call {{ i32, i1 }} @llvm.nvvm.shfl.sync.i32(i32 -1, i32 {mode}, i32 %v, i32 {b}, i32 {c})
  %a = extractvalue {{ i32, i1 }} %r, 0
  %f = extractvalue {{ i32, i1 }} %r, 1
  %g = zext i1 %f to i32
  %p = getelementptr i32, ptr %out, i32 %t
  store i32 %a, ptr %p
  %q = getelementptr i32, ptr %flag, i32 %t
  store i32 %g, ptr %q
  ret void
}}
"""


def of_width(mode, lane, b, width):
    """CUDA C's __shfl_*_sync with a width: segments of `width` lanes shuffle on their own."""
    low = lane // width * width
    source = [low + b % width, lane - b, lane + b, lane ^ b][mode]
    # up cannot leave at the top, the others not at the bottom; xor into a lower segment is read
    inside = source >= low if mode == 1 else source < low + width
    return (source if inside else lane), inside


@pytest.mark.parametrize("width", [32, 16, 8, 4])
@pytest.mark.parametrize("mode", range(4))
def test_shuffle_with_width(mode, width):
    for b in (1, 3, 6):
        c = (32 - width) << 8 | (0 if mode == 1 else 31)
        kernel = EmulatedKernel(DIRECT.format(mode=mode, b=b, c=c), "k")
        out, flag = np.zeros(32, np.int32), np.zeros(32, np.int32)
        kernel.launch(1, 32, flatten(Pointer(out), Pointer(flag)))
        expected = [of_width(mode, lane, b, width) for lane in range(32)]
        assert out.tolist() == [7 * source for source, _ in expected]
        assert flag.tolist() == [int(inside) for _, inside in expected]


@cuda.jit
def partial(x, out):
    i = cuda.threadIdx.x
    if i % 2 == 0:
        out[i] = cuda.shfl_xor_sync(0x55555555, x[i], 2)
    else:
        out[i] = cuda.shfl_down_sync(0xAAAAAAAA, x[i], 1)


def test_shuffles_of_partial_masks():
    x = normal(32)
    for order in ORDERS:
        out = np.zeros(32)
        emulated(partial, F64, F64).launch(1, 32, flatten(x, out), order=order)
        even = np.arange(0, 32, 2)
        assert np.array_equal(out[even], x[even ^ 2])
        assert np.isnan(out[1:-1:2]).all(), "lane i + 1 takes no part"
        assert out[31] == x[31]


@cuda.jit
def votes(x, out):
    i = cuda.threadIdx.x
    p = x[i] != 0
    out[0, i] = cuda.all_sync(ALL, p)
    out[1, i] = cuda.any_sync(ALL, p)
    out[2, i] = cuda.eq_sync(ALL, p)
    out[3, i] = cuda.ballot_sync(ALL, p)
    out[4, i] = cuda.match_any_sync(ALL, x[i])
    out[5, i] = cuda.match_all_sync(ALL, x[i])[0]
    out[6, i] = cuda.match_all_sync(ALL, x[i])[1]
    out[7, i] = cuda.activemask()
    out[8, i] = cuda.lanemask_lt()
    if i % 3 == 0:
        out[9, i] = cuda.ballot_sync(0x49249249, i > 10)


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
@pytest.mark.parametrize("x", [np.zeros(32), np.ones(32), np.arange(32) % 5, np.full(32, 9)])
def test_votes(x, dtype):
    x = x.astype(dtype)
    out = np.zeros((10, 32), np.int64)
    element = I32 if dtype == np.int32 else I64
    emulated(votes, element, int64[:, ::1]).launch(1, 32, flatten(x, out))
    p = x != 0
    same = bool((x == x[0]).all())

    def bits(lanes):
        return sum(1 << i for i in range(32) if lanes[i])

    out &= ALL
    assert (out[0] == p.all()).all() and (out[1] == p.any()).all() and (out[2] == (p == p[0]).all()).all()
    assert (out[3] == bits(p)).all()
    assert out[4].tolist() == [bits(x == v) for v in x]
    assert (out[5] == (ALL if same else 0)).all() and (out[6] == same).all()
    assert (out[7] == ALL).all() and out[8].tolist() == [(1 << i) - 1 for i in range(32)]
    third = np.arange(32) % 3 == 0
    assert (out[9][third] == bits(third & (np.arange(32) > 10))).all()


@cuda.jit
def active(out):
    i = cuda.threadIdx.x
    if i % 4 == 1:
        out[i] = cuda.activemask()
    else:
        cuda.syncwarp(0xDDDDDDDD)


def test_activemask_in_a_branch():
    out = np.zeros(32, np.int64)
    emulated(active, I64).launch(1, 32, flatten(out))
    assert (out[1::4] & ALL == 0x22222222).all()


def test_lane_outside_of_its_mask_is_misuse():
    @cuda.jit
    def outside(x):
        x[cuda.laneid] = cuda.shfl_down_sync(0xFFFF, x[cuda.laneid], 1)

    with pytest.raises(Misuse, match="lane 16"):
        emulated(outside, F64).launch(1, 32, flatten(np.zeros(32)))


# races

@cuda.jit
def all_write_one(x):
    x[0] = cuda.grid(1)


@cuda.jit
def plain_sum(x):
    x[0] += 1.0


@cuda.jit
def neighbours(x):
    i = cuda.grid(1)
    if i + 1 < x.size:
        x[i] = x[i + 1]


@cuda.jit
def read_while_added(x, out):
    cuda.atomic.add(x, 0, 1.0)
    out[cuda.grid(1)] = x[0]


@cuda.jit
def scan_without_second_barrier(x):
    i = cuda.threadIdx.x
    d = 1
    while d < cuda.blockDim.x:
        v = x[i - d] if i >= d else 0.0
        cuda.syncthreads()
        x[i] += v
        d *= 2


@cuda.jit
def partly_overlapping(x, out):
    i = cuda.threadIdx.x
    if i == 0:
        x[0] = 1.0
    else:
        out[i] = x.view(np.int32)[1]


@pytest.mark.parametrize("kernel", [all_write_one, plain_sum, neighbours, read_while_added, no_barrier,
                                    scan_without_second_barrier], ids=lambda k: k.py_func.__name__)
@pytest.mark.parametrize("order", ORDERS)
def test_race_in_a_block(kernel, order):
    arguments = [np.zeros(64) for _ in range(2 if kernel in (read_while_added, no_barrier) else 1)]
    with pytest.raises(Race, match="without a barrier"):
        emulated(kernel, *[F64] * len(arguments), races=True).launch(1, 64, flatten(*arguments), order=order)


def test_race_over_a_part_of_a_number():
    with pytest.raises(Race):
        emulated(partly_overlapping, F64, F64, races=True).launch(1, 2, flatten(np.zeros(1), np.zeros(2)))


@pytest.mark.parametrize("kernel", [all_write_one, plain_sum, neighbours], ids=lambda k: k.py_func.__name__)
def test_race_between_blocks(kernel):
    with pytest.raises(Race, match=r"block \(1, 0, 0\)"):
        emulated(kernel, F64, races=True).launch(2, 1, flatten(np.zeros(64)))


@cuda.jit
def barrier_of_one_block(x):
    if cuda.blockIdx.x == 0:
        x[cuda.threadIdx.x] = 1.0
    cuda.syncthreads()
    if cuda.blockIdx.x == 1:
        x[cuda.threadIdx.x] += 1.0


def test_a_barrier_orders_no_other_block():
    with pytest.raises(Race, match="argument 4"):
        emulated(barrier_of_one_block, F64, races=True).launch(2, 8, flatten(np.zeros(8)))


@cuda.jit
def warp_sum(x, out):
    s = cuda.shared.array(64, float64)
    i = cuda.threadIdx.x
    lane = cuda.laneid
    s[i] = x[i]
    cuda.syncwarp()
    d = 16
    while d > 0:
        v = s[i] + (s[i + d] if lane < d else 0.0)
        cuda.syncwarp()
        s[i] = v
        cuda.syncwarp()
        d //= 2
    if lane == 0:
        cuda.atomic.add(out, 0, s[i])


def test_barriers_of_warps_order_their_accesses():
    x, out = normal(64), np.zeros(1)
    emulated(warp_sum, F64, F64, races=True).launch(1, 64, flatten(x, out))
    assert np.isclose(out[0], x.sum())


@cuda.jit
def warp_barrier_between_warps(x, out):
    i = cuda.threadIdx.x
    x[i] = 1.0
    cuda.syncwarp()
    out[i] = x[63 - i]


def test_a_barrier_of_a_warp_orders_no_other_warp():
    with pytest.raises(Race):
        emulated(warp_barrier_between_warps, F64, F64, races=True).launch(1, 64, flatten(np.zeros(64), np.zeros(64)))


@cuda.jit
def many_accesses(x, n):
    i = cuda.grid(1)
    for k in range(n):
        x[i] += k


def test_notes_may_outgrow_their_room():
    x = np.zeros(64)
    emulated(many_accesses, F64, int64, races=True, level=0).launch(2, 32, flatten(x, 2000))
    assert (x == 1999000).all()


# bounds

@cuda.jit
def beyond(x, out):
    i = cuda.grid(1)
    out[i] = x[i]


@pytest.mark.parametrize("threads", [17, 40])
def test_accesses_out_of_bounds(threads):
    big = np.zeros(100)
    kernel = emulated(beyond, F64, F64, races=True)
    kernel.launch(1, 16, flatten(big[20:36], big[:16]))
    message = r"thread 16 of block \(0, 0, 0\) touches 8 bytes at byte 128 from flat argument 4"
    with pytest.raises(OutOfBounds, match=message):
        kernel.launch(1, threads, flatten(big[20:36], np.zeros(100)))


def test_accesses_outside_of_dynamic_shared_memory():
    kernel = emulated(dynamic, F32, F32, races=True)
    with pytest.raises(OutOfBounds, match="thread 10"):
        kernel.launch(1, 16, flatten(normal(16, np.float32), np.zeros(16, np.float32)), shared=40)


# what generated code has

GENERATED = """
target triple = "nvptx64-nvidia-cuda"
@shadow = internal unnamed_addr addrspace(3) global [32 x double] undef, align 8
@"a.name with blanks" = internal addrspace(3) global [4 x float] poison, align 4
declare i32 @llvm.nvvm.read.ptx.sreg.tid.x()
declare void @llvm.nvvm.barrier.cta.sync.aligned.all(i32)
declare void @llvm.memset.p3.i64(ptr addrspace(3), i8, i64, i1)
define internal void @accumulate(ptr %to, double %v) noinline {
  %old = atomicrmw fadd ptr %to, double %v syncscope("device") monotonic, align 8
  ret void
}
define ptx_kernel void @k(ptr %x, ptr addrspace(1) %x_bar, double %v, float %w, i32 %n, i1 %b) {
  %t = call range(i32 0, 1024) i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %first = icmp eq i32 %t, 0
  br i1 %first, label %zero, label %go
zero:
  call void @llvm.memset.p3.i64(ptr addrspace(3) align 8 @shadow, i8 0, i64 256, i1 false)
  store float 0.0, ptr addrspace(3) getelementptr inbounds nuw (i8, ptr addrspace(3) @"a.name with blanks", i64 8)
  br label %go
go:
  call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)
  %s = getelementptr double, ptr addrspace(3) @shadow, i32 %t
  %old = load double, ptr addrspace(3) %s, align 8
  %sum = fadd double %old, %v
  store double %sum, ptr addrspace(3) %s, align 8
  call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)
  %other = xor i32 %t, 1
  %o = getelementptr double, ptr addrspace(3) @shadow, i32 %other
  %part = load double, ptr addrspace(3) %o, align 8
  %q = addrspacecast ptr addrspace(1) %x_bar to ptr
  call void @accumulate(ptr %q, double %part)
  ret void
}
"""


@pytest.mark.parametrize("order", ORDERS)
def test_what_generated_code_has(order):
    """Shadows of any name and linkage, other address spaces, scopes of atomics, local functions that stay, memset."""
    kernel = EmulatedKernel(GENERATED, "k", races=True)
    assert set(kernel.shared) == {"shadow", "a.name with blanks"}
    x_bar = np.zeros(1)
    for _ in range(2):
        kernel.launch(2, 32, flatten(Pointer(np.zeros(1)), Pointer(x_bar), 0.5, 0.25, 3, True), order=order)
    assert x_bar[0] == 2 * 2 * 32 * 0.5


def test_a_missing_barrier_in_generated_code_is_a_race():
    start = GENERATED.index("  call void @llvm.nvvm.barrier")
    end = GENERATED.index("\n", start)
    text = GENERATED[:start] + GENERATED[end:]
    with pytest.raises(Race, match="of shared memory"):
        EmulatedKernel(text, "k", races=True).launch(
            1, 32, flatten(Pointer(np.zeros(1)), Pointer(np.zeros(1)), 0.5, 0.25, 3, True))


def test_older_spelling_of_barriers():
    """LLVM 20 keeps barrier0; newer ones upgrade it when they parse."""
    from cuda.emulator import operations

    text = operations.defined({"barrier0", "barrier0.popc", "barrier0.and", "barrier0.or"})
    assert all(f"@emu.nvvm.barrier0{end}(" in text for end in ("", ".popc", ".and", ".or"))


@pytest.mark.parametrize("call, message", [
    ("call void @unknown()", "unknown"),
    ("call void @llvm.nvvm.cp.async.wait.all()", "cp.async.wait.all"),
    ('call void asm sideeffect "trap;", ""()', "inline assembly"),
    ("call void @__nv_nothing()", "__nv_nothing"),
])
def test_unknown_names_are_refused(call, message):
    name = call.partition("@")[2].partition("(")[0]
    declaration = f"declare void @{name}()" if name else ""
    with pytest.raises(Unsupported, match=message):
        EmulatedKernel(f"{declaration}\ndefine void @k() {{\n  {call}\n  ret void\n}}\n", "k")


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
