"""The examples for GPUs run on the emulator, at small size, and get their answers right."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")

from cuda.as_gpu import as_gpu
from cuda.emulator import available
from numba import cuda

pytestmark = pytest.mark.skipif(not available(), reason=available().reason)


def run(name, capsys, **size):
    """What an example's `main` returns; it also has to say something."""
    result = importlib.import_module(name).main(**size)
    assert capsys.readouterr().out.strip()
    return result


@pytest.fixture
def pool(monkeypatch):
    module = importlib.import_module("pool_depth")
    as_gpu(monkeypatch, module)
    monkeypatch.setattr(module, "BLOCK", (4, 4))  # no more threads than the small pools need
    return module


def test_depths_are_recovered(pool, capsys):
    result = run("pool_depth", capsys, n=8, steps=16, iterations=20)
    assert result.misfits[-1] < 1e-2 * result.misfits[0]
    assert result.error < 0.1


@pytest.mark.parametrize("steps", [1, 10, 13])
def test_the_gradient_through_all_launches(pool, steps):
    """Parts of the film that are shorter than the distance of what is kept, as long, and longer."""
    waves, rng = pool.Waves(9, steps), np.random.default_rng(1)
    film = waves.film(pool.true_depth(9))
    depth, direction = rng.uniform(0.4, 1.0, size=(2, 9, 9))
    gradient = waves.misfit_and_gradient(depth, film)[1]
    ahead, behind = (waves.misfit_and_gradient(depth + h * direction, film)[0] for h in (1e-5, -1e-5))
    assert np.vdot(gradient, direction) == pytest.approx((ahead - behind) / 2e-5, rel=1e-7)


def test_the_volatility_is_found(monkeypatch, capsys):
    module = importlib.import_module("calibrate_monte_carlo")
    as_gpu(monkeypatch, module)
    result = run("calibrate_monte_carlo", capsys, paths=128, steps=6)
    np.testing.assert_allclose(result.found, module.TRUTH, rtol=1e-6)
    assert result.first_misfit > 1.0 and result.misfit < 1e-12


@pytest.mark.skipif(cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("name", ["pool_depth", "calibrate_monte_carlo"])
def test_without_a_gpu(name, capsys):
    assert importlib.import_module(name).main() is None
    assert capsys.readouterr().out == "this example needs an NVIDIA GPU, and there is none here\n"
