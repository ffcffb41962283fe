"""Callees: inlined or not, recursive, given as arguments, writing to their caller's memory."""

import math

import numpy as np
from numba import njit, vectorize

from pool.entry import entry


@njit
def square(x):
    return x * x


@njit
def cube(x):
    return x * x * x


@njit(inline="always")
def inlined_by_numba(x, y):
    return x * y + math.sin(x)


@njit(inline="never")
def kept_apart(x, y):
    if x > y:
        return math.exp(-x * y)
    return x * y * y


@njit(inline="never")
def scaled_in_place(a, factor):
    for i in range(len(a)):
        a[i] = a[i] * factor + a[i - 1]


@njit(inline="never")
def sum_of_squares(a):
    total = 0.0
    for v in a:
        total += v * v
    return total


@njit(inline="never")
def mean_and_spread(a):
    mean = np.mean(a)
    return mean, np.sum((a - mean) ** 2)


@njit(inline="never")
def running_maximum(a):
    out = np.empty_like(a)
    top = a[0]
    for i in range(len(a)):
        top = max(top, a[i])
        out[i] = top
    return out


@njit(inline="never")
def first_larger(a, level):
    """Leaves its loop early."""
    total = 0.0
    for v in a:
        total += v * v
        if v > level:
            return total * v
    return -total


