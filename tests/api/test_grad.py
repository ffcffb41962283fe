"""`grad` and `value_and_grad` from Python: values, options, what the result is, and what is refused."""

import functools
import inspect
import math
import pickle
from collections import namedtuple

import numpy as np
import pytest
from numba import njit
from numba.core.dispatcher import Dispatcher

import numbad as nd

Point = namedtuple("Point", "a b n")


@njit
def power(x, n=3, scale=1.0):
    """A documented function."""
    return scale * x**n


@njit
def weighted(x, w):
    total = 0.0
    for i in range(len(x)):
        total += w * x[i] * x[i]
    return total


@njit
def of_tuple(p, s):
    return p.a * p.b.sum() * s + p.n


@njit
def returns_array(x):
    return 2.0 * x


@njit
def returns_int(x):
    return int(x)


@njit
def returns_nothing(x, y):
    y[0] = x


@njit
def returns_complex(x):
    return x * 1j


def test_scalar():
    value = nd.grad(power)(2.0)
    assert value == 12.0 and type(value) is float
    assert nd.value_and_grad(power)(2.0) == (8.0, 12.0)


def test_plain_function_and_lambda():
    def square(x):
        return x * x

    assert nd.grad(square)(3.0) == 6.0
    assert nd.grad(lambda x: x * x * x)(1.0) == 3.0


def test_keywords_and_defaults_are_the_primals():
    g = nd.grad(power)
    assert g(2.0, 2) == 4.0
    assert g(2.0, scale=10.0) == 120.0
    assert g(scale=2.0, n=1, x=5.0) == 2.0


@pytest.mark.parametrize("argnums, expected", [
    (0, 12.0), ("x", 12.0), (-1, 8.0), ("scale", 8.0), ((0,), (12.0,)), (("scale", 0), (8.0, 12.0))])
def test_argnums(argnums, expected):
    assert nd.grad(power, argnums)(2.0) == expected
    assert nd.value_and_grad(power, argnums)(2.0) == (8.0, expected)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_array_has_shape_and_dtype_of_the_argument(dtype):
    x = np.arange(4, dtype=dtype)
    gradient = nd.grad(weighted)(x, 0.5)
    assert gradient.dtype == dtype and gradient.shape == x.shape
    np.testing.assert_array_equal(gradient, x)
    gradient, adjoint = nd.grad(weighted, ("x", "w"))(x, 0.5)
    np.testing.assert_array_equal(gradient, x)
    assert adjoint == 14.0 and type(adjoint) is float


def test_empty_array():
    assert nd.grad(weighted)(np.zeros(0), 1.0).shape == (0,)


def test_tuples_are_mirrored():
    gradient = nd.grad(of_tuple)(Point(2.0, np.arange(3.0), 4), 2.0)
    assert isinstance(gradient, Point)
    assert gradient.a == 6.0 and gradient.n is None
    np.testing.assert_array_equal(gradient.b, [4.0, 4.0, 4.0])


def test_grad_of_grad():
    second = nd.grad(nd.grad(power))
    assert second(2.0) == 12.0
    assert nd.grad(second)(2.0) == 6.0


def test_result_is_an_ordinary_dispatcher():
    g = nd.grad(power)
    assert isinstance(g, Dispatcher)
    assert g is nd.grad(power)
    g(2.0)
    assert g.signatures
    assert "define" in g.inspect_llvm(g.signatures[0])


def test_metadata():
    g = nd.grad(power, "scale")
    assert g.__name__ == "grad_power" and g.__module__ == __name__
    assert "gradient of `power` with respect to `scale`" in g.__doc__ and "A documented function." in g.__doc__
    assert str(inspect.signature(g)) == "(x, n=3, scale=1.0)"
    assert str(inspect.signature(nd.jvp(power))) == "(primals, tangents)"


@pytest.mark.parametrize("make", [nd.grad, nd.value_and_grad, nd.jvp, nd.vjp, lambda f: nd.grad(f, ("x", 2)),
                                  lambda f: nd.autodiff(f, "reverse")])
def test_pickle(make):
    g = make(power)
    assert pickle.loads(pickle.dumps(g)) is g


def test_function_with_the_attributes_of_a_dispatcher():
    def other(x, n=3, scale=1.0):
        return 10.0 * scale * x**n

    assert nd.grad(power)(2.0) == 12.0
    functools.update_wrapper(other, power)          # what functools.wraps does; it misleads Numba, too
    for function in (other, njit(other)):
        with pytest.raises(nd.Unsupported, match="leave functools.wraps out"):
            nd.grad(function)


