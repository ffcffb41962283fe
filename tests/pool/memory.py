"""Memory: read, overwritten, updated in place, swapped, viewed, allocated on some paths only."""

import math

import numpy as np

from pool.entry import entry


@entry(args=lambda rng: (rng.normal(size=5),))
def squared_in_place(x):
    for i in range(len(x)):
        x[i] = x[i] * x[i]
    total = 0.0
    for i in range(len(x)):
        total += x[i] * (i + 1)
    return total


@entry(args=lambda rng: (rng.normal(size=6),))
def prefix_sum_in_place(x):
    for i in range(1, len(x)):
        x[i] += x[i - 1] * x[i]
    return x[-1]


@entry(args=lambda rng: (rng.normal(size=4), 1.7))
def overwritten_by_constant(x, a):
    """Entry 1 is read first, then overwritten: only the first read counts."""
    before = x[1] * x[1]
    x[1] = 2.0
    x[2] = a
    return before + x[0] * x[1] * x[2] * x[3]


@entry(args=lambda rng: (rng.normal(size=5), 0.4))
def local_buffer(x, a):
    n = len(x)
    work = np.empty(n)
    for i in range(n):
        work[i] = math.sin(a * x[i])
    total = 0.0
    for i in range(n):
        total += work[i] * work[n - 1 - i]
    return total


@entry(args=lambda rng: (rng.normal(size=5),))
def zeros_ones_full(x):
    a, b, c = np.zeros(5), np.ones(5), np.full(5, 2.5)
    d, e = np.zeros_like(x), np.empty_like(x)
    for i in range(5):
        a[i] += x[i]
        b[i] *= x[i] + 1.0
        c[i] -= x[i]
        d[i] -= x[i] * c[i]
        e[i] = a[i] * b[i]
    return np.sum(a * b * c + d * e)


@entry(args=lambda rng: (rng.normal(size=6), 5))
def two_buffers_swapped(x, steps):
    u = x.copy()
    w = np.zeros_like(x)
    for _ in range(steps):
        for i in range(len(x)):
            w[i] = u[i] * u[i] * 0.5 + u[i - 1]
        u, w = w, u
    return u[0] * u[2] + w[1]


@entry(args=lambda rng: (rng.normal(size=5), rng.normal(size=5), 7))
def three_buffers_rotating(x, y, steps):
    a, b, c = x.copy(), y.copy(), np.zeros_like(x)
    for _ in range(steps):
        for i in range(len(x)):
            c[i] = math.sin(b[i]) - 0.5 * a[i - 1] * b[i]
        a, b, c = b, c, a
    return np.sum(a * b) + c[0]


@entry(args=lambda rng: (rng.normal(size=4), rng.normal(size=4), 3))
def arguments_swapped(x, y, steps):
    """The caller's own arrays are the buffers."""
    for _ in range(steps):
        for i in range(len(x)):
            y[i] = x[i] * x[i] - y[i]
        x, y = y, x
    return np.sum(x) + 2.0 * np.sum(y)


@entry(args=lambda rng: (rng.normal(size=(4, 3)),))
def scratch_reused(a):
    """One local array, refilled for each row."""
    scratch = np.zeros(3)
    total = 0.0
    for i in range(a.shape[0]):
        for j in range(3):
            scratch[j] = a[i, j] * a[i, j]
        for j in range(3):
            total += scratch[j] * scratch[(j + 1) % 3]
    return total


@entry(args=lambda rng: (rng.normal(size=5), np.array([1, 3, 0, 2, 4])))
def allocated_in_loop(x, sizes):
    total = 0.0
    for i in range(len(x)):
        part = np.ones(sizes[i])
        for j in range(len(part)):
            part[j] = x[i] * x[j] + part[j]
        total += np.sum(part * part)
    return total


@entry(args=lambda rng: (rng.normal(size=5), 0.7))
def allocated_sometimes(x, c):
    total = 0.0
    if c > 0.5:
        y = np.empty_like(x)
        for i in range(5):
            y[i] = x[i] * c
    else:
        y = x
    for i in range(5):
        total += y[i] * y[i] * x[i]
    return total


