"""Iteration: counted, nested, triangular, empty, data-dependent loops, and the ways out of them."""

import math

import numpy as np

from pool.entry import entry


@entry(args=lambda rng: (rng.normal(size=6), 0.7))
def horner(coefficients, x):
    value = 0.0
    for c in coefficients[::-1]:
        value = value * x + c
    return value


@entry(args=lambda rng: (rng.normal(size=(4, 5)), rng.normal(size=5)))
def nested_sum(a, x):
    total = 0.0
    for i in range(a.shape[0]):
        row = 0.0
        for j in range(a.shape[1]):
            row += a[i, j] * x[j]
        total += row * row
    return total


@entry(args=lambda rng: (rng.normal(size=6),))
def pairwise_products(x):
    """A triangular nest."""
    total = 0.0
    for i in range(len(x)):
        for j in range(i):
            total += x[i] * x[j] * x[j]
    return total


@entry(args=lambda rng: (rng.normal(size=5), np.array([2, 0, 3, 1])))
def ragged_rows(x, lengths):
    """The inner trip count is loaded; one of them is zero."""
    total = 0.0
    position = 0
    for n in lengths:
        product = 1.0
        for _ in range(n):
            product *= x[position % len(x)]
            position += 1
        total += product * x[0]
    return total


@entry(args=lambda rng: (0.8, 0))
def loop_that_never_runs(x, n):
    value = x * x
    for _ in range(n):
        value = math.sin(value) * x
    return value * x


@entry(args=lambda rng: (np.zeros(0), 1.3))
def sum_of_nothing(x, scale):
    total = scale * scale
    for v in x:
        total += v * scale
    return total


@entry(args=lambda rng: (37.3, 0.9))
def halving_count(x, rate):
    """A while loop whose trip count depends on the data."""
    value = x
    steps = 0
    while value > 1.0:
        value = 0.5 * value + 0.1 * rate
        steps += 1
    return value * steps


@entry(args=lambda rng: (7, 1.01))
def collatz_growth(n, rate):
    value = 1.0
    while n != 1:
        if n % 2 == 0:
            n //= 2
            value *= rate
        else:
            n = 3 * n + 1
            value += rate * rate
    return value


@entry(args=lambda rng: (np.array([0.4, 0.9, 0.3, 1.2, 0.8]), 1.5))
def first_passage(increments, level):
    """Break at a threshold; what was reached, and the step index, are used afterwards."""
    total = 0.0
    last = 0
    for i in range(len(increments)):
        total += increments[i] * increments[i]
        last = i
        if total > level:
            break
    return total * (last + 1) / level


@entry(args=lambda rng: (rng.normal(size=8),))
def positive_only(x):
    total = 1.0
    for v in x:
        if v < 0.0:
            continue
        total = total * (1.0 + v) + v
    return total


@entry(args=lambda rng: (np.array([[0.1, 0.7], [0.4, 2.5], [1.1, 0.3]]), 1.0))
def search_with_return(table, level):
    """A return from the middle of a nest, and another one after it."""
    seen = 0.0
    for i in range(table.shape[0]):
        for j in range(table.shape[1]):
            seen += table[i, j] * level
            if table[i, j] > 2.0 * level:
                return seen * table[i, j]
        seen *= 1.5
    return seen


@entry(args=lambda rng: (np.array([0.3, 0.2, 0.9, 0.1]), 2.0))
def for_else(x, level):
    total = 0.0
    for v in x:
        total += v * v
        if total > level:
            total *= 2.0
            break
    else:
        total = math.sin(total)
    return total


@entry(args=lambda rng: (rng.normal(size=9), 7, 0, -2))
def strided_backwards(x, start, stop, step):
    value = 1.0
    for i in range(start, stop, step):
        value = value * x[i] + x[i + 1]
    return value


@entry(args=lambda rng: (rng.normal(size=5), rng.normal(size=5)))
def zipped(x, y):
    total = 0.0
    for i, (a, b) in enumerate(zip(x, y)):  # noqa: B905 (Numba has no strict=)
        total += (i + 1) * a * b * b
    return total


