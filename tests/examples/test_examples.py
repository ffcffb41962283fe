"""Each example runs and gets its answer right."""

import importlib
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = sorted(path.stem for path in (Path(__file__).parents[2] / "examples").glob("*.py"))


def run(name, capsys):
    """What an example's `main` returns; it also has to say something."""
    result = importlib.import_module(name).main()
    assert capsys.readouterr().out.strip()
    return result


def test_heat_source_is_recovered(capsys):
    result = run("heat_source", capsys)
    assert result.error < 0.05
    assert result.found.min() >= 0.0
    assert result.found.sum() == pytest.approx(result.truth.sum(), rel=0.01)


def test_rates_of_the_ode_are_recovered(capsys):
    truth = importlib.import_module("fit_ode").TRUTH
    result = run("fit_ode", capsys)
    np.testing.assert_allclose(result.rates, truth, rtol=0.02)


def test_charges_come_to_rest_evenly(capsys):
    module = importlib.import_module("descent_in_njit")
    result = run("descent_in_njit", capsys)
    np.testing.assert_allclose(result.gaps, 2 * np.pi / module.CHARGES, atol=1e-7)
    assert result.energy == pytest.approx(module.energy(module.evenly_spaced(module.CHARGES)), rel=1e-12)


def test_adjoint_of_the_kernel(capsys):
    module = importlib.import_module("inplace_kernel")
    result = run("inplace_kernel", capsys)
    rng = np.random.default_rng(0)
    signal, seed = rng.standard_normal(module.CELLS), rng.standard_normal(module.CELLS)

    def projected(moved, weight):
        out = np.empty_like(moved)
        module.smooth(moved, weight, out)
        return seed @ out

    h = 1e-6
    assert projected(signal, 0.8) == pytest.approx(seed @ result.out, rel=1e-14)
    by_weight = (projected(signal, 0.8 + h) - projected(signal, 0.8 - h)) / (2 * h)
    steps = h * np.eye(signal.size)
    by_signal = [(projected(signal + step, 0.8) - projected(signal - step, 0.8)) / (2 * h) for step in steps]
    for signal_adjoint, weight_adjoint in (
        (result.signal_adjoint, result.weight_adjoint),
        (result.in_place_signal_adjoint, result.in_place_weight_adjoint),
    ):
        assert weight_adjoint == pytest.approx(by_weight, rel=1e-8)
        np.testing.assert_allclose(signal_adjoint, by_signal, rtol=1e-7, atol=1e-8)


def test_every_example_is_tested():
    files = Path(__file__), Path(__file__).parents[1] / "cuda" / "test_examples.py"
    tests = "".join(file.read_text(encoding="utf-8") for file in files)
    assert EXAMPLES
    for name in EXAMPLES:
        assert f'run("{name}", capsys' in tests, name
