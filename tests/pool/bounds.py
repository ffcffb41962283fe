"""Operands that are kept away from singular points, and those that only seem to be.

All programs are alike: a number is computed for each element of x, those at even places are added up. At the odd
places the adjoint is exactly 0, and the slope must be 0 there too, whatever the partial derivatives are. The odd
elements are the points where an operand that seems to be bounded is at its bound.
"""

import math

import numpy as np

from pool.entry import entry

NUMPY = {"error_model": "numpy"}
RAISES = "plain Python raises where Numba computes an infinity"
TRAP = "the partial derivatives are infinite at the odd places"


def with_traps(*traps):
    """Makes arguments: ordinary numbers at even places, these at odd ones."""
    def make(rng):
        x = np.empty(2 * len(traps))
        x[0::2], x[1::2] = rng.uniform(0.3, 0.8, len(traps)), traps
        return (x,)
    return make


def ordinary(rng):
    return (rng.uniform(0.3, 0.8, 6),)


def at_even_places(slope):
    """An exact gradient: the slope at the even places."""
    def gradient(x):
        result = np.zeros_like(x)
        result[0::2] = slope(x[0::2])
        return (result,)
    return gradient


def trapped(*traps, slope):
    """An entry whose odd elements are traps."""
    return entry(args=with_traps(*traps), exact=at_even_places(slope), no_fd=TRAP, generic=ordinary, no_complex=TRAP,
                 no_single="the odd elements are chosen for float64", no_twice=TRAP, no_python=RAISES, options=NUMPY)


@trapped(0.0, 1e100, -1e120, slope=lambda x: -3.0 * x * (x * x + 1e-2) ** -2.5)
def softened_force(x):
    w = np.empty(x.size)
    for i in range(x.size):
        r2 = x[i] * x[i] + 1e-2
        w[i] = 1.0 / (r2 * math.sqrt(r2))
    total = 0.0
    for i in range(0, x.size, 2):
        total += w[i]
    return total


@trapped(0.0, -0.0, 1e-200, 1e-154, slope=lambda x: -3.0 * x**-4)
def unsoftened_force(x):
    """The square of 1e-200 is 0, that of 1e-154 times its root is too."""
    w = np.empty(x.size)
    for i in range(x.size):
        r2 = x[i] * x[i]
        w[i] = 1.0 / (r2 * math.sqrt(r2))
    total = 0.0
    for i in range(0, x.size, 2):
        total += w[i]
    return total


@trapped(0.0, 1e-200, -1e-170, slope=lambda x: -2.0 / x**3)
def softened_by_too_little(x):
    """1 / 1e-320 is infinite."""
    w = np.empty(x.size)
    for i in range(x.size):
        w[i] = 1.0 / (x[i] * x[i] + 1e-320)
    total = 0.0
    for i in range(0, x.size, 2):
        total += w[i]
    return total


@trapped(0.0, 1e-120, slope=lambda x: -4.0 / x**5)
def square_of_a_softened_square(x):
    """1e-200 is positive, its square is 0."""
    w = np.empty(x.size)
    for i in range(x.size):
        soft = x[i] * x[i] + 1e-200
        w[i] = 1.0 / (soft * soft)
    total = 0.0
    for i in range(0, x.size, 2):
        total += w[i]
    return total


@entry(
    args=lambda rng: (np.array([0.5, 0.0, 0.25, 1e-30, -2.0, -1e-25], np.float32),),
    exact=at_even_places(lambda x: -2.0 / x**3),  # without rounding
    no_fd=TRAP,
    generic=lambda rng: (rng.uniform(1.0, 1.5, 6).astype(np.float32),),
    rtol=2e-3,  # what finite differences reach where the function itself rounds to float32
    step=0.05,
    projection=1e-4,
    no_complex=TRAP,
    no_single="it is float32",
    no_twice=TRAP,
    no_python=RAISES,
    options=NUMPY,
)
def softened_in_single(x):
    """As float32 1e-50 is 0."""
    w = np.empty(x.size, np.float32)
    for i in range(x.size):
        w[i] = np.float32(1.0) / (x[i] * x[i] + np.float32(1e-50))
    total = np.float32(0.0)
    for i in range(0, x.size, 2):
        total += w[i]
    return total


@trapped(2.0, -2.0, 1.0, -1.0, slope=lambda x: -2 * x / (x * x - 4) ** 2 - 2 * x / x**4 + 2 * x / (x * x - 1) ** 2)
def squares_less_something(x):
    """The last difference is 0 at 1, and where 1 + x * x rounds to 1 so is the second."""
    w = np.empty(x.size)
    for i in range(x.size):
        square = x[i] * x[i]
        w[i] = 1.0 / (square - 4.0) + 1.0 / ((1.0 + square) - 1.0) + 1.0 / (1.0 - square)
    total = 0.0
    for i in range(0, x.size, 2):
        total += w[i]
    return total


