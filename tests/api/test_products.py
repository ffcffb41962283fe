"""`jvp` and `vjp` from Python: results and arguments as outputs, tangents and cotangents of None, what is refused."""

import numpy as np
import pytest
from numba import njit

import numbad as nd


@njit
def product(x, n, y):
    return x * y * n


@njit
def sums(x):
    total = 0.0
    for i in range(len(x)):
        total += x[i] * x[i]
    return total


@njit
def doubled(x):
    return 2.0 * x


@njit
def several(x, c):
    return 2.0 * x, c, len(x), x[0]


@njit
def constant_result(x, c):
    return c


@njit
def tail(x):
    return x[1:]


@njit
def transposed(x):
    return x.T


@njit
def scaled(y, x, a):
    for i in range(len(y)):
        y[i] = a * x[i]


@njit
def grown(x, y):
    for i in range(len(x)):
        y[i] += x[i] * y[i]


@njit
def integer(n):
    return n + 1


@njit
def applied(f, x):
    return f(x)


@njit
def cube(x):
    return x**3


def same(got, expected):
    assert type(got) is type(expected), (got, expected)
    if isinstance(expected, tuple):
        assert len(got) == len(expected)
        for one, other in zip(got, expected, strict=True):
            same(one, other)
    elif isinstance(expected, np.ndarray):
        np.testing.assert_array_equal(got, expected)
        assert got.dtype == expected.dtype
    else:
        assert got == expected


def array(*values):
    return np.array(values, dtype=np.float64)


def test_jvp_of_scalars():
    same(nd.jvp(product)((2.0, 3, 5.0), (1.0, None, None)), (30.0, 15.0))
    same(nd.jvp(product, (2.0, 3, 5.0), (1, None, 1.0)), (30.0, 21.0))
    same(nd.jvp(product)((2.0, 3, 5.0), (None, None, None)), (30.0, 0.0))


def test_vjp_of_scalars():
    same(nd.vjp(product)((2.0, 3, 5.0), 2.0), (30.0, (30.0, None, 12.0)))
    same(nd.vjp(product)((2.0, 3, 5.0), 2), (30.0, (30.0, None, 12.0)))
    same(nd.vjp(product, argnums="y")((2.0, 3, 5.0), 1.0), (30.0, (None, None, 6.0)))
    same(nd.vjp(product, argnums=(2, 0))((2.0, 3, 5.0), 1.0), (30.0, (15.0, None, 6.0)))


def test_function_as_argument():
    same(nd.grad(applied, "x")(cube, 2.0), 12.0)
    same(nd.jvp(applied)((cube, 2.0), (None, 1.0)), (8.0, 12.0))
    same(nd.vjp(applied)((cube, 2.0), 1.0), (8.0, (None, 12.0)))
    same(nd.autodiff(applied, "reverse")(nd.Const(cube), nd.Active(2.0)), (8.0, (12.0,)))


def test_array_result():
    x = array(1, 2, 3)
    same(nd.jvp(doubled)((x,), (array(1, 0, 2),)), (2 * x, array(2, 0, 4)))
    same(nd.vjp(doubled)((x,), array(1, 0, 2)), (2 * x, (array(2, 0, 4),)))


def test_results_in_a_tuple():
    x, c = array(1, 2), array(7)
    same(nd.jvp(several)((x, c), (array(1, 1), array(3))),
         ((2 * x, c, 2, 1.0), (array(2, 2), array(3), None, 1.0)))
    same(nd.vjp(several)((x, c), (array(1, 1), array(3), None, 10.0)), ((2 * x, c, 2, 1.0), (array(12, 2), array(3))))
    same(nd.vjp(several)((x, c), (None, array(3), None, None)), ((2 * x, c, 2, 1.0), (array(0, 0), array(3))))


def test_result_that_does_not_depend_on_what_is_perturbed():
    x, c = array(1, 2), array(7)
    same(nd.jvp(constant_result)((x, c), (x, None)), (c, array(0)))
    same(nd.jvp(several)((x, c), (x, None))[1], (2 * x, array(0), None, 1.0))
    same(nd.vjp(several, argnums="x")((x, c), (array(1, 1), array(3), None, 10.0))[1], (array(12, 2), None))


def test_result_that_is_a_view_of_an_argument():
    x = np.arange(6.0).reshape(2, 3)
    same(nd.jvp(tail)((array(1, 2, 3),), (array(4, 5, 6),)), (array(2, 3), array(5, 6)))
    same(nd.vjp(tail)((array(1, 2, 3),), array(5, 6)), (array(2, 3), (array(0, 5, 6),)))
    same(nd.jvp(transposed)((x,), (x + 1,)), (x.T, (x + 1).T))
    same(nd.vjp(transposed)((x,), (x + 1).T), (x.T, (x + 1,)))


def test_outputs_of_a_kernel():
    y, x = array(8, 8), array(1, 2)
    same(nd.vjp(scaled, outputs=("y",))((y, x, 3.0), (array(1, 10),)),
         ((array(3, 6),), (array(0, 0), array(3, 30), 21.0)))
    same(nd.jvp(scaled, outputs=("y",))((y, x, 3.0), (None, array(1, 1), 1.0)), ((array(3, 6),), (array(4, 5),)))
    same(y, array(8, 8))


