"""A thread, an element: chains of mathematical functions, precisions, scalars, layouts, grids."""

import math

import numpy as np
from cuda.pool.entry import entry
from numba import cuda, float32
from numba.cuda import libdevice
from scipy import special

N = 100


def drawn(low, high, *, outputs=1, n=N, dtype=np.float64):
    """Arguments: an array of uniform numbers, then zeros to write to."""
    return lambda rng: (rng.uniform(low, high, n).astype(dtype), *(np.zeros(n, dtype) for _ in range(outputs)))


@entry(arguments=lambda rng: (1.7, rng.normal(size=N), rng.normal(size=N), np.zeros(N)), grid=4, block=32,
       active=(0, 1, 2, 3))
def saxpy(a, x, y, out):
    i = cuda.grid(1)
    if i < x.shape[0]:
        out[i] = a * x[i] + y[i]


@saxpy.numpy
def _(a, x, y, out):
    out[:] = a * x + y


@entry(arguments=drawn(0.1, 0.9), grid=2, block=64, active=(0, 1))
def trigonometric(x, out):
    i = cuda.grid(1)
    if i < x.size:
        v = x[i]
        inverse = math.asin(v) * math.acos(v) + math.atan(v) + math.atan2(v, 2.0)
        out[i] = math.sin(v) + math.cos(v) * math.tan(v) + inverse


@trigonometric.numpy
def _(x, out):
    out[:] = np.sin(x) + np.cos(x) * np.tan(x) + np.arcsin(x) * np.arccos(x) + np.arctan(x) + np.arctan2(x, 2.0)


@entry(arguments=drawn(0.1, 0.9), grid=2, block=64, active=(0, 1))
def hyperbolic(x, out):
    i = cuda.grid(1)
    if i < x.size:
        v = x[i]
        out[i] = math.sinh(v) + math.cosh(v) * math.tanh(v) + math.asinh(v) * math.acosh(1.5 + v) + math.atanh(v)


@hyperbolic.numpy
def _(x, out):
    out[:] = np.sinh(x) + np.cosh(x) * np.tanh(x) + np.arcsinh(x) * np.arccosh(1.5 + x) + np.arctanh(x)


@entry(arguments=drawn(0.5, 2.0), grid=2, block=64, active=(0, 1))
def exponential(x, out):
    i = cuda.grid(1)
    if i < x.size:
        v = x[i]
        out[i] = (math.exp(v) + math.exp2(v) * math.expm1(v) + math.log(v) * math.log2(v + 1.0) + math.log10(v)
                  + math.log1p(v) * math.sqrt(v))


@exponential.numpy
def _(x, out):
    out[:] = np.exp(x) + np.exp2(x) * np.expm1(x) + np.log(x) * np.log2(x + 1) + np.log10(x) + np.log1p(x) * np.sqrt(x)


@entry(arguments=drawn(0.5, 2.0), grid=2, block=64, active=(0, 1))
def special_functions(x, out):
    i = cuda.grid(1)
    if i < x.size:
        v = x[i]
        out[i] = math.erf(v) + math.erfc(v) * math.gamma(v) + math.lgamma(v)


@special_functions.numpy
def _(x, out):
    out[:] = special.erf(x) + special.erfc(x) * special.gamma(x) + special.gammaln(x)


@entry(arguments=lambda rng: (rng.uniform(0.5, 2, N), rng.uniform(0.5, 2, N), np.zeros(N)), grid=2, block=64,
       active=(0, 1, 2))
def powers(x, y, out):
    i = cuda.grid(1)
    if i < x.size:
        a, b = x[i], y[i]
        out[i] = math.pow(a, b) + a ** 2 + b ** 3 / a ** b + b ** -1 + a ** 0.5 + math.hypot(a, b)


@powers.numpy
def _(x, y, out):
    out[:] = x ** y + x ** 2 + y ** 3 / x ** y + 1 / y + np.sqrt(x) + np.hypot(x, y)


@entry(arguments=lambda rng: (rng.uniform(1.1, 1.9, N), rng.uniform(2.1, 2.9, N), np.zeros(N)), grid=2, block=64,
       active=(0, 1, 2))
