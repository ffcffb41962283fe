"""Functions that may raise: the derivative on the good path, the same exception on the other, nothing leaked."""

import math

import numpy as np
from numba import njit

from pool.entry import entry


@njit
def checked_sqrt(x):
    if x < 0.0:
        raise ValueError("negative radicand")
    return math.sqrt(x)


@entry(args=lambda rng: (1.3, 0.4), raises=(ValueError, lambda rng: (1.3, -0.4)))
def user_raises(x, y):
    if y < 0.0:
        raise ValueError("y must not be negative")
    return x * math.sqrt(y)


@entry(args=lambda rng: (1.3, 0.4), raises=(ZeroDivisionError, lambda rng: (1.3, 0.0)))
def division_by_zero(x, y):
    return x / y + x


@entry(args=lambda rng: (1.3, 3), raises=(ZeroDivisionError, lambda rng: (1.3, 0)))
def integer_division_by_zero(x, n):
    return x * (7 // n) + x**2 / n


@entry(args=lambda rng: (5.3, 0.4), raises=(ZeroDivisionError, lambda rng: (5.3, 0.0)))
def remainder_by_zero(x, y):
    return x * (x % y)


@entry(
    args=lambda rng: (rng.normal(size=5), np.array([4, 0, 2])),
    options={"boundscheck": True},
    raises=(IndexError, lambda rng: (rng.normal(size=5), np.array([4, 0, 5]))),
)
def checked_gather(x, index):
    total = 0.0
    for i in index:
        total += x[i] * x[i]
    return total


@entry(
    args=lambda rng: (rng.normal(size=6), 0.1, 3),
    options={"boundscheck": True},
    raises=(IndexError, lambda rng: (rng.normal(size=6), 0.1, 9)),
)
def checked_stencil(x, rate, last):
    """Branches and bounds checks in one sweep; the bad index comes after good ones."""
    y = x.copy()
    for i in range(1, last + 1):
        if y[i] > 0.0:
            y[i] += rate * (y[i - 1] - 2.0 * y[i] + y[i + 1])
        else:
            y[i] -= rate * y[i - 1]
    return np.sum(y * y)


@entry(
    args=lambda rng: (rng.uniform(0.5, 1.5, size=5),),
    raises=(ValueError, lambda rng: (np.array([0.5, 0.7, -0.2, 0.4, 0.3]),)),
)
def raise_in_loop_with_live_arrays(x):
    kept = x * x
    work = np.zeros(5)
    for i in range(len(x)):
        part = np.ones(i + 1)
        if x[i] < 0.0:
            raise ValueError("negative entry")
        part *= x[i]
        work[i] = np.sum(part) * kept[i]
    return np.sum(work)


@entry(
    args=lambda rng: (rng.uniform(0.5, 1.5, size=4), 2.5),
    raises=(ValueError, lambda rng: (rng.uniform(0.5, 1.5, size=4), 0.3)),
)
def callee_raises_in_loop(x, shift):
    total = 0.0
    for v in x:
        work = np.array([v, total])
        total += checked_sqrt(shift - v) * work[0]
    return total


@entry(args=lambda rng: (0.4, 1.2), raises=(AssertionError, lambda rng: (1.4, 1.2)))
def asserted(x, y):
    assert x < 1.0
    return math.atanh(x) * y


@entry(args=lambda rng: (0.4, 3), raises=(ValueError, lambda rng: (0.4, -3)))
def raise_with_values(x, n):
    if n < 0:
        raise ValueError("steps", n)
    value = x
    for _ in range(n):
        value *= math.cos(x)
    return value


@entry(
    args=lambda rng: (rng.normal(size=4), rng.normal(size=4)),
    raises=(ValueError, lambda rng: (rng.normal(size=4), rng.normal(size=3))),
)
def shapes_must_match(x, y):
    z = np.zeros(4)
    z[:] = x * y
    return np.sum(z * x)


@entry(
    args=lambda rng: (rng.normal(size=(3, 4)), rng.normal(size=4)),
    raises=(ValueError, lambda rng: (rng.normal(size=(3, 4)), rng.normal(size=5))),
)
def dot_of_mismatched(a, x):
    return a @ x


@entry(
    args=lambda rng: (np.array([0.2, 0.5, 0.9]), 4),
    raises=(IndexError, lambda rng: (np.array([0.2, 0.5, 0.9]), 40)),
    options={"boundscheck": True},
)
def output_overrun(x, n):
    """The exception comes after the result array was partly written."""
    out = np.zeros(6)
    for i in range(n):
        out[i] = math.sin(x[i % 3] * i)
    return out


@entry(args=lambda rng: (2.0, 30), raises=(RuntimeError, lambda rng: (2.0, 2)))
def no_convergence(x, iterations):
    y = x
    for _ in range(iterations):
        step = (y * y * y - x) / (3.0 * y * y)
        y -= step
        if abs(step) < 1e-14:
            return y
    raise RuntimeError("no convergence")


@entry(
    args=lambda rng: (rng.normal(size=4), np.zeros(4)),
    outputs=("out",),
    raises=(ValueError, lambda rng: (np.array([0.1, 0.2, math.inf, 0.3]), np.zeros(4))),
)
def output_kernel_raises(x, out):
    for i in range(len(x)):
        if math.isinf(x[i]):
            raise ValueError("infinite entry")
        out[i] = x[i] * x[i - 1]


@entry(args=lambda rng: (0.4, -1.2))
def caught_inside(x, y):
    try:
        value = checked_sqrt(y)
    except Exception:
        value = y * y
    return value * x


# Exceptions of functions that LLVM cannot inline, caught by a caller that goes on with what they wrote.


LOST = "Numba loses the references that a function holds when it raises"


@njit
def scale_downwards(a, x, n):
    a[n] = a[n] * x
    if n == 0:
        if x > 0.0:
            raise ValueError("bottom")
        return 0.0
    return scale_downwards(a, x, n - 1) + math.sin(x)


@entry(args=lambda rng: (rng.normal(size=5), 0.8), leaks=LOST)
def written_before_the_exception(a, x):
    b = a.copy()
    try:
        r = scale_downwards(b, x, 3)
    except Exception:
        r = x * x
    return np.sum(b * b) + r


@entry(args=lambda rng: (rng.normal(size=5), -0.8))
def no_exception_where_one_is_caught(a, x):
    b = a.copy()
    try:
        r = scale_downwards(b, x, 3)
    except Exception:
        r = x * x
    return np.sum(b * b) + r


@njit
def sweep_until_large(a, x, n):
    """Raises in the middle of a nest of loops, or behind it, or in a call."""
    if n < 0:
        if x > -5.0:
            a[0] = x * x * x
            raise ValueError("only an exception leads on from here")
        return 0.0
    total = 0.0
    for i in range(n + 1):
        for j in range(i + 1):
            a[j] = math.sin(a[j] * x) + total
            total += a[j]
            if total > 1.0 and n == 1:
                raise ValueError("large")
    return total * sweep_until_large(a, x, n - 1)


@entry(args=lambda rng: (np.array([0.3, 0.5, 0.7, 1.1, 0.9]), 0.8), leaks=LOST)
def exceptions_caught_in_a_loop(a, x):
    b = a.copy()
    total = 0.0
    for k in range(3):
        try:
            total += sweep_until_large(b, x, k)
        except Exception:
            total += x * b[1]
    return np.sum(b * b) + total


@njit
def catch_own_exceptions(a, x, n):
    a[n] = a[n] * x + a[n - 1]
    if n == 0:
        if x > 5.0:
            return x
        raise ValueError("bottom")
    try:
        return catch_own_exceptions(a, x, n - 1)
    except Exception:
        a[n] = math.cos(a[n])
        if n % 2:
            raise ValueError("again")  # noqa: B904
    return a[n] * a[n - 1]


@entry(args=lambda rng: (rng.normal(size=5), 0.8))
def exceptions_raised_again(a, x):
    b = a.copy()
    return catch_own_exceptions(b, x, 4) + np.sum(b)


@njit
def lose_an_array(a, x, n):
    """Numba loses what is allocated when a function raises."""
    part = a * x
    a[n] += np.sum(part * part)
    if n == 0:
        if x > 0.0:
            raise ValueError("bottom")
        return x
    return lose_an_array(a, x, n - 1)


@entry(args=lambda rng: (rng.normal(size=3), 0.4), leaks=LOST)
def arrays_alive_when_an_exception_passes(a, x):
    b = a.copy()
    try:
        total = lose_an_array(b, x, 2)
    except Exception:
        total = np.sum(b * b)
    return total


@njit
def search(a, x, n):
    if n == len(a):
        raise IndexError("not found")
    a[n] *= x
    if a[n] > 1.0:
        return a[n]
    return search(a, x, n + 1)


@entry(args=lambda rng: (np.array([0.3, 0.7, 2.0]), 0.9), raises=(IndexError, lambda rng: (np.zeros(3), 0.9)),
       leaks=LOST)
def caught_at_one_call_but_not_at_the_other(a, x):
    b = a.copy()
    c = a * 0.1
    try:
        first = search(c, x, 0)
    except Exception:
        first = c[0] * c[1]
    return first * search(b, x, 0) + b[0]


@entry(args=lambda rng: (0.4, 0.0), options={"error_model": "numpy"}, diff=("x",), no_python="plain Python raises")
def numpy_error_model(x, y):
    """Division by zero gives infinity instead of raising."""
    q = 1.0 / y
    return x * x if q > 1e300 else x


@entry(args=lambda rng: (0.7, rng.normal(size=4), 3),
       raises=(ValueError, lambda rng: (-0.7, rng.normal(size=4), 3)))
def products_on_the_way_out(x, a, n):
    """A number that is used where only an exception can follow, and elsewhere on some ways only."""
    scale = math.exp(x) * x
    if x < 0.0:
        for i in range(a.shape[0]):
            a[i] *= scale
        raise ValueError("negative")
    total = x * x
    for i in range(n):
        total += a[i] * scale
    return total
