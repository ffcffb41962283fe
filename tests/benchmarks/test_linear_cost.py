"""How the cost of a gradient grows: the benchmark runs, and what a step of nbody keeps is linear in the bodies."""

from pathlib import Path

import pytest

import linear_cost
from numbad.runtime import last_tape_bytes


@pytest.mark.slow
def test_small_run(monkeypatch, capsys):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))  # for the process that is started
    monkeypatch.setattr("sys.argv", ["linear_cost.py", "--small"])
    assert linear_cost.main() == 0
    assert "nbody, n grows, steps = 5: primal" in capsys.readouterr().out


def test_tape_of_nbody_is_linear_in_the_bodies():
    """A step visits all pairs; what it keeps must not be a number for each."""
    problem = linear_cost.PROBLEMS["nbody"]
    gradient = linear_cost.nd.grad(problem.primal)
    kept = []
    for n in (64, 128):
        gradient(*problem.setup(n=n, steps=50))
        kept.append(last_tape_bytes())
    assert kept[1] <= 2.5 * kept[0]
