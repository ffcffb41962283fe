"""Stencils on plates and cubes: loads of several rows, whose adjoints wait for each other in rings, or may not."""

import numpy as np
from numba import njit

from pool.entry import entry


@entry(args=lambda rng: (rng.normal(size=(6, 7)), rng.normal(size=9), 2))
def nine_points(u, w, steps):
    a, b = u.copy(), u.copy()
    for _ in range(steps):
        for i in range(1, a.shape[0] - 1):
            for j in range(1, a.shape[1] - 1):
                b[i, j] = (
                    w[0] * a[i - 1, j - 1] + w[1] * a[i - 1, j] + w[2] * a[i - 1, j + 1]
                    + w[3] * a[i, j - 1] + w[4] * a[i, j] * a[i, j] + w[5] * a[i, j + 1]
                    + w[6] * a[i + 1, j - 1] + w[7] * a[i + 1, j] + w[8] * a[i + 1, j + 1]
                )
        a, b = b, a
    return np.sum(a * a)


@entry(args=lambda rng: (rng.normal(size=(4, 5, 6)), 2))
def cube_of_seven_points(u, steps):
    """The innermost rows wait across the middle loop; planes are no rows of it."""
    a, b = u.copy(), u.copy()
    for _ in range(steps):
        for h in range(1, a.shape[0] - 1):
            for i in range(1, a.shape[1] - 1):
                for j in range(1, a.shape[2] - 1):
                    b[h, i, j] = a[h, i, j] * a[h, i, j] + 0.1 * (
                        a[h - 1, i, j] + a[h + 1, i, j] + a[h, i - 1, j] + a[h, i + 1, j]
                        + a[h, i, j - 1] + a[h, i, j + 1] - 6.0 * a[h, i, j]
                    )
        a, b = b, a
    return np.sum(a * a)


@entry(args=lambda rng: (rng.normal(size=(9, 6)),))
def rows_on_one_side(a):
    """Rows -2, 0 and 3; the places of each are others."""
    total = 0.0
    for i in range(2, a.shape[0] - 3):
        for j in range(2, a.shape[1] - 1):
            s = a[i - 2, j] + a[i - 2, j + 1] - a[i, j - 1] + a[i, j - 2] - a[i + 3, j + 1]
            total += s * s * a[i, j]
    return total


@entry(args=lambda rng: (rng.normal(size=(6, 5)),))
def corners_only(a):
    """No load is of the row of the cell itself."""
    b = np.zeros_like(a)
    for i in range(1, a.shape[0] - 1):
        for j in range(1, a.shape[1] - 1):
            s = a[i - 1, j - 1] - a[i - 1, j + 1] - a[i + 1, j - 1] + a[i + 1, j + 1]
            b[i, j] = s * s
    return b


@njit
def bent(a):
    total = 0.0
    for i in range(1, a.shape[0] - 1):
        for j in range(2, a.shape[1] - 2):
            s = a[i - 1, j] + a[i, j - 2] + a[i, j + 1] + a[i + 1, j + 2] - 4.0 * a[i, j]
            total += s * s
    return total


@entry(args=lambda rng: tuple(rng.normal(size=shape) for shape in [(2, 6), (3, 6), (4, 7), (5, 5), (6, 4)]))
def plates_of_few_rows(a, b, c, d, e):
    """As many iterations as a ring has rows and fewer, and rows shorter than loads are apart."""
    return bent(a) + bent(b) + bent(c) + bent(d) + bent(e)


@entry(args=lambda rng: (rng.normal(size=(7, 8)), 3))
def bent_again_and_again(u, steps):
    """A ring of its own for each call."""
    total = 0.0
    for k in range(steps):
        total += bent(u[k:]) * u[k, k]
    return total


@entry(args=lambda rng: (rng.normal(size=(6, 7)),))
def below_the_diagonal(a):
    """Rows of different lengths: a row of the ring is not the same cells."""
    total = 0.0
    for i in range(1, a.shape[0] - 1):
        for j in range(i, a.shape[1] - 1):
            s = a[i - 1, j] + a[i + 1, j] + a[i, j - 1] + a[i, j + 1]
            total += s * s * a[i, j]
    return total


