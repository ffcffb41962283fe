"""Compile times: the benchmarks run, compile anew each time, and generate functions of the size that they say."""

from pathlib import Path

import pytest

import compile_time
import linear_compile


@pytest.fixture(autouse=True)
def checkout(monkeypatch):
    """Processes that are started find numbad, installed or not."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))


@pytest.mark.slow
def test_small_run(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["compile_time.py", "--only", "newton_sqrt", "--rounds", "1"])
    assert compile_time.main() == 0
    printed = capsys.readouterr().out
    row = [cell.strip() for cell in printed.splitlines()[2].split("|")[1:-1]]
    assert row[0] == "newton_sqrt"
    assert len(row) == len(compile_time.SHOWN)
    assert all(float(cell) > 0 for cell in row[1:3] + row[-2:])


def test_every_round_compiles_what_nobody_has_seen():
    one, other = compile_time.unseen("ode"), compile_time.unseen("ode")
    assert one.primal is not other.primal
    assert one.primal.py_func.__globals__["rhs"] is not other.primal.py_func.__globals__["rhs"]


def test_a_call_that_compiles_nothing_has_no_stages():
    with pytest.raises(ValueError, match="expected the stages"):
        compile_time.stages_of(lambda: None)


def test_growth(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["linear_compile.py", "--small"])
    assert linear_compile.main() == 0
    assert "Exponents: one long loop body" in capsys.readouterr().out


@pytest.mark.parametrize("shape", linear_compile.SHAPES)
def test_generated_functions_have_about_the_size_asked_for(shape):
    read = linear_compile.measure_text(linear_compile.SHAPES[shape](600))["instructions"]
    assert abs(read - 600) < 120


@pytest.mark.parametrize("shape", linear_compile.SHAPES)
def test_derivatives_have_a_bounded_size(shape):
    """Lines for each instruction of the function: a block of the reverse sweep does not write again what the blocks
    before it know."""
    text = linear_compile.derivative(linear_compile.SHAPES[shape](2000)).text
    assert text.count("\n") < 11 * 2000
