"""`autodiff`: shadows in the caller's memory, from Python and inside `@njit`."""

import numpy as np
import pytest
from numba import njit

import numbad as nd
from numbad import Active, Const, Dup


@njit
def scaled(y, x, a):
    for i in range(len(y)):
        y[i] = a * x[i]


@njit
def grown(x, y):
    for i in range(len(x)):
        y[i] += x[i] * y[i]


@njit
def through_scratch(x, w):
    for i in range(len(x)):
        w[i] = x[i] * x[i]
    return w.sum()


@njit
def mixed(x, n, a=2.0):
    return a * x[n]


@njit
def doubled(x):
    return 2.0 * x


@njit
def pair_product(pair):
    return pair[0][0] * pair[1][0]


def strided(values):
    array = np.zeros(2 * len(values))[::2]
    array[:] = values
    return array


def test_reverse_accumulates_into_shadows():
    y, dy, x, dx = np.zeros(2), np.array([1.0, 10.0]), np.array([1.0, 2.0]), np.array([100.0, 0.0])
    value, adjoints = nd.autodiff(scaled, "reverse")(Dup(y, dy), Dup(x, dx), Active(3.0))
    assert value is None and adjoints == (21.0,)
    np.testing.assert_array_equal(y, [3.0, 6.0])
    np.testing.assert_array_equal(dy, [0.0, 0.0])
    np.testing.assert_array_equal(dx, [103.0, 30.0])


def test_forward_writes_tangents():
    y, dy, x, dx = np.zeros(2), np.zeros(2), np.array([1.0, 2.0]), np.array([1.0, 0.0])
    assert nd.autodiff(scaled, "forward")(Dup(y, dy), Dup(x, dx), Dup(3.0, 1.0)) == (None, None)
    np.testing.assert_array_equal(dy, [4.0, 2.0])
    np.testing.assert_array_equal(dx, [1.0, 0.0])


def test_float_result_is_seeded_with_one():
    x, dx = np.array([1.0, 5.0]), np.zeros(2)
    assert nd.autodiff(mixed, "reverse")(Dup(x, dx), Const(1), Active(3.0)) == (15.0, (5.0,))
    np.testing.assert_array_equal(dx, [0.0, 3.0])
    assert nd.autodiff(mixed, "reverse")(Dup(x, dx), Const(1)) == (10.0, ())
    assert nd.autodiff(mixed, "forward")(Const(x), n=Const(1), a=Dup(3.0, 2)) == (15.0, 10.0)


def test_array_result_in_forward_mode():
    x = np.array([1.0, 2.0])
    value, tangent = nd.autodiff(doubled, "forward")(Dup(x, x))
    np.testing.assert_array_equal(value, 2 * x)
    np.testing.assert_array_equal(tangent, 2 * x)


def test_strided_arrays_are_not_copied():
    x, y = strided([1.0, 2.0]), strided([3.0, 4.0])
    dx, dy = strided([0.0, 0.0]), strided([1.0, 1.0])
    nd.autodiff(grown, "reverse")(Dup(x, dx), Dup(y, dy))
    np.testing.assert_array_equal(y, [6.0, 12.0])
    np.testing.assert_array_equal(dx, [3.0, 4.0])
    np.testing.assert_array_equal(dy, [2.0, 3.0])


def test_scratch_gets_a_shadow():
    x, dx, w = np.array([1.0, 2.0]), np.zeros(2), np.zeros(2)
    assert nd.autodiff(through_scratch, "reverse")(Dup(x, dx), Const(w)) == (5.0, ())
    np.testing.assert_array_equal(dx, 2 * x)
    np.testing.assert_array_equal(w, x * x)
    assert nd.autodiff(through_scratch, "forward")(Dup(x, np.ones(2)), Const(w)) == (5.0, 6.0)


def test_tuple_of_arrays():
    pair, shadows = (np.array([2.0]), np.array([3.0])), (np.zeros(1), np.zeros(1))
    assert nd.autodiff(pair_product, "reverse")(Dup(pair, shadows)) == (6.0, ())
    assert (shadows[0][0], shadows[1][0]) == (3.0, 2.0)


