"""Operations of a warp that some of its lanes do not come to: right, or refused in reverse mode."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")

from cuda.agreement import check_derivatives
from cuda.emulator import available
from cuda.machines import Emulated
from cuda.pool.entry import Kernel
from cuda.pool.functions import chebyshev
from numba import cuda, int32

import numbad as nd
from numbad.cuda.launch import Derivative

pytestmark = pytest.mark.skipif(not available(), reason=available().reason)
FULL = 0xFFFFFFFF


@cuda.jit
def return_before_all(x, out):
    i = cuda.grid(1)
    if i % 32 >= 16:
        return
    v = x[i] * cuda.shfl_xor_sync(FULL, x[i], 2)
    out[i] = v * cuda.shfl_xor_sync(FULL, v, 1)


@cuda.jit
def the_first_warp_goes_on(x, out):
    i, t = cuda.grid(1), cuda.threadIdx.x
    v = x[i] * cuda.shfl_xor_sync(FULL, x[i], 2)
    if t < 32:
        v += math.sin(cuda.shfl_down_sync(FULL, v, 4))
    out[i] = v


@cuda.jit
def the_first_warp_goes_on_if_all_agree(x, out):
    i, t = cuda.grid(1), cuda.threadIdx.x
    v = x[i] * cuda.shfl_xor_sync(FULL, x[i], 2)
    if cuda.syncthreads_count(int32(v > 0.0)) > 3:
        if t < 32:
            v += math.sin(cuda.shfl_down_sync(FULL, v, 4))
    out[i] = v


@cuda.jit
def a_loop_for_those_in_range(x, out, steps):
    i = cuda.grid(1)
    if i < x.size:
        v = x[i]
        for k in range(steps):
            v = 0.5 * v + math.sin(cuda.shfl_xor_sync(FULL, v, 1 + k % 3))
        out[i] = v


@cuda.jit
def a_loop_of_each_lanes_own_length(x, out, steps):
    i = cuda.grid(1)
    if i < x.size:
        v = x[i]
        for _ in range(steps + i % 2):
            v = 0.5 * v + math.sin(cuda.shfl_xor_sync(FULL, v, 2))
        out[i] = v


@cuda.jit
def half_a_warp_with_its_mask(x, out):
    i = cuda.grid(1)
    v = x[i] * cuda.shfl_xor_sync(FULL, x[i], 2)
    mask = cuda.ballot_sync(FULL, i % 32 < 16)
    if i % 32 < 16:
        v += math.sin(cuda.shfl_xor_sync(mask, v, 1))
    out[i] = v


@cuda.jit
def return_in_between(x, out):
    i = cuda.grid(1)
    v = x[i] + cuda.shfl_xor_sync(FULL, x[i] * x[i], 1)
    if i % 32 >= 16:
        out[i] = v
        return
    out[i] = v * cuda.shfl_xor_sync(FULL, v, 2)


@cuda.jit
def return_of_a_part_of_the_first_warp(x, out):
    i, t = cuda.grid(1), cuda.threadIdx.x
    v = x[i] + cuda.shfl_xor_sync(FULL, x[i] * x[i], 1)
    if t >= 16:
        out[i] = v
        return
    out[i] = v * cuda.shfl_xor_sync(FULL, v, 2)


@cuda.jit
def vote_after_a_return(x, out):
    i = cuda.grid(1)
    v = x[i] + cuda.shfl_xor_sync(FULL, x[i] * x[i], 1)
    if i % 32 < 16:
        if cuda.any_sync(FULL, v > 0.0):
            v = v * v
        out[i] = v


@cuda.jit
def through_a_recursive_function(x, out):
    i = cuda.grid(1)
    out[i] = chebyshev(x[i] / 4, i % 4) * cuda.shfl_xor_sync(FULL, x[i], 2)


def drawn(rng):
    return rng.normal(size=64), np.zeros(64)


@pytest.mark.parametrize("kernel", [return_before_all, the_first_warp_goes_on, the_first_warp_goes_on_if_all_agree,
                                    half_a_warp_with_its_mask,
                                    through_a_recursive_function],
                         ids=lambda kernel: kernel.py_func.__name__)
def test_right(kernel):
    check_derivatives(Kernel(kernel.py_func.__name__, kernel, drawn, 1, 64, active=(0, 1)))


@pytest.mark.parametrize("kernel", [return_in_between, return_of_a_part_of_the_first_warp, vote_after_a_return],
                         ids=lambda kernel: kernel.py_func.__name__)
def test_refused_in_reverse_mode(kernel):
    x, out = drawn(np.random.default_rng(0))
    with pytest.raises(nd.Unsupported, match=r"some of its lanes do not come to(.|\n)*test_warp_fence.py:\d+"):
        Derivative(kernel, "reverse", Emulated())[1, 64](nd.Dup(x, np.zeros(64)), nd.Dup(out, np.ones(64)))
    tangent, moved = np.zeros(64), out.copy()
    Derivative(kernel, "forward", Emulated())[1, 64](nd.Dup(x, np.ones(64)), nd.Dup(moved, tangent))
    assert np.all(tangent[:16] != 0)


def test_loops():
    """Lanes that are in a loop together are in it equally long, unless its length is each lane's own."""
    check_derivatives(Kernel("a_loop_for_those_in_range", a_loop_for_those_in_range, lambda rng: (*drawn(rng), 5), 1,
                             96, active=(0, 1)))
    x, out = drawn(np.random.default_rng(0))
    with pytest.raises(nd.Unsupported, match="some of its lanes do not come to"):
        Derivative(a_loop_of_each_lanes_own_length, "reverse", Emulated())[1, 64](
            nd.Dup(x, np.zeros(64)), nd.Dup(out, np.ones(64)), nd.Const(5))


def test_which_warp_it_is_shows_in_one_dimension_only():
    """In a block of 16 x 4 threads, the first 32 of a row are not a warp."""
    x, out = drawn(np.random.default_rng(0))
    with pytest.raises(nd.Unsupported, match="some of its lanes do not come to"):
        Derivative(the_first_warp_goes_on, "reverse", Emulated())[1, (16, 4)](
            nd.Dup(x, np.zeros(64)), nd.Dup(out, np.ones(64)))
