"""Types: float32 and mixtures, integers and booleans as data, casts, complex numbers inside, strings and None."""

import math

import numpy as np

from pool.entry import entry

SINGLE = {"rtol": 2e-3, "step": 0.05, "projection": 1e-4}
"""What finite differences and projections reach where the function itself rounds to float32."""


@entry(args=lambda rng: (rng.normal(size=5).astype(np.float32), np.float32(0.7)))
def single_precision(x, a):
    total = np.float32(0.0)
    for v in x:
        total += a * v * v
    return total


@entry(args=lambda rng: (rng.normal(size=5).astype(np.float32),))
def single_precision_elementary(x):
    return np.exp(-x * x) * np.sin(x) + np.sqrt(x * x + np.float32(1.0))


@entry(args=lambda rng: (np.float32(0.7), np.float32(1.9)))
def single_precision_math(x, y):
    return math.pow(y, x) + math.atan2(x, y) - math.tanh(x) * math.log(y) + math.hypot(x, y) + math.cos(x * y)


@entry(args=lambda rng: (rng.normal(size=5).astype(np.float32), rng.normal(size=5), 1.7))
def mixed_precision(x, y, a):
    total = 0.0
    for i in range(5):
        total += x[i] * y[i] * a
    return total


@entry(args=lambda rng: (rng.normal(size=4), 0.7), no_twice="second differences drown in float32 rounding", **SINGLE)
def rounded_to_single(x, a):
    """float64 in and out, float32 between."""
    y = x.astype(np.float32)
    total = np.float32(0.0)
    for v in y:
        total += v * v * np.float32(a)
    return np.float64(total) * a


@entry(args=lambda rng: (rng.normal(size=4),), no_twice="second differences drown in float32 rounding", **SINGLE)
def single_precision_buffer(x):
    work = np.zeros(4, dtype=np.float32)
    for i in range(4):
        work[i] = x[i] * x[i]
    total = 0.0
    for i in range(4):
        total += work[i] * x[i - 1]
    return total


@entry(args=lambda rng: (rng.normal(size=4), np.zeros(4, dtype=np.float32)), outputs=("out",), **SINGLE)
def output_of_other_type(x, out):
    for i in range(4):
        out[i] = math.sin(x[i]) * x[i]


@entry(args=lambda rng: (rng.normal(size=3), np.array([3, -1, 4]), np.array([250, 3, 7], dtype=np.uint8)))
def integer_data(x, counts, pixels):
    total = 0.0
    for i in range(3):
        total += counts[i] * x[i] ** 2 + pixels[i] * x[i]
    return total


@entry(args=lambda rng: (rng.normal(size=4), np.array([True, False, True, True])))
def boolean_data(x, mask):
    total = 0.0
    for i in range(4):
        if mask[i]:
            total += x[i] * x[i]
        total += mask[i] * x[i - 1]
    return total + np.sum(x[mask])


@entry(args=lambda rng: (0.7, 3, True))
def integer_and_boolean_arguments(x, n, twice):
    value = x**n + n * x
    return value * (2 if twice else 1) + float(n) * x / n


@entry(args=lambda rng: (2.7, 1.2))
def truncated_to_integer(x, y):
    n = int(x)
    total = 0.0
    for i in range(n):
        total += y * (i + 1) * x
    return total + n * y


@entry(args=lambda rng: (rng.normal(size=4),))
def integer_local_array(x):
    signs = np.zeros(4, dtype=np.int32)
    for i in range(4):
        signs[i] = 1 if x[i] > 0.0 else -1
    total = 0.0
    for i in range(4):
        total += signs[i] * x[i] * x[i]
    return total


@entry(args=lambda rng: (rng.normal(size=5),))
def arithmetic_on_comparisons(x):
    inside = (x > -0.5) & (x < 0.8)
    return np.sum(x * x * inside) + np.sum(np.where(~inside, x, 0.0))


@entry(args=lambda rng: (0.6, 1.1), no_complex="complex numbers inside")
def complex_inside(x, y):
    """Real in, real out: the numbers between are complex."""
    z = complex(x, y)
    w = z * z / (1.0 + z)
    return w.real * w.imag + abs(w)


@entry(args=lambda rng: (rng.normal(size=6), 0.4), no_complex="complex numbers inside")
def power_at_frequency(x, frequency):
    amplitude = 0.0 + 0.0j
    for n in range(len(x)):
        amplitude += x[n] * np.exp(-1j * frequency * n)
    return amplitude.real**2 + amplitude.imag**2


@entry(args=lambda rng: (0.3, -0.5, 6), no_complex="complex numbers inside")
def mandelbrot_orbit(x, y, n):
    c = complex(x, y)
    z = 0.0j
    for _ in range(n):
        z = z * z + c
    return (z * z.conjugate()).real


@entry(args=lambda rng: (rng.normal(size=5), "mean"))
def named_reduction(x, how):
    if how == "sum":
        return np.sum(x * x)
    if how == "mean":
        return np.mean(x * x)
    return np.max(x)


@entry(args=lambda rng: (rng.normal(size=4), None))
def optional_weights(x, weights):
    total = 0.0
    for i in range(4):
        if weights is None:
            total += x[i] * x[i]
        else:
            total += weights[i] * x[i]
    return total


@entry(args=lambda rng: (rng.normal(size=4), np.arange(4, dtype=np.uint32)))
def unsigned_indices(x, index):
    total = 0.0
    for k in range(4):
        total += x[index[k]] * x[index[3 - k]] * index[k]
    return total


@entry(args=lambda rng: (rng.normal(size=8), np.int8(3)))
def small_integers(x, start):
    total = 0.0
    position = start
    while position < 8:
        total += x[position] * position
        position += np.int8(2)
    return total * total


@entry(args=lambda rng: (np.array([0.4, -1.2, 0.9]), 2))
def integer_powers_of_array(x, n):
    return x**n + x**3 - x**-1


@entry(args=lambda rng: (0.7, 123456789))
def generator_of_integers(x, seed):
    """A linear congruential generator: integer state, constant for the derivative."""
    state = seed
    total = 0.0
    for _ in range(6):
        state = (1103515245 * state + 12345) % 2147483648
        u = state / 2147483648
        total += math.sin(x * u) + u
    return total
