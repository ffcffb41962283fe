"""Scalars in, scalars out: every elementary function Numba offers, alone and in formulas people write."""

import math

import numpy as np

from pool.entry import entry


@entry(args=lambda rng: (0.7, -1.3))
def circular(x, y):
    return math.sin(x) * math.cos(y) + math.tan(x * y)


@entry(args=lambda rng: (0.3, -0.4))
def circular_inverse(x, y):
    return math.asin(x) + math.acos(y) * math.atan(x + 2.0 * y)


@entry(args=lambda rng: (-0.8, -1.7))
def bearing(x, y):
    """Polar coordinates in the third quadrant."""
    return math.atan2(y, x) * math.hypot(x, y)


@entry(args=lambda rng: (0.6, -1.1))
def hyperbolic(x, y):
    return math.sinh(x) * math.cosh(y) - math.tanh(x - y)


@entry(args=lambda rng: (-0.6, 1.7, 0.4))
def hyperbolic_inverse(x, y, z):
    return math.asinh(x) * math.acosh(y) + math.atanh(z * x)


@entry(args=lambda rng: (0.6, 1e-3))
def exponentials(x, y):
    return math.exp(-x) + math.exp2(x * y) + math.expm1(y)


@entry(args=lambda rng: (2.6, 0.4))
def logarithms(x, y):
    return math.log(x) * math.log2(x + y) - math.log10(x) / math.log1p(x * y)


@entry(args=lambda rng: (2.6, -1.7))
def roots(x, y):
    """A cube root of a negative number among them."""
    return math.sqrt(x) * np.cbrt(y) + np.cbrt(x)


@entry(args=lambda rng: (-1.3, 0.4))
def integer_powers(x, y):
    return x**2 - 2.0 * x**3 + y**7 + x**-2 + x**0 + y**1


@entry(args=lambda rng: (-1.3, 5, -3))
def powers_of_integer_arguments(x, n, m):
    return x**n + x**m


@entry(args=lambda rng: (1.3, 2.4))
def real_powers(x, y):
    return x**y + x**2.5 + 2.0**y + math.pow(x, 0.3) + y**-0.5


@entry(args=lambda rng: (1.3, 2.4))
def numpy_powers(x, y):
    return np.power(x, y) * np.square(x) - np.reciprocal(y) + np.sqrt(x) * np.exp2(y)


@entry(args=lambda rng: (2.7, -1.4))
def rounded_steps(x, y):
    """Flat functions: they change the value and carry no derivative."""
    steps = math.floor(x) + math.ceil(y) + math.trunc(x * 3.0) + round(y) + np.rint(x)
    return x * steps + y * np.floor(y) + np.ceil(x) * x + np.trunc(y) * y + np.round(x) * x


@entry(args=lambda rng: (7.3, -2.2))
def remainders_of_c(x, y):
    return np.fmod(x, y) * x + np.fmod(y, x) + np.fmod(-x, 1.7 * y)