def test_inside_njit():
    @njit
    def descend(x, dx, steps):
        value = 0.0
        for _ in range(steps):
            dx[:] = 0.0
            value, _ = nd.autodiff(through_scratch, "reverse")(Dup(x, dx), Const(np.empty_like(x)))
            for i in range(len(x)):
                x[i] -= 0.25 * dx[i]
        return value

    x = np.array([4.0, 8.0])
    assert descend(x, np.zeros(2), 2) == 20.0
    np.testing.assert_array_equal(x, [1.0, 2.0])


ones = np.ones
shared = np.ones(3)
locked = np.ones(3)
locked.flags.writeable = False
reverse, forward = nd.autodiff(scaled, "reverse"), nd.autodiff(scaled, "forward")


@pytest.mark.parametrize("function, arguments, error, message", [
    (reverse, (ones(3), Const(ones(3)), Active(1.0)), TypeError, "wrap the argument 'y' in Const, Dup or Active"),
    (reverse, (Dup(ones(3), ones(3)), Const(ones(3)), Dup(1.0, 1.0)), TypeError, "'a' must be Active"),
    (reverse, (Active(ones(3)), Const(ones(3)), Const(1.0)), TypeError, "only a float can be Active, and 'y' is a 1-d"),
    (reverse, (Dup(ones(3), ones(3)), Const(ones(3)), Active(1)), TypeError, "only a float can be Active, and 'a' is"),
    (forward, (Dup(ones(3), ones(3)), Const(ones(3)), Active(1.0)), TypeError, "forward mode has no Active arguments"),
    (reverse, (Dup(ones(3), None), Const(ones(3)), Active(1.0)), TypeError, "shadow of argument 'y' is None"),
    (reverse, (Dup(ones(3), ones(3, np.float32)), Const(ones(3)), Active(1.0)), TypeError, "array of float32"),
    (reverse, (Dup(ones(3), ones((3, 3))), Const(ones(3)), Active(1.0)), ValueError, "must have 1 dimensions, not 2"),
    (reverse, (Dup(ones(3), ones(4)), Const(ones(3)), Active(1.0)), ValueError, "shadow of argument 'y' has another"),
    (reverse, (Dup(ones(3), strided(ones(3))), Const(ones(3)), Active(1.0)), ValueError, "memory layout A, the argum"),
    (reverse, (Dup(strided(ones(3)), ones(9)[::3]), Const(ones(3)), Active(1.0)), ValueError, "other strides"),
    (reverse, (Dup(ones(3), locked), Const(ones(3)), Active(1.0)), ValueError, "shadow of argument 'y' is read-only"),
    (reverse, (Dup(ones(3), shared), Dup(ones(3), shared), Active(1.0)), ValueError,
     "the shadow of argument 'y' and the shadow of argument 'x' overlap"),
    (reverse, (Dup(ones(3), ones(3)), Dup(shared, shared), Active(1.0)), ValueError,
     "argument 'x' and the shadow of argument 'x' overlap"),
    (forward, (Dup(shared, ones(3)), Dup(shared, ones(3)), Const(1.0)), ValueError,
     "argument 'y' and argument 'x' overlap, and argument 'y' is written"),
    (nd.autodiff(through_scratch, "reverse"), (Dup(ones(3), ones(3)), Const(strided(ones(3)))), nd.Unsupported,
     "give it a shadow with equal strides"),
    (nd.autodiff(doubled, "reverse"), (Dup(ones(3), ones(3)),), TypeError, "use vjp, which takes cotangents"),
])
def test_refused(function, arguments, error, message):
    with pytest.raises(error, match=message):
        function(*arguments)


def test_wrong_mode():
    with pytest.raises(ValueError, match="the mode is 'forward' or 'reverse', not 'backward'"):
        nd.autodiff(scaled, "backward")