def test_gradient_of_an_output_is_that_of_what_it_held_before():
    x, y = array(1, 2), array(3, 4)
    same(nd.vjp(grown, outputs=("y",))((x, y), (array(1, 1),)), ((array(6, 12),), (array(3, 4), array(2, 3))))
    same(nd.vjp(grown, outputs=(1,))((x, y), (None,)), ((array(6, 12),), (array(0, 0), array(0, 0))))
    same(nd.jvp(grown, outputs=("y",))((x, y), (None, array(1, 1))), ((array(6, 12),), (array(2, 3),)))


def test_pullback_may_be_called_again():
    x, y = array(1, 2), array(3, 4)
    out, pullback = nd.vjp(grown, x, y, outputs=("y",))
    same(out, (array(6, 12),))
    x[:] = 100.0
    for _ in range(2):
        same(pullback((array(1, 1),)), (array(3, 4), array(2, 3)))
    same(pullback((array(2, 0),)), (array(6, 0), array(4, 0)))
    value, pullback = nd.vjp(product, 2.0, 3, 5.0, argnums=("x",))
    assert value == 30.0 and pullback(1.0) == (15.0, None, None)


def test_forward_over_reverse():
    x = array(1, 2)
    same(nd.jvp(nd.grad(sums))((x,), (array(1, 0),)), (2 * x, array(2, 0)))


@pytest.mark.parametrize("function, arguments, error, message", [
    (nd.jvp(sums), (1.0, (1.0,)), TypeError, r"primals must be a tuple with one entry for each argument \(x\)"),
    (nd.jvp(product), ((1.0, 2), (1.0, None)), TypeError, r"primals has 2 entries, but there are 3 arguments"),
    (nd.jvp(product), ((1.0, 2, 3.0), (1.0,)), TypeError, "tangents has 1 entries"),
    (nd.jvp(product), ((1.0, 2, 3.0), (1.0, 1.0, None)), TypeError, "tangent of argument 'n' must be None"),
    (nd.jvp(product), ((1.0, 2, 3.0), ("a", None, None)), TypeError, "tangent of argument 'x' must be a float or"),
    (nd.jvp(sums), ((np.ones(3),), (1.0,)), TypeError, "must be an array of float64 or None, not float64"),
    (nd.jvp(sums), ((np.ones(3),), (np.ones(3, np.float32),)), TypeError, "not a 1-dimensional array of float32"),
    (nd.jvp(sums), ((np.ones(3),), (np.ones((3, 1)),)), ValueError, "must have 1 dimensions, not 2"),
    (nd.jvp(sums), ((np.ones(3),), (np.ones(4),)), ValueError, "tangent of argument 'x' has another shape"),
    (nd.jvp(integer), ((1,), (None,)), TypeError, "returns int64, which has no derivative"),
    (nd.vjp(integer), ((1,), 1.0), TypeError, "no argument is a float or an array of floats"),
    (nd.vjp(integer, argnums=0), ((1,), 1.0), TypeError, "the argument 'n' is int64"),
    (nd.vjp(doubled), ((np.ones(3),), 1.0), TypeError, "cotangents must be an array of float64"),
    (nd.vjp(doubled), ((np.ones(3),), np.ones(4)), ValueError, "shape of cotangents is not that of the result"),
    (nd.vjp(several), ((np.ones(3), np.ones(1)), (None, np.ones(2), None, None)), ValueError,
     r"shape of cotangents\[1\] is not that"),
    (nd.vjp(scaled), ((np.ones(3), np.ones(3), 1.0), None), TypeError, "name the arguments that it writes by outputs="),
    (nd.vjp(scaled, outputs=("a",)), ((np.ones(3), np.ones(3), 1.0), (1.0,)), TypeError,
     "the output 'a' must be an array of floats"),
    (nd.vjp(scaled, outputs=("y",)), ((np.ones(3), np.ones(3), 1.0), np.ones(3)), TypeError,
     r"cotangents must be a tuple with one entry for each output \(y\)"),
    (nd.vjp(scaled, outputs=("y",)), ((np.ones(3), np.ones(3), 1.0), (np.ones(4),)), ValueError,
     "cotangent of argument 'y' has another shape"),
    (nd.vjp(sums, outputs=("x",)), ((np.ones(3),), (np.ones(3),)), TypeError, "for functions that return None"),
])
def test_refused(function, arguments, error, message):
    with pytest.raises(error, match=message):
        function(*arguments)


def test_refused_before_any_argument():
    with pytest.raises(TypeError, match="outputs must be a tuple of argument names, not 'y'"):
        nd.vjp(scaled, outputs="y")
    with pytest.raises(ValueError, match="outputs names 'z'"):
        nd.jvp(scaled, outputs=("z",))
    with pytest.raises(TypeError, match="needs both"):
        nd.jvp(sums, (np.ones(3),))