@entry(args=lambda rng: (0.3, 0.8, 7))
def fibonacci_scalars(a, b, n):
    """Two scalars swapped on the back edge: both phis read before either is written."""
    for _ in range(n):
        a, b = b, a + 0.5 * b * a
    return a * b


@entry(args=lambda rng: (0.3, 0.8, -0.5, 8))
def rotating_scalars(a, b, c, n):
    for _ in range(n):
        a, b, c = b, c, a * b - 0.3 * c
    return a + 2.0 * b - c * a


@entry(args=lambda rng: (1.0, 0.3), no_twice="the trip count moves with the tolerance")
def arithmetic_geometric_mean(a, b):
    while abs(a - b) > 1e-12 * a:
        a, b = 0.5 * (a + b), math.sqrt(a * b)
    return a


@entry(args=lambda rng: (5.3,))
def newton_square_root(x):
    y = x
    while abs(y * y - x) > 1e-13 * x:
        y = 0.5 * (y + x / y)
    return y


@entry(args=lambda rng: (0.7,))
def bessel_series(x):
    """J0 by its power series, until a term is negligible."""
    term = 1.0
    total = 1.0
    k = 1
    while True:
        term *= -(x * x) / (4.0 * k * k)
        if abs(term) < 1e-17:
            break
        total += term
        k += 1
    return total


@entry(args=lambda rng: (0.9, 12))
def continued_fraction(x, n):
    value = 1.0
    for k in range(n, 0, -1):
        value = 2.0 * k - 1.0 + x * x / value
    return x / value


@entry(args=lambda rng: (0.3, 3.4, 12), rtol=1e-7, step=2e-4)
def logistic_map(x, r, n):
    for _ in range(n):
        x = r * x * (1.0 - x)
    return x


@entry(args=lambda rng: (0.9, 0.6), rtol=1e-7)
def kepler_while(mean_anomaly, eccentricity):
    e = mean_anomaly
    for _ in range(50):
        delta = (e - eccentricity * math.sin(e) - mean_anomaly) / (1.0 - eccentricity * math.cos(e))
        e -= delta
        if abs(delta) < 1e-13:
            break
    return math.cos(e) - eccentricity


@entry(args=lambda rng: (1.7,))
def lambert_w(x):
    """Halley's iteration, a fixed number of times."""
    w = math.log1p(x)
    for _ in range(6):
        ew = math.exp(w)
        f = w * ew - x
        w -= f / (ew * (w + 1.0) - (w + 2.0) * f / (2.0 * w + 2.0))
    return w


@entry(args=lambda rng: (1.03, 45))
def power_by_squaring(x, n):
    result = 1.0
    base = x
    while n > 0:
        if n & 1:
            result *= base
        base *= base
        n >>= 1
    return result


@entry(args=lambda rng: (rng.normal(size=6), np.array([3, 5, 1, 0, -1, 4])))
def linked_list(x, following):
    """A walk along indices; the trip count is where the list ends."""
    total = 0.0
    node = 2
    while node >= 0:
        total = total * 0.5 + x[node] * x[node]
        node = following[node]
    return total


@entry(args=lambda rng: (rng.normal(size=(3, 3, 3)), rng.normal(size=3)))
def trilinear_form(t, x):
    total = 0.0
    for i in range(3):
        for j in range(3):
            for k in range(3):
                total += t[i, j, k] * x[i] * x[j] * x[k]
    return total


@entry(args=lambda rng: (0.4, 3))
def bound_that_moves(x, n):
    value = x
    i = 0
    while i < n:
        value = value * 1.1 + x
        if value > 1.0 and n < 6:
            n += 1
        i += 1
    return value * n


@entry(args=lambda rng: (np.array([0.2, 0.5, 0.8, 0.4]), 0.6))
def breaks_at_two_levels(x, level):
    total = 0.0
    for i in range(len(x)):
        for j in range(len(x)):
            total += x[i] * x[j]
            if x[j] > level:
                break
        if total > 1.2:
            total *= x[i]
            break
        total += 0.1 * x[i]
    return total