@njit
def power_by_recursion(x, n):
    if n == 0:
        return 1.0
    if n % 2 == 1:
        return x * power_by_recursion(x, n - 1)
    half = power_by_recursion(x, n // 2)
    return half * half


@njit
def fibonacci_by_recursion(a, b, n):
    if n == 0:
        return a
    if n == 1:
        return b
    return fibonacci_by_recursion(a, b, n - 1) * 0.5 + math.sin(fibonacci_by_recursion(a, b, n - 2))


@njit
def tree_sum(x, low, high):
    """Recursion with a loop at the leaves."""
    if high - low <= 2:
        total = 0.0
        for i in range(low, high):
            total += x[i] * x[i]
        return total
    middle = (low + high) // 2
    left = tree_sum(x, low, middle)
    return left * 0.5 + tree_sum(x, middle, high) * left


@njit
def simpson(a, b, w):
    m = 0.5 * (a + b)
    return (b - a) / 6.0 * (math.exp(-w * a * a) + 4.0 * math.exp(-w * m * m) + math.exp(-w * b * b))


@njit
def adaptive_simpson(a, b, w, tolerance):
    """Recursion whose depth depends on the data."""
    m = 0.5 * (a + b)
    whole = simpson(a, b, w)
    halves = simpson(a, m, w) + simpson(m, b, w)
    if abs(whole - halves) < tolerance:
        return halves
    return adaptive_simpson(a, m, w, 0.5 * tolerance) + adaptive_simpson(m, b, w, 0.5 * tolerance)


@njit
def overwrite_by_recursion(x, i):
    if i == len(x):
        return
    x[i] = x[i] * x[i - 1]
    overwrite_by_recursion(x, i + 1)


@njit
def weighted(x, weight=2.0, shift=0.5):
    return weight * x * x + shift


@njit
def summed(*terms):
    total = 0.0
    for t in terms:
        total += t * t
    return total


@vectorize
def ufunc_of_numba(x, y):
    if x > 0.0:
        return x * y
    return y * y


@entry(args=lambda rng: (0.8, -0.3))
def callee_of_callee(x, y):
    return square(cube(x) + square(y)) * inlined_by_numba(y, x)


@entry(args=lambda rng: (0.8, -0.3))
def callee_with_branches(x, y):
    return kept_apart(x, y) * kept_apart(y, x)


@entry(args=lambda rng: (0.8, 6))
def callee_in_loop(x, n):
    value = x
    for i in range(n):
        value = kept_apart(value, 0.3 * i) + 0.1 * value
    return value


@entry(args=lambda rng: (rng.normal(size=5), 0.7))
def callee_writes_argument(x, factor):
    scaled_in_place(x, factor)
    before = sum_of_squares(x)
    scaled_in_place(x, factor * 0.5)
    return before * sum_of_squares(x)


@entry(args=lambda rng: (rng.normal(size=5), 0.7))
def callee_writes_local(x, factor):
    work = x * factor
    scaled_in_place(work, factor)
    return sum_of_squares(work) * x[0]


@entry(args=lambda rng: (rng.normal(size=5),))
def callee_returns_tuple(x):
    mean, spread = mean_and_spread(x)
    again, _ = mean_and_spread(x * mean)
    return mean * spread + again


@entry(args=lambda rng: (rng.normal(size=5),))
def callee_returns_array(x):
    top = running_maximum(x)
    return np.sum(top * x) + top[4]


@entry(args=lambda rng: (rng.normal(size=5), 0.2))
def callee_returns_early(x, level):
    return first_larger(x, level) + first_larger(-x, 2.0 * level)


@entry(args=lambda rng: (rng.normal(size=(3, 4)), 0.2))
def callee_on_rows(a, level):
    total = 0.0
    for i in range(a.shape[0]):
        total += first_larger(a[i], level) * sum_of_squares(a[i])
    return total


@entry(args=lambda rng: (1.2, 13))
def recursion_in_scalars(x, n):
    return power_by_recursion(x, n)


@entry(args=lambda rng: (0.4, 0.9, 6))
def recursion_twice(a, b, n):
    return fibonacci_by_recursion(a, b, n)


@entry(args=lambda rng: (rng.normal(size=9),))
def recursion_over_array(x):
    return tree_sum(x, 0, len(x))


@entry(args=lambda rng: (-0.5, 1.2, 0.8), no_twice="the depth changes with the tolerance", rtol=1e-7)
def recursion_by_tolerance(a, b, w):
    return adaptive_simpson(a, b, w, 1e-4)


@entry(args=lambda rng: (rng.uniform(0.5, 1.5, size=5),))
def recursion_writing(x):
    overwrite_by_recursion(x, 1)
    return np.sum(x)


@entry(args=lambda rng: (square, cube, 0.8))
def functions_as_arguments(f, g, x):
    return f(g(x)) + g(x) * f(2.0 * x)


@entry(args=lambda rng: (cube, rng.normal(size=4), 5))
def function_applied_in_loop(f, x, n):
    total = 0.0
    for i in range(n):
        total = 0.5 * total + f(x[i % 4])
    return total


@entry(args=lambda rng: ((square, cube), 0.8), may_refuse="functions of a tuple are called through pointers")
def functions_in_a_tuple(fs, x):
    return fs[0](x) * fs[1](x + 1.0)


@entry(args=lambda rng: (0.8, 1.1))
def defaults_and_keywords(x, w):
    return weighted(x) * weighted(x, shift=w) - weighted(w, w)


@entry(args=lambda rng: (0.8, 1.1))
def starred_arguments(x, y):
    return summed(x, y, x * y) + summed(x)


@entry(args=lambda rng: (0.8, 1.1))
def closure_over_local(x, y):
    scale = 3.0

    def inner(v):
        return v * scale + y * v * v

    return inner(x) * inner(y)


@entry(args=lambda rng: (rng.normal(size=5), rng.normal(size=5)))
def ufunc_on_arrays(x, y):
    return ufunc_of_numba(x, y) * x


@entry(args=lambda rng: (0.8, -1.1))
def ufunc_on_scalars(x, y):
    return ufunc_of_numba(x, y) + ufunc_of_numba(y, x)


def with_frozen(table, factor):
    """A function over values of its definition: constants for the compiler."""

    def weighted_table(x):
        total = 0.0
        for i in range(len(x)):
            total += table[i] * x[i] * x[i] * factor
        return total

    return weighted_table


table_in_closure = entry(args=lambda rng: (rng.normal(size=3),))(with_frozen(np.array([0.5, -1.0, 2.0]), 1.5))

KNOTS = np.array([0.1, 0.4, 0.9])
OFFSETS = (2, 0, 1)


@entry(args=lambda rng: (rng.normal(size=3),))
def globals_are_constants(x):
    total = 0.0
    for i in range(3):
        total += KNOTS[OFFSETS[i]] * x[i] ** 2 + KNOTS[i]
    return total
