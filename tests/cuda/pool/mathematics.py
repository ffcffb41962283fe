"""Functions of numba.cuda.libdevice, a thread for each element: those that `math` has not, or not so."""

import math

import numpy as np
from cuda.pool.elementwise import N, drawn
from cuda.pool.entry import entry
from numba import cuda, float32, int32
from numba.cuda import libdevice
from scipy import special


@entry(arguments=drawn(0.5, 2.0), grid=2, block=64, active=(0, 1))
def arithmetic_with_a_rounding_mode(x, out):
    i = cuda.grid(1)
    if i < x.size:
        v = x[i]
        quotient = libdevice.ddiv_rn(libdevice.dadd_rn(v, 2.0), libdevice.dmul_rn(v, v))
        out[i] = libdevice.fma_rn(v, quotient, libdevice.drcp_rn(v)) * libdevice.dsqrt_rn(v)


@arithmetic_with_a_rounding_mode.numpy
def _(x, out):
    out[:] = (x * (x + 2) / (x * x) + 1 / x) * np.sqrt(x)


@entry(arguments=drawn(0.5, 3.0), grid=2, block=64, active=(0, 1))
def bessel_functions(x, out):
    i = cuda.grid(1)
    if i < x.size:
        v = x[i]
        first = libdevice.j0(v) + libdevice.j1(v) * libdevice.jn(2, v) + libdevice.jn(i % 4, v)
        out[i] = first + libdevice.y0(v) * libdevice.y1(v) + libdevice.yn(i % 4, v)


@bessel_functions.numpy
def _(x, out):
    order = np.arange(N) % 4
    out[:] = special.j0(x) + special.j1(x) * special.jn(2, x) + special.jn(order, x)
    out += special.y0(x) * special.y1(x) + special.yn(order, x)


@entry(arguments=drawn(0.2, 0.8), grid=2, block=64, active=(0, 1))
def inverses_and_half_turns(x, out):
    i = cuda.grid(1)
    if i < x.size:
        v = x[i]
        s, c = libdevice.sincospi(v)
        inverses = libdevice.erfcinv(v) + libdevice.normcdfinv(v) * libdevice.rcbrt(v)
        out[i] = inverses + s * c + libdevice.cospi(3.0 * v) + libdevice.fdim(v, 0.5) - libdevice.erfcx(20.0 * v)


@inverses_and_half_turns.numpy
def _(x, out):
    out[:] = special.erfcinv(x) + special.ndtri(x) / np.cbrt(x) + np.sin(np.pi * x) * np.cos(np.pi * x)
    out += np.cos(3 * np.pi * x) + np.maximum(x - 0.5, 0) - special.erfcx(20 * x)


@entry(arguments=drawn(1.1, 1.9), grid=2, block=64, active=(0, 1))
def parts_of_numbers(x, out):
    i = cuda.grid(1)
    if i < x.size:
        v = 4.0 * x[i]
        fraction, whole = math.modf(-v)
        scaled = libdevice.scalbn(v, 3) + math.ldexp(v, i % 3) + libdevice.powi(v, i % 5)
        flat = whole + libdevice.logb(v) + libdevice.ilogb(v) + libdevice.double2int_rn(100.0)
        again = libdevice.longlong_as_double(libdevice.double_as_longlong(v * v))
        halves = libdevice.hiloint2double(libdevice.double2hiint(200.0), libdevice.double2loint(200.0))
        out[i] = fraction * scaled + flat * v + again + halves * v
        if math.isnan(v) or math.isinf(v):
            out[i] = 0.0


@parts_of_numbers.numpy
def _(x, out):
    i, v = np.arange(N), 4 * x
    fraction, whole = np.modf(-v)
    out[:] = fraction * (8 * v + v * 2.0 ** (i % 3) + v ** (i % 5)) + (whole + 4 + 100) * v + v * v + 200 * v


@entry(arguments=drawn(0.3, 0.9, dtype=np.float32), grid=2, block=64, active=(0, 1), precision=1e-5)
def functions_of_float32(x, out):
    i = cuda.grid(1)
    if i < x.size:
        v = x[i]
        s, c = libdevice.fast_sincosf(v)
        fast = libdevice.fast_expf(v) * libdevice.fast_logf(v) + libdevice.fast_powf(v, s) * libdevice.fast_tanf(c)
        roots = libdevice.frsqrt_rn(v) + libdevice.fsqrt_rn(v) * libdevice.rcbrtf(v) * libdevice.fadd_rn(v, c)
        clamped = libdevice.saturatef(v) + libdevice.saturatef(v + float32(2.0)) * libdevice.saturatef(v - float32(1.0))
        narrow = libdevice.double2float_rn(math.sin(v * 1.5))
        fraction, whole = math.modf(v + float32(2.0))
        bits = libdevice.int_as_float(libdevice.float_as_int(v))
        out[i] = (fast + roots + clamped * narrow + libdevice.fast_fdividef(v, s) + libdevice.erfinvf(v) * fraction
                  + libdevice.j1f(v) * bits + libdevice.normcdff(v) + libdevice.jnf(int32(2), v) + whole)


@functions_of_float32.numpy
def _(single, out):
    x = single.astype(float)
    s, c = np.sin(x), np.cos(x)
    fast = np.exp(x) * np.log(x) + x ** s * np.tan(c)
    roots = x ** -0.5 + x ** 0.5 / np.cbrt(x) * (x + c)
    fraction, whole = np.modf(x + 2)
    out[:] = (fast + roots + x * np.sin(1.5 * x) + x / s + special.erfinv(x) * fraction + special.j1(x) * x
              + special.ndtr(x) + special.jn(2, x) + whole)