@entry(args=lambda rng: (0.6, 5))
def loop_after_loop(x, n):
    """What the first loop leaves is the start of the second, which runs backwards through the same terms."""
    value = x
    for i in range(n):
        value = math.sin(value) + i * x
    kept = value
    for i in range(n - 1, -1, -1):
        value = value * 0.9 - math.cos(x * i)
    return value * kept


@entry(args=lambda rng: (rng.uniform(0.5, 1.5, size=5),))
def running_product(x):
    value = 1.0
    for v in x:
        value *= v
    return value


@entry(args=lambda rng: (rng.normal(size=5), rng.normal(size=3)))
def convolution(signal, kernel):
    total = 0.0
    for i in range(len(signal)):
        value = 0.0
        for j in range(len(kernel)):
            k = i - j
            if k < 0:
                continue
            value += signal[k] * kernel[j]
        total += value * value
    return total


@entry(args=lambda rng: (0.25, 2.0))
def adaptive_euler(y, rate):
    """The step is halved until two half steps agree with one: every sweep has its own number of trials."""
    t = 0.0
    h = 0.25
    while t < 0.999:
        while True:
            full = y + h * rate * y * (1.0 - y)
            half = y + 0.5 * h * rate * y * (1.0 - y)
            twice = half + 0.5 * h * rate * half * (1.0 - half)
            if abs(twice - full) < 1e-3 or h < 0.02:
                break
            h *= 0.5
        y = 2.0 * twice - full
        t += h
        h = min(0.25, 2.0 * h)
        if t + h > 1.0:
            h = 1.0 - t
    return y


# --- values that vary in some of the loops around them only ----------------------------------------------------------


@entry(args=lambda rng: (rng.normal(size=4), rng.normal(size=4), 3))
def pair_forces(p, v, steps):
    """Positions change between the steps and are read for each pair within one."""
    a = np.empty_like(p)
    for _ in range(steps):
        for i in range(p.size):
            a[i] = 0.0
            for j in range(p.size):
                d = p[j] - p[i]
                a[i] += d / (d * d + 0.5) ** 1.5
        for i in range(p.size):
            v[i] += 0.1 * a[i]
            p[i] += 0.1 * v[i]
    return np.sum(p * p) + np.sum(v * v)


@entry(args=lambda rng: (rng.normal(size=3), rng.normal(size=4), 2))
def pairs_in_three_loops(x, y, steps):
    total = 0.0
    for _ in range(steps):
        for i in range(x.size):
            for j in range(y.size):
                for k in range(x.size):
                    total += math.exp(0.1 * x[k] * y[j]) * x[i] * (total + 1.0) * 0.01
        for j in range(y.size):
            y[j] = y[j] * y[j] + 0.1 * total
    return total


@entry(args=lambda rng: (np.array([0.4, -0.3, 0.9, -1.2]), np.array([0.3, 0.2, -0.4])))
def pairs_of_some(x, y):
    """The inner loop runs for some rows, and in it some columns count."""
    total = 1.0
    for i in range(x.size):
        if x[i] > 0.0:
            for j in range(y.size):
                if y[j] * total > 0.1:
                    total += np.sin(y[j] * y[j]) * x[i] * total
        y[0] *= 1.0 + x[i] * x[i]
    return total


@entry(args=lambda rng: (rng.normal(size=(2, 4)), 3))
def pairs_of_swapped_rows(x, steps):
    """What is read changes from row to row, by the exchange of the two arrays alone."""
    a, b = x[0].copy(), x[1].copy()
    total = 0.0
    for _ in range(steps):
        for j in range(a.size):
            total += a[j] * a[j] * b[j]
        a, b = b, a
        a[0] *= total
    return total


