"""Temporaries that several loops go over: a number is found where an earlier loop had it, or must not be."""

import numpy as np

from pool.dtypes import SINGLE
from pool.entry import entry


@entry(args=lambda rng: (rng.normal(size=5),))
def three_loops_over_one_array(x):
    """What the third needs of the second it finds by way of the first."""
    n = len(x)
    t, y = np.empty(n), np.empty(n)
    for i in range(n):
        t[i] = x[i] * x[i]
    for i in range(n):
        y[i] = np.sin(t[i]) * t[i]
    total = 0.0
    for i in range(n):
        total += t[i] * y[i] * y[i]
    return total


@entry(args=lambda rng: (rng.normal(size=(4, 5)), rng.normal(size=(3, 5))))
def differences_used_twice(x, mu):
    d = np.empty(x.shape[1])
    total = 0.0
    for p in range(x.shape[0]):
        for k in range(mu.shape[0]):
            for i in range(x.shape[1]):
                d[i] = x[p, i] - mu[k, i]
            s = 0.0
            for i in range(x.shape[1]):
                s += d[i] * d[i]
            for i in range(x.shape[1]):
                total += s * d[i] * d[i] * mu[k, i]
    return total


@entry(args=lambda rng: (rng.normal(size=5), 3))
def state_read_by_two_loops(u, steps):
    """Loaded in both loops, and overwritten when both are over."""
    a, w = u.copy(), np.empty_like(u)
    for _ in range(steps):
        total = 0.0
        for i in range(len(a)):
            total += a[i] * a[i]
        for i in range(len(a)):
            w[i] = total * np.sin(a[i]) + a[i]
        for i in range(len(a)):
            a[i] = 0.5 * w[i] * w[i]
    return np.sum(a)


@entry(args=lambda rng: (rng.normal(size=6), 2))
def temporaries_from_the_end(x, steps):
    t = np.empty_like(x)
    total = 0.0
    for k in range(steps):
        for i in range(len(x) - 1, -1, -1):
            t[i] = np.exp(-x[i] * x[i]) + k
        for i in range(len(x) - 1, -1, -1):
            total += t[i] * t[i] * x[i]
        for i in range(len(x)):
            total += t[i] * t[i] * t[i]
    return total


@entry(args=lambda rng: (rng.normal(size=6),))
def array_expressions_in_a_row(x):
    a = x * x + 1.0
    b = np.sin(a) * a
    c = a * b - x
    return np.sum(c * c * a)


@entry(args=lambda rng: (rng.normal(size=4), rng.normal(size=3), 2))
def temporaries_of_no_length(x, z, steps):
    """The first array is longer than zero, the second is not gone over at all."""
    total = 0.0
    for k in range(steps):
        for part in (x, z[3:]):
            t = np.empty(len(part))
            for i in range(len(part)):
                t[i] = part[i] * part[i] + k
            total = total * 0.5 + len(part)
            for i in range(len(part)):
                total += t[i] * t[i]
    return total


@entry(args=lambda rng: (rng.normal(size=5).astype(np.float32), 2), **SINGLE,
       no_twice="second differences drown in float32 rounding")
def single_precision_temporaries(x, steps):
    t = np.empty_like(x)
    total = np.float32(0.0)
    for k in range(steps):
        for i in range(len(x)):
            t[i] = x[i] * x[i] + np.float32(k)
        for i in range(len(x)):
            total += t[i] * t[i] * x[i]
    return total


@entry(args=lambda rng: (rng.normal(size=5), 2, 3))
def written_between_two_loops(x, steps, place):
    """One element is another when the second loop comes to it."""
    t = np.empty_like(x)
    total = 0.0
    for k in range(steps):
        for i in range(len(x)):
            t[i] = x[i] * x[i] + k
        t[place] = x[0] * x[1]
        for i in range(len(x)):
            total += t[i] * t[i]
    return total


@entry(args=lambda rng: (rng.normal(size=5), 3))
def written_within_the_later_loop(x, steps):
    """The second loop loads what it has just written, one place on."""
    t = np.zeros(len(x) + 1)
    total = 0.0
    for k in range(steps):
        for i in range(len(x)):
            t[i] = x[i] * x[i] + k
        for i in range(len(x)):
            total += t[i] * t[i]
            t[i + 1] = np.sin(total)
    return total