@trapped(0.0, -0.0, 1e-200, slope=lambda x: 2.0 * x / (x * x + 1.0) ** 2 + 2.0 / x**3 - np.sign(x) / x**2)
def signs_of_zero(x):
    """-(x * x) is -0.0 at 0, and so is the smaller of 0 and that."""
    w = np.empty(x.size)
    for i in range(x.size):
        square = -(x[i] * x[i])
        w[i] = 1.0 / (square - 1.0) + 1.0 / min(square, 0.0) + 1.0 / abs(x[i])
    total = 0.0
    for i in range(0, x.size, 2):
        total += w[i]
    return total


@trapped(0.0, -0.0, 1e-200, slope=lambda x: 1.0 + 0.5 / np.sqrt(x) + x / np.sqrt(1.0 + x * x) + 2.0 / x
         + 2.0 * x / (1.0 + x * x) - 2.0 * x / (1.0 - x * x))
def roots_and_logarithms(x):
    w = np.empty(x.size)
    for i in range(x.size):
        square = x[i] * x[i]
        w[i] = math.sqrt(square) + math.sqrt(abs(x[i])) + math.sqrt(1.0 + square)
        if square != 0.0:
            w[i] += math.log(square)
        w[i] += math.log1p(square) + math.log1p(-square)
    total = 0.0
    for i in range(0, x.size, 2):
        total += w[i]
    return total


@trapped(0.0, -1.0, 1e-310, 5e-324, slope=lambda x: -2.0 / x**2)
def larger_than_a_bound(x):
    """1e-3 is a bound that keeps away from 0; "> 0" is none."""
    w = np.empty(x.size)
    for i in range(x.size):
        w[i] = 1.0 / max(x[i], 1e-3) + 1.0 / (x[i] if x[i] > 0.0 else 1.0)
    total = 0.0
    for i in range(0, x.size, 2):
        total += w[i]
    return total


@trapped(0.0, -0.5 * math.pi, 0.5 * math.pi, -800.0,
         slope=lambda x: -np.cos(x) / (2 + np.sin(x)) ** 2 - np.cos(x) / (1 + np.sin(x)) ** 2
         - np.exp(-x) - np.exp(x) / (1 + np.exp(x)) ** 2 + 1.0)
def functions_with_bounds(x):
    """1 + sin(x) reaches 0, exp(-800) is 0, the slope of asin at 1 is infinite."""
    w = np.empty(x.size)
    for i in range(x.size):
        s, e = math.sin(x[i]), math.exp(x[i])
        w[i] = 1.0 / (2.0 + s) + 1.0 / (1.0 + s) + 1.0 / e + 1.0 / (1.0 + e) + math.asin(s)
    total = 0.0
    for i in range(0, x.size, 2):
        total += w[i]
    return total


@trapped(0.0, 1e-200, slope=lambda x: -2.0 / x**3 - 2.0 * x / (1.0 + x**2) ** 2 + 1.0 + 3.0 * x * np.sqrt(1.0 + x * x))
def even_powers(x):
    w = np.empty(x.size)
    for i in range(x.size):
        square = x[i] ** 2
        w[i] = 1.0 / square + 1.0 / (1.0 + square) + square**0.5 + (1.0 + square) ** 1.5
    total = 0.0
    for i in range(0, x.size, 2):
        total += w[i]
    return total


@trapped(0.0, 1e-170, slope=lambda x: -2.0 * x**-3)
def bound_that_a_loop_removes(x):
    """It starts at 1, so it is positive, until the loop has run twice."""
    w = np.empty(x.size)
    for i in range(x.size):
        d = 1.0
        for _ in range(2 + x.size % 2):
            d = d * x[i]
        w[i] = 1.0 / d
    total = 0.0
    for i in range(0, x.size, 2):
        total += w[i]
    return total


@entry(args=lambda rng: (rng.normal(size=5), rng.normal(size=5)))
def bounded_everywhere(x, y):
    """No guard can matter here."""
    total = 0.0
    for i in range(x.size):
        d = x[i] * x[i] + y[i] * y[i] + 0.1
        total += y[i] / d + math.sqrt(d) + math.log(1.0 + abs(x[i])) + x[i] / (2.0 + math.sin(y[i]))
        total += math.log1p(math.exp(x[i])) + math.atanh(0.5 * math.tanh(y[i])) + (1.0 + x[i] ** 2) ** y[i]
    return total
