"""The kernels of the benchmark at small sizes, on the emulator; the program itself needs a GPU."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")

from cuda.agreement import check_derivatives
from cuda.as_gpu import as_gpu
from cuda.emulator import available
from cuda.machines import Emulated
from cuda.pool.entry import Kernel, copied
from numba import cuda

import gpu
import kernels
import numbad as nd
from kernels import CASES
from numbad.cuda.launch import Derivative

pytestmark = pytest.mark.skipif(not available(), reason=available().reason)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_kernels(case):
    check_derivatives(Kernel(case.name, case.kernel, lambda rng: case.arguments(rng, case.small),
                             *case.launch(case.small), active=case.active))


@pytest.mark.skipif(cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu(capsys):
    assert gpu.main() == 1 and "there is no GPU here" in capsys.readouterr().err


def test_bytes():
    stencil = CASES[0]
    arguments = stencil.arguments(np.random.default_rng(0), 512)
    assert stencil.bytes(arguments) == 2 * 8 * 512
    assert stencil.gradient_bytes(arguments) == 6 * 8 * 512


@pytest.fixture
def on_emulator(monkeypatch):
    """All but the clock."""
    as_gpu(monkeypatch, kernels)
    monkeypatch.setattr(cuda, "get_current_device", lambda: SimpleNamespace(
        name="emulator", compute_capability=(7, 5)))
    monkeypatch.setattr(gpu, "milliseconds", lambda action, rounds=1: 1e-3 if action() is None else 0.0)
    monkeypatch.setattr(gpu, "copy_bandwidth", lambda: 100.0)
    monkeypatch.setattr(gpu, "find_spec", lambda name: None)
    monkeypatch.setattr(gpu, "CASES", [case for case in CASES if case.name in ("stencil", "reduction")])
    monkeypatch.setattr("sys.argv", ["gpu.py", "--small", "--without-tests"])


def test_the_command(on_emulator, capsys):
    assert gpu.main() == 0
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in capsys.readouterr().out.splitlines()
             if line.startswith("|")]
    assert lines[0] == list(gpu.SHOWN) and [line[0] for line in lines[2:]] == ["stencil", "reduction"]
    stencil = dict(zip(lines[0], lines[2], strict=True))
    assert stencil["result"] == "right" and stencil["gradient / primal"] == "1.00"
    assert (stencil["gradient GB/s"], stencil["of a copy"]) == ("25", "25%")


def test_a_wrong_gradient_fails(on_emulator, monkeypatch, capsys):
    monkeypatch.setattr(gpu, "AGREE", -1.0)
    assert gpu.main() == 1 and "WRONG" in capsys.readouterr().out


def gradient_of(case, given, seed):
    """By our adjoint."""
    shadows = [np.zeros_like(np.atleast_1d(a), float) for a in given[:-1]] + [seed.copy()]
    Derivative(case.kernel, "reverse", Emulated(races=False))[case.launch(case.small)](*(
        nd.Dup(a, shadows[k]) if k in case.active else nd.Const(a) for k, a in enumerate(given)))
    return [shadows[k] for k in case.active[:-1]], given[-1]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_kernels_in_warp(case, monkeypatch):
    """On the CPU: they compute what ours do, and their gradients are those of ours."""
    pytest.importorskip("warp", reason="Warp is not installed")
    from peers import warp_kernels

    rng = np.random.default_rng(0)
    given = case.arguments(rng, case.small)
    seed = rng.normal(size=given[-1].shape)
    adjoints, result = gradient_of(case, tuple(map(copied, given)), seed)
    theirs = warp_kernels.program(case.name, given, case.active, "cpu").result()
    np.testing.assert_allclose(theirs, result, rtol=1e-11)
    monkeypatch.setattr(warp_kernels, "milliseconds", lambda action, rounds: 3.0)
    row = gpu.measure_warp(case, given, seed, adjoints, "cpu")
    assert row == {"warp_primal_ms": 3.0, "warp_gradient_ms": 3.0, "warp_gradient": 1.0, "warp_result": "right"}
    wrong = [1.001 * adjoint for adjoint in adjoints]
    assert gpu.measure_warp(case, given, seed, wrong, "cpu")["warp_result"] == "WRONG"



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