def steps_and_signs(x, y, out):
    """Functions that are flat or straight between their steps; the points keep away from these."""
    i = cuda.grid(1)
    if i < x.size:
        a, b = x[i], y[i]
        flat = math.floor(a) + math.ceil(b) + math.trunc(a) + round(b)
        signs = math.fabs(-b) + abs(a - b) + math.copysign(a, -b)
        out[i] = flat * a + signs + math.fmod(b, 0.7) + min(a, b) * max(a, b)


@steps_and_signs.numpy
def _(x, y, out):
    flat = np.floor(x) + np.ceil(y) + np.trunc(x) + np.round(y)
    out[:] = flat * x + y + np.abs(x - y) - x + np.fmod(y, 0.7) + x * y


@entry(arguments=drawn(0.2, 0.8), grid=2, block=64, active=(0, 1))
def libdevice_functions(x, out):
    i = cuda.grid(1)
    if i < x.size:
        v = x[i]
        s, c = libdevice.sincos(v)
        roots = libdevice.rsqrt(v) + libdevice.cbrt(v) * libdevice.normcdf(v)
        out[i] = (roots + libdevice.erfinv(v) * libdevice.sinpi(v) + libdevice.erfcx(v) * libdevice.exp10(v)
                  + cuda.fma(v, s, c))


@libdevice_functions.numpy
def _(x, out):
    out[:] = (1 / np.sqrt(x) + np.cbrt(x) * special.ndtr(x) + special.erfinv(x) * np.sin(np.pi * x)
              + special.erfcx(x) * 10 ** x + x * np.sin(x) + np.cos(x))


@entry(arguments=drawn(0.3, 0.9, dtype=np.float32), grid=2, block=64, active=(0, 1), precision=1e-5)
def chain_in_float32(x, out):
    i = cuda.grid(1)
    if i < x.size:
        v = x[i]
        w = math.exp(-v * v) * math.sin(v) + math.sqrt(v) / math.cosh(v)
        out[i] = math.log(w) + w ** float32(1.5) + math.atan2(v, w) + math.tanh(w)


@chain_in_float32.numpy
def _(x, out):
    w = np.exp(-x * x) * np.sin(x) + np.sqrt(x) / np.cosh(x)
    out[:] = np.log(w) + w ** np.float32(1.5) + np.arctan2(x, w) + np.tanh(w)


@entry(arguments=lambda rng: (rng.normal(size=N).astype(np.float32), rng.normal(size=N), np.float32(0.7), np.zeros(N)),
       grid=2, block=64, active=(0, 1, 2, 3), precision=1e-6)
def mixed_precision(x, y, scale, out):
    i = cuda.grid(1)
    if i < x.size:
        low = x[i] * scale
        out[i] = math.sin(low) * y[i] + float32(y[i]) * low


@mixed_precision.numpy
def _(x, y, scale, out):
    low = x * scale
    out[:] = np.sin(low) * y + y.astype(np.float32) * low


@entry(arguments=drawn(0.3, 0.9, dtype=np.float32), grid=2, block=64, active=(0, 1), precision=1e-5, fastmath=True)
def fast_mathematics(x, out):
    i = cuda.grid(1)
    if i < x.size:
        v = x[i]
        out[i] = math.exp(-v) * math.sin(v) / math.cos(v) + math.log(v) + v ** float32(0.7)


@fast_mathematics.numpy
def _(x, out):
    out[:] = np.exp(-x) * np.tan(x) + np.log(x) + x ** np.float32(0.7)


@entry(arguments=lambda rng: (rng.normal(size=N) + 1j * rng.normal(size=N), np.zeros(N, complex), np.zeros(N)), grid=2,
       block=64, active=(0, 1, 2))
def complex_numbers(z, square, size):
    i = cuda.grid(1)
    if i < z.size:
        square[i] = z[i] * z[i] + 2.0 * z[i].conjugate() / (1.0 + z[i])
        size[i] = abs(z[i])


@complex_numbers.numpy
def _(z, square, size):
    square[:] = z * z + 2 * z.conj() / (1 + z)
    size[:] = np.abs(z)


@entry(arguments=lambda rng: (rng.normal(size=(13, 17)), rng.normal(size=(13, 17)), np.zeros((13, 17))), grid=(3, 2),
       block=(8, 8), active=(0, 1, 2))
def grid_of_two_dimensions(x, y, out):
    j, i = cuda.grid(2)
    if i < x.shape[0] and j < x.shape[1]:
        out[i, j] = x[i, j] * math.exp(0.1 * y[i, j]) + 0.5 * i - j