@entry(args=lambda rng: (rng.normal(size=5), 0.3))
def pairs_written_between(x, c):
    """Each row writes one of the places that the next row reads."""
    total = 0.0
    for i in range(x.size):
        for j in range(x.size):
            total += x[j] * x[j] * c
        x[(i + 2) % x.size] = np.sin(total)
    return total


@entry(args=lambda rng: (rng.normal(size=4), -3))
def rows_of_no_length(x, n):
    """The inner loop never runs: its trip count is no number that makes sense."""
    total = 0.0
    for i in range(x.size):
        j = 0
        while j < n:
            total += x[j] * x[j] * x[j]
            j += 1
        k = n
        while k > 0:
            total += x[k] * x[k]
            k -= 1
        total += x[i] * x[i]
    return total


# --- stencils: loads of neighbours, whose adjoints are added row by row ----------------------------------------------


@entry(args=lambda rng: (rng.normal(size=7), 3))
def smoothed_between_two_buffers(x, steps):
    a, b = x.copy(), x.copy()
    for _ in range(steps):
        for i in range(1, a.size - 1):
            b[i] = a[i] + 0.2 * (a[i - 1] - 2.0 * a[i] + a[i + 1]) * a[i]
        a, b = b, a
    return np.sum(a * a)


@entry(args=lambda rng: (rng.normal(size=(5, 6)), 2))
def heat_on_a_plate(u, steps):
    a, b = u.copy(), u.copy()
    for _ in range(steps):
        for i in range(1, a.shape[0] - 1):
            for j in range(1, a.shape[1] - 1):
                b[i, j] = a[i, j] + 0.2 * (a[i - 1, j] + a[i + 1, j] + a[i, j - 1] + a[i, j + 1] - 4.0 * a[i, j])
        a, b = b, a
    return np.sum(a * a * a)


@entry(args=lambda rng: (rng.normal(size=6), 2))
def smoothed_in_place(x, steps):
    """What one iteration writes the next one reads: nothing can be put off."""
    for _ in range(steps):
        for i in range(1, x.size - 1):
            x[i] = 0.5 * x[i] * x[i - 1] + 0.25 * (x[i - 1] + x[i + 1])
    return x


@entry(args=lambda rng: (rng.normal(size=6), 4))
def buffers_that_become_one(x, steps):
    """From the third step on both names stand for one array."""
    a, b = x.copy(), x.copy()
    for t in range(steps):
        for i in range(1, a.size - 1):
            b[i] = a[i] * a[i] + 0.3 * (a[i - 1] + a[i + 1])
        if t < 2:
            a, b = b, a
        else:
            a = b
    return np.sum(a) + b[2] * b[3]


@entry(args=lambda rng: (rng.normal(size=9), 3))
def rotated_buffers(x, steps):
    a, b, c = x.copy(), np.sin(x), np.zeros_like(x)
    for _ in range(steps):
        for i in range(2, a.size - 2):
            c[i] = 2.0 * b[i] - a[i] + 0.1 * (b[i - 2] + b[i - 1] + b[i + 1] + b[i + 2]) * b[i]
        a, b, c = b, c, a
    return np.sum(b * b)


@entry(args=lambda rng: (rng.normal(size=8), rng.normal(size=3)))
def filtered(x, w):
    """Rows that shrink to nothing, and loads at the same place."""
    total = 0.0
    for k in range(x.size):
        for i in range(k, x.size - 2):
            total += w[0] * x[i] * x[i] + w[1] * x[i + 1] + w[2] * x[i + 2] * x[i]
    return total


@entry(args=lambda rng: (rng.normal(size=8), 0.2))
def upwind(u, c):
    """Loads that some iterations leave out, beside loads of all."""
    new = np.zeros_like(u)
    for i in range(1, u.size - 1):
        flow = u[i] * (u[i + 1] - u[i - 1])
        if u[i] > 0.0:
            flow += u[i] * (u[i] - u[i - 1])
        else:
            flow -= max(u[i + 1], u[i]) * u[i]
        new[i] = u[i] - c * flow
    return new
