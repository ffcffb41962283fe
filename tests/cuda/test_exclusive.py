"""Where adjoints are added without atomic operations because the thread itself writes there in the same moment."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")

from cuda.agreement import check_derivatives
from cuda.emulator import available
from cuda.pool.entry import Kernel
from numba import cuda, float64, int64

from numbad.cuda.derive import derive
from numbad.request import Request

F8, BLOCK = float64[::1], 64


@cuda.jit
def tree(x, total):
    """Each stage: one atomic addition for the other half, none for a thread's own place."""
    s = cuda.shared.array(BLOCK, float64)
    t = cuda.threadIdx.x
    s[t] = x[t] * x[t]
    cuda.syncthreads()
    if t < 32:
        s[t] += s[t + 32] * s[t]
    cuda.syncthreads()
    total[t] = s[t] * s[0]


@cuda.jit
def permuted(x, index, out):
    """Which places these are, is not known; that they are different ones, is."""
    i = cuda.grid(1)
    if i < x.size:
        k = index[i]
        out[k] = out[k] * x[i] * x[i]


@cuda.jit
def met_in_between(x, index, out):
    """All read one place before one of them writes it."""
    i = cuda.threadIdx.x
    first = x[index[0]]
    cuda.syncthreads()
    if i == 0:
        x[index[0]] = 2.0
    out[i] = first * first * i


@cuda.jit
def met_in_one_block(x, index, out):
    """The same in one basic block: each reads its neighbour's, then all write their own."""
    i = cuda.threadIdx.x
    k = index[i]
    before = x[k]
    cuda.syncthreads()
    x[k] = before * before
    cuda.syncthreads()
    out[i] = x[k] * before


@cuda.jit
def written_elsewhere(x, index, out):
    i = cuda.grid(1)
    if i < x.size:
        out[index[i]] = out[i] * x[index[i]]


def arguments(rng):
    return rng.uniform(0.5, 1.5, BLOCK), rng.permutation(BLOCK), rng.uniform(0.5, 1.5, BLOCK)


KERNELS = {
    # and how many atomic additions its reverse sweep has
    "tree": (tree, lambda rng: (arguments(rng)[0], np.zeros(BLOCK)), 4),
    "permuted": (permuted, arguments, 0),
    "met in between": (met_in_between, arguments, 1),
    "met in one block": (met_in_one_block, arguments, 2),
}


def additions(kernel, types, active):
    text = derive(kernel, types, Request("reverse", active, in_a_row=True)).text
    lines = [line for line in text.splitlines() if "ptr %place" not in line]  # what `numbad.sum` does itself
    return sum("atomicrmw fadd" in line or "call void @numbad.sum" in line for line in lines)


@pytest.mark.parametrize("name", KERNELS)
def test_atomic_additions(name):
    kernel, drawn, wanted = KERNELS[name]
    types = (F8, F8) if len(drawn(np.random.default_rng(0))) == 2 else (F8, int64[::1], F8)
    assert additions(kernel, types, tuple(type == F8 for type in types)) == wanted


@pytest.mark.skipif(not available(), reason=available().reason)
@pytest.mark.parametrize("name", KERNELS)
def test_derivatives(name):
    """Without races, in three orders of threads."""
    kernel, drawn, _ = KERNELS[name]
    count = len(drawn(np.random.default_rng(0)))
    check_derivatives(Kernel(name, kernel, drawn, 1, BLOCK, active=(0, 1) if count == 2 else (0, 2)))


def test_another_place_of_the_array():
    assert additions(written_elsewhere, (F8, int64[::1], F8), (True, False, True)) == 2


def test_sums_stay_where_they_are():
    """`s[t] += e`: its adjoint is read, and neither cleared nor written back."""
    @cuda.jit
    def summed(x, total):
        s = cuda.shared.array(BLOCK, float64)
        t = cuda.threadIdx.x
        s[t] = x[t]
        cuda.syncthreads()
        if t < 32:
            s[t] += s[t + 32]
        cuda.syncthreads()
        total[t] = s[t]

    def stores(kernel):
        found = derive(kernel, (F8, F8), Request("reverse", (True, True)))
        assert ("sums in memory" in found.plans[-1]) == (kernel is summed)
        return sum("store double" in line for line in found.text.splitlines())
    assert stores(summed) < stores(tree)
    kernel = Kernel("summed", summed, lambda rng: (rng.normal(size=BLOCK), np.zeros(BLOCK)), 1, BLOCK, active=(0, 1))
    if available():
        check_derivatives(kernel)
