"""What is put back in memory by the reverse sweep, what is not, and that it makes no difference."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")

from cuda.agreement import Drawn, check_derivatives, derivative_of
from cuda.emulator import available
from cuda.machines import Emulated
from cuda.pool import POOL, restored

from numbad.cuda import derive
from numbad.passes.case import Case
from numbad.passes.derivative.plan import Options

pytestmark = pytest.mark.skipif(not available(), reason=available().reason)
KERNELS = [name for name, kernel in POOL.items() if kernel.kernel.py_func.__module__ == restored.__name__]
BACK = "put back by the reverse sweep"


def plan(name):
    return derivative_of(POOL[name], "reverse").plans[-1]


@pytest.mark.parametrize("name", KERNELS)
def test_derivatives(name):
    check_derivatives(POOL[name])


@pytest.mark.parametrize("name", KERNELS)
def test_with_and_without(name, monkeypatch):
    shadows = []
    for restore in (True, False):
        monkeypatch.setattr(derive, "Case", partial(Case, options=Options(restore=restore)))
        monkeypatch.setattr(derive, "_cache", {})
        shadows.append(Drawn(POOL[name]).pulled(Emulated())[1])
        assert restore or BACK not in plan(name)
    for one, other in zip(*shadows, strict=True):
        if one is not None:
            np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", ["tiles_of_pairs", "places_and_counts_in_shared_memory", "local_array_in_a_loop"])
def test_one_number_a_store(name):
    """None of the loads in the inner loop is kept, but for one that says how often a loop runs."""
    lines = plan(name).splitlines()
    assert any(BACK in line for line in lines)
    assert sum("the memory may be overwritten" in line for line in lines) == name.startswith("places"), lines
