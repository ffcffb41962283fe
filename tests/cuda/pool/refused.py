"""Kernels that are right, but whose derivative is refused, each for a reason."""

import math

import numpy as np
from cuda.pool.elementwise import drawn
from cuda.pool.entry import refuse
from numba import cuda, float64
from numba.cuda import libdevice


@refuse("a barrier under a branch that differs between threads", grid=1, block=64, active=(0, 1),
        arguments=lambda rng: (rng.normal(size=40), np.zeros(40)))
def barrier_after_early_exit(x, out):
    s = cuda.shared.array(64, float64)
    i = cuda.grid(1)
    if i >= x.size:
        return
    s[i] = x[i]
    cuda.syncthreads()
    out[i] = s[x.size - 1 - i] * s[i]


@barrier_after_early_exit.numpy
def _(x, out):
    out[:] = x[::-1] * x


@refuse("a barrier under a branch that differs between threads", grid=2, block=32, active=(0, 1),
        arguments=lambda rng: (rng.normal(size=64), np.zeros(64)))
def barrier_under_a_loaded_condition(x, out):
    """All threads come to it, but only the data say so."""
    s = cuda.shared.array(32, float64)
    i, t = cuda.grid(1), cuda.threadIdx.x
    if x[i] > -100.0:
        s[t] = x[i]
        cuda.syncthreads()
        out[i] = s[31 - t]


@barrier_under_a_loaded_condition.numpy
def _(x, out):
    out[:] = x.reshape(2, 32)[:, ::-1].reshape(-1)


@refuse("a barrier in a loop whose bound differs between threads", grid=1, block=32, active=(0,),
        arguments=lambda rng: (rng.normal(size=32), np.full(32, 3)))
def barrier_in_a_loop_of_loaded_length(x, lengths):
    s = cuda.shared.array(32, float64)
    t = cuda.threadIdx.x
    for _ in range(lengths[t]):
        s[t] = x[t]
        cuda.syncthreads()
        x[t] = 0.5 * (s[t] + s[(t + 1) % 32])
        cuda.syncthreads()


@barrier_in_a_loop_of_loaded_length.numpy
def _(x, lengths):
    for _ in range(lengths[0]):
        x[:] = 0.5 * (x + np.roll(x, -1))


@refuse("an atomic exchange of the bits of a float", grid=2, block=32, active=(0, 1),
        arguments=lambda rng: (np.full(64, 0.7), np.zeros(1)))
def exchange(x, out):
    cuda.atomic.exch(out.view(np.int64), 0, libdevice.double_as_longlong(x[cuda.grid(1)] ** 2))


@exchange.numpy
def _(x, out):
    out[0] = x[-1] ** 2


@refuse("an atomic compare-and-swap of the bits of a float", grid=2, block=32, active=(0, 1),
        arguments=lambda rng: (rng.uniform(0.9, 1.1, 64), np.ones(1)))
def product_by_compare_and_swap(x, out):
    """numba-cuda has no atomic multiplication; this is how one is written."""
    factor, bits = x[cuda.grid(1)], out.view(np.int64)
    old = cuda.atomic.cas(bits, 0, 0, 0)  # a plain load would be a race
    while True:
        product = libdevice.longlong_as_double(old) * factor
        seen = cuda.atomic.cas(bits, 0, old, libdevice.double_as_longlong(product))
        if seen == old:
            break
        old = seen


@product_by_compare_and_swap.numpy
def _(x, out):
    out[0] *= np.prod(x)


@refuse("an atomic add whose old value is used", grid=2, block=32, active=(0, 1, 2),
        arguments=lambda rng: (np.full(64, 0.25), np.zeros(1), np.zeros(1)))
def old_value_of_an_add(x, total, squares):
    before = cuda.atomic.add(total, 0, x[cuda.grid(1)])
    cuda.atomic.add(squares, 0, before)


@old_value_of_an_add.numpy
def _(x, total, squares):
    total[0] = x.sum()
    squares[0] = np.sum(np.cumsum(x) - x)


@refuse("an atomic maximum of memory that carries a derivative", grid=2, block=32, active=(0, 1),
        arguments=lambda rng: (rng.normal(size=64), np.zeros(1)))
def atomic_maximum(x, out):
    cuda.atomic.max(out, 0, x[cuda.grid(1)] ** 2)


@atomic_maximum.numpy
def _(x, out):
    out[0] = np.max(x ** 2)


@refuse("an atomic minimum of memory that carries a derivative", grid=2, block=32, active=(0, 1),
        arguments=lambda rng: (rng.normal(size=64).astype(np.float32), np.zeros(1, np.float32)))
def atomic_minimum(x, out):
    cuda.atomic.min(out, 0, x[cuda.grid(1)])


@atomic_minimum.numpy
def _(x, out):
    out[0] = np.min(x)


@refuse("a second result through a pointer", arguments=drawn(0.5, 3.0), grid=2, block=64, active=(0, 1))
def mantissas(x, out):
    i = cuda.grid(1)
    if i < x.size:
        mantissa, exponent = math.frexp(x[i])
        out[i] = mantissa + exponent


@mantissas.numpy
def _(x, out):
    out[:] = np.add(*np.frexp(x))


@refuse("a second result through a pointer", arguments=drawn(0.5, 3.0), grid=2, block=64, active=(0, 1))
def remainders_with_quotients(x, out):
    i = cuda.grid(1)
    if i < x.size:
        rest, quotient = libdevice.remquo(x[i], 0.7)
        out[i] = rest + quotient


@remainders_with_quotients.numpy
def _(x, out):
    out[:] = np.array([math.remainder(v, 0.7) for v in x]) + np.rint(x / 0.7)


@refuse("too much shared memory with its shadows", grid=1, block=64, active=(0, 1),
        arguments=lambda rng: (rng.normal(size=64), np.zeros(64)))
def large_shared_array(x, out):
    s = cuda.shared.array(4000, float64)
    t = cuda.threadIdx.x
    s[t] = x[t]
    cuda.syncthreads()
    out[t] = s[63 - t] * s[t]


@large_shared_array.numpy
def _(x, out):
    out[:] = x[::-1] * x
