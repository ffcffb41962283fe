"""Array programs: whole-array expressions, broadcasting, reductions, masks, indices, one to four dimensions."""

import numpy as np

from pool.entry import entry


@entry(args=lambda rng: (rng.normal(size=6), rng.normal(size=6), 1.3))
def saxpy(x, y, a):
    return a * x + y


@entry(args=lambda rng: (rng.normal(size=6), 0.4))
def expression_with_temporaries(x, a):
    y = np.sin(a * x) * np.exp(-x * x) + np.tanh(x) / (1.0 + x**2)
    z = y * y - np.sqrt(1.0 + y * y)
    return np.sum(z * x)


@entry(args=lambda rng: (rng.normal(size=(3, 1)), rng.normal(size=4), 0.3))
def broadcast_rows_and_columns(column, row, a):
    table = column * row + a
    return np.sum(table * table * row)


@entry(args=lambda rng: (rng.normal(size=4), rng.normal(size=3)))
def outer_by_newaxis(x, y):
    table = x[:, None] * y[None, :]
    return table + table * table


@entry(args=lambda rng: (rng.normal(size=(3, 4)), rng.normal(size=4)))
def broadcast_assignment(a, row):
    b = np.empty((3, 4))
    b[:] = row
    b[1] = 0.5
    b[:, 2] += a[:, 1]
    b *= a
    return b


@entry(args=lambda rng: (rng.normal(size=(2, 3, 4)),))
def three_dimensions(a):
    total = 0.0
    for i in range(2):
        for j in range(3):
            for k in range(4):
                total += a[i, j, k] * a[1 - i, j, k - 1]
    return total + np.sum(a[0, :, 1:3] * a[1, :, ::2])


@entry(args=lambda rng: (rng.normal(size=(2, 3, 2, 3)), rng.normal(size=3)))
def four_dimensions(a, x):
    out = np.zeros((2, 2))
    for i in range(2):
        for j in range(3):
            for k in range(2):
                for m in range(3):
                    out[i, k] += a[i, j, k, m] * x[j] * x[m]
    return out


@entry(args=lambda rng: (rng.normal(size=(2, 3, 4)), rng.normal(size=(3, 4))))
def broadcast_three_dimensions(a, b):
    c = a * b
    return np.sum(c[..., 1]) + np.sum(c * c)


@entry(args=lambda rng: (rng.normal(size=7),))
def moments(x):
    return np.mean(x) * np.var(x) + np.std(x)


@entry(args=lambda rng: (rng.normal(size=(3, 4)),))
def reductions_along_axes(a):
    return np.sum(a, axis=0) * a.sum(axis=1)[0] + np.sum(a * a)


@entry(args=lambda rng: (rng.uniform(0.5, 1.5, size=6),))
def products_and_sums(x):
    return np.prod(x) + np.cumsum(x)[3] * x.sum() - np.cumprod(x)[2]


@entry(args=lambda rng: (rng.normal(size=6),))
def cumulative(x):
    return np.cumsum(x * x)


@entry(args=lambda rng: (rng.normal(size=6), rng.normal(size=(2, 3))))
def extreme_elements(x, a):
    return np.max(x) * np.min(x) + x.max() ** 2 + np.amax(a) * np.amin(a)


@entry(args=lambda rng: (rng.normal(size=6),))
def element_at_argmax(x):
    return x[np.argmax(x)] * x[np.argmin(x)] + x.argmax()


@entry(args=lambda rng: (rng.normal(size=6), rng.normal(size=6)))
def elementwise_extremes(x, y):
    return np.sum(np.maximum(x, y) * x - np.minimum(x, 0.3) * np.fmax(y, x * x) + np.fmin(x, y))


@entry(args=lambda rng: (rng.normal(size=6), 0.2))
def selected_by_mask(x, level):
    positive = x[x > level]
    return np.sum(positive * positive) - level * positive.size


@entry(args=lambda rng: (rng.normal(size=6), 0.2))
def where_and_clip(x, a):
    y = np.where(x > a, x * x, a * x)
    return np.sum(np.clip(x, -0.5, 0.5) * y)


@entry(args=lambda rng: (rng.normal(size=6),))
def boolean_reductions(x):
    scale = 2.0 if np.any(x > 0.0) else 1.0
    if np.all(x < 10.0):
        scale += np.count_nonzero(x > 0.5)
    return scale * np.sum(x * (x > -0.5))


@entry(args=lambda rng: (rng.normal(size=6),))
def mask_assignment(x):
    y = x * x
    y[x < 0.0] = 0.0
    y[y > 1.0] = 1.0
    return y * x


@entry(args=lambda rng: (rng.normal(size=5), np.array([4, 0, 0, 2])))
def indexed_by_array(x, index):
    picked = x[index]
    return np.sum(picked * picked * np.arange(1.0, 5.0))


@entry(args=lambda rng: (rng.normal(size=4), np.array([3, 0, 4, 1])))
def assigned_by_array(x, index):
    y = np.ones(5)
    y[index] = x
    return y * y


@entry(args=lambda rng: (rng.normal(size=3), rng.normal(size=4), 0.6))
def concatenated(x, y, a):
    z = np.concatenate((x, a * y, x[:2]))
    return np.sum(z[1:] * z[:-1])


@entry(args=lambda rng: (0.2, 1.7))
def linear_grid(start, stop):
    grid = np.linspace(start, stop, 7)
    return np.sum(np.exp(-grid * grid)) * (grid[1] - grid[0])


@entry(args=lambda rng: (rng.normal(size=6),))
def flipped_and_rolled(x):
    return np.sum(np.flip(x) * np.roll(x, 2) * x)


@entry(args=lambda rng: (rng.normal(size=(3, 4)),), no_layouts="the order of ravel follows the layout it is told")
def ravelled(a):
    flat = a.ravel()
    return np.sum(flat[1:] * flat[:-1])