def test_function_with_the_attributes_of_a_function():
    def square(x):
        return x * x

    assert nd.grad(square)(3.0) == 6.0

    @functools.wraps(square)
    def other(x):
        return 10.0 * square_njit(x)

    square_njit = njit(square)
    assert nd.grad(other)(3.0) == 60.0


def test_exception_of_the_primal():
    @njit
    def checked(x):
        if x < 0.0:
            raise ValueError("negative")
        return x * x

    g = nd.grad(checked)
    assert g(3.0) == 6.0
    with pytest.raises(ValueError, match="^negative$"):
        g(-1.0)


@pytest.mark.parametrize("argnums, error, message", [
    (3, ValueError, r"argnums is 3, but there are 3 arguments \(x, n, scale\)"),
    (-4, ValueError, "argnums is -4"),
    ("y", ValueError, "argnums names 'y', but the arguments are x, n, scale"),
    ((), ValueError, "argnums is empty"),
    ((0, "x"), ValueError, "argnums holds 'x' twice"),
    (1.0, TypeError, "positions or names of arguments, not 1.0"),
    (True, TypeError, "positions or names of arguments, not True")])
def test_wrong_argnums(argnums, error, message):
    with pytest.raises(error, match=message):
        nd.grad(power, argnums)


@pytest.mark.parametrize("argument, kind", [
    (2, "int64"), (True, "bool"), ("a", "unicode_type"), (np.arange(3), "array of int64"), ([1.0], "list")])
def test_argument_without_derivative(argument, kind):
    with pytest.raises(TypeError, match=rf"grad\(power\): the argument 'x' is .*{kind}.*, which has no derivative"):
        nd.grad(power)(argument)


def test_integer_argument_by_name():
    with pytest.raises(TypeError, match="the argument 'n' is int64"):
        nd.grad(power, "n")(2.0)


def test_complex_is_refused():
    with pytest.raises(nd.Unsupported, match="'x' is complex128, and complex numbers"):
        nd.grad(power)(1j)
    with pytest.raises(nd.Unsupported, match="the result is complex128"):
        nd.jvp(returns_complex)((1.0,), (1.0,))


@pytest.mark.parametrize("function, arguments, advice", [
    (returns_array, (np.ones(2),), "returns a 1-dimensional array of float64: use vjp or jvp"),
    (returns_int, (1.0,), "returns int64: use vjp or jvp"),
    (returns_nothing, (1.0, np.ones(1)), r"returns None: use vjp\(f, outputs=...\)")])
def test_result_must_be_one_float(function, arguments, advice):
    with pytest.raises(TypeError, match=advice):
        nd.grad(function)(*arguments)


def test_what_is_no_function():
    with pytest.raises(TypeError, match="grad needs a Python function or a function compiled by numba.njit, not 3"):
        nd.grad(3)


def test_unsupported_functions():
    with pytest.raises(nd.Unsupported, match="parallel=True"):
        nd.grad(njit(parallel=True)(lambda x: x))
    with pytest.raises(nd.Unsupported, match=r"the parameter \*x"):
        nd.grad(lambda *x: x[0])


def test_wrong_number_of_arguments():
    with pytest.raises(TypeError, match="not enough arguments"):
        nd.grad(power)()


@njit
def retried(x, n):
    if n < 0:
        raise ValueError("negative")
    if n == 0:
        return x * x
    below = math.exp(x)
    try:
        below = retried(x * 0.9, n - 3)
    except Exception:
        below *= x
    return below * math.sin(x) * n


def test_a_function_that_catches_its_own_exceptions():
    """Its exceptions end the derivative for the caller, but not where it calls itself."""
    for n in (0, 1, 3, 4, 6, 7):
        value, (slope,) = nd.value_and_grad(retried, argnums=(0,))(0.7, n)
        step = 1e-5
        known = (retried(0.7 + step, n) - retried(0.7 - step, n)) / (2 * step)
        assert value == retried(0.7, n)
        assert slope == pytest.approx(known, rel=1e-8)
        assert nd.jvp(retried)((0.7, n), (1.0, None))[1] == pytest.approx(slope, rel=1e-13)
    for derivative in (nd.grad(retried), lambda x, n: nd.jvp(retried)((x, n), (1.0, None))):
        with pytest.raises(ValueError, match="negative"):
            derivative(0.7, -1)
