"""The emulator finds races and accesses out of bounds, and finds none where there is a barrier."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")

from cuda.emulated import F32, F64, ORDERS, emulated, normal  # noqa: E402
from cuda.emulator import OutOfBounds, Race, available, flatten  # noqa: E402
from numba import cuda, float32, float64, int32, int64  # noqa: E402

pytestmark = pytest.mark.skipif(not available(), reason=available().reason)


@cuda.jit
def no_barrier(x, out):
    s = cuda.shared.array(64, float64)
    i = cuda.threadIdx.x
    s[i] = x[i]
    out[i] = s[63 - i]


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
