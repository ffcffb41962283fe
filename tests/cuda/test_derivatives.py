"""The derivatives of all kernels of the pool, by meaning (see `agreement`), and what is refused."""

from __future__ import annotations

import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")

from cuda.agreement import check_derivatives, check_refused, derivative_of  # noqa: E402
from cuda.emulator import available  # noqa: E402
from cuda.pool import POOL, REFUSED  # noqa: E402
from cuda.support_table import ROWS, in_readme, table  # noqa: E402

import numbad as nd
from numbad.cuda import numba_cuda

pytestmark = pytest.mark.skipif(not available(), reason=available().reason)


@pytest.mark.parametrize("name", POOL)
def test_tangents_and_adjoints(name):
    check_derivatives(POOL[name])


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    check_refused(REFUSED[name])


def test_the_readme_has_the_table():
    assert in_readme() == table()


def test_rows_of_the_table_name_what_is_tested_here():
    for row in ROWS:
        assert row.names and set(row.names) <= set(REFUSED if row.refused else POOL), row.what


@pytest.mark.parametrize("name", POOL)
def test_ptx(name):
    """Both derivatives become PTX: nothing in them ends LLVM's process, and names are such as PTX allows."""
    for mode in ("forward", "reverse"):
        found = derivative_of(POOL[name], mode)
        try:
            code = numba_cuda.ptx(found.text, "sm_90", found.lowered.fastmath, found.linked)
        except nd.Unsupported as error:
            pytest.skip(str(error).partition(":")[0])  # libdevice is missing
        assert f".visible .entry {found.symbol}(" in code
