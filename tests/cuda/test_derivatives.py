"""The derivatives of all kernels of the pool, by meaning (see `agreement`), and what is refused."""

from __future__ import annotations

import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")

from cuda.agreement import check_derivatives, check_refused, derivative_of
from cuda.emulator import available
from cuda.machines import on_gpu
from cuda.pool import POOL, REFUSED
from cuda.support_table import DAILY, ROWS, in_readme, table
from numba import cuda as gpu
from numba import float64

import numbad as nd
from numbad.cuda import numba_cuda
from numbad.cuda.derive import derive
from numbad.request import Request

pytestmark = pytest.mark.skipif(not available(), reason=available().reason)


pool = pytest.mark.parametrize("name", [
    name if name in DAILY else pytest.param(name, marks=pytest.mark.slow) for name in POOL])


@pool
def test_tangents_and_adjoints(name):
    check_derivatives(POOL[name])


@pytest.mark.skipif(not gpu.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("name", [name for name in POOL if name != "strided_arrays"])  # copied to a device it is not
def test_on_a_gpu(name):
    check_derivatives(POOL[name], on_gpu())


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    check_refused(REFUSED[name])


def test_the_readme_has_the_table():
    assert in_readme() == table()


def test_rows_of_the_table_name_what_is_tested_here():
    for row in ROWS:
        assert row.names and set(row.names) <= set(REFUSED if row.refused else POOL), row.what


@pool
def test_ptx(name):
    """Both derivatives become PTX: nothing in them ends LLVM's process, and names are such as PTX allows."""
    for mode in ("forward", "reverse"):
        found = derivative_of(POOL[name], mode)
        try:
            code = numba_cuda.ptx(found.text, "sm_90", found.lowered.fastmath, found.linked)
        except nd.Unsupported as error:
            pytest.skip(str(error).partition(":")[0])  # libdevice is missing
        assert f".visible .entry {found.symbol}(" in code


@gpu.jit(launch_bounds=(128, 2))
def bounded(x, out):
    i = gpu.grid(1)
    if i < x.size:
        out[i] = x[i] * x[i]


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_launch_bounds(mode):
    """Else a derivative could need more registers than a block of the promised size has."""
    array = float64[::1]
    found = derive(bounded, (array, array), Request(mode, (True, True)))
    code = numba_cuda.ptx(found.text, "sm_90")
    assert ".maxntid 128" in code and ".minnctapersm 2" in code