@entry(args=lambda rng: (rng.normal(size=5), 3))
def written_within_the_earlier_loop(x, steps):
    """The first loop writes to each place twice: the next iteration overwrites it."""
    t = np.zeros(len(x) + 1)
    total = 0.0
    for k in range(steps):
        for i in range(len(x)):
            t[i + 1] = x[i] * k
            t[i] = x[i] * x[i] + t[i + 1]
        for i in range(len(x)):
            total += t[i] * t[i] + t[i + 1] * t[i + 1]
    return total


@entry(args=lambda rng: (rng.normal(size=5), 3))
def all_written_to_one_place(x, steps):
    t = np.zeros(1)
    total = 0.0
    for _ in range(steps):
        for i in range(len(x)):
            t[0] = x[i] * x[i] + total
        for i in range(len(x)):
            total += t[0] * t[0] * x[i]
    return total


@entry(args=lambda rng: (rng.normal(size=5), 3))
def swapped_between_two_loops(x, steps):
    """The second loop reads the other buffer, which has the numbers of the step before."""
    a, b = x.copy(), 0.5 * x
    total = 0.0
    for _ in range(steps):
        for i in range(len(x)):
            a[i] = np.sin(a[i]) * b[i]
        a, b = b, a
        for i in range(len(x)):
            total += a[i] * a[i] * b[i]
    return total


@entry(args=lambda rng: (rng.normal(size=6), 2, 4))
def loops_of_other_lengths(x, steps, m):
    """The second goes on where the first has stopped, and finds older numbers there."""
    t = x.copy()
    total = 0.0
    for k in range(steps):
        for i in range(m):
            t[i] = x[i] * x[i] + k
        for i in range(len(x)):
            total += t[i] * t[i]
        for i in range(m - 1):
            total += t[i] * t[i] * t[i]
        for i in range(len(x)):
            t[i] = total * 0.1
    return total


@entry(args=lambda rng: (rng.normal(size=6), 2))
def written_now_and_then(x, steps):
    t = np.zeros_like(x)
    total = 0.0
    for k in range(steps):
        for i in range(len(x)):
            if x[i] > 0.0:
                t[i] = x[i] * x[i] + k
        for i in range(len(x)):
            total += t[i] * t[i]
        for i in range(len(x)):
            t[i] = np.sin(total)
    return total


@entry(args=lambda rng: (rng.normal(size=6), 3, 0))
def the_first_loop_left_out(x, steps, last):
    """In some iterations only the second loop runs, on what an iteration before has written."""
    t = x.copy()
    total = 0.0
    for k in range(steps):
        if k % 2 == last:
            for i in range(len(x)):
                t[i] = x[i] * x[i] + k
        for i in range(len(x)):
            total += t[i] * t[i]
    return total


@entry(args=lambda rng: (rng.normal(size=6), 2))
def the_first_loop_left_early(x, steps):
    t = np.zeros_like(x)
    total = 0.0
    for k in range(steps):
        for i in range(len(x)):
            t[i] = x[i] * x[i] + k
            if t[i] > 1.5:
                break
        for i in range(len(x)):
            total += t[i] * t[i]
        for i in range(len(x)):
            t[i] = np.sin(total) * x[i]
    return total


@entry(args=lambda rng: (rng.normal(size=6), 2))
def loaded_now_and_then(x, steps):
    """What only some iterations of the second loop need."""
    t = np.zeros_like(x)
    total = 0.0
    for k in range(steps):
        for i in range(len(x)):
            t[i] = x[i] * x[i] + k
        for i in range(len(x)):
            if x[i] > 0.0:
                total += t[i] * t[i]
    return total


@entry(args=lambda rng: (rng.normal(size=6), 2))
def written_through_a_view(x, steps):
    t = np.zeros(len(x))
    view = t[1:]
    total = 0.0
    for k in range(steps):
        for i in range(len(x)):
            t[i] = x[i] * x[i] + k
        for i in range(len(view)):
            view[i] = t[i] * 0.5
        for i in range(len(x)):
            total += t[i] * t[i]
    return total
