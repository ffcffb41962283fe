"""Additions of many threads to one place: right for whole warps and parts of one, used where threads share places."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")

from cuda.emulator import available
from cuda.machines import Emulated
from numba import cuda, float64, typeof

import numbad as nd
from numbad.cuda.derive import derive
from numbad.cuda.launch import Derivative
from numbad.request import Request

pytestmark = pytest.mark.skipif(not available(), reason=available().reason)
N = 70


@cuda.jit
def row_by_row(x, a, out):
    i = cuda.grid(1)
    if i < out.size:
        total = 0.0
        for j in range(x.size):
            total += a * x[j] * (i + 1) * x[j]
        out[i] = total


@cuda.jit
def each_its_own_number_of_rows(x, a, out):
    i = cuda.grid(1)
    if i < out.size:
        total = 0.0
        for j in range(i % 5):
            total += a * x[j] * (i + 1) * x[j]
        if i % 3 == 0:
            total += a * x[5] * (i + 1) * x[5]
        out[i] = total


@cuda.jit
def every_other(x, a, out):
    i = cuda.grid(1)
    k = i % 2
    while k < x.size and i < out.size:
        out[i] += a * x[k] * (i + 1) * x[k]
        k += 2


@cuda.jit
def through_shared_memory(x, a, out):
    s = cuda.shared.array(6, float64)
    i, t = cuda.grid(1), cuda.threadIdx.x
    if t < 6:
        s[t] = x[t]
    cuda.syncthreads()
    if i < out.size:
        total = 0.0
        for j in range(6):
            total += a * s[j] * (i + 1) * s[j]
        out[i] = total


@cuda.jit
def gathered(x, a, out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = a * x[i % 6] * (i + 1) * x[i % 6]


KERNELS = [row_by_row, each_its_own_number_of_rows, every_other, through_shared_memory, gathered]
NAMES = [kernel.py_func.__name__ for kernel in KERNELS]


def counts():
    """How often thread i reads x[j] in each kernel."""
    i, j = np.arange(N)[:, None], np.arange(6)[None, :]
    yield np.ones((N, 6))
    yield (j < i % 5) + 1.0 * ((j == 5) & (i % 3 == 0))
    yield 1.0 * (j % 2 == i % 2)
    yield np.ones((N, 6))
    yield 1.0 * (j == i % 6)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("kernel, read", list(zip(KERNELS, counts(), strict=True)), ids=NAMES)
@pytest.mark.parametrize("order", Emulated.orders)
def test_whole_warps_and_parts(kernel, read, dtype, order):
    rng = np.random.default_rng(1)
    x, out, seeds = (rng.normal(size=n).astype(dtype) for n in (6, N, N))
    dx, da, given = np.zeros(6, dtype), np.zeros(1, dtype), seeds.copy()
    vjp = Derivative(kernel, "reverse", Emulated(order))
    vjp[3, 32](nd.Dup(x, dx), nd.Dup(dtype(0.7), da), nd.Dup(out, given))
    weights = seeds[:, None] * read * np.arange(1, N + 1)[:, None]
    tolerance = 1e-12 if dtype is np.float64 else 2e-5
    np.testing.assert_allclose(dx, 2 * 0.7 * x * weights.sum(axis=0), rtol=tolerance, atol=tolerance * 1e2)
    np.testing.assert_allclose(da, [(weights * x * x).sum()], rtol=tolerance, atol=tolerance * 1e2)


@pytest.mark.parametrize("kernel, shared", [(row_by_row, True), (through_shared_memory, True), (gathered, False)])
def test_where_threads_share_a_place(kernel, shared):
    """The adjoint of the number `a` has one place for all threads; of what is read by place, some do."""
    array = typeof(np.zeros(1))
    for active, wanted in (((True, False, True), shared), ((True, True, True), True)):
        request = Request("reverse", active, in_a_row=True)
        text = derive(kernel, (array, float64, array), request).text
        assert ("llvm.nvvm.match.all.sync.i64" in text) == wanted
