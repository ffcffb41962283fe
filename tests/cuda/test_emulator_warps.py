"""The emulator's warp operations, each against its definition in Python."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")

from cuda.emulated import F64, I32, I64, ORDERS, emulated, normal  # noqa: E402
from cuda.emulator import EmulatedKernel, Misuse, Pointer, available, flatten  # noqa: E402
from numba import cuda, int32, int64, types  # noqa: E402

pytestmark = pytest.mark.skipif(not available(), reason=available().reason)

ALL = 0xFFFFFFFF


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


def active_while_others_wait(out):
    i = cuda.grid(1)
    if i < 5:
        out[i] = cuda.activemask()
    out[i] += 100 * cuda.shfl_sync(0xFFFFFFFF, i, 3)


def test_activemask_while_others_wait_for_all():
    out = np.zeros(32, np.int64)
    emulated(active_while_others_wait, I64).launch(1, 32, flatten(out))
    np.testing.assert_array_equal(out, 300 + np.where(np.arange(32) < 5, 31, 0))



def test_lane_outside_of_its_mask_is_misuse():
    @cuda.jit
    def outside(x):
        x[cuda.laneid] = cuda.shfl_down_sync(0xFFFF, x[cuda.laneid], 1)

    with pytest.raises(Misuse, match="lane 16"):
        emulated(outside, F64).launch(1, 32, flatten(np.zeros(32)))


@cuda.jit
def part_meets_first(x):
    lane = cuda.laneid
    v = x[lane]
    if lane < 16:
        v += cuda.shfl_xor_sync(0xFFFF, v, 1)
    x[lane] = v + cuda.shfl_xor_sync(0xFFFFFFFF, v, 16)


@pytest.mark.parametrize("order", ORDERS)
def test_lanes_that_meet_among_themselves_before_all_do(order):
    x = normal(32)
    halves = np.where(np.arange(32) < 16, x + x[np.arange(32) ^ 1], x)
    emulated(part_meets_first, F64).launch(1, 32, flatten(x), order=order)
    np.testing.assert_allclose(x, halves + halves[np.arange(32) ^ 16])