@entry(args=lambda rng: (rng.normal(size=(7, 5)), 0.1))
def rows_left_out(a, least):
    """Which rows, the numbers say."""
    total = 0.0
    for i in range(1, a.shape[0] - 1):
        if a[i, 0] > least:
            for j in range(1, a.shape[1] - 1):
                s = a[i - 1, j] + a[i + 1, j] + a[i, j - 1] + a[i, j + 1]
                total += s * s * a[i, j]
    return total


@entry(args=lambda rng: (rng.normal(size=(7, 5)), rng.normal(size=(3, 2)), True, 2))
def all_rows_or_none(a, b, wanted, limit):
    total = 0.0
    for t in range(3):
        for i in range(1, a.shape[0] - 1):
            total += a[i, 0] * b[i % 3, 0]
            if wanted and t < limit:
                for j in range(1, a.shape[1] - 1):
                    s = a[i - 1, j] + a[i + 1, j] + a[i, j - 1] + a[i, j + 1]
                    total += s * s * a[i, j]
    return total


@entry(args=lambda rng: (rng.normal(size=(6, 5)), 2))
def plate_in_place(u, steps):
    """Each row reads what the last one wrote."""
    for _ in range(steps):
        for i in range(1, u.shape[0] - 1):
            for j in range(1, u.shape[1] - 1):
                u[i, j] = 0.2 * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1]) + 0.1 * u[i, j] * u[i, j]
    return u


@entry(args=lambda rng: (rng.normal(size=(6, 5)), rng.normal(size=5)))
def row_written_between(u, w):
    """The inner loop writes nothing that it reads; the loop around does."""
    a = u.copy()
    total = 0.0
    for i in range(1, a.shape[0] - 1):
        for j in range(1, a.shape[1] - 1):
            s = a[i - 1, j] + a[i + 1, j] + a[i, j - 1] + a[i, j + 1]
            total += s * s * a[i, j]
        a[i] *= w
    return total


@entry(args=lambda rng: (rng.normal(size=(8, 5)), 6.0))
def until_it_is_enough(a, most):
    total = 0.0
    for i in range(1, a.shape[0] - 1):
        if total > most:
            break
        for j in range(1, a.shape[1] - 1):
            s = a[i - 1, j] + a[i + 1, j] + a[i, j - 1] + a[i, j + 1]
            total += s * s
    return total


@entry(args=lambda rng: (rng.normal(size=(6, 6)), 9, 1.0))
def until_it_is_smooth(u, steps, least):
    """The loop around both is left early, and keeps no count that is known before."""
    a, b = u.copy(), u.copy()
    for _ in range(steps):
        change = 0.0
        for i in range(1, a.shape[0] - 1):
            for j in range(1, a.shape[1] - 1):
                b[i, j] = a[i, j] + 0.2 * (a[i - 1, j] + a[i + 1, j] + a[i, j - 1] + a[i, j + 1] - 4.0 * a[i, j])
                change += abs(b[i, j] - a[i, j])
        a, b = b, a
        if change < least:
            break
    return np.sum(a * a * a)


@entry(args=lambda rng: (rng.normal(size=(7, 6)),))
def upwards(a):
    b = np.empty_like(a)
    b[:] = a
    for i in range(a.shape[0] - 2, 0, -1):
        for j in range(1, a.shape[1] - 1):
            b[i, j] = a[i, j] * (a[i - 1, j] + a[i + 1, j] + a[i, j - 1] + a[i, j + 1] + a[i + 1, j + 1])
    return b


@entry(args=lambda rng: (rng.normal(size=(5, 7)),))
def from_right_to_left(a):
    total = 0.0
    for i in range(1, a.shape[0] - 1):
        for j in range(a.shape[1] - 2, 0, -1):
            s = a[i - 1, j] + a[i + 1, j] + a[i, j - 1] + a[i, j + 1]
            total += s * s * a[i, j]
    return total


