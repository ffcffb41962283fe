"""Programs that at least one other system differentiates wrongly without a word, named after what is special in them.

`WRONG_ELSEWHERE` maps the feature to its program.
"""

import math

import numpy as np

from pool.entry import entry


@entry(args=lambda rng: (0.7, 1.3, 9))
def local_scalars_updated_in_loop(x, a, n):
    value = x
    power = 1.0
    for k in range(1, n):
        power = power * a
        value = value + power / k
        power = power + 0.01 * value
    return value * power


@entry(args=lambda rng: (rng.normal(size=4), rng.normal(size=4), 4))
def state_updated_in_place(x, v, steps):
    for _ in range(steps):
        for i in range(len(x)):
            v[i] -= 0.1 * x[i] ** 3
            x[i] += 0.1 * v[i]
    return np.sum(x * x) + np.sum(v * x)


def well_conditioned(rng):
    return (rng.normal(size=(4, 4)) + 4.0 * np.eye(4),)


@entry(args=well_conditioned)
def lu_in_place(a):
    n = a.shape[0]
    for k in range(n):
        for i in range(k + 1, n):
            a[i, k] /= a[k, k]
            for j in range(k + 1, n):
                a[i, j] -= a[i, k] * a[k, j]
    return a


@entry(args=lambda rng: (rng.uniform(0.5, 4.0, size=5),))
def while_loop_per_element(x):
    total = 0.0
    for i in range(len(x)):
        y = x[i]
        while abs(y * y - x[i]) > 1e-12:
            y = 0.5 * (y + x[i] / y)
        total += y * x[i]
    return total


@entry(args=lambda rng: (rng.normal(size=(5, 3)), 0.8))
def stack_array_reused_in_loop(a, w):
    """One local array, small enough for the stack, filled again in each iteration."""
    local = np.empty(3)
    total = 0.0
    for i in range(a.shape[0]):
        for j in range(3):
            local[j] = a[i, j] * w
        local[1] = local[0] * local[2]
        total += local[1] * local[2] + local[0]
    return total


@entry(args=lambda rng: (rng.normal(size=6), 4))
def swapped_buffers(x, steps):
    u = x * 1.0
    w = np.zeros(6)
    for _ in range(steps):
        for i in range(1, 5):
            w[i] = u[i] * u[i - 1] + 0.5 * u[i + 1]
        u, w = w, u
    return np.sum(u * u) + np.sum(w)


@entry(args=lambda rng: (0.8, 5))
def value_from_before_the_loop(x, n):
    before = x * x
    value = x
    for _ in range(n):
        value = value * math.cos(x)
    return before * value + before


@entry(args=lambda rng: (np.array([0.4, -0.8, 1.1, -0.3, 0.6]),))
def continue_in_loop(x):
    total = 0.0
    weight = 1.0
    for i in range(len(x)):
        weight *= 1.1
        if x[i] < 0.0:
            weight += x[i]
            continue
        total += weight * x[i] * x[i]
    return total


@entry(args=lambda rng: (rng.normal(size=4).astype(np.float32), np.float32(1.7)))
def single_precision_arguments(x, a):
    total = a * a
    for v in x:
        total = total + a * v * v
    return total


SCALE = 3.0


@entry(args=lambda rng: (0.8,))
def scaled_by_global(x):
    """The global is a constant of the compilation; a test changes it and compiles again."""
    return SCALE * x * x


WRONG_ELSEWHERE = {
    "local scalars updated in a loop": "local_scalars_updated_in_loop",
    "state updated in place": "state_updated_in_place",
    "LU in place": "lu_in_place",
    "while": "while_loop_per_element",
    "a stack array reused inside a loop": "stack_array_reused_in_loop",
    "swapped buffers": "swapped_buffers",
    "a value from before the loop used after it": "value_from_before_the_loop",
    "continue": "continue_in_loop",
    "float32 arguments": "single_precision_arguments",
    "a changed global": "scaled_by_global",
}