@entry(args=lambda rng: (rng.normal(size=7),))
def slices_read(x):
    left, right = x[:-1], x[1:]
    total = 0.0
    for i in range(len(left)):
        total += (right[i] - left[i]) ** 2
    return total + x[2:5].sum() * x[::3].sum()


@entry(args=lambda rng: (rng.normal(size=8), 0.3))
def slices_written(x, a):
    y = x.copy()
    y[1:-1] = y[:-2] * a + y[2:]
    y[::2] *= 2.0
    y[3:5] = a
    return np.sum(y * y)


@entry(args=lambda rng: (rng.normal(size=6),))
def view_written_base_read(x):
    y = np.zeros(6)
    tail = y[2:]
    for i in range(4):
        tail[i] = x[i] * x[i + 1]
    y[3] *= 2.0
    return np.sum(y * x) + tail[1] * tail[0]


@entry(args=lambda rng: (rng.normal(size=6),))
def base_written_view_read(x):
    y = x.copy()
    backwards = y[::-1]
    y[0] = y[5] * y[1]
    total = 0.0
    for i in range(len(backwards)):
        total += backwards[i] * (i + 1) * x[i]
    return total


@entry(args=lambda rng: (rng.normal(size=6),))
def reversed_onto_itself(x):
    """Source and target overlap: Numba copies through a temporary."""
    x[:] = x[::-1]
    return x[0] * x[0] + 3.0 * x[1] * x[5]


@entry(args=lambda rng: (rng.normal(size=6),))
def shifted_onto_itself(x):
    x[1:] = x[:-1]
    return np.sum(x * x * np.arange(1.0, 7.0))


@entry(args=lambda rng: (rng.normal(size=12),), no_layouts="reshape needs contiguous memory")
def reshaped(x):
    a = x.reshape(3, 4)
    b = a.T
    total = 0.0
    for i in range(4):
        for j in range(3):
            total += b[i, j] * x[i * 3 + j]
    return total + np.sum(a.reshape(2, 6)[1] * x[:6])


@entry(args=lambda rng: (rng.normal(size=(3, 4)),))
def transposed_written(a):
    b = a.copy()
    c = b.T
    for i in range(4):
        c[i, 0] = c[i, 1] * c[i, 2]
    return np.sum(b * a)


@entry(args=lambda rng: (rng.normal(size=(3, 4)),))
def rows_and_columns(a):
    total = 0.0
    for i in range(3):
        row = a[i]
        column = a[:, i]
        total += row[3] * column[0] + np.sum(row[:3] * column)
    return total


@entry(args=lambda rng: (rng.normal(size=6),))
def insertion_sort(x):
    """A permutation found by comparing; its derivative is the permutation."""
    y = x.copy()
    for i in range(1, len(y)):
        key = y[i]
        j = i - 1
        while j >= 0 and y[j] > key:
            y[j + 1] = y[j]
            j -= 1
        y[j + 1] = key
    total = 0.0
    for i in range(len(y)):
        total += y[i] * y[i] * i
    return total


@entry(args=lambda rng: (rng.normal(size=6),))
def elements_swapped(x):
    y = x.copy()
    for i in range(5):
        y[i], y[i + 1] = y[i + 1], y[i] * y[i + 1]
    return np.sum(y * np.arange(6))


@entry(args=lambda rng: (rng.normal(size=7), np.array([0, 2, 1, 2, 2, 0, 1])))
def scatter_add(x, bins):
    counts = np.zeros(3)
    for i in range(len(x)):
        counts[bins[i]] += x[i] * x[i]
    return counts[0] * counts[1] - counts[2] ** 2


@entry(args=lambda rng: (rng.normal(size=5), np.array([4, 0, 0, 2, -1, 3])))
def gather(x, index):
    total = 0.0
    for i in range(len(index)):
        total = total * 0.5 + x[index[i]] ** 2
    return total


