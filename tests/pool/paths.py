"""Loops over independent paths, particles or elements: their iterations can be run again one by one."""

import math

import numpy as np
from numba import njit

from pool.entry import entry


@entry(args=lambda rng: (1.0, 0.2, rng.normal(size=(7, 9))), step=1e-4)
def european_option(spot, volatility, normals):
    total = 0.0
    for p in range(normals.shape[0]):
        s = spot
        for t in range(normals.shape[1]):
            s *= 1.0 + 0.01 * volatility + 0.1 * volatility * normals[p, t]
        total += max(s - 1.0, 0.0)
    return total / normals.shape[0]


@entry(args=lambda rng: (0.5, 0.3, 6, 8), step=1e-4)
def paths_of_one_generator(drift, scale, paths, steps):
    """The state of the random numbers goes on from path to path."""
    state = 12345
    total = 0.0
    for _ in range(paths):
        x = 0.1
        for _ in range(steps):
            state = (1103515245 * state + 12345) % 2147483648
            x = x + 0.1 * drift * math.cos(x) + scale * (state / 2147483648 - 0.5)
        total += x * x
    return total


@entry(args=lambda rng: (rng.uniform(1.0, 9.0, 6), 1e-12),
       raises=(ValueError, lambda rng: (np.array([2.0, -2.0, 3.0]), 1e-12)), diff=("a",), step=1e-4)
def roots_or_none(a, tolerance):
    """A path that raises, after others that went well."""
    total = 0.0
    for k in range(len(a)):
        x = 1.0
        rounds = 0
        while abs(x * x - a[k]) > tolerance * a[k]:
            x = 0.5 * (x + a[k] / x)
            rounds += 1
            if rounds > 50:
                raise ValueError("no root")
        total += (k + 1) * x
    return total


@entry(args=lambda rng: (rng.uniform(0.2, 0.8, 5), 1.3, 4), step=1e-4)
def three_levels_with_decisions(x, a, steps):
    total = 0.0
    for p in range(x.shape[0]):
        u, v = x[p], 0.5
        for t in range(steps):
            for k in range(t + 1):
                if (p + k) % 3 == 0:
                    continue
                if u > 0.6:
                    u = 0.5 * u * a
                elif u > 0.3:
                    u = u + 0.1 * v
                else:
                    u = u * u + a * 0.3
                v = 0.9 * v + 0.1 * math.sin(u * a)
            if v > 0.9:
                break
        total += u * v
    return total


@entry(args=lambda rng: (np.zeros(5), rng.uniform(0.3, 0.9, 5), 2.7, 6), outputs=("out",), step=1e-4)
def results_of_paths(out, x, rate, steps):
    """The paths write their results, which nothing reads."""
    for p in range(x.shape[0]):
        u = x[p]
        for _ in range(steps):
            u = rate * u * (1.0 - u)
        out[p] = u


@entry(args=lambda rng: (np.empty(7), 0.4, rng.normal(size=(5, 6))), diff=("scale", "normals"), step=1e-4)
def paths_through_scratch(scratch, scale, normals):
    """Each path writes the array that all of them use: its iterations are not run again."""
    total = 0.0
    for p in range(normals.shape[0]):
        scratch[0] = 1.0
        for t in range(normals.shape[1]):
            scratch[t + 1] = scratch[t] * (1.0 + scale * math.tanh(normals[p, t]))
        total += scratch[normals.shape[1]] * scratch[2]
    return total


@entry(args=lambda rng: (0.3, rng.uniform(0.5, 1.0, (4, 5)), rng.uniform(0.5, 1.0, (3, 2))), step=1e-4)
def two_loops_over_paths(a, x, y):
    first = 0.0
    for p in range(x.shape[0]):
        u = a
        for t in range(x.shape[1]):
            u = math.sin(u + x[p, t])
        first += u
    second = 1.0
    for p in range(y.shape[0]):
        u = first * a
        for t in range(y.shape[1]):
            u = math.cos(u * y[p, t])
        second *= u + 2.0
    return first * second


@entry(args=lambda rng: (rng.uniform(0.5, 1.0, (4, 5)), 3), step=1e-4)
def path_from_path(x, rounds):
    """Each path starts where the last one ended, and there are rounds of them."""
    u = 0.2
    for _ in range(rounds):
        for p in range(x.shape[0]):
            for t in range(x.shape[1]):
                u = math.sin(u + x[p, t])
            u = u + 0.1 * u * u
    return u


@entry(args=lambda rng: (np.empty((0, 3)), 1.5))
def no_paths(x, a):
    total = a * a
    for p in range(x.shape[0]):
        u = a
        for t in range(x.shape[1]):
            u = u * x[p, t]
        total += u
    return total


@entry(args=lambda rng: (1.2, 0.3, rng.normal(size=(6, 12))), step=1e-4)
def paths_until_they_leave(level, pull, normals):
    """Paths of different length, which end where they leave an interval."""
    total = 0.0
    for p in range(normals.shape[0]):
        x, t = 0.0, 0
        while t < normals.shape[1] and abs(x) < level:
            x = x - pull * x + 0.5 * normals[p, t] * math.exp(-x * x)
            t += 1
        total += x * x + 0.01 * t
    return total


@njit
def _tree(x, depth):
    """Not inlined, for it calls itself twice."""
    if depth < 1:
        return x * x + 0.25
    return 0.5 * math.sin(_tree(x, depth - 1)) + 0.1 * x * _tree(x, depth - 2)


@entry(args=lambda rng: (rng.uniform(0.2, 0.8, 7), 5), step=1e-4)
def paths_of_calls(x, steps):
    """What is called keeps records of its own on the tape."""
    total = 0.0
    for p in range(x.shape[0]):
        u = x[p]
        for _ in range(steps):
            u = math.cos(u * x[p])
        total += u * u + _tree(x[p], p % 4)
    return total


@entry(args=lambda rng: (1.1, rng.normal(size=(6, 5)), rng.uniform(0.2, 0.8, 6)), step=1e-4)
def paths_that_call_at_the_end(spot, normals, x):
    """Nothing that would be run again needs the call."""
    total = 0.0
    for p in range(normals.shape[0]):
        s = spot
        for t in range(normals.shape[1]):
            s *= 1.0 + 0.1 * math.tanh(s * normals[p, t])
        total += s - _tree(x[p], 3 - p % 3)
    return total
