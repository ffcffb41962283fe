"""Structure: tuples, namedtuples and arrays as results and as arguments; kernels that return None."""

import math
from collections import namedtuple

import numpy as np

from pool.entry import entry

State = namedtuple("State", ["position", "velocity"])
Fit = namedtuple("Fit", ["loss", "residuals"])


@entry(args=lambda rng: (0.8, -0.4))
def pair_of_scalars(x, y):
    return x * y, math.sin(x)


@entry(args=lambda rng: (rng.normal(size=4), 0.7))
def array_and_scalar(x, a):
    y = a * x * x
    return y, np.sum(y)


@entry(args=lambda rng: (rng.normal(size=4), rng.normal(size=4)))
def named_result(x, y):
    r = x - y
    return Fit(np.sum(r * r), r)


@entry(args=lambda rng: (0.8, -0.4))
def nested_result(x, y):
    return (x * y, (x + y, x * x)), y


@entry(args=lambda rng: (37.3, 0.9))
def value_and_count(x, rate):
    """An integer beside the value: it has no tangent."""
    n = 0
    while x > 1.0:
        x = 0.5 * x + 0.1 * rate
        n += 1
    return x, n


@entry(args=lambda rng: (0.8,))
def constant_beside_value(x):
    return x * x, 2.0


@entry(args=lambda rng: (rng.normal(size=4),))
def array_result(x):
    out = np.empty(4)
    for i in range(4):
        out[i] = math.exp(x[i]) * x[i - 1]
    return out


@entry(args=lambda rng: (rng.normal(size=4), 1.3))
def argument_returned(x, a):
    x *= a
    return x


@entry(args=lambda rng: (rng.normal(size=6), 1.3))
def view_of_argument_returned(x, a):
    x[2] = a * x[0]
    return x[1:4]


@entry(args=lambda rng: (rng.normal(size=(3, 4)),))
def transposed_result(a):
    return (a * a).T


@entry(args=lambda rng: (rng.normal(size=4),))
def one_array_twice(x):
    """Both results are the same memory: their seeds add up."""
    y = x * x
    return y, y


@entry(args=lambda rng: (rng.normal(size=4), rng.normal(size=4), 0.4))
def one_of_two_returned(x, y, c):
    u = x * y
    if c > 0.0:
        return u
    return y


@entry(args=lambda rng: ((0.8, -0.4), 1.3))
def tuple_argument(pair, a):
    x, y = pair
    return x * y * a + pair[0] ** 2


@entry(args=lambda rng: ((rng.normal(size=3), rng.normal(size=(2, 3))), 1.3))
def arrays_in_a_tuple(parameters, a):
    bias, weight = parameters
    total = 0.0
    for i in range(2):
        for j in range(3):
            total += weight[i, j] * bias[j] * a
    return total


@entry(args=lambda rng: ((rng.normal(size=3), 2, 0.7),))
def mixed_tuple(settings):
    """An array, an integer, a float."""
    x, power, scale = settings
    return scale * np.sum(x**power)


@entry(args=lambda rng: (State(rng.normal(size=2), rng.normal(size=2)), 0.1))
def named_argument(state, dt):
    return State(state.position + dt * state.velocity, state.velocity - dt * np.sin(state.position))


@entry(args=lambda rng: ((0.5, 1.5, -0.7, 0.2), 3))
def tuple_indexed_in_loop(values, n):
    total = 0.0
    for i in range(n):
        total += values[i] * values[i + 1]
    for v in values:
        total += v * v
    return total


@entry(args=lambda rng: (rng.normal(size=3), rng.normal(size=3), 4))
def tuple_of_buffers_swapped(x, y, steps):
    buffers = (x.copy(), y.copy())
    for _ in range(steps):
        source, target = buffers
        for i in range(3):
            target[i] = source[i] * source[i] * 0.5 - target[i]
        buffers = (target, source)
    return np.sum(buffers[0]) + buffers[1][1]


@entry(args=lambda rng: (0.8, 1.3, 5))
def tuple_carried_by_loop(x, y, n):
    state = (x, y)
    for _ in range(n):
        state = (state[1], state[0] * 0.5 + state[1] * state[0])
    return state


@entry(args=lambda rng: (rng.normal(size=4), np.zeros(4), np.ones(2)), outputs=("squares", "sums"))
def kernel_of_two_outputs(x, squares, sums):
    for i in range(4):
        squares[i] = x[i] * x[i]
        sums[i % 2] += squares[i] * x[i]


@entry(args=lambda rng: (rng.normal(size=(3, 4)), np.zeros((3, 4)), 0.2), outputs=("out",))
def stencil_kernel(u, out, rate):
    for i in range(1, 2):
        for j in range(1, 3):
            around = u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1]
            out[i, j] = u[i, j] + rate * (around - 4.0 * u[i, j]) * u[i, j]


@entry(args=lambda rng: (rng.normal(size=4), rng.normal(size=4)), outputs=("x", "v"))
def leapfrog_in_place(x, v):
    """The state goes in and comes out in the same arrays."""
    for _ in range(3):
        for i in range(4):
            v[i] -= 0.05 * math.sin(x[i])
        for i in range(4):
            x[i] += 0.1 * v[i]


@entry(args=lambda rng: (rng.normal(size=4), rng.normal(size=4), np.zeros(4)), outputs=("out",), diff=("x",))
def kernel_with_constant_data(x, data, out):
    for i in range(4):
        out[i] = data[i] * x[i] * x[i]