@entry(args=lambda rng: (rng.normal(size=(9, 9)),))
def every_second_row(a):
    """A coarser grid: rows 2 i - 1 and 2 i + 1 wait for each other, row 2 i has none to wait for."""
    b = np.zeros((a.shape[0] // 2 - 1, a.shape[1] - 2))
    for i in range(b.shape[0]):
        for j in range(b.shape[1]):
            b[i, j] = a[2 * i + 2, j] * a[2 * i + 2, j + 1] + 0.5 * (
                a[2 * i + 1, j] + a[2 * i + 1, j + 2] + a[2 * i + 3, j] + a[2 * i + 3, j + 2])
    return b


@entry(args=lambda rng: (rng.normal(size=(40, 12)), 2))
def plate_of_known_shape(u, steps):
    """Rows are a constant number of elements apart, as places are."""
    a, b = np.zeros((40, 12)), np.zeros((40, 12))
    a[:] = u
    b[:] = u
    for _ in range(steps):
        for i in range(1, 39):
            for j in range(1, 11):
                b[i, j] = a[i, j] * (a[i - 1, j] + a[i + 1, j] + a[i, j - 1] + a[i, j + 1] + a[i - 1, j - 1])
        a, b = b, a
    return np.sum(a)


@entry(args=lambda rng: (rng.normal(size=12),))
def windows(x):
    """Both loops lead through the same cells."""
    total = 0.0
    for i in range(x.size // 2 - 2):
        for j in range(x.size // 2):
            s = x[i + j] + x[i + j + 1] - x[i + j + 2]
            total += s * s * s
    return total


@entry(args=lambda rng: (rng.normal(size=(5, 6)), rng.normal(size=(5, 6))))
def two_plates_in_one_sum(a, c):
    """One scratch row for loads that wait for other rows, and for loads that do not."""
    b = np.zeros_like(a)
    for i in range(1, a.shape[0] - 1):
        for j in range(1, a.shape[1] - 1):
            s = a[i - 1, j] + a[i + 1, j] + a[i, j - 1] + a[i, j + 1] + c[i, j - 1] - c[i, j] + c[i, j + 1]
            b[i, j] = s * s
    return b


@entry(args=lambda rng: (rng.normal(size=(6, 6)), rng.uniform(0.5, 1.0, size=(6, 6))))
def uneven_ground(a, k):
    b = a.copy()
    for i in range(1, a.shape[0] - 1):
        for j in range(1, a.shape[1] - 1):
            b[i, j] += 0.1 * (
                (k[i, j] + k[i + 1, j]) * (a[i + 1, j] - a[i, j]) - (k[i - 1, j] + k[i, j]) * (a[i, j] - a[i - 1, j])
                + (k[i, j] + k[i, j + 1]) * (a[i, j + 1] - a[i, j]) - (k[i, j - 1] + k[i, j]) * (a[i, j] - a[i, j - 1]))
    return b


@entry(args=lambda rng: (rng.normal(size=(9, 10)),))
def middle_of_a_plate(u):
    """What lies around the view has no part in it."""
    a = u[2:-3]
    total = 0.0
    for i in range(1, a.shape[0] - 1):
        for j in range(3, a.shape[1] - 2):
            s = a[i - 1, j] + a[i + 1, j] + a[i, j - 1] + a[i, j + 1] - 4.0 * a[i, j]
            total += s * s
    return total


@entry(args=lambda rng: (rng.normal(size=(6, 7)),))
def two_loops_over_each_row(a):
    total = 0.0
    for i in range(1, a.shape[0] - 1):
        for j in range(1, a.shape[1] - 1):
            s = a[i - 1, j] + a[i + 1, j] + a[i, j - 1] + a[i, j + 1]
            total += s * s
        for j in range(a.shape[1] - 2):
            s = a[i - 1, j] - a[i - 1, j + 2] + a[i + 1, j] * a[i, j]
            total += s * s
    return total


@entry(args=lambda rng: (rng.normal(size=(3, 5, 5)), 2))
def layers_that_change(u, steps):
    """Each step reads another layer, and one layer is left out."""
    total = 0.0
    for t in range(steps):
        a = u[t]
        for i in range(1, a.shape[0] - 1):
            for j in range(1, a.shape[1] - 1):
                s = a[i - 1, j] + a[i + 1, j] + a[i, j - 1] + a[i, j + 1] - 4.0 * a[i, j]
                total += s * s * u[t + 1, i, j]
    return total
