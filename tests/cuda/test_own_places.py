"""Where adjoints are added without atomic operations: at places that only one thread ever uses."""

from __future__ import annotations

import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")

from numba import cuda, float32, float64, int64

from numbad.cuda.derive import derive
from numbad.request import Request

F8 = float64[::1]


@cuda.jit
def own(x, out):
    i = cuda.grid(1)
    if i < x.size:
        out[i] = x[i] * x[i]


@cuda.jit
def by_hand(x, out):
    i = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
    if i < x.size:
        out[i] = x[i] * x[i]


@cuda.jit
def two_places(x, out):
    i = cuda.grid(1)
    if 2 * i + 1 < x.size:
        out[i] = x[2 * i] * x[2 * i + 1]


@cuda.jit
def strides_of_the_grid(x, out):
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        out[i] += x[i] * x[i]


@cuda.jit
def neighbour(x, out):
    i = cuda.grid(1)
    if i + 1 < x.size:
        out[i] = x[i] * x[i + 1]


@cuda.jit
def three_places_of_two(x, out):
    i = cuda.grid(1)
    if 2 * i + 2 < x.size:
        out[i] = x[2 * i] * x[2 * i + 2]


@cuda.jit
def from_behind(x, out):
    i = cuda.grid(1)
    if i < x.size:
        out[i] = x[i] * x[x.size - 1 - i]


@cuda.jit
def thread_of_a_block(x, out):
    i = cuda.threadIdx.x
    if i < x.size:
        cuda.atomic.add(out, 0, x[i] * x[i])


@cuda.jit
def block_only(x, out):
    i = cuda.blockIdx.x
    if i < x.size:
        cuda.atomic.add(out, 0, x[i] * x[i])


@cuda.jit
def other_strides(x, out):
    for i in range(cuda.grid(1), x.size, cuda.blockDim.x):
        cuda.atomic.add(out, 0, x[i] * x[i])


@cuda.jit
def own_rows(x, out):
    i = cuda.grid(1)
    for k in range(4):
        if 4 * i + k < x.size:
            out[i] += x[4 * i + k] * x[4 * i + k]


@cuda.jit
def all_of_it(x, out):
    i = cuda.grid(1)
    total = 0.0
    for k in range(x.size):
        total += x[k] * x[k]
    out[i] = total * x[i]


@cuda.jit
def one_of_two(x, out):
    i = cuda.grid(1)
    chosen = x if i % 2 == 0 else out
    if i < x.size:
        out[i] += chosen[i] * chosen[i]


OWN = {"own": own, "by hand": by_hand, "two places": two_places, "own rows": own_rows}
NOT_PROVED = {"strides of the grid": strides_of_the_grid, "one of two": one_of_two}
SHARED = NOT_PROVED | {"neighbour": neighbour, "three places of two": three_places_of_two, "from behind": from_behind,
          "thread of a block": thread_of_a_block, "block only": block_only, "other strides": other_strides,
          "all of it": all_of_it}


def atomic_additions(kernel, in_a_row=True, types=(F8, F8)) -> int:
    """Those of the reverse sweep: the kernel's own are to `out`."""
    text = derive(kernel, types, Request("reverse", (True, True), in_a_row=in_a_row)).text
    return sum("atomicrmw fadd" in line and "%out" not in line for line in text.splitlines())


@pytest.mark.parametrize("name", OWN)
def test_own_places(name):
    assert atomic_additions(OWN[name]) == 0


@pytest.mark.parametrize("name", OWN)
def test_launches_in_two_dimensions(name):
    """Threads that differ in the second dimension only have the same place."""
    assert atomic_additions(OWN[name], in_a_row=False) > 0


@pytest.mark.parametrize("name", SHARED)
def test_places_of_several_threads(name):
    assert atomic_additions(SHARED[name]) > 0


def test_single_precision():
    assert atomic_additions(own, types=(float32[::1], float32[::1])) == 0


def test_constants_may_be_anywhere():
    text = derive(neighbour, (F8, F8), Request("reverse", (False, True), in_a_row=True)).text
    assert "atomicrmw" not in text


def test_a_place_that_data_choose():
    @cuda.jit
    def gathered(x, index, out):
        i = cuda.grid(1)
        if i < x.size:
            out[i] = x[index[i]] * x[index[i]]
    text = derive(gathered, (F8, int64[::1], F8), Request("reverse", (True, False, True), in_a_row=True)).text
    assert "atomicrmw fadd" in text