@entry(args=lambda rng: (-7.3, 2.2))
def remainders_of_python(x, y):
    return (x % y) * x + (y % x) - (x // y) * y + np.remainder(x, -y) + np.floor_divide(y, x) * x


@entry(args=lambda rng: (-0.3,))
def wrapped_angle(theta):
    """The angle in [0, 2 pi), as a floating remainder."""
    turn = 2.0 * math.pi
    return math.sin(theta) * (theta % turn) + (theta + 9.0 * turn) % turn


@entry(args=lambda rng: (0.4, -0.2, 1.5))
def smallest_and_largest(x, y, z):
    return min(x, y) * max(x, z) + min(x, y, z) * 2.0 - max(x * y, y * z, z)


@entry(args=lambda rng: (0.4, -0.2))
def numpy_extremes(x, y):
    return np.minimum(x, y) * np.maximum(x * x, y) + np.fmin(x, 3.0 * y) - np.fmax(y, 2.0 * x)


@entry(args=lambda rng: (0.4, -0.2))
def extremes_with_nan(x, y):
    """fmin and fmax pass over a nan: the other argument carries the derivative."""
    missing = math.nan
    return np.fmin(x, missing) * y + np.fmax(missing, y) * np.fmin(x, y)


@entry(args=lambda rng: (1.7, -1.0, 1.2))
def clamped(x, low, high):
    return x * min(max(x, low), high) + max(low, min(0.3 * x, high))


@entry(args=lambda rng: (0.9, 1.1, -0.3, 0.7))
def multiply_add_chain(x, a, b, c):
    return (a * x + b) * x + c - (x * x + a * b)


@entry(args=lambda rng: (0.9, -0.4))
def error_functions(x, y):
    return math.erf(x) * math.erfc(y) + math.erf(y / x)


@entry(args=lambda rng: (2.3, 4.1, -1.6))
def gamma_functions(a, b, c):
    return math.gamma(a) - math.lgamma(b) * math.lgamma(a + b) + math.gamma(c)


@entry(args=lambda rng: (2.3, 4.1))
def log_beta(a, b):
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


@entry(args=lambda rng: (33.0, 0.8))
def angles(x, y):
    return math.radians(x) * math.degrees(y) + np.deg2rad(x * y) - np.rad2deg(y) / (1.0 + x * x)


@entry(args=lambda rng: (0.8, -1.9))
def signs(x, y):
    return np.sign(y) * x * y + math.copysign(x, y) * y + math.fabs(y) * abs(x) + np.fabs(x * y) + math.copysign(y, 2.0)


@entry(args=lambda rng: (0.8, 0.3))
def heaviside_gate(x, y):
    gate = 1.0 if x > y else 0.0
    return gate * x * x * y + (1.0 - gate) * y


@entry(args=lambda rng: (0.8, -0.3))
def numpy_specials(x, y):
    return np.sinc(x) + np.logaddexp(x, 2.0 * y) * y + math.ldexp(x, 3) + np.negative(y) * np.positive(x)


@entry(args=lambda rng: (0.85, -1.29, 0.66, 0.04))
def haversine(lat1, lon1, lat2, lon2):
    half = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 2.0 * 6371.0 * math.asin(math.sqrt(half))


@entry(args=lambda rng: (1.9, 0.7))
def planck_law(frequency, temperature):
    return frequency**3 / math.expm1(frequency / temperature)


@entry(args=lambda rng: (30.0,))
def softplus(x):
    """Stable for large arguments of either sign."""
    return math.log1p(math.exp(-abs(x))) + max(x, 0.0)


@entry(args=lambda rng: (0.2, 1.3, 0.8))
def gaussian_log_density(x, mean, sigma):
    z = (x - mean) / sigma
    return -0.5 * z * z - math.log(sigma) - 0.5 * math.log(2.0 * math.pi)


@entry(args=lambda rng: (1.4, -2.2, 3))
def quotients(x, y, n):
    return x / y + 3.0 / x - y / 7.0 + x / n + n / y - 1.0 / (x * y)


@entry(args=lambda rng: (1.4, -2.2))
def unused_argument(x, y):
    return x * x


@entry(args=lambda rng: (1.4,))
def constant_result(x):
    return 3.5


@entry(args=lambda rng: (1.4,))
def identity(x):
    return x


@entry(args=lambda rng: (0.95, 0.9, 0.05, 0.2))
def black_scholes_call(moneyness, maturity, rate, volatility):
    spread = volatility * math.sqrt(maturity)
    d1 = (math.log(moneyness) + (rate + 0.5 * volatility * volatility) * maturity) / spread
    d2 = d1 - spread
    root2 = math.sqrt(2.0)
    first = moneyness * 0.5 * math.erfc(-d1 / root2)
    return first - math.exp(-rate * maturity) * 0.5 * math.erfc(-d2 / root2)
