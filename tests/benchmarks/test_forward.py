"""The cost of forward mode: the benchmark runs, and a wrong slope is called wrong."""

import numpy as np
import pytest

import forward

SLOPES = np.linspace(-1.0, 2.0, forward.COLUMNS)


@pytest.mark.slow
def test_small_run(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["forward.py", "--small", "--only", "ode", "lu_logdet"])
    assert forward.main() == 0
    assert capsys.readouterr().out.count("right") == 2


@pytest.mark.parametrize("place", ["one", "eight", "singly", "nowhere"])
def test_slopes_are_judged(place):
    def found(name):
        return SLOPES + (1e-6 * np.eye(forward.COLUMNS)[0] if name == place else 0.0)

    expected = "right" if place == "nowhere" else "WRONG"
    assert forward.verdict(found("one")[0], found("eight"), found("singly"), SLOPES) == expected


def test_nan_is_wrong():
    assert forward.verdict(float("nan"), SLOPES, SLOPES, SLOPES) == "WRONG"


def test_a_wrong_slope_fails_the_run(monkeypatch, capsys):
    monkeypatch.setattr(forward, "verdict", lambda *slopes: "WRONG")
    monkeypatch.setattr("sys.argv", ["forward.py", "--small", "--only", "ode"])
    assert forward.main() == 1
    assert "Wrong: ode" in capsys.readouterr().out