@entry(args=lambda rng: (rng.normal(size=9), 0.6))
def ring_buffer(x, decay):
    ring = np.zeros(4)
    total = 0.0
    for i in range(len(x)):
        old = ring[i % 4]
        ring[i % 4] = x[i] + decay * old
        total += ring[i % 4] * old + ring[(i + 1) % 4]
    return total


@entry(args=lambda rng: (np.array([0, 1, 9, 2, 8, 0, 8]), rng.normal(size=3)))
def stack_machine(program, x):
    """Values pushed and popped: 0..2 push x[code], 8 multiplies, 9 adds."""
    stack = np.empty(8)
    top = 0
    for code in program:
        if code == 8:
            stack[top - 2] = stack[top - 2] * stack[top - 1]
            top -= 1
        elif code == 9:
            stack[top - 2] += stack[top - 1]
            top -= 1
        else:
            stack[top] = x[code]
            top += 1
    return stack[top - 1] * stack[0]


@entry(args=lambda rng: (rng.normal(size=5), rng.normal(size=5)))
def copied_then_changed(x, y):
    """The copy keeps what the original loses."""
    kept = x.copy()
    x[:] = y
    y[:] = 1.0
    return np.sum(kept * x) + np.sum(y) + x[0] * x[0]


@entry(args=lambda rng: (rng.normal(size=5), rng.normal(size=5), 0.8), outputs=("out",))
def accumulated_into_output(x, out, a):
    for i in range(len(x)):
        out[i] += a * x[i] * x[i]


@entry(args=lambda rng: (rng.normal(size=5), np.zeros(5)), outputs=("out",))
def overwritten_output(x, out):
    for i in range(len(x)):
        out[i] = math.exp(x[i]) * x[i - 1]


@entry(args=lambda rng: (rng.normal(size=5), np.zeros(3), np.zeros(())), outputs=("out", "norm"))
def two_outputs(x, out, norm):
    norm[()] = 0.0
    for i in range(3):
        out[i] = x[i] * x[i + 2]
        norm[()] += out[i] ** 2


@entry(args=lambda rng: (rng.normal(size=5), np.zeros(5)), diff=("x",))
def constant_scratch(x, scratch):
    """A float argument outside `diff` into which active data is written and read back."""
    for i in range(len(x)):
        scratch[i] = x[i] * x[i]
    total = 0.0
    for i in range(len(x)):
        total += scratch[i] * scratch[i - 1]
    return total


@entry(args=lambda rng: (rng.normal(size=5),))
def fill_and_flat(x):
    y = np.empty((2, 5))
    y.fill(0.5)
    y[1] = x
    y[0, 1:3] = x[2]
    total = 0.0
    for v in y.flat:
        total = 0.9 * total + v * v
    return total


@entry(args=lambda rng: (rng.normal(size=(3, 4)),))
def local_matrix(a):
    """A two-dimensional local array read across its rows."""
    b = np.zeros((4, 3))
    for i in range(3):
        for j in range(4):
            b[j, i] = a[i, j] * a[i, j - 1]
    total = 0.0
    for j in range(3):
        total += b[j, 0] * b[j + 1, 2]
    return total


@entry(args=lambda rng: (rng.normal(size=4), rng.normal(size=3), np.array([2, 0, 1])))
def kept_in_a_counted_loop(x, a, places):
    """Each iteration keeps numbers, an integer, a condition and the addresses of two arrays; one of them moves on."""
    state = np.sin(x)
    for t in range(a.size):
        fresh = np.empty_like(x)
        k = places[t]
        for i in range(x.size):
            fresh[i] = state[i] * state[k] + a[k] * x[i]
        if fresh[k] > 0.1:
            fresh[k] *= np.exp(-a[t])
        state = fresh
    return state[0] * state[1] + state[2]


@entry(args=lambda rng: (rng.normal(size=(3, 4)), 0.8))
def addresses_in_nested_counted_loops(x, a):
    total = 0.0
    for i in range(x.shape[0]):
        row = x[i] * a
        for j in range(2):
            other = np.cos(row) if j == 0 else row
            for k in range(other.size):
                total += other[k] * math.exp(row[k] * total * 0.1)
            row = other * other
    return total
