"""The comparison of gradients: it runs, what is wrong is called wrong, and nothing that a peer does ends it."""

from pathlib import Path

import numpy as np
import pytest

import gradients
import memory
import one_gradient
from peers import PEERS
from peers.program import Program
from problems import PROBLEMS
from processes import NoResult, result_of

ROOT = Path(__file__).parents[2]
NEWTON = PROBLEMS["newton_sqrt"]


@pytest.fixture(autouse=True)
def checkout(monkeypatch):
    """Processes that are started find numbad, installed or not."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def run(monkeypatch, *options):
    monkeypatch.setattr("sys.argv", ["gradients.py", *options])
    return gradients.main()


def test_small_run(monkeypatch, capsys):
    assert run(monkeypatch, "--small", "--only", "newton_sqrt", "--by") == 0
    lines = [line.split("|") for line in capsys.readouterr().out.splitlines()]
    results = {line[2].strip(): line[7].strip() for line in lines if len(line) > 8 and "newton_sqrt" in line[1]}
    assert results == {"numbad": "right", "by hand": "right"}


@pytest.mark.slow
@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("name", [name for name, peer in PEERS.items() if peer.is_installed()])
def test_programs_of_peers(name, problem):
    row = gradients.measured(problem, name, small=True)[0]
    expected = {"right", "cannot express it", *(["WRONG"] if name == "warp_as_written" else [])}
    assert row["result"] in expected


def contest(args, value, gradient):
    expected = NEWTON.adjoint(*args)
    contestant = one_gradient.Contestant(
        "someone",
        lambda *args: Program(lambda: value, lambda: gradient(expected)),
        lambda found: one_gradient.difference(found, expected),
    )
    return one_gradient.rows(NEWTON, [contestant], args, budget_s=0.0)[0]["result"]


@pytest.mark.parametrize(
    ("gradient", "result"),
    [
        (lambda g: g.copy(), "right"),
        (lambda g: g * (1 + 1e-6), "WRONG"),
        (lambda g: np.where(np.arange(g.size) == 3, np.nan, g), "WRONG"),
        (lambda g: g[:-1], "WRONG"),
        (lambda g: np.zeros_like(g), "WRONG"),
    ],
    ids=["right", "a little off", "nan", "another shape", "zeros"],
)
def test_a_gradient_is_judged(gradient, result):
    args = NEWTON.make_inputs(small=True)
    assert contest(args, NEWTON.primal(*args), gradient) == result


def test_a_right_gradient_of_another_function_is_wrong():
    args = NEWTON.make_inputs(small=True)
    assert contest(args, NEWTON.primal(*args) + 1.0, lambda g: g.copy()) == "WRONG"


def test_the_adjoint_by_hand_is_judged_by_differences():
    args = NEWTON.make_inputs(small=True)
    hand = NEWTON.adjoint(*args)
    assert one_gradient.slope_error(NEWTON, args, hand) <= one_gradient.DIFFERENCES_AGREE
    assert one_gradient.slope_error(NEWTON, args, 1.001 * hand) > one_gradient.DIFFERENCES_AGREE


def row(problem, by, ratio=2.0, result="right", **more):
    numbers = {"error": 0.0, "memory_mib": None, "compile_primal_s": 0.1, "compile_gradient_s": 0.2, "numba_ms": 1.0}
    numbers |= {"primal_ms": 1.0, "gradient_ms": ratio, "ratio": ratio, "numba_ratio": ratio}
    return {"problem": problem, "by": by, "result": result, **numbers, **more}


def test_a_wrong_gradient_of_ours_fails_the_run(monkeypatch, capsys):
    monkeypatch.setattr(gradients, "measured", lambda problem, system, small: [row(problem, "numbad", result="WRONG")])
    monkeypatch.setattr(gradients.tables, "store", lambda *args: pytest.fail("it was stored"))
    assert run(monkeypatch) == 1
    assert "No right gradient for: ode" in capsys.readouterr().out


def test_a_wrong_gradient_of_a_peer_is_shown_and_left_out_of_the_mean():
    shown = gradients.comparison([row("ode", "A", 2.0), row("nbody", "A", 8.0, "WRONG"), row("gmm", "A", 8.0)])
    cells = {line.split("|")[1].strip(): line.split("|")[2].strip() for line in shown}
    assert cells["nbody"] == "8 WRONG"
    assert cells["geometric mean"] == "4 of 2"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("import os; os.abort()", "crashed, SIGABRT"),
        ("import time; time.sleep(60)", "none after 1 s"),
        ("raise ValueError('see /some/where/file.py')", "failed: ValueError: see file.py"),
        ("print('nothing of interest')", "failed: it says nothing"),
    ],
    ids=["crash", "hang", "exception", "silence"],
)
def test_a_process_without_a_result_says_why(tmp_path, script, reason):
    file = tmp_path / "script.py"
    file.write_text(script)
    with pytest.raises(NoResult, match=f"^{reason}$"):
        result_of(file, [], limit_s=1.0 if "sleep" in script else 30.0)


def test_a_result_is_found_among_other_output(tmp_path):
    file = tmp_path / "script.py"
    benchmarks = str(ROOT / "benchmarks")
    file.write_text(f"import sys; sys.path.append({benchmarks!r})\nimport processes\nprint('hello')\n"
                    "processes.tell([1, sys.argv[1]])\nprint('goodbye')\n")
    assert result_of(file, ["x"], limit_s=30.0) == [1, "x"]


def test_a_peer_that_crashes_costs_its_own_row(monkeypatch):
    def no_result(*args):
        raise NoResult("crashed, SIGSEGV")

    monkeypatch.setattr(gradients, "result_of", no_result)
    found = gradients.measured("ode", "jax", small=True)
    assert found == [{"problem": "ode", "by": "JAX", "result": "crashed, SIGSEGV"}]
    assert gradients.cells(found[0])[:7] == ["ode", "JAX", "–", "–", "–", "–", "crashed, SIGSEGV"]


def test_peak_memory_counts_what_a_call_gives_back():
    def call():
        np.ones(8 << 20)
        return 1

    result, peak = memory.peak_mib(call)
    assert result == 1
    if peak is not None:
        assert 60 < peak < 80
