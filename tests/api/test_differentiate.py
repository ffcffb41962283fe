"""`differentiate`: the forms of the decorator, and what the dispatcher that it makes can do."""

import math
import pickle
import re

import pytest
from numba import njit
from numba.core.dispatcher import Dispatcher

import numbad as nd


@nd.differentiate
def cube(x):
    """A documented function."""
    return x**3


@nd.differentiate(argnums=("y", "x"), fastmath=True, error_model="numpy")
def ratio(x, y):
    return x / y


def test_bare():
    assert isinstance(cube, Dispatcher) and cube.__doc__ == "A documented function."
    assert cube(2.0) == 8.0 and cube.grad(2.0) == 12.0
    assert cube.value_and_grad(2.0) == (8.0, 12.0)
    assert cube.jvp((2.0,), (0.5,)) == (8.0, 6.0)
    assert cube.vjp((2.0,), 0.5) == (8.0, (6.0,))
    assert cube.grad is nd.grad(cube)


def test_options():
    assert ratio.targetoptions["fastmath"] is True
    assert ratio(1.0, 0.0) == float("inf")
    assert ratio.grad(1.0, 2.0) == (-0.25, 0.5)
    assert ratio.value_and_grad(1.0, 2.0) == (0.5, (-0.25, 0.5))


def test_signature_compiles_at_once():
    @nd.differentiate("float64(float64)")
    def square(x):
        return x * x

    assert len(square.signatures) == 1 and len(square.grad.signatures) == 1
    assert square.grad(3.0) == 6.0


def test_signature_of_a_function_without_gradient():
    @nd.differentiate("(float64[::1],)")
    def doubled(x):
        return 2.0 * x

    assert len(doubled.signatures) == 1


def test_on_a_dispatcher_keeps_its_options():
    original = njit(error_model="numpy")(lambda x: 1.0 / x)
    function = nd.differentiate(original)
    assert function(0.0) == float("inf") and function.grad(2.0) == -0.25
    assert function.py_func is original.py_func


def test_pickle():
    copy = pickle.loads(pickle.dumps(ratio))
    assert copy.argnums == ("y", "x") and copy.grad(1.0, 2.0) == (-0.25, 0.5)


def test_parallel_is_unsupported():
    with pytest.raises(nd.Unsupported, match="parallel=True"):
        nd.differentiate(parallel=True)(lambda x: x)
    with pytest.raises(nd.Unsupported, match="parallel=True"):
        nd.differentiate(njit(parallel=True)(lambda x: x))


def test_unknown_option_is_refused_by_numba():
    with pytest.raises(KeyError, match="nonsense"):
        nd.differentiate(nonsense=True)(lambda x: x)(1.0)


def test_report():
    @nd.differentiate
    def recurrence(x, steps):
        y = x
        for _ in range(steps):
            y = x * math.sin(y)
        return y

    assert recurrence.report() == ""
    recurrence.grad(0.5, 3)
    recurrence.jvp((0.5, 3), (1.0, None))
    text = recurrence.report()
    assert "reverse mode of test_report.<locals>.recurrence(x: float64, steps: int64) by x\n" in text
    assert re.search(r"stored in each iteration of \S+ \(line \d+\), indexed by the iteration: \d+ bytes\n *"
                     r"(.*\n *)?%y.*: goes on from iteration to iteration", text)
    assert "forward mode of test_report.<locals>.recurrence(x: float64, steps: int64) by x\n  keeps nothing" in text
