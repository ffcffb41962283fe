"""The kernels of the benchmark at small sizes, on the emulator; the program itself needs a GPU."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")

from cuda.agreement import check_derivatives
from cuda.emulator import available
from cuda.pool.entry import Kernel
from numba import cuda

from kernels import CASES

pytestmark = pytest.mark.skipif(not available(), reason=available().reason)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_kernels(case):
    check_derivatives(Kernel(case.name, case.kernel, lambda rng: case.arguments(rng, case.small),
                             *case.launch(case.small), active=case.active))


@pytest.mark.skipif(cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu(capsys):
    import gpu
    assert gpu.main() == 1 and "there is no GPU here" in capsys.readouterr().err


def test_bytes():
    stencil = CASES[0]
    assert stencil.bytes(stencil.arguments(np.random.default_rng(0), 512)) == 2 * 8 * 512


@pytest.mark.parametrize("name, most", [("stencil", 3.1), ("reduction", 3.1), ("LBM step", 2.4)])
def test_gradients_move_no_more_memory_than_they_must(name, most):
    """Results are computed, adjoints of results read and cleared, others added to: three times the primal's bytes."""
    import traffic
    case = next(case for case in CASES if case.name == name)
    launch, arguments = case.launch(case.small), case.arguments(np.random.default_rng(0), case.small)
    primal = traffic.bytes_of(traffic.of_primal(case, arguments, launch))
    gradient = traffic.of_derivative(case, arguments, launch, "reverse")
    assert gradient["tape"] == 0
    assert 2.0 * primal < traffic.bytes_of(gradient) <= most * primal