@entry(args=lambda rng: (rng.normal(size=6),))
def sorted_by_numpy(x):
    y = np.sort(x)
    return np.sum(y * y * np.arange(6.0))


@entry(args=lambda rng: (rng.normal(size=6),))
def ordered_by_argsort(x):
    order = np.argsort(x)
    total = 0.0
    for rank in range(6):
        total += rank * x[order[rank]] ** 2
    return total


@entry(args=lambda rng: (rng.normal(size=6), 0.1))
def updated_in_place(x, rate):
    y = np.zeros_like(x)
    for _ in range(4):
        y += rate * x
        y *= 1.0 - rate
        y -= y * y * rate
        y /= 1.0 + rate
    return y


@entry(args=lambda rng: (rng.normal(size=5), rng.normal(size=5), np.empty(5)), outputs=("out",))
def ufuncs_with_output(x, y, out):
    np.multiply(x, y, out)
    np.add(out, np.exp(x), out)
    np.arctan2(out, x, out)


@entry(args=lambda rng: (rng.normal(size=5), rng.uniform(0.5, 2.0, size=5)))
def elementary_on_arrays(x, y):
    return (
        np.cosh(x) * np.log(y)
        + np.sinh(x) * np.log1p(y)
        + np.arctan(x) * np.expm1(-y)
        + np.hypot(x, y)
        + np.power(y, x)
        + np.cbrt(x)
        + np.log2(y) * np.log10(y)
        + np.exp2(x)
        + np.abs(x) * np.sign(x)
    )


@entry(args=lambda rng: (rng.uniform(-0.9, 0.9, size=5),))
def inverse_functions_on_arrays(x):
    return np.arcsin(x) * np.arccos(x) + np.arctanh(x) - np.arcsinh(x) * np.arccosh(2.0 + x) + np.tan(x) * np.cos(x)


@entry(args=lambda rng: (rng.uniform(0.6, 3.0, size=5) * np.array([1, -1, 1, -1, 1]), 0.83))
def rounding_on_arrays(x, a):
    return np.floor(x) * x + np.ceil(x * a) * a + np.rint(x) * x - np.trunc(x) * a + np.fmod(x, a) + x % a


@entry(args=lambda rng: (rng.normal(size=(4, 3)), np.array([0, 2, 1, 1])))
def softmax_cross_entropy(logits, labels):
    loss = 0.0
    for i in range(logits.shape[0]):
        row = logits[i]
        top = np.max(row)
        loss += top + np.log(np.sum(np.exp(row - top))) - row[labels[i]]
    return loss / logits.shape[0]


@entry(args=lambda rng: (rng.normal(size=6) * 30.0,))
def log_sum_exp(x):
    top = x.max()
    return top + np.log(np.sum(np.exp(x - top)))


@entry(args=lambda rng: (rng.normal(size=(5, 5)), rng.normal(size=(3, 3))))
def convolved_image(image, kernel):
    out = np.zeros((3, 3))
    for i in range(3):
        for j in range(3):
            out[i, j] = np.sum(image[i : i + 3, j : j + 3] * kernel)
    return out


@entry(args=lambda rng: (rng.normal(size=(4, 5)), 1.3, 2.6))
def bilinear_interpolation(grid, row, column):
    i, j = int(np.floor(row)), int(np.floor(column))
    u, v = row - i, column - j
    lower = (1.0 - v) * grid[i, j] + v * grid[i, j + 1]
    upper = (1.0 - v) * grid[i + 1, j] + v * grid[i + 1, j + 1]
    return (1.0 - u) * lower + u * upper


@entry(args=lambda rng: (rng.normal(size=6), np.linspace(-2.0, 2.0, 5)))
def smooth_histogram(x, centres):
    """Gaussian weights instead of bins."""
    weights = np.zeros(len(centres))
    for i in range(len(x)):
        w = np.exp(-((x[i] - centres) ** 2))
        weights += w / np.sum(w)
    return weights


@entry(args=lambda rng: (rng.normal(size=5),), no_layouts="contiguous memory is asked for")
def contiguous_copy(x):
    y = np.ascontiguousarray(x)
    z = np.asarray(y) * 2.0
    return np.sum(z * y) + y[0]


@entry(args=lambda rng: (rng.normal(size=(3, 4)),))
def iterated_elements(a):
    total = 0.0
    for i, j in np.ndindex(a.shape):
        total += a[i, j] * (i + j)
    for index, v in np.ndenumerate(a):
        total += v * v * index[1]
    return total


@entry(args=lambda rng: (rng.normal(size=6),))
def median_and_range(x):
    return np.median(x) * np.ptp(x)


@entry(args=lambda rng: (rng.normal(size=6), rng.uniform(0.1, 1.0, size=6)))
def trapezoidal_rule(y, widths):
    x = np.cumsum(widths)
    return np.trapezoid(y * y, x)


@entry(args=lambda rng: (rng.normal(size=6),), no_layouts="np.diff of Numba needs contiguous memory")
def second_differences(x):
    return np.diff(x)[1:] * np.diff(x)[:-1]


@entry(args=lambda rng: (rng.normal(size=3), rng.normal(size=3)))
def cross_product(a, b):
    c = np.cross(a, b)
    return c * np.sum(a)


@entry(args=lambda rng: (rng.normal(size=4), rng.normal(size=4)))
def stacked(x, y):
    table = np.vstack((x, y))
    wide = np.stack((x, y), axis=1)
    return table[1] * wide[:, 0]


@entry(args=lambda rng: (rng.normal(size=4),))
def diagonal_matrix(x):
    d = np.diag(x)
    return np.sum(d @ d) + np.trace(d) * d[1, 1]