@grid_of_two_dimensions.numpy
def _(x, y, out):
    i, j = np.indices(x.shape)
    out[:] = x * np.exp(0.1 * y) + 0.5 * i - j


@entry(arguments=lambda rng: (rng.normal(size=(4, 5, 6)), np.zeros((6, 5, 4))), grid=(2, 2, 2), block=(3, 3, 4),
       active=(0, 1))
def grid_of_three_dimensions(x, out):
    i, j, k = cuda.grid(3)
    if i < x.shape[0] and j < x.shape[1] and k < x.shape[2]:
        out[k, j, i] = x[i, j, k] ** 2 * (k + 1)


@grid_of_three_dimensions.numpy
def _(x, out):
    out[:] = (x ** 2 * (np.arange(6) + 1)).transpose()


@entry(arguments=lambda rng: (rng.normal(size=300), 0.3, np.zeros(300)), grid=2, block=32, active=(0, 1, 2))
def grid_stride(x, a, out):
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        out[i] = math.tanh(a * x[i]) * x[i]


@grid_stride.numpy
def _(x, a, out):
    out[:] = np.tanh(a * x) * x


@entry(arguments=lambda rng: (rng.normal(size=(40, 6))[::2, 1::2], rng.normal(size=80)[1::4], np.zeros((3, 20)).T),
       grid=1, block=32, active=(0, 1, 2))
def strided_arrays(x, w, out):
    i = cuda.grid(1)
    if i < x.shape[0]:
        for j in range(x.shape[1]):
            out[i, j] = x[i, j] * w[i] + x[i, x.shape[1] - 1 - j]


@strided_arrays.numpy
def _(x, w, out):
    out[:] = x * w[:, None] + x[:, ::-1]


@entry(arguments=lambda rng: ((rng.normal(size=N), rng.normal(size=N)), (2.0, 3), np.zeros(N)), grid=2, block=64,
       active=(0, 1, 2))
def tuples(pair, numbers, out):
    i = cuda.grid(1)
    x, y = pair
    if i < out.size:
        out[i] = numbers[0] * x[i] * y[i] + numbers[1] * y[i]


@tuples.numpy
def _(pair, numbers, out):
    out[:] = numbers[0] * pair[0] * pair[1] + numbers[1] * pair[1]


@entry(arguments=lambda rng: (rng.normal(size=N), np.int32(3), 5, rng.integers(0, N, N), np.zeros(N)), grid=2, block=64,
       active=(0, 4))
def gather_with_integers(x, shift, scale, index, out):
    i = cuda.grid(1)
    if i < x.size:
        out[i] = x[index[i]] * scale + x[(i + shift) % x.size]


@gather_with_integers.numpy
def _(x, shift, scale, index, out):
    out[:] = x[index] * scale + np.roll(x, -shift)


@entry(arguments=lambda rng: (rng.uniform(80, 120, N), rng.uniform(90, 110, N), rng.uniform(0.2, 2, N), 0.02, 0.3,
                              np.zeros(N), np.zeros(N)), grid=2, block=64, active=(0, 1, 2, 3, 4, 5, 6))
def black_scholes(spot, strike, time, rate, volatility, call, put):
    i = cuda.grid(1)
    if i >= spot.size:
        return
    root = volatility * math.sqrt(time[i])
    d1 = (math.log(spot[i] / strike[i]) + (rate + 0.5 * volatility ** 2) * time[i]) / root
    d2 = d1 - root
    n1 = 0.5 * math.erfc(-d1 / math.sqrt(2.0))
    n2 = 0.5 * math.erfc(-d2 / math.sqrt(2.0))
    discounted = strike[i] * math.exp(-rate * time[i])
    call[i] = spot[i] * n1 - discounted * n2
    put[i] = discounted * (1.0 - n2) - spot[i] * (1.0 - n1)


@black_scholes.numpy
def _(spot, strike, time, rate, volatility, call, put):
    root = volatility * np.sqrt(time)
    d1 = (np.log(spot / strike) + (rate + 0.5 * volatility ** 2) * time) / root
    n1, n2, discounted = special.ndtr(d1), special.ndtr(d1 - root), strike * np.exp(-rate * time)
    call[:] = spot * n1 - discounted * n2
    put[:] = discounted * (1 - n2) - spot * (1 - n1)
