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
            a[i] = 0.1 * np.sin(w[i]) * w[i]
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
    a, b = x.copy(), x[::-1].copy()
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


@entry(args=lambda rng: (rng.normal(size=5), rng.normal(size=4), 3))
def table_read_in_all_steps(x, z, steps):
    """Filled once and never overwritten: the reverse sweep reads it as it is."""
    table = np.empty_like(x)
    for i in range(len(x)):
        table[i] = np.exp(-x[i] * x[i])
    total = 0.0
    for _ in range(steps):
        for j in range(len(z)):
            for i in range(len(x)):
                total += np.sin(total * 0.1) + table[i] * table[len(x) - 1 - i] * z[j]
    return total


@entry(args=lambda rng: (rng.normal(size=5), np.array([3, 0, 4, 4, 1]), 2))
def table_gathered(x, index, steps):
    table = np.sin(x) * x
    total = 0.0
    for _ in range(steps):
        for i in index:
            total += table[i] * table[i] * total + 0.3
    return total


@entry(args=lambda rng: (rng.normal(size=5), 3))
def table_overwritten_at_last(x, steps):
    """What the loops have read is gone when the reverse sweep begins."""
    table = x * x
    total = 0.0
    for _ in range(steps):
        for i in range(len(x)):
            total += table[i] * table[i]
    table[:] = 1.0
    return total + np.sum(table * x)


@entry(args=lambda rng: (rng.normal(size=5), 3))
def table_overwritten_in_the_last_step(x, steps):
    table = x * x
    total = 0.0
    for k in range(steps):
        for i in range(len(x)):
            total += table[i] * table[i]
        if k == steps - 1:
            table[1] = total
    return total + table[1]


@entry(args=lambda rng: (rng.normal(size=5), 3))
def tables_one_of_which_is_overwritten(x, steps):
    """Which of the two is written is known at run time only."""
    one, other = np.sin(x), np.cos(x)
    total = 0.0
    for _ in range(steps):
        for i in range(len(x)):
            total += one[i] * one[i] * other[i]
        if x[0] * total > 0.1:
            one, other = other, one
    one[0] = total
    return one[0] * other[1]


@entry(args=lambda rng: (rng.normal(size=5), 3))
def table_of_each_step(x, steps):
    """Another array in each step: none of them is held."""
    total = 0.0
    for k in range(steps):
        table = np.empty_like(x)
        for i in range(len(x)):
            table[i] = np.exp(-x[i] * x[i]) + k
        for i in range(len(x)):
            total += table[len(x) - 1 - i] * table[i] * total + 0.1
    return total


@entry(args=lambda rng: (rng.normal(size=5), 3))
def table_handed_back(x, steps):
    """The caller has the object in the end."""
    table = np.exp(-x * x)
    total = 0.0
    for _ in range(steps):
        for i in range(len(x)):
            total += table[i] * table[i]
    return table, total


@entry(args=lambda rng: (rng.normal(size=5), 3, 10.0),
       raises=(ValueError, lambda rng: (rng.normal(size=5), 3, -1.0)))
def table_lost_by_an_exception(x, steps, most):
    table = np.exp(-x * x)
    total = 0.0
    for _ in range(steps):
        for i in range(len(x)):
            total += table[i] * table[i]
        if total > most:
            raise ValueError("too much")
    return total


@entry(args=lambda rng: (rng.normal(size=5), 3))
def table_let_go_early(x, steps):
    """Released, and its memory used again, before the reverse sweep reads it."""
    table = np.exp(-x * x)
    total = 0.0
    for _ in range(steps):
        for i in range(len(x)):
            total += table[i] * table[i]
    other = np.empty(len(x))
    for i in range(len(x)):
        other[i] = total * x[i]
    for i in range(len(x)):
        total += other[i] * other[i]
    return total


@entry(args=lambda rng: (rng.normal(size=(3, 4)), rng.normal(size=(2, 4))))
def table_of_rows(x, mu):
    """Row k is read for every p: no loop around the innermost has it for itself."""
    table = np.empty_like(mu)
    for k in range(mu.shape[0]):
        for i in range(mu.shape[1]):
            table[k, i] = np.exp(mu[k, i])
    total = 0.0
    for p in range(x.shape[0]):
        for k in range(mu.shape[0]):
            for i in range(mu.shape[1]):
                total += table[k, i] * x[p, i] * x[p, i]
    return total + table[0, 1] * table[1, 0]


@entry(args=lambda rng: (rng.normal(size=(5, 4)), 0.7))
def paths_through_temporaries(x, a):
    """What the second loop finds in the first is there as well when an iteration is run again."""
    t = np.empty(x.shape[1])
    total = 0.0
    for p in range(x.shape[0]):
        for i in range(x.shape[1]):
            t[i] = np.exp(a * x[p, i])
        s = 1.0
        for i in range(x.shape[1]):
            s += t[i] * t[i] * np.sin(a * x[p, i])
        total += s
    return total


@entry(args=lambda rng: (rng.normal(size=3), rng.normal(size=(4, 3)), rng.normal(size=(2, 4))))
def layers_of_products(x, v, w):
    """The factors of the products are local, and nothing overwrites them."""
    h = np.dot(v * v, x)
    g = np.tanh(h)
    return np.sum(np.dot(w, g) ** 2)


@entry(args=lambda rng: (rng.normal(size=3), rng.normal(size=(3, 3)), 3))
def products_with_a_local_matrix(x, v, steps):
    """The matrix stays as it is, the vector does not."""
    matrix = np.sin(v)
    h, g = x.copy(), np.empty_like(x)
    total = 0.0
    for _ in range(steps):
        np.dot(matrix, h, g)
        for i in range(len(h)):
            h[i] = np.tanh(g[i])
        total += h[0]
    return total + np.sum(h * h)


@entry(args=lambda rng: (rng.normal(size=3), rng.normal(size=(3, 3))))
def factor_overwritten_after_the_product(x, v):
    matrix = np.sin(v)
    h = np.dot(matrix, x)
    matrix[1, 2] = h[0] * h[1]
    return np.sum(matrix * v) + np.sum(h * h)
